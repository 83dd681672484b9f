//! AVX-512 (one register of 16 lanes) and AVX2 with FMA (two of 8), by the tokens of `pulp`.
//!
//! A token is made only after the CPU was asked, so its operations are safe to call; `vectorize`
//! gives the body the right target features.

use super::math::{self, Bits};
use super::{Kernel, Simd};
use pulp::Simd as _;
use pulp::x86::{V3, V4};

/// Token of the AVX-512 level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(pub(super) V4);

/// Token of the AVX2 level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(pub(super) V3);

struct Body<K, S> {
    kernel: K,
    simd: S,
}

impl<K: Kernel<f32>, S: Simd<E = f32>> pulp::NullaryFnOnce for Body<K, S> {
    type Output = K::Output;
    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run(self.simd)
    }
}

macro_rules! level {
    ($token:ident, $register:ty, $count:literal, [$($i:literal),+], $wide:literal) => {
        impl Bits for $token {
            #[inline(always)]
            fn power_of_two(self, n: Self::V) -> Self::V {
                let t = self.0;
                let bias = t.splat_f32s(127.0 + 8_388_608.0);
                let by = t.splat_u32s(23);
                [$(t.transmute_f32s_u32s(t.wrapping_dyn_shl_u32s(
                    t.transmute_u32s_f32s(t.add_f32s(n[$i], bias)), by))),+]
            }
            #[inline(always)]
            fn split(self, x: Self::V) -> (Self::V, Self::V) {
                let t = self.0;
                let by = t.splat_u32s(23);
                let mask = t.splat_u32s(0x007f_ffff);
                let half = t.splat_u32s(0x3f00_0000);
                // an integer below 2^23 under the bits of 2^23 is that float plus 2^23
                let magic = t.splat_u32s(0x4b00_0000);
                let offset = t.splat_f32s(8_388_608.0 + 126.0);
                let zero = t.splat_f32s(0.0);
                let nan = t.splat_f32s(f32::NAN);
                let m = [$({
                    let bits = t.transmute_u32s_f32s(x[$i]);
                    let m = t.transmute_f32s_u32s(t.or_u32s(t.and_u32s(bits, mask), half));
                    t.select_f32s(t.greater_than_f32s(x[$i], zero), m, nan)
                }),+];
                let e = [$({
                    let bits = t.transmute_u32s_f32s(x[$i]);
                    let e = t.or_u32s(t.wrapping_dyn_shr_u32s(bits, by), magic);
                    t.sub_f32s(t.transmute_f32s_u32s(e), offset)
                }),+];
                (m, e)
            }
        }

        impl Simd for $token {
            type E = f32;
            type V = [$register; $count];
            const LANES: usize = 16;
            const WIDE_REGISTERS: bool = $wide;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::V {
                [self.0.splat_f32s(x); $count]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.add_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.sub_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.mul_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.div_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [$(self.0.mul_add_f32s(a[$i], b[$i], c[$i])),+]
            }
            #[inline(always)]
            fn nma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [$(self.0.negate_mul_add_f32s(a[$i], b[$i], c[$i])),+]
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                [$(self.0.sqrt_f32s(a[$i])),+]
            }
            #[inline(always)]
            fn select_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                [$(self.0.select_f32s(self.0.greater_than_f32s(a[$i], b[$i]), yes[$i], no[$i])),+]
            }
            #[inline(always)]
            fn exp(self, x: Self::V) -> Self::V {
                math::exp(self, x)
            }
            #[inline(always)]
            fn ln(self, x: Self::V) -> Self::V {
                math::ln(self, x)
            }
            #[inline(always)]
            fn tanh(self, x: Self::V) -> Self::V {
                math::tanh(self, x)
            }
            #[inline(always)]
            fn sigmoid(self, x: Self::V) -> Self::V {
                math::sigmoid(self, x)
            }
            #[inline(always)]
            fn asinh(self, x: Self::V) -> Self::V {
                math::asinh(self, x)
            }
            #[inline(always)]
            fn sum_lanes(self, a: Self::V) -> f32 {
                super::x16::sum(bytemuck::cast(a))
            }
            #[inline(always)]
            fn run<K: Kernel<f32>>(self, kernel: K) -> K::Output {
                self.0.vectorize(Body { kernel, simd: self })
            }
        }
    };
}

level!(Avx512, pulp::f32x16, 1, [0], true);
level!(Avx2, pulp::f32x8, 2, [0, 1], false);
