//! Handles of tensors on a tape, and their operators.

use core::fmt;
use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::kernel::Unary;
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Tape;

/// A tensor on a [`Tape`]: a cheap, copyable handle.
///
/// Binary operations broadcast as numpy's do. The operators take another `Var` or an `f64`:
///
/// ```
/// # use lopt_grad::Tape;
/// let tape = Tape::<f32>::new();
/// let x = tape.variable(&[2, 1], &[1.0, 2.0]);
/// let y = tape.constant(&[3], &[10.0, 20.0, 30.0]);
/// assert_eq!((1.0 - x * 2.0 + y).value(), [9.0, 19.0, 29.0, 7.0, 17.0, 27.0]);
/// ```
pub struct Var<'t, R> {
    pub(crate) tape: &'t Tape<R>,
    pub(crate) index: usize,
}

impl<R> Clone for Var<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Var<'_, R> {}

impl<R: Real> fmt::Debug for Var<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var")
            .field("index", &self.index)
            .field("shape", &self.shape())
            .field("value", &self.value())
            .finish()
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// The tape it lives on.
    pub const fn tape(self) -> &'t Tape<R> {
        self.tape
    }

    /// Extents; rank 1 to 4.
    pub fn shape(self) -> Shape {
        self.tape.node(self.index).shape
    }

    /// All elements, row-major.
    pub fn value(self) -> Vec<R> {
        self.tape.with_values(self.index, <[R]>::to_vec)
    }

    /// The element of a tensor that has one.
    ///
    /// # Panics
    ///
    /// If it has more.
    pub fn item(self) -> R {
        self.tape.with_values(self.index, |values| {
            assert_eq!(values.len(), 1, "item() of a tensor of {} elements", values.len());
            values[0]
        })
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident ($x:ident, $a:ident) $with_number:expr, $of_number:expr;)*) => {$(
        impl<'t, R: Real> $operator for Var<'t, R> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(crate::kernel::Binary::$operator, other)
            }
        }
        impl<'t, R: Real> $operator<f64> for Var<'t, R> {
            type Output = Self;
            fn $method(self, $a: f64) -> Self {
                let $x = self;
                $with_number
            }
        }
        impl<'t, R: Real> $operator<Var<'t, R>> for f64 {
            type Output = Var<'t, R>;
            fn $method(self, $x: Var<'t, R>) -> Var<'t, R> {
                let $a = self;
                $of_number
            }
        }
    )*};
}

operators! {
    Add add (x, a) x.unary(Unary::Shift(a)), x.unary(Unary::Shift(a));
    Sub sub (x, a) x.unary(Unary::Shift(-a)), x.unary(Unary::Scale(-1.0)).unary(Unary::Shift(a));
    Mul mul (x, a) x.unary(Unary::Scale(a)), x.unary(Unary::Scale(a));
    Div div (x, a) x.unary(Unary::Scale(1.0 / a)), x.unary(Unary::Recip).unary(Unary::Scale(a));
}

impl<R: Real> Neg for Var<'_, R> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Scale(-1.0))
    }
}
