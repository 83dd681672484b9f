//! AVX-512 (one register of 16 lanes) and AVX2 with FMA (two of 8), by the instructions of `std::arch`.
//!
//! A token is made only after the CPU was asked, so what takes one is safe to call; `run_lanes` compiles
//! a kernel for its level.
#![expect(unsafe_code, reason = "an instruction that not every CPU has is safe only with a token")]

use super::math::{self, Bits};
use super::{Kernel, Lanes, LanesKernel, Simd, WithoutBits};
use bytemuck::{Pod, Zeroable};
use std::arch::x86_64::*;
use std::sync::OnceLock;

/// A level's token, its register of `f32`, and what the instructions of the level do with registers.
macro_rules! instructions {
    (
        $(#[$about:meta])* $token:ident by $($feature:tt),+;
        $register:ident($inner:ty), $splat:ident;
        $($name:ident($($operand:ident),+) = $instructions:expr;)+
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $token(());

        impl $token {
            /// The token, if this CPU has the level's instructions.
            #[inline]
            pub(super) fn detect() -> Option<Self> {
                static FOUND: OnceLock<bool> = OnceLock::new();
                FOUND.get_or_init(|| $(is_x86_feature_detected!($feature))&&+).then_some(Self(()))
            }
            /// Runs a kernel inside a function compiled for this level.
            #[inline(always)]
            pub(super) fn run_lanes<K: LanesKernel>(self, kernel: K) -> K::Output {
                #[target_feature($(enable = $feature),+)]
                fn compiled<K: LanesKernel>(kernel: K, token: $token) -> K::Output {
                    kernel.run(token)
                }
                // SAFETY: the token says that this CPU has these features.
                unsafe { compiled(kernel, self) }
            }
        }

        /// Numbers of one register.
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        pub(super) struct $register($inner);

        // SAFETY: a register is numbers without padding, and zero bits are zeros.
        unsafe impl Zeroable for $register {}
        // SAFETY: as above, and every pattern of bits is a number.
        unsafe impl Pod for $register {}

        // no closures here: they would lack the target features and be called, at ten times the cost
        impl $register {
            #[inline(always)]
            pub(super) fn splat(_: $token, x: f32) -> Self {
                // SAFETY: the token says that this CPU has the instruction.
                Self(unsafe { $splat(x) })
            }
            $(#[inline(always)]
            pub(super) fn $name(_: $token, $($operand: Self),+) -> Self {
                $(let $operand = $operand.0;)+
                // SAFETY: the token says that this CPU has the instructions.
                Self(unsafe { $instructions })
            })+
        }
    };
}

instructions! {
    /// Token of the AVX2 level.
    Avx2 by "avx2", "fma", "bmi1", "bmi2", "lzcnt", "popcnt";
    Register256(__m256), _mm256_set1_ps;
    add(a, b) = _mm256_add_ps(a, b);
    sub(a, b) = _mm256_sub_ps(a, b);
    mul(a, b) = _mm256_mul_ps(a, b);
    div(a, b) = _mm256_div_ps(a, b);
    fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
    nma(a, b, c) = _mm256_fnmadd_ps(a, b, c);
    sqrt(a) = _mm256_sqrt_ps(a);
    min(a, b) = _mm256_min_ps(a, b);
    max(a, b) = _mm256_max_ps(a, b);
    and(a, b) = _mm256_and_ps(a, b);
    or(a, b) = _mm256_or_ps(a, b);
    select_gt(a, b, yes, no) = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b));
    select_ge(a, b, yes, no) = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GE_OQ>(a, b));
    add_bits(a, b) = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
    sub_bits(a, b) = _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
    shift_left_23(a) = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(a)));
    shift_right_23(a) = _mm256_castsi256_ps(_mm256_srli_epi32::<23>(_mm256_castps_si256(a)));
}

instructions! {
    /// Token of the AVX-512 level.
    Avx512 by "avx2", "fma", "bmi1", "bmi2", "lzcnt", "popcnt",
        "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl";
    Register512(__m512), _mm512_set1_ps;
    add(a, b) = _mm512_add_ps(a, b);
    sub(a, b) = _mm512_sub_ps(a, b);
    mul(a, b) = _mm512_mul_ps(a, b);
    div(a, b) = _mm512_div_ps(a, b);
    fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
    nma(a, b, c) = _mm512_fnmadd_ps(a, b, c);
    sqrt(a) = _mm512_sqrt_ps(a);
    min(a, b) = _mm512_min_ps(a, b);
    max(a, b) = _mm512_max_ps(a, b);
    and(a, b) = _mm512_and_ps(a, b);
    or(a, b) = _mm512_or_ps(a, b);
    select_gt(a, b, yes, no) = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes);
    select_ge(a, b, yes, no) = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b), no, yes);
    add_bits(a, b) = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    sub_bits(a, b) = _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    shift_left_23(a) = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(a)));
    shift_right_23(a) = _mm512_castsi512_ps(_mm512_srli_epi32::<23>(_mm512_castps_si512(a)));
    // an entry of 16 by the bits of `index` from 19 on, the last four of the mantissa
    look_up_16(index, table) = _mm512_permutexvar_ps(_mm512_srli_epi32::<19>(_mm512_castps_si512(index)), table);
    // an entry of 32 by the low five bits of `index`
    look_up_32(index, low, high) = _mm512_permutex2var_ps(low, _mm512_castps_si512(index), high);
    scale(a, n) = _mm512_scalef_ps(a, n);
    exponent(a) = _mm512_getexp_ps(a);
    mantissa_from_3_4_to_3_2(a) = _mm512_getmant_ps::<_MM_MANT_NORM_P75_1P5, _MM_MANT_SIGN_NAN>(a);
}

/// Vectors of 16 lanes in one or two registers.
macro_rules! level {
    ($token:ident, $register:ident, $count:literal, [$($i:literal),+], $wide:literal, $accumulators:literal) => {
        impl Lanes for $token {
            const ACCUMULATORS: usize = $accumulators;

            #[inline(always)]
            fn select_ge(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                [$($register::select_ge(self, a[$i], b[$i], yes[$i], no[$i])),+]
            }
            // the second operand of these instructions is the one that passes if either is NaN
            #[inline(always)]
            fn min_or_second(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::min(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn max_or_second(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::max(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn and(self, a: Self::V, bits: u32) -> Self::V {
                let mask = $register::splat(self, f32::from_bits(bits));
                [$($register::and(self, a[$i], mask)),+]
            }
            #[inline(always)]
            fn or(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::or(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn add_bits(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::add_bits(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn sub_bits(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::sub_bits(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn shift_left_23(self, a: Self::V) -> Self::V {
                [$($register::shift_left_23(self, a[$i])),+]
            }
            #[inline(always)]
            fn shift_right_23(self, a: Self::V) -> Self::V {
                [$($register::shift_right_23(self, a[$i])),+]
            }
        }

        impl Simd for $token {
            type E = f32;
            type V = [$register; $count];
            const LANES: usize = 16;
            const WIDE_REGISTERS: bool = $wide;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::V {
                [$register::splat(self, x); $count]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::add(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::sub(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::mul(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                [$($register::div(self, a[$i], b[$i])),+]
            }
            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [$($register::fma(self, a[$i], b[$i], c[$i])),+]
            }
            #[inline(always)]
            fn nma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [$($register::nma(self, a[$i], b[$i], c[$i])),+]
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                [$($register::sqrt(self, a[$i])),+]
            }
            #[inline(always)]
            fn select_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                [$($register::select_gt(self, a[$i], b[$i], yes[$i], no[$i])),+]
            }
            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                self.and(a, 0x7fff_ffff)
            }
            #[inline(always)]
            fn copysign(self, a: Self::V, sign: Self::V) -> Self::V {
                self.or(self.abs(a), self.and(sign, 0x8000_0000))
            }
            #[inline(always)]
            fn at_most(self, a: Self::V, limit: f64) -> Self::V {
                self.min_or_second(self.constant(limit), a)
            }
            #[inline(always)]
            fn at_least(self, a: Self::V, limit: f64) -> Self::V {
                self.max_or_second(self.constant(limit), a)
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

level!(Avx512, Register512, 1, [0], true, 16);
level!(Avx2, Register256, 2, [0, 1], false, 4);

impl Bits for Avx2 {}
