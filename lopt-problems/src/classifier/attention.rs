//! Attention over short sequences (Vaswani et al. 2017, one head, without normalisation).

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::{Init, Network, accuracy, batch_arrays, cross_entropy};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// Blocks of self-attention and a relu layer, each added to its input, on sequences with learned
/// positions; a dense layer on the last position names the class.
///
/// A test problem: products of parameters inside a softmax, gradients that vanish where attention
/// is sharp.
#[derive(Debug, Clone)]
pub struct AttentionNet {
    name: String,
    blocks: usize,
    width: usize,
    batch: usize,
    source: Source,
}

impl AttentionNet {
    /// A network of `blocks` blocks and `width` features per position that learns the labelled
    /// sequences of `source`; it starts from [`Init::Glorot`].
    ///
    /// # Panics
    ///
    /// If the source has no sequences or no labels, or a size is 0.
    pub fn new(
        name: impl Into<String>,
        blocks: usize,
        width: usize,
        source: Source,
        batch: usize,
    ) -> Self {
        let shape = source.row_shape();
        assert!(shape.len() == 2, "expected sequences (length, width), got {shape:?}");
        assert!(source.classes() > 1, "a classifier needs labels");
        assert!(blocks > 0 && width > 0 && batch > 0, "sizes are at least 1");
        Self { name: name.into(), blocks, width, batch, source }
    }

    /// `softmax(q k' / sqrt(width)) v` for `rows` sequences of `length` positions, one after
    /// another along the first axis.
    fn attend<'t, R: Real>(
        &self,
        weights: &[Var<'t, R>],
        positions: Var<'t, R>,
        [rows, length]: [usize; 2],
    ) -> Var<'t, R> {
        let n = self.width;
        let query = positions.matmul(weights[0]).reshape(&[rows, length, 1, n]);
        let key = positions.matmul(weights[1]).reshape(&[rows, 1, length, n]);
        let value = positions.matmul(weights[2]).reshape(&[rows, 1, length, n]);
        let scores = (query * key).sum_axis(3) * (n as f64).sqrt().recip();
        let shares = scores.softmax().reshape(&[rows, length, length, 1]);
        let mixed = (shares * value).sum_axis(2).reshape(&[rows * length, n]);
        mixed.matmul(weights[3])
    }
}

impl Network for AttentionNet {
    fn row_shape(&self) -> Vec<usize> {
        self.source.row_shape()
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], sequences: Var<'t, R>) -> Var<'t, R> {
        let shape = sequences.shape();
        let (rows, length, inputs, n) = (shape[0], shape[1], shape[2], self.width);
        let (first, rest) = params.split_at(2);
        let (blocks, dense) = rest.split_at(rest.len() - 2);
        let embedded = sequences.reshape(&[rows * length, inputs]).matmul(first[0]);
        let placed = embedded.reshape(&[rows, length, n]) + first[1].reshape(&[1, length, n]);
        let mut positions = placed.reshape(&[rows * length, n]);
        for block in blocks.chunks_exact(TENSORS) {
            positions = positions + self.attend(block, positions, [rows, length]);
            let hidden = (positions.matmul(block[4]) + block[5]).relu();
            positions = positions + hidden.matmul(block[6]) + block[7];
        }
        let last = positions.reshape(&[rows, length, n]).slice(1, length - 1, 1);
        last.reshape(&[rows, n]).matmul(dense[0]) + dense[1]
    }
}

impl Problem for AttentionNet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let (shape, n) = (self.source.row_shape(), self.width);
        let mut tensors = vec![
            TensorShape::new("embedding", [shape[1], n]),
            TensorShape::new("positions", [shape[0], n]),
        ];
        for block in 0..self.blocks {
            let mut add = |name: &str, shape: Vec<usize>| {
                tensors.push(TensorShape::new(format!("block{block}.{name}"), shape));
            };
            for name in ["query", "key", "value", "output"] {
                add(name, vec![n, n]);
            }
            add("expand.weight", vec![n, 2 * n]);
            add("expand.bias", vec![2 * n]);
            add("contract.weight", vec![2 * n, n]);
            add("contract.bias", vec![n]);
        }
        let classes = self.source.classes();
        tensors.push(TensorShape::new("dense.weight", [n, classes]));
        tensors.push(TensorShape::new("dense.bias", [classes]));
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

/// Parameter tensors of a block.
const TENSORS: usize = 8;
