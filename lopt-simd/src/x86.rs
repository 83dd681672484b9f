//! AVX-512 (one register of 16 lanes) and AVX2 with FMA (two of 8), by the tokens of `pulp`.
//!
//! A token is made only after the CPU was asked, so its operations are safe to call; `vectorize`
//! gives the body the right target features.

use super::math::{self, Bits, SPLIT_BIAS, SPLIT_OFFSET};
use super::{Kernel, Lanes, LanesKernel, Simd, WithoutBits};
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

impl<K: LanesKernel, S: Lanes> pulp::NullaryFnOnce for Body<K, S> {
    type Output = K::Output;
    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run(self.simd)
    }
}

// no closures here: they would lack the target features and be called, at ten times the cost
impl Bits for Avx2 {
    #[inline(always)]
    fn power_of_two(self, k: Self::V, bias: u32) -> Self::V {
        let bias = self.0.splat_f32s(f32::from_bits(bias << 23));
        self.add_to_exponent([bias, bias], k)
    }
    #[inline(always)]
    fn add_to_exponent(self, a: Self::V, k: Self::V) -> Self::V {
        [self.add_exponent(a[0], k[0]), self.add_exponent(a[1], k[1])]
    }
    #[inline(always)]
    fn split(self, x: Self::V) -> (Self::V, Self::V) {
        let ((m0, e0), (m1, e1)) = (self.split_register(x[0]), self.split_register(x[1]));
        ([m0, m1], [e0, e1])
    }
}

impl Avx2 {
    #[inline(always)]
    fn add_exponent(self, a: pulp::f32x8, k: pulp::f32x8) -> pulp::f32x8 {
        let t = self.0;
        let n = t.wrapping_dyn_shl_u32s(t.transmute_u32s_f32s(k), t.splat_u32s(23));
        t.transmute_f32s_u32s(t.add_u32s(t.transmute_u32s_f32s(a), n))
    }
    #[inline(always)]
    fn split_register(self, x: pulp::f32x8) -> (pulp::f32x8, pulp::f32x8) {
        let t = self.0;
        let bits = t.transmute_u32s_f32s(x);
        let shifted = t.add_u32s(bits, t.splat_u32s(SPLIT_OFFSET));
        let field = t.and_u32s(shifted, t.splat_u32s(0xff80_0000));
        let mantissa = t.add_u32s(t.sub_u32s(bits, field), t.splat_u32s(0x4000_0000));
        let exponent = t.wrapping_dyn_shr_u32s(shifted, t.splat_u32s(23));
        // an integer below 2^23 under the bits of 2^23 is that float plus 2^23
        let exponent = t.transmute_f32s_u32s(t.or_u32s(exponent, t.splat_u32s(0x4b00_0000)));
        (t.transmute_f32s_u32s(mantissa), t.sub_f32s(exponent, t.splat_f32s(SPLIT_BIAS)))
    }
}

macro_rules! level {
    ($token:ident, $register:ty, $count:literal, [$($i:literal),+], $wide:literal, $accumulators:literal) => {
        impl $token {
            /// Runs a kernel inside a function compiled for this level.
            #[inline(always)]
            pub(super) fn run_lanes<K: LanesKernel>(self, kernel: K) -> K::Output {
                self.0.vectorize(Body { kernel, simd: self })
            }
        }

        impl Lanes for $token {
            const ACCUMULATORS: usize = $accumulators;

            #[inline(always)]
            fn select_ge(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                let t = self.0;
                [$(t.select_f32s(t.greater_than_or_equal_f32s(a[$i], b[$i]), yes[$i], no[$i])),+]
            }
            // the second operand of these instructions is the one that passes if either is NaN
            #[inline(always)]
            fn min_or_second(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.min_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn max_or_second(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.max_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn and(self, a: Self::V, bits: u32) -> Self::V {
                let (t, mask) = (self.0, self.0.splat_u32s(bits));
                [$(t.transmute_f32s_u32s(t.and_u32s(t.transmute_u32s_f32s(a[$i]), mask))),+]
            }
            #[inline(always)]
            fn or(self, a: Self::V, b: Self::V) -> Self::V {
                [$(self.0.or_f32s(a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn shift_left_23(self, a: Self::V) -> Self::V {
                let (t, by) = (self.0, self.0.splat_u32s(23));
                [$(t.transmute_f32s_u32s(
                    t.wrapping_dyn_shl_u32s(t.transmute_u32s_f32s(a[$i]), by),
                )),+]
            }
            #[inline(always)]
            fn shift_right_23(self, a: Self::V) -> Self::V {
                let (t, by) = (self.0, self.0.splat_u32s(23));
                [$(t.transmute_f32s_u32s(
                    t.wrapping_dyn_shr_u32s(t.transmute_u32s_f32s(a[$i]), by),
                )),+]
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
            fn abs(self, a: Self::V) -> Self::V {
                [$(self.0.abs_f32s(a[$i])),+]
            }
            #[inline(always)]
            fn copysign(self, a: Self::V, sign: Self::V) -> Self::V {
                let minus = self.0.splat_f32s(-0.0);
                [$(self.0.or_f32s(self.0.abs_f32s(a[$i]), self.0.and_f32s(sign[$i], minus))),+]
            }
            #[inline(always)]
            fn at_most(self, a: Self::V, limit: f64) -> Self::V {
                let limit = self.0.splat_f32s(limit as f32);
                [$(self.0.min_f32s(limit, a[$i])),+]
            }
            #[inline(always)]
            fn at_least(self, a: Self::V, limit: f64) -> Self::V {
                let limit = self.0.splat_f32s(limit as f32);
                [$(self.0.max_f32s(limit, a[$i])),+]
            }
            #[inline(always)]
            fn exp(self, x: Self::V) -> Self::V {
                self.fast_exp(x)
            }
            #[inline(always)]
            fn ln(self, x: Self::V) -> Self::V {
                self.fast_ln(x)
            }
            #[inline(always)]
            fn tanh(self, x: Self::V) -> Self::V {
                self.fast_tanh(x)
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
                self.run_lanes(WithoutBits(kernel))
            }
        }
    };
}

level!(Avx512, pulp::f32x16, 1, [0], true, 16);
level!(Avx2, pulp::f32x8, 2, [0, 1], false, 4);
