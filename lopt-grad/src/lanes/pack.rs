//! Sixteen lanes in registers, as a number: the token and its register group together.

use core::ops::{Add, Div, Mul, Neg, Sub};

use lopt_simd::Lanes;

use super::functions;
use crate::arithmetic::Arithmetic;

/// A register group of sixteen lanes that remembers its level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pack<T: Lanes> {
    pub(super) token: T,
    pub(super) v: T::V,
}

impl<T: Lanes> Pack<T> {
    #[inline(always)]
    pub(crate) fn load(token: T, x: &[f32; 16]) -> Self {
        Self { token, v: bytemuck::cast(*x) }
    }

    #[inline(always)]
    pub(crate) fn store(self) -> [f32; 16] {
        bytemuck::cast(self.v)
    }

    #[inline(always)]
    pub(crate) fn splat(token: T, x: f32) -> Self {
        Self { token, v: token.splat(x) }
    }

    /// The single-precision constant `x`.
    #[inline(always)]
    pub(super) fn c(self, x: f32) -> Self {
        Self::splat(self.token, x)
    }

    #[inline(always)]
    pub(super) fn with(self, v: T::V) -> Self {
        Self { token: self.token, v }
    }

    /// Each lane through a scalar function: the rare slow paths.
    #[inline(always)]
    pub(super) fn map_lanes(self, f: impl Fn(f32) -> f32) -> Self {
        let mut lanes = self.store();
        for x in &mut lanes {
            *x = f(*x);
        }
        Self::load(self.token, &lanes)
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl<T: Lanes> $operator for Pack<T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                self.with(self.token.$method(self.v, b.v))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<T: Lanes> Neg for Pack<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.c(-0.0) - self
    }
}

macro_rules! functions {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            functions::$name(self)
        }
    )*};
}

impl<T: Lanes> Arithmetic for Pack<T> {
    functions!(exp, ln, ln_1p, sin, cos, tanh, sigmoid, softplus, asinh);

    #[inline(always)]
    fn constant(self, x: f64) -> Self {
        self.c(x as f32)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.with(self.token.fma(self.v, a.v, b.v))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.with(self.token.sqrt(self.v))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.with(self.token.and(self.v, 0x7fff_ffff))
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        self.map_lanes(|x| x.powf(p as f32))
    }
    #[inline(always)]
    fn select_gt(a: Self, b: Self, then: Self, other: Self) -> Self {
        a.with(a.token.select_gt(a.v, b.v, then.v, other.v))
    }
    #[inline(always)]
    fn select_ge(a: Self, b: Self, then: Self, other: Self) -> Self {
        a.with(a.token.select_ge(a.v, b.v, then.v, other.v))
    }
}
