//! Regression on sums of embeddings.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use super::{Init, cross_entropy, penalty};
use crate::data::{Recipe, Source};
use crate::instance::{Array, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// Noisy parity of five bits from summed embeddings: `sum_j E[bit_j] W + b`, `E` of shape `(2, 5)`.
///
/// Five examples, a quarter of the labels flipped, always all of them in a batch. The sparse form
/// sums the counts of each bit before multiplying with `E`, the one-hot form multiplies one bit at
/// a time; the loss is the same. In no default list.
#[derive(Debug, Clone)]
pub struct EmbeddingRegression {
    one_hot: bool,
    source: Source,
}

impl EmbeddingRegression {
    /// `SparseSoftmaxRegression` of the released code.
    pub fn sparse() -> Self {
        Self { one_hot: false, source: Source::fresh(Recipe::NoisyParity) }
    }

    /// `OneHotSparseSoftmaxRegression` of the released code.
    pub fn one_hot() -> Self {
        Self { one_hot: true, ..Self::sparse() }
    }
}

impl Problem for EmbeddingRegression {
    fn name(&self) -> String {
        if self.one_hot { "one-hot-softmax" } else { "sparse-softmax" }.to_owned()
    }

    fn layout(&self) -> Layout {
        layout_of(vec![
            TensorShape::new("embedding", [2, WIDTH]),
            TensorShape::new("weight", [WIDTH, 2]),
            TensorShape::new("bias", [2]),
        ])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        Init::Released.draw(&self.layout(), rng)
    }

    /// Ids as pairs of indicators: counts per row, `(B, 2)`, or one row per bit, `(B bits, 2)`.
    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        let [bits, targets] =
            <[Array; 2]>::try_from(super::batch_arrays(instance, rows, &self.source.row_shape()))
                .expect("features and targets");
        let indicators: Vec<f32> = if self.one_hot {
            bits.values.iter().flat_map(|&bit| [1.0 - bit, bit]).collect()
        } else {
            let ones = bits.values.chunks_exact(bits.row_len()).map(|row| row.iter().sum::<f32>());
            ones.flat_map(|ones| [bits.row_len() as f32 - ones, ones]).collect()
        };
        vec![Array::new([indicators.len() / 2, 2], indicators), targets]
    }

    fn batch_size(&self) -> Option<usize> {
        Some(BATCH)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (indicators, targets) = (batch[0], batch[1]);
        let mut embedded = indicators.matmul(params[0]);
        if self.one_hot {
            let rows = targets.shape()[0];
            let bits = indicators.shape()[0] / rows;
            embedded = embedded.reshape(&[rows, bits, WIDTH]).sum_axis(1);
        }
        let loss = cross_entropy(embedded.matmul(params[1]) + params[2], targets);
        penalty(PENALTY, params).map_or(loss, |penalty| loss + penalty)
    }
}

/// Width of an embedding.
const WIDTH: usize = 5;

/// More than there are rows: every batch is the whole data set.
const BATCH: usize = 23;

/// The released penalty.
const PENALTY: f64 = 1e-3;
