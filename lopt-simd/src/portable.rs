//! 16 `f32` lanes by the crate `wide`: whatever the build target guarantees.

use super::math::{self, Bits};
use super::{Kernel, Lanes, Simd};
use wide::{f32x16, u32x16};

/// Token of the portable level.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Lanes for Portable {
    const ACCUMULATORS: usize = 2;

    #[inline(always)]
    fn select_ge(self, a: f32x16, b: f32x16, yes: f32x16, no: f32x16) -> f32x16 {
        a.simd_ge(b).select(yes, no)
    }
    #[inline(always)]
    fn min_or_second(self, a: f32x16, b: f32x16) -> f32x16 {
        b.simd_gt(a).select(a, b)
    }
    #[inline(always)]
    fn max_or_second(self, a: f32x16, b: f32x16) -> f32x16 {
        a.simd_gt(b).select(a, b)
    }
    #[inline(always)]
    fn and(self, a: f32x16, bits: u32) -> f32x16 {
        bytemuck::cast(bytemuck::cast::<_, u32x16>(a) & u32x16::splat(bits))
    }
    #[inline(always)]
    fn or(self, a: f32x16, b: f32x16) -> f32x16 {
        a | b
    }
    #[inline(always)]
    fn add_bits(self, a: f32x16, b: f32x16) -> f32x16 {
        bytemuck::cast(bytemuck::cast::<_, u32x16>(a) + bytemuck::cast::<_, u32x16>(b))
    }
    #[inline(always)]
    fn sub_bits(self, a: f32x16, b: f32x16) -> f32x16 {
        bytemuck::cast(bytemuck::cast::<_, u32x16>(a) - bytemuck::cast::<_, u32x16>(b))
    }
    #[inline(always)]
    fn shift_left_23(self, a: f32x16) -> f32x16 {
        bytemuck::cast(bytemuck::cast::<_, u32x16>(a) << 23_u32)
    }
    #[inline(always)]
    fn shift_right_23(self, a: f32x16) -> f32x16 {
        bytemuck::cast(bytemuck::cast::<_, u32x16>(a) >> 23_u32)
    }
}

impl Bits for Portable {}

impl Simd for Portable {
    type E = f32;
    type V = f32x16;
    const LANES: usize = 16;
    const WIDE_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> f32x16 {
        f32x16::splat(x)
    }
    #[inline(always)]
    fn add(self, a: f32x16, b: f32x16) -> f32x16 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32x16, b: f32x16) -> f32x16 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32x16, b: f32x16) -> f32x16 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32x16, b: f32x16) -> f32x16 {
        a / b
    }
    #[inline(always)]
    fn fma(self, a: f32x16, b: f32x16, c: f32x16) -> f32x16 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn nma(self, a: f32x16, b: f32x16, c: f32x16) -> f32x16 {
        a.mul_neg_add(b, c)
    }
    #[inline(always)]
    fn sqrt(self, a: f32x16) -> f32x16 {
        a.sqrt()
    }
    #[inline(always)]
    fn select_gt(self, a: f32x16, b: f32x16, yes: f32x16, no: f32x16) -> f32x16 {
        a.simd_gt(b).select(yes, no)
    }
    #[inline(always)]
    fn abs(self, a: f32x16) -> f32x16 {
        a.abs()
    }
    #[inline(always)]
    fn copysign(self, a: f32x16, sign: f32x16) -> f32x16 {
        let minus = f32x16::splat(-0.0);
        (a & !minus) | (sign & minus)
    }
    #[inline(always)]
    fn exp(self, x: f32x16) -> f32x16 {
        self.fast_exp(x)
    }
    #[inline(always)]
    fn ln(self, x: f32x16) -> f32x16 {
        self.fast_ln(x)
    }
    #[inline(always)]
    fn tanh(self, x: f32x16) -> f32x16 {
        self.fast_tanh(x)
    }
    #[inline(always)]
    fn sigmoid(self, x: f32x16) -> f32x16 {
        math::sigmoid(self, x)
    }
    #[inline(always)]
    fn asinh(self, x: f32x16) -> f32x16 {
        math::asinh(self, x)
    }
    #[inline(always)]
    fn sum_lanes(self, a: f32x16) -> f32 {
        super::x16::sum(a.to_array())
    }
    // as at other levels a function of its own, not a copy at every call
    #[inline(never)]
    fn run<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
