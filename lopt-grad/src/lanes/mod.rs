//! Sixteen single-precision lanes, and the SIMD registers that compute them.

mod functions;
mod pack;

use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use lopt_simd::Portable;

use crate::arithmetic::Arithmetic;
pub(crate) use pack::Pack;

/// Sixteen `f32` side by side: sixteen instances of one problem in one scalar.
///
/// Arithmetic outside of a tape uses the portable registers; inside, the widest the CPU has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct F32x16(pub [f32; 16]);

impl F32x16 {
    /// The same value in every lane.
    pub const fn splat(x: f32) -> Self {
        Self([x; 16])
    }

    #[inline(always)]
    fn pack(self) -> Pack<Portable> {
        Pack::load(Portable, &self.0)
    }

    #[inline(always)]
    fn unpack(pack: Pack<Portable>) -> Self {
        Self(pack.store())
    }
}

impl AddAssign for F32x16 {
    #[inline(always)]
    fn add_assign(&mut self, b: Self) {
        *self = *self + b;
    }
}

impl Neg for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::unpack(-self.pack())
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl $operator for F32x16 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self::unpack(self.pack().$method(b.pack()))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

macro_rules! functions {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Self::unpack(self.pack().$name())
        }
    )*};
}

impl Arithmetic for F32x16 {
    functions!(sqrt, abs, exp, ln, ln_1p, sin, cos, tanh, sigmoid, softplus, asinh);

    #[inline(always)]
    fn constant(self, x: f64) -> Self {
        Self::splat(x as f32)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self::unpack(self.pack().mul_add(a.pack(), b.pack()))
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        Self::unpack(self.pack().powf(p))
    }
    #[inline(always)]
    fn select_gt(a: Self, b: Self, then: Self, other: Self) -> Self {
        Self::unpack(Pack::select_gt(a.pack(), b.pack(), then.pack(), other.pack()))
    }
    #[inline(always)]
    fn select_ge(a: Self, b: Self, then: Self, other: Self) -> Self {
        Self::unpack(Pack::select_ge(a.pack(), b.pack(), then.pack(), other.pack()))
    }
}
