//! One `f64` lane with the standard library's functions: the exact twin of the fast levels.

use super::{Kernel, Simd};

/// Token of the exact level.
#[derive(Clone, Copy, Debug)]
pub struct Double;

impl Simd for Double {
    type E = f64;
    type V = f64;
    const LANES: usize = 1;
    const WIDE_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn add(self, a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f64, b: f64) -> f64 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f64, b: f64) -> f64 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f64, b: f64) -> f64 {
        a / b
    }
    #[inline(always)]
    fn fma(self, a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
    #[inline(always)]
    fn nma(self, a: f64, b: f64, c: f64) -> f64 {
        c - a * b
    }
    #[inline(always)]
    fn sqrt(self, a: f64) -> f64 {
        a.sqrt()
    }
    #[inline(always)]
    fn select_gt(self, a: f64, b: f64, yes: f64, no: f64) -> f64 {
        if a > b { yes } else { no }
    }
    #[inline(always)]
    fn abs(self, a: f64) -> f64 {
        a.abs()
    }
    #[inline(always)]
    fn copysign(self, a: f64, sign: f64) -> f64 {
        a.copysign(sign)
    }
    #[inline(always)]
    fn exp(self, x: f64) -> f64 {
        x.exp()
    }
    #[inline(always)]
    fn ln(self, x: f64) -> f64 {
        x.ln()
    }
    #[inline(always)]
    fn tanh(self, x: f64) -> f64 {
        x.tanh()
    }
    #[inline(always)]
    fn sigmoid(self, x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }
    #[inline(always)]
    fn asinh(self, x: f64) -> f64 {
        x.abs().asinh().copysign(x)
    }
    #[inline(always)]
    fn sum_lanes(self, a: f64) -> f64 {
        a
    }
    // as at other levels a function of its own, not a copy at every call
    #[inline(never)]
    fn run<K: Kernel<f64>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
