//! Exponential, logarithm and their relatives on sixteen lanes, to a few units in the last place.
//!
//! Polynomials and reductions are those of Cephes (`expf`, `logf`, `sinf`, `cosf`); tanh is the
//! 13/6 rational of Eigen. NaN goes through every function: x86 `min` and `max` return their
//! second operand when one is NaN, so the clamps below name the argument second.

use lopt_simd::Lanes;

use super::pack::Pack;
use crate::arithmetic::Arithmetic;

/// Adding and subtracting it rounds to the nearest integer: 1.5 * 2^23.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn clamp<T: Lanes>(x: Pack<T>, low: f32, high: f32) -> Pack<T> {
    let t = x.token;
    x.with(t.max_or_second(t.splat(low), t.min_or_second(t.splat(high), x.v)))
}

/// `2^n` for integral `n` in -126..=127.
#[inline(always)]
fn exp2_integer<T: Lanes>(n: Pack<T>) -> Pack<T> {
    n.with(n.token.shift_left_23((n + n.c(127.0 + 8_388_608.0)).v))
}

#[inline(always)]
pub(super) fn exp<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let x = clamp(x, -105.0, 90.0);
    let n = x.mul_add(x.c(core::f32::consts::LOG2_E), x.c(ROUND)) - x.c(ROUND);
    let r = n.mul_add(x.c(-0.693_359_4), x);
    let r = n.mul_add(x.c(2.121_944_4e-4), r);
    let mut p = r.mul_add(x.c(1.987_569_1e-4), x.c(1.398_199_9e-3));
    p = r.mul_add(p, x.c(8.333_452e-3));
    p = r.mul_add(p, x.c(4.166_579_6e-2));
    p = r.mul_add(p, x.c(1.666_666_5e-1));
    p = r.mul_add(p, x.c(0.5));
    let e = p.mul_add(r * r, r) + x.c(1.0);
    // Two factors, so that 2^n may overflow to infinity or end in the subnormals.
    let half = n.mul_add(x.c(0.5), x.c(ROUND)) - x.c(ROUND);
    e * exp2_integer(half) * exp2_integer(n - half)
}

#[inline(always)]
pub(super) fn ln<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let t = x.token;
    let (zero, one) = (x.c(0.0), x.c(1.0));
    let tiny = x.c(f32::MIN_POSITIVE);
    let scaled = Pack::select_gt(tiny, x, x * x.c(8_388_608.0), x);
    let offset =
        Pack::select_gt(tiny, x, x.c(8_388_608.0 + 127.0 + 23.0), x.c(8_388_608.0 + 127.0));
    let exponent = t.and(t.shift_right_23(scaled.v), 0xff);
    let e = x.with(t.or(exponent, t.splat(8_388_608.0))) - offset;
    let m = x.with(t.or(t.and(scaled.v, 0x007f_ffff), one.v));
    let root = x.c(core::f32::consts::SQRT_2);
    let e = Pack::select_gt(m, root, e + one, e);
    let m = Pack::select_gt(m, root, m * x.c(0.5), m) - one;
    let z = m * m;
    let mut p = m.mul_add(x.c(7.037_683_6e-2), x.c(-1.151_461e-1));
    p = m.mul_add(p, x.c(1.167_699_8e-1));
    p = m.mul_add(p, x.c(-1.242_014_1e-1));
    p = m.mul_add(p, x.c(1.424_932_3e-1));
    p = m.mul_add(p, x.c(-1.666_805_7e-1));
    p = m.mul_add(p, x.c(2.000_071_4e-1));
    p = m.mul_add(p, x.c(-2.499_999_4e-1));
    p = m.mul_add(p, x.c(3.333_333e-1));
    let mut y = p * z * m;
    y = e.mul_add(x.c(-2.121_944_4e-4), y);
    y = z.mul_add(x.c(-0.5), y);
    let y = e.mul_add(x.c(0.693_359_4), m + y);
    let not_positive = Pack::select_ge(x, zero, x.c(f32::NEG_INFINITY), x.c(f32::NAN));
    let finite = Pack::select_gt(x, x.c(f32::MAX), x, y);
    Pack::select_gt(x, zero, finite, not_positive)
}

#[inline(always)]
pub(super) fn ln_1p<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let one = x.c(1.0);
    let u = one + x;
    // The rounding error of 1 + x, to first order; meaningless, and left out, once x is large.
    let lost = Pack::select_gt(x, x.c(1e7), x.c(0.0), (x - (u - one)) / u);
    let y = ln(u) + lost;
    // At x = -1 the correction is 0/0.
    Pack::select_ge(x.c(-1.0), x, ln(u), y)
}

#[inline(always)]
pub(super) fn tanh<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let x = clamp(x, -7.905_311, 7.905_311);
    let z = x * x;
    let mut p = z.mul_add(x.c(-2.760_768_4e-16), x.c(2.000_188e-13));
    p = z.mul_add(p, x.c(-8.604_672e-11));
    p = z.mul_add(p, x.c(5.122_297_3e-8));
    p = z.mul_add(p, x.c(1.485_722_3e-5));
    p = z.mul_add(p, x.c(6.372_619_3e-4));
    p = z.mul_add(p, x.c(4.893_524_6e-3));
    let mut q = z.mul_add(x.c(1.198_258_4e-6), x.c(1.185_347_1e-4));
    q = z.mul_add(q, x.c(2.268_434_7e-3));
    q = z.mul_add(q, x.c(4.893_525e-3));
    x * p / q
}

#[inline(always)]
pub(super) fn sigmoid<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let one = x.c(1.0);
    one / (one + exp(-x))
}

#[inline(always)]
pub(super) fn softplus<T: Lanes>(x: Pack<T>) -> Pack<T> {
    // exp(-|x|) is in [0, 1], so the plain correction of ln_1p is safe.
    let t = exp(-x.abs());
    let one = x.c(1.0);
    let u = one + t;
    x.relu() + (ln(u) + (t - (u - one)) / u)
}

#[inline(always)]
pub(super) fn asinh<T: Lanes>(x: Pack<T>) -> Pack<T> {
    let a = x.abs();
    let inverse = x.c(1.0) / a;
    let hypotenuse = inverse.mul_add(inverse, x.c(1.0)).sqrt();
    let y = ln_1p(a + a / (hypotenuse + inverse));
    let sign = x.with(x.token.and(x.v, 0x8000_0000));
    x.with(x.token.or(y.v, sign.v))
}

/// Beyond it the three-part reduction by pi/2 loses digits.
const REDUCTION_LIMIT: f32 = 8192.0;

/// The value at `x` of sine (`quarter` 0) or cosine (`quarter` 1).
#[inline(always)]
fn sine<T: Lanes>(x: Pack<T>, quarter: f32) -> Pack<T> {
    let shifted = x.mul_add(x.c(core::f32::consts::FRAC_2_PI), x.c(ROUND));
    let n = shifted - x.c(ROUND);
    let r = n.mul_add(x.c(-1.570_312_5), x);
    let r = n.mul_add(x.c(-4.837_513e-4), r);
    let r = n.mul_add(x.c(-7.549_79e-8), r);
    let z = r * r;
    let mut s = z.mul_add(x.c(-1.951_529_6e-4), x.c(8.332_161e-3));
    s = z.mul_add(s, x.c(-1.666_665_5e-1));
    let s = (s * z).mul_add(r, r);
    let mut c = z.mul_add(x.c(2.443_315_7e-5), x.c(-1.388_731_6e-3));
    c = z.mul_add(c, x.c(4.166_664_6e-2));
    let c = (c * z).mul_add(z, z.mul_add(x.c(-0.5), x.c(1.0)));
    // The low bits of the rounded number are the quadrant; moved into the exponent they are
    // normal numbers, which flush-to-zero leaves alone.
    let quadrant = shifted + x.c(quarter);
    let t = x.token;
    let odd = x.with(t.shift_left_23(t.and(quadrant.v, 1)));
    let upper = x.with(t.shift_left_23(t.and(quadrant.v, 2)));
    let zero = x.c(0.0);
    let y = Pack::select_gt(odd, zero, c, s);
    Pack::select_gt(upper, zero, -y, y)
}

#[inline(always)]
fn any_large<T: Lanes>(x: Pack<T>) -> bool {
    let lanes = x.abs().store();
    let mut large = false;
    for lane in lanes {
        large |= lane > REDUCTION_LIMIT;
    }
    large
}

#[inline(always)]
pub(super) fn sin<T: Lanes>(x: Pack<T>) -> Pack<T> {
    if any_large(x) {
        return x.map_lanes(f32::sin);
    }
    sine(x, 0.0)
}

#[inline(always)]
pub(super) fn cos<T: Lanes>(x: Pack<T>) -> Pack<T> {
    if any_large(x) {
        return x.map_lanes(f32::cos);
    }
    sine(x, 1.0)
}
