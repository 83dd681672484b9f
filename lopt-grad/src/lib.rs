//! Exact gradients and Hessian-vector products, generic over the scalar.
//!
//! A loss is written once, as a function of tensors on a [`Tape`]. What the tape computes with is
//! its scalar, any [`Real`]:
//!
//! | scalar | what comes out |
//! |---|---|
//! | `f32`, `f64` | a value, and by [`Tape::backward`] its gradient |
//! | [`F32x16`] | the same for sixteen instances of the problem at once, one per SIMD lane |
//! | [`Dual`] of any of these | additionally the derivative of all that along one direction |
//!
//! # Example
//!
//! ```
//! use lopt_grad::{Real, ScalarFn, Tape, Var, gradient, hessian_vector_product};
//!
//! /// `(1 - x)^2 + 100 (y - x^2)^2`
//! struct Rosenbrock;
//!
//! impl ScalarFn for Rosenbrock {
//!     fn eval<'t, R: Real>(&self, _: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
//!         let (x, y) = (x[0].slice(0, 0, 1), x[0].slice(0, 1, 1));
//!         (1.0 - x).square() + 100.0 * (y - x.square()).square()
//!     }
//! }
//!
//! let (value, g) = gradient(&Rosenbrock, &[&[2]], &[-1.0, 2.0]);
//! assert_eq!(value, 104.0);
//! assert_eq!(g, [396.0, 200.0]);
//!
//! // The first column of the Hessian, without the others.
//! let (_, _, hv) = hessian_vector_product(&Rosenbrock, &[&[2]], &[-1.0, 2.0], &[1.0, 0.0]);
//! assert_eq!(hv, [402.0, 400.0]);
//! ```
//!
//! # Forward over reverse
//!
//! The gradient takes one sweep back over the tape, whatever the number of parameters. Its
//! derivative along a direction `v` is `H v`. That could be had by taping the sweep and sweeping
//! again (reverse over reverse), which needs a second, longer tape and an adjoint for every
//! pullback. Here it is had by running the same sweep on dual numbers `x + e v`: every pullback,
//! being written in the tape's scalar, carries its own tangent along, and the `e` part of the
//! gradient is `H v`. There is no second-order code, memory doubles and no more, and a rule that
//! gives right gradients gives right Hessian-vector products.
//!
//! Meta-training needs one such product for every step of an unrolled optimizer, of many small
//! problems. Hence the other half of the design: the tape is an arena that
//! [allocates nothing](Tape::clear) once warm, and a scalar may be sixteen problem instances wide,
//! computed with the widest instructions the CPU has ([`Level`]), whatever the build's target.
//!
//! # In this crate
//!
//! [`Arithmetic`] is what one scalar or register can do, [`Real`] what a tape needs of it.
//! [`Var`] has the operations; [`Operation`] lists them. NaN in a value goes through all of them.
//! Shapes have at most four axes ([`MAX_RANK`]); a scalar has shape `[1]`. Shapes that do not fit
//! are errors of the caller and panic. [`check`] compares with finite differences.

mod arena;
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
pub use lanes::F32x16;
pub use lopt_simd::{Level, fix_level};
pub use ops::Operation;
pub use real::Real;
pub use shape::{MAX_RANK, Shape};
pub use tape::Tape;
pub use var::Var;
