//! Softmax and its relatives over the last axis.

use super::{Op, Pullback};
use crate::arena::NONE;
use crate::kernel::{RowAdjoint, RowForward, RowFunction};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// `exp(x) / sum exp(x)` over the last axis.
    pub fn softmax(self) -> Self {
        self.rows(RowFunction::Softmax, self.shape())
    }

    /// `x - ln sum exp(x)` over the last axis.
    pub fn log_softmax(self) -> Self {
        self.rows(RowFunction::LogSoftmax, self.shape())
    }

    /// `ln sum exp(x)` over the last axis, which disappears (a vector becomes shape `[1]`).
    pub fn log_sum_exp(self) -> Self {
        let shape = self.shape();
        self.rows(RowFunction::LogSumExp, shape.without(shape.len() - 1))
    }

    fn rows(self, function: RowFunction, shape: Shape) -> Self {
        let width = self.shape().trailing(0);
        self.tape.record(Op::Row(function), [self.index, NONE], shape, 0, |inputs, _, y| {
            R::execute(RowForward { function, width, x: inputs.get(0), y }.into());
        })
    }
}

pub(super) fn pull_back<R: Real>(mut p: Pullback<'_, R>, function: RowFunction) {
    let width = p.input(0).shape.trailing(0);
    let (x, y, g) = (p.value(0), p.result(), p.g);
    if let Some(dx) = p.adjoint(0) {
        R::execute(RowAdjoint { function, width, x, y, g, dx }.into());
    }
}
