//! Exact gradients and Hessian-vector products, generic over the scalar.

mod arithmetic;
pub mod check;
mod dual;
mod gradient;
mod kernel;
mod lanes;
mod ops;
mod real;
mod shape;
mod tape;
mod var;

pub use arithmetic::Arithmetic;
pub use dual::Dual;
pub use gradient::{ScalarFn, gradient, hessian_vector_product};
pub use kernel::Task;
pub use lanes::{F32x16, Level, force_level};
pub use ops::Operation;
pub use real::Real;
pub use shape::{MAX_RANK, Shape};
pub use tape::Tape;
pub use var::Var;
