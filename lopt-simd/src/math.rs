//! exp, ln, tanh, sigmoid and asinh of `f32` vectors from a handful of primitive operations.
//!
//! All reduce the argument by a multiple of ln 2, exactly (Cody and Waite), and use minimax
//! polynomials of the relative error (Remez). The largest errors over all 2^32 arguments stand in
//! `tests/functions.rs`. NaN passes through all of them. AVX-512 has its own exp, ln and tanh.

use super::{Lanes, Simd};

/// Added to the bits of a float, carries into the exponent for mantissas above 4/3.
const SPLIT_OFFSET: u32 = 0x4000_0000 - 0x3f2a_aaab;
/// What [`Bits::split`] has to subtract from `2^23 +` the exponent of the shifted bits.
const SPLIT_BIAS: f32 = 8_388_608.0 + 128.0;

/// Rounds to an integer when added, and leaves that integer in the low bits.
pub(super) const MAGIC: f64 = 12_582_912.0;
/// ln 2 with so few bits that its product with an exponent is exact.
const LN_2_HIGH: f64 = 0.693_359_375;
/// The rest of ln 2.
const LN_2_LOW: f64 = -2.121_944_400_546_905_8e-4;

/// What the functions below need beyond [`Lanes`].
pub(crate) trait Bits: Lanes {
    /// `2^(n + bias - 127)` for `k = n + MAGIC`, if that is a normal number.
    #[inline(always)]
    fn power_of_two(self, k: Self::V, bias: u32) -> Self::V {
        self.add_bits(self.shift_left_23(k), self.splat(f32::from_bits(bias << 23)))
    }
    /// `a * 2^n` for `k = n + MAGIC`, if that is a normal number.
    #[inline(always)]
    fn add_to_exponent(self, a: Self::V, k: Self::V) -> Self::V {
        self.add_bits(a, self.shift_left_23(k))
    }
    /// Mantissa in `[2/3, 4/3)` (AVX-512: `[3/4, 3/2)`) and exponent of a positive normal number.
    #[inline(always)]
    fn split(self, x: Self::V) -> (Self::V, Self::V) {
        let shifted = self.add_bits(x, self.splat(f32::from_bits(SPLIT_OFFSET)));
        let field = self.and(shifted, 0xff80_0000);
        let mantissa =
            self.add_bits(self.sub_bits(x, field), self.splat(f32::from_bits(0x4000_0000)));
        // an integer below 2^23 under the bits of 2^23 is that float plus 2^23
        let exponent =
            self.or(self.shift_right_23(shifted), self.splat(f32::from_bits(0x4b00_0000)));
        (mantissa, self.sub(exponent, self.splat(SPLIT_BIAS)))
    }

    /// The level's exp.
    #[inline(always)]
    fn fast_exp(self, x: Self::V) -> Self::V {
        exp(self, x)
    }
    /// The level's ln.
    #[inline(always)]
    fn fast_ln(self, x: Self::V) -> Self::V {
        ln(self, x)
    }
    /// `ln(2 x)` for `x >= 0.5`, NaN or infinity.
    #[inline(always)]
    fn ln_of_double(self, x: Self::V) -> Self::V {
        let y = ln_of_normal::<Self, 1>(self, x);
        self.select_gt(self.constant(f64::INFINITY), x, y, x)
    }
    /// The level's tanh.
    #[inline(always)]
    fn fast_tanh(self, x: Self::V) -> Self::V {
        tanh(self, x)
    }
}

/// `c[0] + c[1] x + ...`
#[inline(always)]
pub(super) fn polynomial<S: Simd, const N: usize>(s: S, x: S::V, c: [f64; N]) -> S::V {
    let mut p = s.constant(c[N - 1]);
    for i in (0..N - 1).rev() {
        p = s.fma(p, x, s.constant(c[i]));
    }
    p
}

/// Coefficients of `(e^r - 1 - r) / r^2` for `|r| <= ln(2) / 2`; 5e-9 relative to `e^r`.
pub(super) const EXP: [f64; 5] =
    [4.999_999_404e-1, 1.666_652_113e-1, 4.166_838_899e-2, 8.368_745_446e-3, 1.381_454_058e-3];

/// `n + MAGIC` and `r` for `x = n ln 2 + r`.
#[inline(always)]
pub(super) fn reduce<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let k = s.fma(x, s.constant(std::f64::consts::LOG2_E), s.constant(MAGIC));
    let n = s.sub(k, s.constant(MAGIC));
    let r = s.fma(n, s.constant(-LN_2_HIGH), x);
    (k, s.fma(n, s.constant(-LN_2_LOW), r))
}

/// `e^r` for `|r| <= ln(2) / 2`.
#[inline(always)]
pub(super) fn exp_of_rest<S: Simd>(s: S, r: S::V) -> S::V {
    let p = polynomial(s, r, EXP);
    s.add(s.fma(s.mul(r, r), p, r), s.constant(1.0))
}

#[inline(always)]
fn exp<S: Bits>(s: S, x: S::V) -> S::V {
    let (k, r) = reduce(s, x);
    let y = s.add_to_exponent(exp_of_rest(s, r), k);
    // from here on the product is infinite, or NaN for NaN
    let y = s.select_gt(s.constant(88.722_84), x, y, s.mul(x, s.constant(1e38)));
    s.select_gt(s.constant(-87.336_54), x, s.zero(), y)
}

/// Coefficients of `(ln(1 + f) - f + f^2 / 2) / f^3` for `|f| <= 1/3`.
const LN: [f64; 7] = [
    3.333_326_578e-1,
    -2.500_423_789e-1,
    2.000_791_728e-1,
    -1.647_232_771e-1,
    1.404_233_724e-1,
    -1.512_217_820e-1,
    1.382_011_175e-1,
];

/// `ln(2^DOUBLINGS x)` of a normal number.
#[inline(always)]
fn ln_of_normal<S: Bits, const DOUBLINGS: u32>(s: S, x: S::V) -> S::V {
    let (m, mut e) = s.split(x);
    if DOUBLINGS > 0 {
        e = s.add(e, s.constant(DOUBLINGS.into()));
    }
    let f = s.sub(m, s.constant(1.0));
    let p = s.fma(polynomial(s, f, LN), f, s.constant(-0.5));
    let y = s.fma(s.mul(f, f), p, f);
    s.fma(e, s.constant(std::f64::consts::LN_2), y)
}

#[inline(always)]
fn ln<S: Bits>(s: S, x: S::V) -> S::V {
    let y = ln_of_normal::<S, 0>(s, x);
    let y = s.select_gt(s.constant(f64::INFINITY), x, y, x);
    let zero_or_less =
        s.select_gt(s.zero(), x, s.constant(f64::NAN), s.constant(f64::NEG_INFINITY));
    s.select_gt(s.constant(f32::MIN_POSITIVE.into()), x, zero_or_less, y)
}

/// Coefficients of `(tanh z - z) / z^3` for `|z| <= 0.2645`.
const TANH: [f64; 3] = [-3.333_320_320e-1, 1.332_199_574e-1, -5.113_834_143e-2];

/// By `tanh(w + z)` in terms of tanh z and `e^-2w`, a power of two.
#[inline(always)]
fn tanh<S: Bits>(s: S, x: S::V) -> S::V {
    let a = s.at_most(s.abs(x), 10.0);
    let one = s.constant(1.0);
    // arguments below 0.263 are left alone: the next multiple would cancel half of them
    let shifted = s.sub(a, s.constant(0.09));
    let k = s.fma(shifted, s.constant(-2.0 * std::f64::consts::LOG2_E), s.constant(MAGIC));
    let n = s.sub(k, s.constant(MAGIC));
    let z = s.fma(n, s.constant(LN_2_HIGH / 2.0), a);
    let z = s.fma(n, s.constant(LN_2_LOW / 2.0), z);
    let z2 = s.mul(z, z);
    let t = s.fma(s.mul(z, z2), polynomial(s, z2, TANH), z);
    let power = s.power_of_two(k, 127);
    let above = s.fma(t, s.add(one, power), s.sub(one, power));
    // where the quotient is near one, the rounding of the numerator cancels
    let below = s.fma(s.add(power, power), s.sub(one, t), above);
    s.copysign(s.div(above, below), x)
}

#[inline(always)]
pub(super) fn sigmoid<S: Bits>(s: S, x: S::V) -> S::V {
    // beyond, the result is 1 or rounds to 0; the factor 2^-24 keeps the powers finite until then
    let x = s.at_least(s.at_most(x, 30.0), -104.0);
    let unit = s.constant(1.0 / 16_777_216.0);
    let k = s.fma(x, s.constant(-std::f64::consts::LOG2_E), s.constant(MAGIC));
    let n = s.sub(k, s.constant(MAGIC));
    let r = s.fma(n, s.constant(LN_2_LOW), s.fma(n, s.constant(LN_2_HIGH), x));
    let p = polynomial(s, r, [EXP[0], -EXP[1], EXP[2], -EXP[3], EXP[4]]);
    // 1 - e^-r; the larger of 1 and the power of two joins last, so that only the sum rounds
    let q = s.nma(s.mul(r, r), p, r);
    let power = s.power_of_two(k, 127 - 24);
    let smaller = s.nma(power, q, s.min_or_second(power, unit));
    s.div(unit, s.add(smaller, s.max_or_second(power, unit)))
}

/// Coefficients of `(asinh a - a) / a^3` for `|a| <= 0.6`.
const ASINH: [f64; 5] =
    [-1.666_655_391e-1, 7.495_352_626e-2, -4.401_399_195e-2, 2.653_987_706e-2, -1.077_401_359e-2];

#[inline(always)]
pub(super) fn asinh<S: Bits>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let a2 = s.mul(a, a);
    let small = s.fma(s.mul(a, a2), polynomial(s, a2, ASINH), a);
    // halves keep the sum finite; the square of 5e17 is far beyond the one under the root
    let half = s.mul(a, s.constant(0.5));
    let limited = s.at_most(half, 5e17);
    let root = s.sqrt(s.fma(limited, limited, s.constant(0.25)));
    let root = s.select_gt(half, s.constant(5e17), half, root);
    let large = s.ln_of_double(s.add(half, root));
    let y = s.select_gt(s.constant(0.6), a, small, large);
    s.copysign(y, x)
}
