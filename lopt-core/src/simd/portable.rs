//! 16 `f32` lanes by the crate `wide`: whatever the build target guarantees.

use super::math::{self, Bits};
use super::{Kernel, Simd};
use wide::{f32x16, i32x16, u32x16};

/// Token of the portable level.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Bits for Portable {
    #[inline(always)]
    fn power_of_two(self, n: f32x16) -> f32x16 {
        let shifted: u32x16 = bytemuck::cast(n + f32x16::splat(127.0 + 8_388_608.0));
        bytemuck::cast(shifted << 23_u32)
    }
    #[inline(always)]
    fn split(self, x: f32x16) -> (f32x16, f32x16) {
        let bits: i32x16 = bytemuck::cast(x);
        let exponent = ((bits >> 23) & i32x16::splat(0xff)) - i32x16::splat(126);
        let mantissa = (bits & i32x16::splat(0x007f_ffff)) | i32x16::splat(0x3f00_0000);
        let exponent = bytemuck::cast::<i32x16, [i32; 16]>(exponent).map(|e| e as f32);
        let finite = x.simd_gt(f32x16::splat(0.0));
        let mantissa: f32x16 = bytemuck::cast(mantissa);
        (finite.select(mantissa, x * f32x16::splat(f32::NAN)), f32x16::from(exponent))
    }
}

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
    fn exp(self, x: f32x16) -> f32x16 {
        math::exp(self, x)
    }
    #[inline(always)]
    fn ln(self, x: f32x16) -> f32x16 {
        math::ln(self, x)
    }
    #[inline(always)]
    fn tanh(self, x: f32x16) -> f32x16 {
        math::tanh(self, x)
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
    #[inline(always)]
    fn run<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
