//! Softmax, its relatives and layer normalisation, over the last axis.

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

    /// The softmax of the first `i + 1` elements of row `i` of each matrix `(n, n)`, and zeros behind:
    /// what a position may attend to are itself and those before (Vaswani et al. 2017, section 3.2.3).
    ///
    /// # Panics
    ///
    /// If the last two extents differ.
    pub fn causal_softmax(self) -> Self {
        let shape = self.shape();
        assert_eq!(shape.trailing(0), shape.trailing(1), "causal_softmax of shape {shape:?}");
        self.rows(RowFunction::CausalSoftmax, shape)
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

    /// `(x - mean) / sqrt(variance + epsilon)` over the last axis, the variance being that of the
    /// row, not an estimate: layer normalisation without gain and bias (Ba et al. 2016).
    pub fn layer_norm(self, epsilon: f64) -> Self {
        self.rows(RowFunction::LayerNorm(epsilon), self.shape())
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
