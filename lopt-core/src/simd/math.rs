//! exp, ln, tanh, sigmoid and asinh of `f32` vectors from a handful of primitive operations.
//!
//! exp: Cody-Waite reduction and a polynomial of degree 6 (about 1 ulp). ln: exponent and mantissa,
//! polynomial of degree 9 (Cephes `logf`). tanh: rational 13/6 on the clamped interval (2.9e-7
//! relative). sigmoid: by exp. NaN passes through all of them.

use super::Simd;

/// What the functions below need beyond [`Simd`]'s arithmetic.
pub(crate) trait Bits: Simd<E = f32> {
    /// `2^n` for an integral `n` in -126..=127.
    fn power_of_two(self, n: Self::V) -> Self::V;
    /// Mantissa in `[0.5, 1)` and exponent of a positive normal number.
    fn split(self, x: Self::V) -> (Self::V, Self::V);
}

#[inline(always)]
pub(crate) fn exp<S: Bits>(s: S, x: S::V) -> S::V {
    let x = s.at_least(s.at_most(x, 87.3), -87.3);
    let magic = s.constant(12_582_912.0);
    let n = s.sub(s.fma(x, s.constant(std::f64::consts::LOG2_E), magic), magic);
    let r = s.fma(n, s.constant(-0.693_359_375), x);
    let r = s.fma(n, s.constant(2.121_944_40e-4), r);
    let mut p = s.fma(r, s.constant(1.987_569_150_0e-4), s.constant(1.398_199_950_7e-3));
    p = s.fma(r, p, s.constant(8.333_451_907_3e-3));
    p = s.fma(r, p, s.constant(4.166_579_589_4e-2));
    p = s.fma(r, p, s.constant(1.666_666_545_9e-1));
    p = s.fma(r, p, s.constant(5.000_000_120_1e-1));
    let e = s.add(s.fma(p, s.mul(r, r), r), s.constant(1.0));
    s.mul(e, s.power_of_two(n))
}

#[inline(always)]
pub(crate) fn ln<S: Bits>(s: S, x: S::V) -> S::V {
    let (m, e) = s.split(x);
    let small = s.constant(std::f64::consts::FRAC_1_SQRT_2);
    let one = s.constant(1.0);
    // mantissas below sqrt(1/2) are doubled so that the polynomial is centred on one
    let e = s.select_gt(small, m, s.sub(e, one), e);
    let m = s.sub(s.select_gt(small, m, s.add(m, m), m), one);
    let z = s.mul(m, m);
    let mut p = s.constant(7.037_683_629_2e-2);
    for c in [
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ] {
        p = s.fma(p, m, s.constant(c));
    }
    let mut y = s.mul(s.mul(p, m), z);
    y = s.fma(e, s.constant(-2.121_944_40e-4), y);
    y = s.nma(s.constant(0.5), z, y);
    s.fma(e, s.constant(0.693_359_375), s.add(m, y))
}

#[inline(always)]
pub(crate) fn tanh<S: Bits>(s: S, x: S::V) -> S::V {
    let x = s.at_least(s.at_most(x, 7.905_311_1), -7.905_311_1);
    let x2 = s.mul(x, x);
    let mut p =
        s.fma(x2, s.constant(-2.760_768_477_423_55e-16), s.constant(2.000_187_904_824_77e-13));
    p = s.fma(x2, p, s.constant(-8.604_671_522_137_35e-11));
    p = s.fma(x2, p, s.constant(5.122_297_090_371_14e-08));
    p = s.fma(x2, p, s.constant(1.485_722_357_179_79e-05));
    p = s.fma(x2, p, s.constant(6.372_619_288_754_36e-04));
    p = s.fma(x2, p, s.constant(4.893_524_558_917_86e-03));
    let mut q =
        s.fma(x2, s.constant(1.198_258_394_667_02e-06), s.constant(1.185_347_056_866_54e-04));
    q = s.fma(x2, q, s.constant(2.268_434_632_439_00e-03));
    q = s.fma(x2, q, s.constant(4.893_525_185_543_85e-03));
    s.div(s.mul(x, p), q)
}

#[inline(always)]
pub(crate) fn sigmoid<S: Bits>(s: S, x: S::V) -> S::V {
    let one = s.constant(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

#[inline(always)]
pub(crate) fn asinh<S: Bits>(s: S, x: S::V) -> S::V {
    let a = s.select_gt(s.zero(), x, s.sub(s.zero(), x), x);
    let a2 = s.mul(a, a);
    let one = s.constant(1.0);
    // squares of values above 1e18 would overflow; there asinh(a) = ln(2a)
    let root = s.sqrt(s.add(a2, one));
    let large = s.select_gt(a, s.constant(1e18), s.add(a, a), s.add(a, root));
    let big = ln(s, s.at_most(large, 3e38));
    let mut p = s.fma(a2, s.constant(105.0 / 3456.0), s.constant(-15.0 / 336.0));
    p = s.fma(a2, p, s.constant(3.0 / 40.0));
    p = s.fma(a2, p, s.constant(-1.0 / 6.0));
    let tiny = s.fma(s.mul(p, a2), a, a);
    let y = s.select_gt(a, s.constant(0.2), big, tiny);
    s.select_gt(s.zero(), x, s.sub(s.zero(), y), y)
}
