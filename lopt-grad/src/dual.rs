//! Dual numbers: a value and its derivative along one direction.

use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::arithmetic::Arithmetic;

/// `re + eps * e` with `e * e = 0`: a value and one tangent, carried through every operation.
///
/// ```
/// use lopt_grad::{Arithmetic, Dual};
///
/// let x = Dual { re: 2.0, eps: 1.0 };
/// let y = x * x * x + x.exp();
/// assert_eq!(y.eps, 12.0 + 2.0_f64.exp());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Dual<R> {
    /// The value.
    pub re: R,
    /// The derivative along the direction.
    pub eps: R,
}

impl<T: Arithmetic> Dual<T> {
    /// Applies a function with the given value and derivative at `self.re`.
    #[inline(always)]
    fn chain(self, value: T, derivative: T) -> Self {
        Self { re: value, eps: self.eps * derivative }
    }
}

impl<T: Arithmetic> Add for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self { re: self.re + b.re, eps: self.eps + b.eps }
    }
}

impl<T: Arithmetic> AddAssign for Dual<T> {
    #[inline(always)]
    fn add_assign(&mut self, b: Self) {
        *self = *self + b;
    }
}

impl<T: Arithmetic> Sub for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self { re: self.re - b.re, eps: self.eps - b.eps }
    }
}

impl<T: Arithmetic> Mul for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Self { re: self.re * b.re, eps: self.re.mul_add(b.eps, self.eps * b.re) }
    }
}

impl<T: Arithmetic> Div for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        let re = self.re / b.re;
        Self { re, eps: (self.eps - re * b.eps) / b.re }
    }
}

impl<T: Arithmetic> Neg for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { re: -self.re, eps: -self.eps }
    }
}

impl<T: Arithmetic> Arithmetic for Dual<T> {
    #[inline(always)]
    fn constant(self, x: f64) -> Self {
        Self { re: self.re.constant(x), eps: self.re.constant(0.0) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self {
            re: self.re.mul_add(a.re, b.re),
            eps: self.re.mul_add(a.eps, self.eps.mul_add(a.re, b.eps)),
        }
    }
    #[inline(always)]
    fn mul_add_still(self, a: Self, b: Self) -> Self {
        Self { re: self.re.mul_add(a.re, b.re), eps: self.eps.mul_add(a.re, b.eps) }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let y = self.re.sqrt();
        let zero = y.constant(0.0);
        // Zero at the root's zero; the branch not taken returns y so that NaN stays NaN.
        let derivative = T::select_gt(y, zero, y.constant(0.5) / y, y);
        self.chain(y, derivative)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        let x = self.re;
        let (zero, one) = (x.constant(0.0), x.constant(1.0));
        let sign = T::select_gt(x, zero, one, T::select_gt(zero, x, -one, x * zero));
        self.chain(x.abs(), sign)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let y = self.re.exp();
        self.chain(y, y)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self { re: self.re.ln(), eps: self.eps / self.re }
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        Self { re: self.re.ln_1p(), eps: self.eps / (self.re + self.re.constant(1.0)) }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.re.sin(), self.re.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.re.cos(), -self.re.sin())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let y = self.re.tanh();
        self.chain(y, y.constant(1.0) - y * y)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let y = self.re.sigmoid();
        self.chain(y, y * (y.constant(1.0) - y))
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.chain(self.re.softplus(), self.re.sigmoid())
    }
    #[inline(always)]
    fn asinh(self) -> Self {
        let x = self.re;
        Self { re: x.asinh(), eps: self.eps / x.mul_add(x, x.constant(1.0)).sqrt() }
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        let x = self.re;
        self.chain(x.powf(p), x.constant(p) * x.powf(p - 1.0))
    }
    #[inline(always)]
    fn select_gt(a: Self, b: Self, then: Self, other: Self) -> Self {
        Self {
            re: T::select_gt(a.re, b.re, then.re, other.re),
            eps: T::select_gt(a.re, b.re, then.eps, other.eps),
        }
    }
    #[inline(always)]
    fn select_ge(a: Self, b: Self, then: Self, other: Self) -> Self {
        Self {
            re: T::select_ge(a.re, b.re, then.re, other.re),
            eps: T::select_ge(a.re, b.re, then.eps, other.eps),
        }
    }
}
