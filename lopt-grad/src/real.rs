//! The scalars a tape computes with.

use core::ops::AddAssign;

use crate::arithmetic::Arithmetic;
use crate::dual::Dual;
use crate::kernel::{
    LevelDispatch, PlainDispatch, Task, large_dual_product, large_product, wide_function,
};
use crate::lanes::F32x16;

/// A scalar of differentiation: `f32`, `f64`, [`F32x16`], and [`Dual`] of each.
///
/// Elementary functions come from [`Arithmetic`]. Code generic over `Real` is written once and
/// runs on one number, on sixteen problem instances side by side, or on either with a tangent.
pub trait Real: Arithmetic + AddAssign + Default + Send + Sync + 'static {
    /// Number of lanes: 1 or 16.
    const LANES: usize;

    /// The number `x` in every lane, tangent zero.
    fn from_f64(x: f64) -> Self;

    /// The number `x` in every lane, tangent zero.
    fn from_f32(x: f32) -> Self {
        Self::from_f64(f64::from(x))
    }

    /// The scalar whose lane `i` is `f(i)`, tangent zero.
    fn from_lanes(f: impl FnMut(usize) -> f32) -> Self;

    /// The value (of a dual: without its tangent) in lane `i`.
    fn lane(self, i: usize) -> f64;

    /// Whether the tangent, if there is one, is zero in every lane.
    fn is_still(&self) -> bool {
        true
    }

    /// Whether the value and the tangent are zero in every lane.
    fn is_zero(&self) -> bool;

    /// Runs one of the crate's kernels on slices of `Self`.
    fn execute(task: Task<'_, Self>);

    /// Runs one of the crate's kernels on slices of `Dual<Self>`.
    fn execute_dual(task: Task<'_, Dual<Self>>);
}

macro_rules! float_real {
    ($(#[$codegen:meta])? $float:ident, $wide:expr) => {
        #[allow(trivial_numeric_casts, reason = "one of the two floats is f64 already")]
        impl Real for $float {
            const LANES: usize = 1;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as Self
            }
            #[inline(always)]
            fn from_lanes(mut f: impl FnMut(usize) -> f32) -> Self {
                Self::from(f(0))
            }
            #[inline(always)]
            fn lane(self, _: usize) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_zero(&self) -> bool {
                *self == 0.0
            }
            $(#[$codegen])?
            fn execute(task: Task<'_, Self>) {
                if let Some(task) = large_product(task).and_then($wide) {
                    task.run(LevelDispatch);
                }
            }
            $(#[$codegen])?
            fn execute_dual(task: Task<'_, Dual<Self>>) {
                if let Some(task) = large_dual_product(task) {
                    task.run(LevelDispatch);
                }
            }
        }
    };
}

float_real!(f32, wide_function);
// The functions of the lanes have single precision. Inline, so that only crates that use doubles compile the kernels.
float_real!(
    #[inline]
    f64,
    Some
);

impl Real for F32x16 {
    const LANES: usize = 16;
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::splat(x as f32)
    }
    #[inline(always)]
    fn from_lanes(f: impl FnMut(usize) -> f32) -> Self {
        Self(core::array::from_fn(f))
    }
    #[inline(always)]
    fn lane(self, i: usize) -> f64 {
        f64::from(self.0[i])
    }
    #[inline(always)]
    fn is_zero(&self) -> bool {
        // Without an early exit, so that it becomes one comparison.
        self.0.iter().fold(true, |zero, x| zero & (*x == 0.0))
    }
    fn execute(task: Task<'_, Self>) {
        task.run(LevelDispatch);
    }
    fn execute_dual(task: Task<'_, Dual<Self>>) {
        task.run(LevelDispatch);
    }
}

impl<R: Real> Real for Dual<R> {
    const LANES: usize = R::LANES;
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self { re: R::from_f64(x), eps: R::default() }
    }
    #[inline(always)]
    fn from_lanes(f: impl FnMut(usize) -> f32) -> Self {
        Self { re: R::from_lanes(f), eps: R::default() }
    }
    #[inline(always)]
    fn lane(self, i: usize) -> f64 {
        self.re.lane(i)
    }
    #[inline(always)]
    fn is_still(&self) -> bool {
        self.eps.is_zero() && self.re.is_still()
    }
    #[inline(always)]
    fn is_zero(&self) -> bool {
        self.re.is_zero() && self.eps.is_zero()
    }
    fn execute(task: Task<'_, Self>) {
        R::execute_dual(task);
    }
    fn execute_dual(task: Task<'_, Dual<Self>>) {
        task.run(PlainDispatch);
    }
}
