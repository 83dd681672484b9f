//! Sums, means, extrema and scalar products.

use super::{Op, Pullback};
use crate::arena::NONE;
use crate::kernel::{Axpy, Dot, Extremum, ExtremumAdjoint, ExtremumForward, Sum, SumAdjoint};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// Sum of all elements, of shape `[1]`.
    pub fn sum(self) -> Self {
        self.scaled_sum(self.shape().elements(), 1, 1.0, Shape::new(&[1]))
    }

    /// Mean of all elements, of shape `[1]`.
    pub fn mean(self) -> Self {
        let n = self.shape().elements();
        self.scaled_sum(n, 1, 1.0 / n as f64, Shape::new(&[1]))
    }

    /// Sum along `axis`, which disappears (a vector becomes shape `[1]`).
    ///
    /// # Panics
    ///
    /// If there is no such axis.
    pub fn sum_axis(self, axis: usize) -> Self {
        let (_, length, inner) = self.shape().around(axis);
        self.scaled_sum(length, inner, 1.0, self.shape().without(axis))
    }

    /// Mean along `axis`, which disappears (a vector becomes shape `[1]`).
    ///
    /// # Panics
    ///
    /// If there is no such axis.
    pub fn mean_axis(self, axis: usize) -> Self {
        let (_, length, inner) = self.shape().around(axis);
        self.scaled_sum(length, inner, 1.0 / length as f64, self.shape().without(axis))
    }

    fn scaled_sum(self, length: usize, inner: usize, scale: f64, shape: Shape) -> Self {
        let op = Op::Sum { length, inner, scale };
        self.tape.record(op, [self.index, NONE], shape, 0, |inputs, _, out| {
            R::execute(Sum { length, inner, scale, x: inputs.get(0), out }.into());
        })
    }

    /// Largest element, of shape `[1]`; lane by lane the gradient goes to the first one.
    pub fn max(self) -> Self {
        self.extremum(Extremum::Max)
    }

    /// Smallest element, of shape `[1]`; lane by lane the gradient goes to the first one.
    pub fn min(self) -> Self {
        self.extremum(Extremum::Min)
    }

    fn extremum(self, which: Extremum) -> Self {
        let (op, shape) = (Op::Extremum(which), Shape::new(&[1]));
        self.tape.record(op, [self.index, NONE], shape, 0, |inputs, _, out| {
            R::execute(ExtremumForward { which, x: inputs.get(0), out }.into());
        })
    }

    /// Sum of the products of corresponding elements, of shape `[1]`.
    ///
    /// # Panics
    ///
    /// If the numbers of elements differ.
    pub fn dot(self, other: Self) -> Self {
        self.same_tape(other);
        let (a, b) = (self.shape(), other.shape());
        assert_eq!(a.elements(), b.elements(), "dot of shapes {a:?} and {b:?}");
        let inputs = [self.index, other.index];
        self.tape.record(Op::Dot, inputs, Shape::new(&[1]), 0, |inputs, _, out| {
            R::execute(Dot { a: inputs.get(0), b: inputs.get(1), out }.into());
        })
    }
}

pub(super) fn pull_back_sum<R: Real>(
    mut p: Pullback<'_, R>,
    length: usize,
    inner: usize,
    scale: f64,
) {
    let g = p.g;
    if let Some(dx) = p.adjoint(0) {
        R::execute(SumAdjoint { length, inner, scale, g, dx }.into());
    }
}

pub(super) fn pull_back_extremum<R: Real>(mut p: Pullback<'_, R>, which: Extremum) {
    let (x, y, g) = (p.value(0), p.result(), p.g);
    if let Some(dx) = p.adjoint(0) {
        R::execute(ExtremumAdjoint { which, x, y, g, dx }.into());
    }
}

pub(super) fn pull_back_dot<R: Real>(mut p: Pullback<'_, R>) {
    let alpha = p.g;
    for which in [0, 1] {
        let x = p.value(1 - which);
        if let Some(y) = p.adjoint(which) {
            R::execute(Axpy { alpha, x, y }.into());
        }
    }
}
