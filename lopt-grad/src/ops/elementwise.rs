//! Functions of single elements and of pairs.

use super::{Op, Pullback};
use crate::arena::NONE;
use crate::kernel::{
    Binary, BinaryAdjoint, BinaryForward, Loops, Side, Unary, UnaryAdjoint, UnaryForward,
};
use crate::real::Real;
use crate::var::Var;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $function:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(self) -> Self {
            self.unary(Unary::$function)
        }
    )*};
}

impl<'t, R: Real> Var<'t, R> {
    functions! {
        /// Exponential of every element.
        exp Exp;
        /// Natural logarithm of every element.
        ln Ln;
        /// Square root of every element; its adjoint at zero is zero.
        sqrt Sqrt;
        /// Square of every element.
        square Square;
        /// Absolute value of every element; its subgradient at zero is zero.
        abs Abs;
        /// Sine of every element.
        sin Sin;
        /// Cosine of every element.
        cos Cos;
        /// Hyperbolic tangent of every element.
        tanh Tanh;
        /// `1 / (1 + exp(-x))` of every element, without overflow.
        sigmoid Sigmoid;
        /// `max(x, 0)` of every element; its subgradient at zero is zero.
        relu Relu;
        /// `ln(1 + exp(x))` of every element, without overflow.
        softplus Softplus;
        /// Gaussian error linear unit of every element, in the tanh form (Hendrycks & Gimpel 2016):
        /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
        gelu Gelu;
        /// Inverse hyperbolic sine of every element.
        asinh Asinh;
        /// `1 / x` of every element.
        recip Recip;
    }

    /// Every element to the real power `p`; for `p < 1` the adjoint at zero is infinite.
    pub fn powf(self, p: f64) -> Self {
        self.unary(Unary::Powf(p))
    }

    /// Every element to the integer power `n`.
    pub fn powi(self, n: i32) -> Self {
        self.unary(Unary::Powi(n))
    }

    /// The larger of each pair; a tie and its gradient go to `self`, NaN to NaN.
    pub fn maximum(self, other: Self) -> Self {
        self.binary(Binary::Maximum, other)
    }

    /// The smaller of each pair; a tie and its gradient go to `self`, NaN to NaN.
    pub fn minimum(self, other: Self) -> Self {
        self.binary(Binary::Minimum, other)
    }

    pub(crate) fn unary(self, function: Unary) -> Self {
        self.tape.record(
            Op::Unary(function),
            [self.index, NONE],
            self.shape(),
            0,
            |inputs, _, y| R::execute(UnaryForward { function, x: inputs.get(0), y }.into()),
        )
    }

    pub(crate) fn binary(self, function: Binary, other: Self) -> Self {
        self.same_tape(other);
        let (a, b) = (self.shape(), other.shape());
        let shape = a.broadcast(&b);
        let loops = Loops::new(&a, &b, &shape);
        let inputs = [self.index, other.index];
        self.tape.record(Op::Binary(function, loops), inputs, shape, 0, |inputs, _, out| {
            let (a, b) = (inputs.get(0), inputs.get(1));
            R::execute(BinaryForward { function, loops, a, b, out }.into());
        })
    }

    pub(crate) fn same_tape(self, other: Self) {
        assert!(core::ptr::eq(self.tape, other.tape), "operands on two tapes");
    }
}

pub(super) fn pull_back_unary<R: Real>(mut p: Pullback<'_, R>, function: Unary) {
    let (x, y, g) = (p.value(0), p.result(), p.g);
    if let Some(dx) = p.adjoint(0) {
        R::execute(UnaryAdjoint { function, x, y, g, dx }.into());
    }
}

pub(super) fn pull_back_binary<R: Real>(mut p: Pullback<'_, R>, function: Binary, loops: Loops) {
    let (a, b, out, g) = (p.value(0), p.value(1), p.result(), p.g);
    for (which, side) in [Side::First, Side::Second].into_iter().enumerate() {
        if let Some(d) = p.adjoint(which) {
            R::execute(BinaryAdjoint { function, side, loops, a, b, out, g, d }.into());
        }
    }
}
