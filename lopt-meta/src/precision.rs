//! The two number types of an unroll: 16 `f32` instances, or one exact `f64` instance.

use lopt_core::engine::Engine;
use lopt_core::simd::Level;
use lopt_grad::{Dual, F32x16};
use lopt_problems::Scalar;

/// Ties the kernels' element type to the scalar the problems are evaluated in.
pub trait Precision: Copy + Send + Sync + 'static {
    /// Element of the kernels.
    type E: Engine;
    /// Scalar of the tape: all lanes at once.
    type R: Scalar;
    /// The same with a tangent.
    type D: Scalar;
    /// Lanes.
    const LANES: usize;
    /// SIMD level of the kernels.
    fn level(self) -> Level;
    /// One scalar from its lanes.
    fn gather(lanes: &[Self::E]) -> Self::R;
    /// One dual scalar from the lanes of value and tangent.
    fn gather_dual(value: &[Self::E], tangent: &[Self::E]) -> Self::D;
    /// Writes the lanes of a scalar.
    fn scatter(x: Self::R, lanes: &mut [Self::E]);
    /// The tangent of a dual scalar, lane by lane.
    fn scatter_tangent(x: Self::D, lanes: &mut [Self::E]);
}

/// 16 instances side by side on a SIMD level.
#[derive(Clone, Copy, Debug)]
pub struct Single(pub Level);

impl Precision for Single {
    type E = f32;
    type R = F32x16;
    type D = Dual<F32x16>;
    const LANES: usize = 16;

    fn level(self) -> Level {
        self.0
    }
    #[inline]
    fn gather(lanes: &[f32]) -> F32x16 {
        let mut x = F32x16::splat(0.0);
        x.0.copy_from_slice(lanes);
        x
    }
    #[inline]
    fn gather_dual(value: &[f32], tangent: &[f32]) -> Dual<F32x16> {
        Dual { re: Self::gather(value), eps: Self::gather(tangent) }
    }
    #[inline]
    fn scatter(x: F32x16, lanes: &mut [f32]) {
        lanes.copy_from_slice(&x.0);
    }
    #[inline]
    fn scatter_tangent(x: Dual<F32x16>, lanes: &mut [f32]) {
        lanes.copy_from_slice(&x.eps.0);
    }
}

/// One instance in double precision, for tests and analysis (feature `exact`).
#[cfg(feature = "exact")]
#[derive(Clone, Copy, Debug)]
pub struct Exact;

#[cfg(feature = "exact")]
impl Precision for Exact {
    type E = f64;
    type R = f64;
    type D = Dual<f64>;
    const LANES: usize = 1;

    fn level(self) -> Level {
        Level::Portable
    }
    fn gather(lanes: &[f64]) -> f64 {
        lanes[0]
    }
    fn gather_dual(value: &[f64], tangent: &[f64]) -> Dual<f64> {
        Dual { re: value[0], eps: tangent[0] }
    }
    fn scatter(x: f64, lanes: &mut [f64]) {
        lanes[0] = x;
    }
    fn scatter_tangent(x: Dual<f64>, lanes: &mut [f64]) {
        lanes[0] = x.eps;
    }
}
