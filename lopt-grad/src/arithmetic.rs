//! Arithmetic and elementary functions of one scalar, SIMD register or dual number.
//!
//! Everything that computes is written once over [`Arithmetic`]. Every method is `inline(always)`:
//! a helper left out of line inside a dispatched kernel would be compiled without its target
//! features, silently and many times slower.

use core::fmt::Debug;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// A number, or several side by side, with the elementary functions.
///
/// Implemented by `f32`, `f64`, [`F32x16`](crate::F32x16), the SIMD registers inside the kernels,
/// and [`Dual`](crate::Dual) of each. Comparisons are made lane by lane and, for duals, on the
/// values only.
pub trait Arithmetic:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The constant `x` in every lane; `self` only tells the kind of register.
    fn constant(self, x: f64) -> Self;
    /// `self * a + b`, fused where the register has a fused instruction.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// `self * a + b` where `a` is known to have tangent zero.
    #[inline(always)]
    fn mul_add_still(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    /// Square root; for duals the derivative at zero is defined as zero.
    fn sqrt(self) -> Self;
    /// Absolute value; derivative zero at zero.
    fn abs(self) -> Self;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)`, accurate near zero.
    fn ln_1p(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// `1 / (1 + exp(-self))`, without overflow on either side.
    fn sigmoid(self) -> Self;
    /// `ln(1 + exp(self))`, without overflow on either side.
    fn softplus(self) -> Self;
    /// Inverse hyperbolic sine: `sign(x) asinh |x|`.
    fn asinh(self) -> Self;
    /// `self` to the real power `p`.
    fn powf(self, p: f64) -> Self;
    /// Lane by lane `a > b ? then : other`.
    fn select_gt(a: Self, b: Self, then: Self, other: Self) -> Self;
    /// Lane by lane `a >= b ? then : other`.
    fn select_ge(a: Self, b: Self, then: Self, other: Self) -> Self;

    /// `self * self`.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
    /// `1 / self`.
    #[inline(always)]
    fn recip(self) -> Self {
        self.constant(1.0) / self
    }
    /// `self` to the integer power `n`, by repeated squaring.
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        let mut left = n.unsigned_abs();
        let mut factor = self;
        let mut product = self.constant(1.0);
        while left > 0 {
            if left & 1 == 1 {
                product = product * factor;
            }
            left >>= 1;
            if left > 0 {
                factor = factor * factor;
            }
        }
        if n < 0 { product.recip() } else { product }
    }
    /// The larger value, `self` at ties; NaN if either is NaN.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // The sum is reached only when neither comparison holds, which is when it is NaN.
        Self::select_ge(self, other, self, Self::select_gt(other, self, other, self + other))
    }
    /// The smaller value, `self` at ties; NaN if either is NaN.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select_ge(other, self, self, Self::select_gt(self, other, other, self + other))
    }
    /// `max(self, 0)`; derivative zero at zero; NaN stays NaN.
    #[inline(always)]
    fn relu(self) -> Self {
        let zero = self.constant(0.0);
        Self::select_ge(zero, self, zero, self)
    }
}

/// Those of the standard library.
macro_rules! functions {
    ($($name:ident)*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            Self::$name(self)
        })*
    };
}

macro_rules! float_arithmetic {
    ($float:ident) => {
        #[allow(trivial_numeric_casts, reason = "one of the two floats is f64 already")]
        impl Arithmetic for $float {
            functions! { sqrt abs exp ln ln_1p sin cos tanh asinh }
            #[inline(always)]
            fn constant(self, x: f64) -> Self {
                x as Self
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                // Not `f32::mul_add`: without the FMA feature that is a library call.
                self * a + b
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                // exp of a non-positive number cannot overflow.
                let e = $float::exp(-$float::abs(self));
                if self < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
            }
            #[inline(always)]
            fn softplus(self) -> Self {
                let positive = if self < 0.0 { 0.0 } else { self };
                positive + $float::exp(-$float::abs(self)).ln_1p()
            }
            #[inline(always)]
            fn powf(self, p: f64) -> Self {
                $float::powf(self, p as Self)
            }
            #[inline(always)]
            fn select_gt(a: Self, b: Self, then: Self, other: Self) -> Self {
                if a > b { then } else { other }
            }
            #[inline(always)]
            fn select_ge(a: Self, b: Self, then: Self, other: Self) -> Self {
                if a >= b { then } else { other }
            }
        }
    };
}

float_arithmetic!(f32);
float_arithmetic!(f64);
