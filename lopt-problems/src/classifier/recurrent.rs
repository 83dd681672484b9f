//! Recurrent networks that read a sequence and then name its class.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::{Init, Network, accuracy, batch_arrays, cross_entropy};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// How the hidden state goes from one position to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h <- tanh(x W + h U + b)` (Elman 1990).
    Tanh,
    /// The gated recurrent unit (Cho et al. 2014): `h <- h + z (tanh(x W + (r h) U + b) - h)` with
    /// the gates `z, r = sigmoid(x V + h G + c)`.
    Gated,
}

/// A recurrent layer over sequences `(length, width)`, then a dense layer on its last state.
///
/// A test problem: the same weights act at every position, so gradients shrink or grow with the
/// length of the way back.
#[derive(Debug, Clone)]
pub struct RecurrentNet {
    name: String,
    cell: Cell,
    hidden: usize,
    batch: usize,
    source: Source,
}

impl RecurrentNet {
    /// A network with `hidden` units that learns the labelled sequences of `source`; it starts
    /// from [`Init::Glorot`].
    ///
    /// # Panics
    ///
    /// If the source has no sequences or no labels, or a size is 0.
    pub fn new(
        name: impl Into<String>,
        cell: Cell,
        hidden: usize,
        source: Source,
        batch: usize,
    ) -> Self {
        let shape = source.row_shape();
        assert!(shape.len() == 2, "expected sequences (length, width), got {shape:?}");
        assert!(source.classes() > 1 && hidden > 0 && batch > 0, "labels are there, sizes not 0");
        Self { name: name.into(), cell, hidden, batch, source }
    }

    /// One position: the inputs times their weights `(B, ...)`, and the state before, none at
    /// first.
    fn advance<'t, R: Real>(
        &self,
        weights: &[Var<'t, R>],
        inputs: Var<'t, R>,
        state: Option<Var<'t, R>>,
    ) -> Var<'t, R> {
        let n = self.hidden;
        match (self.cell, state) {
            (Cell::Tanh, None) => inputs.tanh(),
            (Cell::Tanh, Some(state)) => (inputs + state.matmul(weights[0])).tanh(),
            (Cell::Gated, None) => {
                inputs.slice(1, 0, n).sigmoid() * inputs.slice(1, 2 * n, n).tanh()
            }
            (Cell::Gated, Some(state)) => {
                let gates = (inputs.slice(1, 0, 2 * n) + state.matmul(weights[0])).sigmoid();
                let (update, reset) = (gates.slice(1, 0, n), gates.slice(1, n, n));
                let candidate = inputs.slice(1, 2 * n, n) + (reset * state).matmul(weights[1]);
                state + update * (candidate.tanh() - state)
            }
        }
    }
}

impl Network for RecurrentNet {
    fn row_shape(&self) -> Vec<usize> {
        self.source.row_shape()
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], sequences: Var<'t, R>) -> Var<'t, R> {
        let shape = sequences.shape();
        let (rows, length, width) = (shape[0], shape[1], shape[2]);
        let (recurrent, dense) = params[2..].split_at(params.len() - 4);
        // The inputs of all positions at once, as they do not depend on the state.
        let inputs = sequences.reshape(&[rows * length, width]).matmul(params[0]) + params[1];
        let columns = inputs.shape()[1];
        let inputs = inputs.reshape(&[rows, length * columns]);
        let mut state = None;
        for position in 0..length {
            let here = inputs.slice(1, position * columns, columns);
            state = Some(self.advance(recurrent, here, state));
        }
        let last = state.expect("a sequence has a position");
        last.matmul(dense[0]) + dense[1]
    }
}

impl Problem for RecurrentNet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let (width, n, classes) = (self.source.row_shape()[1], self.hidden, self.source.classes());
        let tensor = |name: &str, shape: &[usize]| TensorShape::new(name, shape.to_vec());
        let mut tensors = match self.cell {
            Cell::Tanh => vec![
                tensor("input.weight", &[width, n]),
                tensor("input.bias", &[n]),
                tensor("state.weight", &[n, n]),
            ],
            Cell::Gated => vec![
                tensor("input.weight", &[width, 3 * n]),
                tensor("input.bias", &[3 * n]),
                tensor("gates.weight", &[n, 2 * n]),
                tensor("candidate.weight", &[n, n]),
            ],
        };
        tensors.push(tensor("dense.weight", &[n, classes]));
        tensors.push(tensor("dense.bias", &[classes]));
        layout_of(tensors)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        Init::Glorot.draw(&self.layout(), rng)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        batch_arrays(instance, rows, &self.source.row_shape())
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.batch)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        cross_entropy(self.logits(params, batch[0]), batch[1])
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        Some(accuracy(self, params, dataset))
    }
}
