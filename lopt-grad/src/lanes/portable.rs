//! The portable level: `wide`, with the instructions of the compilation target.

use bytemuck::cast;
use wide::{f32x16, u32x16};

use super::token::Token;

/// Needs nothing from the CPU beyond the compilation target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Token for Portable {
    type V = f32x16;
    const ACCUMULATORS: usize = 2;
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> f32x16 {
        f32x16::new(*x)
    }
    #[inline(always)]
    fn store(self, v: f32x16) -> [f32; 16] {
        v.to_array()
    }
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
    fn mul_add(self, a: f32x16, b: f32x16, c: f32x16) -> f32x16 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn min_or_second(self, a: f32x16, b: f32x16) -> f32x16 {
        b.simd_gt(a).bitselect(a, b)
    }
    #[inline(always)]
    fn max_or_second(self, a: f32x16, b: f32x16) -> f32x16 {
        a.simd_gt(b).bitselect(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: f32x16) -> f32x16 {
        a.sqrt()
    }
    #[inline(always)]
    fn select_gt(self, a: f32x16, b: f32x16, then: f32x16, other: f32x16) -> f32x16 {
        a.simd_gt(b).bitselect(then, other)
    }
    #[inline(always)]
    fn select_ge(self, a: f32x16, b: f32x16, then: f32x16, other: f32x16) -> f32x16 {
        a.simd_ge(b).bitselect(then, other)
    }
    #[inline(always)]
    fn and(self, a: f32x16, bits: u32) -> f32x16 {
        cast(cast::<_, u32x16>(a) & u32x16::splat(bits))
    }
    #[inline(always)]
    fn or(self, a: f32x16, b: f32x16) -> f32x16 {
        cast(cast::<_, u32x16>(a) | cast::<_, u32x16>(b))
    }
    #[inline(always)]
    fn shift_left_23(self, a: f32x16) -> f32x16 {
        cast(cast::<_, u32x16>(a) << 23_u32)
    }
    #[inline(always)]
    fn shift_right_23(self, a: f32x16) -> f32x16 {
        cast(cast::<_, u32x16>(a) >> 23_u32)
    }
}
