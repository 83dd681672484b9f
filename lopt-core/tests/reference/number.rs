//! What the reference computes with: `f32`, `f64`, or a scalar on the tape of `lopt-grad`.

use lopt_grad::{Tape, Var};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number with the functions that the update rule needs.
pub(crate) trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The constant `x` as a number of the same kind as `self`.
    fn like(self, x: f64) -> Self;
    fn value(self) -> f64;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn tanh(self) -> Self;
    fn sigmoid(self) -> Self;
    fn asinh(self) -> Self;

    fn plus(self, x: f64) -> Self {
        self + self.like(x)
    }

    fn times(self, x: f64) -> Self {
        self * self.like(x)
    }

    fn relu(self) -> Self {
        if self.value() > 0.0 { self } else { self.like(0.0) }
    }

    /// Clips the value to `[least, most]`; the derivative passes as if it did not.
    fn clip_straight_through(self, least: f64, most: f64) -> Self {
        let excess = self.value() - self.value().min(most).max(least);
        if excess == 0.0 { self } else { self.plus(-excess) }
    }

    /// The same value without a derivative.
    fn detach(self) -> Self {
        self.like(self.value())
    }
}

macro_rules! float {
    ($float:ty, $convert:expr) => {
        impl Number for $float {
            fn like(self, x: f64) -> Self {
                $convert(x)
            }
            fn value(self) -> f64 {
                self.into()
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            fn sigmoid(self) -> Self {
                1.0 / (1.0 + (-self).exp())
            }
            fn asinh(self) -> Self {
                self.asinh()
            }
        }
    };
}
float!(f32, |x| x as f32);
float!(f64, |x| x);

/// A scalar recorded on a tape.
#[derive(Clone, Copy)]
pub(crate) struct Taped<'t> {
    pub(crate) tape: &'t Tape<f64>,
    pub(crate) var: Var<'t, f64>,
}

impl<'t> Taped<'t> {
    fn with(self, var: Var<'t, f64>) -> Self {
        Self { var, ..self }
    }
}

impl Add for Taped<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(self.var + other.var)
    }
}

impl Sub for Taped<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with(self.var - other.var)
    }
}

impl Mul for Taped<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(self.var * other.var)
    }
}

impl Div for Taped<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.with(self.var / other.var)
    }
}

impl Neg for Taped<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.with(-self.var)
    }
}

impl Number for Taped<'_> {
    fn like(self, x: f64) -> Self {
        self.with(self.tape.scalar(x))
    }
    fn value(self) -> f64 {
        self.var.item()
    }
    fn exp(self) -> Self {
        self.with(self.var.exp())
    }
    fn ln(self) -> Self {
        self.with(self.var.ln())
    }
    fn sqrt(self) -> Self {
        self.with(self.var.sqrt())
    }
    fn tanh(self) -> Self {
        self.with(self.var.tanh())
    }
    fn sigmoid(self) -> Self {
        self.with(self.var.sigmoid())
    }
    fn asinh(self) -> Self {
        self.with(self.var.asinh())
    }
}
