//! exp, ln, tanh, sigmoid and asinh on the device.
//!
//! Drivers may compute `tanh` and `asinh` with an absolute error of 1e-5 and `ln` with one of 1e-6
//! or so; these need nothing of them but `exp` and arithmetic. NaN passes through.

use cubecl::prelude::*;

const LN_2: f32 = std::f32::consts::LN_2;
const LARGEST: f32 = f32::MAX;
/// Bits of two thirds: mantissas are taken from there to four thirds.
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// `1 / (1 + e^-x)`.
#[cube]
pub(super) fn sigmoid(x: f32) -> f32 {
    // beyond, the result is 1 or rounds to 0, and the power would overflow
    let bounded = select(x < -87.0f32, -87.0f32, x);
    1.0f32 / (1.0f32 + f32::exp(-bounded))
}

/// Hyperbolic tangent; by its series where the quotient would cancel.
#[cube]
pub(super) fn tanh(x: f32) -> f32 {
    let a = select(x < 0.0f32, -x, x);
    let power = f32::exp(-2.0f32 * a);
    let quotient = (1.0f32 - power) / (1.0f32 + power);
    let z = a * a;
    let series = fma(fma(fma(-0.051_138_34f32, z, 0.133_219_96f32), z, -0.333_332_03f32), z * a, a);
    let y = select(a < 0.2645f32, series, quotient);
    select(x < 0.0f32, -y, y)
}

/// Logarithm of a positive normal number, as on the CPU (`simd/math.rs`).
#[cube]
pub(super) fn ln(x: f32) -> f32 {
    let bits = u32::reinterpret(x);
    let shifted = bits - TWO_THIRDS;
    let exponent = i32::reinterpret(shifted) >> 23;
    let mantissa = f32::reinterpret(bits - u32::reinterpret(exponent << 23));
    let f = mantissa - 1.0f32;
    let mut p = fma(0.138_201_1f32, f, -0.151_221_78f32);
    p = fma(p, f, 0.140_423_37f32);
    p = fma(p, f, -0.164_723_28f32);
    p = fma(p, f, 0.200_079_17f32);
    p = fma(p, f, -0.250_042_38f32);
    p = fma(p, f, 0.333_332_66f32);
    p = fma(p, f, -0.5f32);
    let y = fma(f * f, p, f);
    let y = fma(f32::cast_from(exponent), LN_2, y);
    // infinity and NaN stay what they are
    select(x < LARGEST, y, x)
}

/// Inverse hyperbolic sine.
#[cube]
pub(super) fn asinh(x: f32) -> f32 {
    let a = select(x < 0.0f32, -x, x);
    let z = a * a;
    let mut p = fma(-0.010_774_014f32, z, 0.026_539_877f32);
    p = fma(p, z, -0.044_013_992f32);
    p = fma(p, z, 0.074_953_526f32);
    p = fma(p, z, -0.166_665_54f32);
    let small = fma(a * z, p, a);
    // halves keep the sum finite; the square of 5e17 is far beyond the quarter under the root
    let half = 0.5f32 * a;
    let limited = select(half > 5e17, 5e17f32, half);
    let root = select(half > 5e17, half, f32::sqrt(fma(limited, limited, 0.25f32)));
    let large = ln(half + root) + LN_2;
    let y = select(a < 0.6f32, small, large);
    select(x < 0.0f32, -y, y)
}

/// `(1 - w) a + w b`.
#[cube]
pub(super) fn mix(w: f32, a: f32, b: f32) -> f32 {
    fma(w, b - a, a)
}

/// The larger one; NaN stays what it is.
#[cube]
pub(super) fn at_least(x: f32, least: f32) -> f32 {
    select(x < least, least, x)
}

/// The smaller one.
#[cube]
pub(super) fn at_most(x: f32, most: f32) -> f32 {
    select(x > most, most, x)
}
