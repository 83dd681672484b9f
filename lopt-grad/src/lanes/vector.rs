//! The x86-64 levels, chosen at run time: `pulp` tokens over one 512-bit or two 256-bit registers.

use bytemuck::cast;
use pulp::Simd;

use super::token::Token;

/// AVX-512: one register holds the sixteen lanes.
pub(crate) type Avx512 = Vector<pulp::x86::V4, 1>;
/// AVX2 and FMA: two registers.
pub(crate) type Avx2 = Vector<pulp::x86::V3, 2>;

/// A `pulp` token whose registers, `N` together, hold sixteen lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector<S, const N: usize>(pub(crate) S);

/// Applies `$body` to each of the `N` registers.
macro_rules! each {
    ($simd:ident, $($v:ident),+ => $body:expr) => {{
        let mut out = [$simd.splat_f32s(0.0); N];
        for i in 0..N {
            $(let $v = $v[i];)+
            out[i] = $body;
        }
        out
    }};
}

impl<S: Simd, const N: usize> Token for Vector<S, N> {
    type V = [S::f32s; N];
    const ACCUMULATORS: usize = if N == 1 { 16 } else { 4 };
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::V {
        cast(*x)
    }
    #[inline(always)]
    fn store(self, v: Self::V) -> [f32; 16] {
        cast(v)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [self.0.splat_f32s(x); N]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.add_f32s(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.sub_f32s(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.mul_f32s(a, b))
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.div_f32s(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b, c => s.mul_add_f32s(a, b, c))
    }
    #[inline(always)]
    fn min_or_second(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.min_f32s(a, b))
    }
    #[inline(always)]
    fn max_or_second(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.max_f32s(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a => s.sqrt_f32s(a))
    }
    #[inline(always)]
    fn select_gt(self, a: Self::V, b: Self::V, then: Self::V, other: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b, then, other => s.select_f32s(s.greater_than_f32s(a, b), then, other))
    }
    #[inline(always)]
    fn select_ge(self, a: Self::V, b: Self::V, then: Self::V, other: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b, then, other =>
            s.select_f32s(s.greater_than_or_equal_f32s(a, b), then, other))
    }
    #[inline(always)]
    fn and(self, a: Self::V, bits: u32) -> Self::V {
        let s = self.0;
        let mask = s.splat_u32s(bits);
        each!(s, a => s.transmute_f32s_u32s(s.and_u32s(s.transmute_u32s_f32s(a), mask)))
    }
    #[inline(always)]
    fn or(self, a: Self::V, b: Self::V) -> Self::V {
        let s = self.0;
        each!(s, a, b => s.transmute_f32s_u32s(
            s.or_u32s(s.transmute_u32s_f32s(a), s.transmute_u32s_f32s(b))))
    }
    #[inline(always)]
    fn shift_left_23(self, a: Self::V) -> Self::V {
        let s = self.0;
        let by = s.splat_u32s(23);
        each!(s, a => s.transmute_f32s_u32s(
            s.wrapping_dyn_shl_u32s(s.transmute_u32s_f32s(a), by)))
    }
    #[inline(always)]
    fn shift_right_23(self, a: Self::V) -> Self::V {
        let s = self.0;
        let by = s.splat_u32s(23);
        each!(s, a => s.transmute_f32s_u32s(
            s.wrapping_dyn_shr_u32s(s.transmute_u32s_f32s(a), by)))
    }
}
