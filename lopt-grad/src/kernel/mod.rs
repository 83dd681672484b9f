//! Loops over slices, written once over registers and compiled for every SIMD level.
//!
//! A [`Kernel`] reads and writes values of type `R` in memory and computes in registers chosen by
//! [`Registers`]: for `f32` and `f64` the number itself, for [`F32x16`] the
//! widest register group of the CPU, for duals a pair of those. A [`Task`] lists all kernels, so
//! that each scalar type compiles them once, in this crate.

mod broadcast;
mod dense;
mod dispatch;
mod elementwise;
mod linear;
mod lstm;
mod matmul;
mod pool;
mod product;
mod reduce;
mod softmax;
mod strided;
mod wide;

use lopt_simd::Lanes;

use crate::arithmetic::Arithmetic;
use crate::dual::Dual;
use crate::lanes::{F32x16, Pack};

pub(crate) use broadcast::{Binary, BinaryAdjoint, BinaryForward, Loops, Side};
pub(crate) use dense::{large_dual_product, large_product};
pub(crate) use dispatch::{Dispatch, LevelDispatch, PlainDispatch};
pub(crate) use elementwise::{Unary, UnaryAdjoint, UnaryForward};
pub(crate) use linear::{SpdBackward, SpdForward};
pub(crate) use lstm::{LstmAdjoint, LstmForward};
pub(crate) use matmul::{MatMul, MatMulShape, Still};
pub(crate) use pool::{Pool, PoolAdjoint, PoolForward};
pub(crate) use product::{Axpy, Dot};
pub(crate) use reduce::{Extremum, ExtremumAdjoint, ExtremumForward, Sum, SumAdjoint};
pub(crate) use softmax::{RowAdjoint, RowForward, RowFunction};
pub(crate) use strided::{Add, AddRows, Patch, PatchAdd, StridedAdd};
pub(crate) use wide::wide_function;

/// How values of type `R` are brought into registers.
pub(crate) trait Registers<R>: Copy {
    /// What is computed with.
    type Register: Arithmetic;
    /// How many accumulators of one kernel fit beside its operands.
    const ACCUMULATORS: usize;
    /// Whether the values have tangents.
    const TANGENTS: bool;
    fn load(self, x: &R) -> Self::Register;
    /// Loads a value known to have tangent zero.
    fn load_still(self, x: &R) -> Self::Register;
    fn store(self, x: Self::Register) -> R;
    fn constant(self, x: f64) -> Self::Register;
}

/// A loop over slices of `R`; `run` and all it calls must be `inline(always)`.
pub(crate) trait Kernel<R> {
    fn run<C: Registers<R>>(self, c: C);
}

/// The value itself is the register.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl<R: Arithmetic + Default> Registers<R> for Plain {
    type Register = R;
    const ACCUMULATORS: usize = 8;
    const TANGENTS: bool = false;
    #[inline(always)]
    fn load(self, x: &R) -> R {
        *x
    }
    #[inline(always)]
    fn load_still(self, x: &R) -> R {
        *x
    }
    #[inline(always)]
    fn store(self, x: R) -> R {
        x
    }
    #[inline(always)]
    fn constant(self, x: f64) -> R {
        R::default().constant(x)
    }
}

/// Sixteen lanes in the registers of one level.
#[derive(Clone, Copy)]
pub(crate) struct Packs<T>(pub(crate) T);

impl<T: Lanes> Registers<F32x16> for Packs<T> {
    type Register = Pack<T>;
    const ACCUMULATORS: usize = T::ACCUMULATORS;
    const TANGENTS: bool = false;
    #[inline(always)]
    fn load(self, x: &F32x16) -> Pack<T> {
        Pack::load(self.0, &x.0)
    }
    #[inline(always)]
    fn load_still(self, x: &F32x16) -> Pack<T> {
        self.load(x)
    }
    #[inline(always)]
    fn store(self, x: Pack<T>) -> F32x16 {
        F32x16(x.store())
    }
    #[inline(always)]
    fn constant(self, x: f64) -> Pack<T> {
        Pack::splat(self.0, x as f32)
    }
}

/// A pair of registers for a dual.
#[derive(Clone, Copy)]
pub(crate) struct Lifted<C>(pub(crate) C);

impl<R, C: Registers<R>> Registers<Dual<R>> for Lifted<C> {
    type Register = Dual<C::Register>;
    const ACCUMULATORS: usize = C::ACCUMULATORS / 2;
    const TANGENTS: bool = true;
    #[inline(always)]
    fn load(self, x: &Dual<R>) -> Dual<C::Register> {
        Dual { re: self.0.load(&x.re), eps: self.0.load(&x.eps) }
    }
    #[inline(always)]
    fn load_still(self, x: &Dual<R>) -> Dual<C::Register> {
        Dual { re: self.0.load(&x.re), eps: self.0.constant(0.0) }
    }
    #[inline(always)]
    fn store(self, x: Dual<C::Register>) -> Dual<R> {
        Dual { re: self.0.store(x.re), eps: self.0.store(x.eps) }
    }
    #[inline(always)]
    fn constant(self, x: f64) -> Dual<C::Register> {
        Dual { re: self.0.constant(x), eps: self.0.constant(0.0) }
    }
}

macro_rules! tasks {
    ($($kernel:ident),* $(,)?) => {
        /// One call of one kernel; see `Real::execute`.
        pub(crate) enum Kind<'a, R> {
            $($kernel($kernel<'a, R>),)*
        }

        $(impl<'a, R> From<$kernel<'a, R>> for Task<'a, R> {
            #[inline]
            fn from(kernel: $kernel<'a, R>) -> Self {
                Self(Kind::$kernel(kernel))
            }
        })*

        impl<R: Arithmetic> Task<'_, R> {
            /// Runs the kernel where `dispatch` decides.
            #[inline]
            pub(crate) fn run(self, dispatch: impl Dispatch<R>) {
                match self.0 {
                    $(Kind::$kernel(kernel) => dispatch.dispatch(kernel),)*
                }
            }
        }
    };
}

/// A call of one of the crate's kernels on slices of `R`; made by the tape, run by
/// [`Real::execute`](crate::Real::execute).
pub struct Task<'a, R>(pub(crate) Kind<'a, R>);

impl<R> core::fmt::Debug for Task<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}

tasks!(
    Add,
    AddRows,
    Axpy,
    BinaryAdjoint,
    BinaryForward,
    Dot,
    ExtremumAdjoint,
    ExtremumForward,
    LstmAdjoint,
    LstmForward,
    MatMul,
    PatchAdd,
    PoolAdjoint,
    PoolForward,
    RowAdjoint,
    RowForward,
    SpdBackward,
    SpdForward,
    StridedAdd,
    Sum,
    SumAdjoint,
    UnaryAdjoint,
    UnaryForward,
);
