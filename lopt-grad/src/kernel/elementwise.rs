//! Functions of one element: values, and adjoints `dx += g f'(x)`.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unary {
    /// `a x`
    Scale(f64),
    /// `x + a`
    Shift(f64),
    Exp,
    Ln,
    Sqrt,
    Square,
    Abs,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Softplus,
    Gelu,
    Asinh,
    Recip,
    Powf(f64),
    Powi(i32),
}

/// `y = f(x)`; all of one length.
pub(crate) struct UnaryForward<'a, R> {
    pub(crate) function: Unary,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

/// `dx += g f'(x)`, with `y = f(x)`.
pub(crate) struct UnaryAdjoint<'a, R> {
    pub(crate) function: Unary,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) dx: &'a mut [R],
}

/// One loop per function. A macro, because a closure might not be inlined into the level.
macro_rules! forward {
    ($c:ident, $k:ident, $x:ident => $value:expr) => {
        for (x, y) in $k.x.iter().zip($k.y.iter_mut()) {
            let $x = $c.load(x);
            *y = $c.store($value);
        }
    };
}

impl<R> Kernel<R> for UnaryForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        match self.function {
            Unary::Scale(a) => {
                let a = c.constant(a);
                forward!(c, self, x => x * a);
            }
            Unary::Shift(a) => {
                let a = c.constant(a);
                forward!(c, self, x => x + a);
            }
            Unary::Exp => forward!(c, self, x => x.exp()),
            Unary::Ln => forward!(c, self, x => x.ln()),
            Unary::Sqrt => forward!(c, self, x => x.sqrt()),
            Unary::Square => forward!(c, self, x => x.square()),
            Unary::Abs => forward!(c, self, x => x.abs()),
            Unary::Sin => forward!(c, self, x => x.sin()),
            Unary::Cos => forward!(c, self, x => x.cos()),
            Unary::Tanh => forward!(c, self, x => x.tanh()),
            Unary::Sigmoid => forward!(c, self, x => x.sigmoid()),
            Unary::Relu => forward!(c, self, x => x.relu()),
            Unary::Softplus => forward!(c, self, x => x.softplus()),
            Unary::Gelu => forward!(c, self, x => x * gelu_gate(x)),
            Unary::Asinh => forward!(c, self, x => x.asinh()),
            Unary::Recip => forward!(c, self, x => x.recip()),
            Unary::Powf(p) => forward!(c, self, x => x.powf(p)),
            Unary::Powi(n) => forward!(c, self, x => x.powi(n)),
        }
    }
}

/// `2 sqrt(2 / pi)`
const GELU_SLOPE: f64 = 1.595_769_121_605_731;
const GELU_BEND: f64 = 0.044_715;

/// `(1 + tanh(u)) / 2 = sigmoid(2 u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
fn gelu_gate<T: Arithmetic>(x: T) -> T {
    let bent = (x * x).mul_add(x.constant(GELU_BEND), x.constant(1.0));
    (x * x.constant(GELU_SLOPE) * bent).sigmoid()
}

/// One loop per derivative, of `x` and the value `y`.
macro_rules! adjoint {
    ($c:ident, $k:ident, $x:ident, $y:ident => $derivative:expr) => {
        for (((x, y), g), dx) in $k.x.iter().zip($k.y).zip($k.g).zip($k.dx.iter_mut()) {
            let ($x, $y) = ($c.load(x), $c.load(y));
            let _ = ($x, $y);
            *dx = $c.store($c.load(g).mul_add($derivative, $c.load(dx)));
        }
    };
}

impl<R> Kernel<R> for UnaryAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let (zero, one) = (c.constant(0.0), c.constant(1.0));
        match self.function {
            Unary::Scale(a) => {
                let a = c.constant(a);
                adjoint!(c, self, x, y => a);
            }
            Unary::Shift(_) => {
                for (g, dx) in self.g.iter().zip(self.dx.iter_mut()) {
                    *dx = c.store(c.load(dx) + c.load(g));
                }
            }
            Unary::Exp => adjoint!(c, self, x, y => y),
            Unary::Ln => adjoint!(c, self, x, y => x.recip()),
            Unary::Sqrt => {
                let half = c.constant(0.5);
                // Zero at the root's zero; a multiple of y, because NaN takes that branch too.
                adjoint!(c, self, x, y => C::Register::select_gt(y, zero, half / y, y * zero));
            }
            Unary::Square => adjoint!(c, self, x, y => x + x),
            Unary::Abs => {
                adjoint!(c, self, x, y => C::Register::select_gt(x, zero, one,
                    C::Register::select_gt(zero, x, -one, x * zero)));
            }
            Unary::Sin => adjoint!(c, self, x, y => x.cos()),
            Unary::Cos => adjoint!(c, self, x, y => -x.sin()),
            Unary::Tanh => adjoint!(c, self, x, y => one - y * y),
            Unary::Sigmoid => adjoint!(c, self, x, y => y * (one - y)),
            Unary::Relu => adjoint!(c, self, x, y => C::Register::select_gt(x, zero, one, zero)),
            Unary::Softplus => adjoint!(c, self, x, y => x.sigmoid()),
            Unary::Gelu => {
                let (slope, bend) = (c.constant(GELU_SLOPE), c.constant(3.0 * GELU_BEND));
                adjoint!(c, self, x, y => {
                    let gate = gelu_gate(x);
                    let inner = slope * (x * x).mul_add(bend, one);
                    (x * inner).mul_add(gate * (one - gate), gate)
                });
            }
            Unary::Asinh => adjoint!(c, self, x, y => x.mul_add(x, one).sqrt().recip()),
            Unary::Recip => adjoint!(c, self, x, y => -(y * y)),
            Unary::Powf(p) => {
                let a = c.constant(p);
                adjoint!(c, self, x, y => a * x.powf(p - 1.0));
            }
            Unary::Powi(n) => {
                let a = c.constant(f64::from(n));
                if n == 0 {
                    return;
                }
                adjoint!(c, self, x, y => a * x.powi(n.saturating_sub(1)));
            }
        }
    }
}
