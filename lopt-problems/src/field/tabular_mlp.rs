//! A multilayer perceptron on the numbers and the embedded categories of a row.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal, unit};
use lopt_grad::{Real, Var};

use super::table::{Table, TableModel, constant};
use crate::classifier::{Activation, Init};
use crate::instance::Array;
use crate::problem::{dense_layout, layout_of};

/// The numbers of a row beside the embeddings of its categories, then hidden layers, each followed by
/// dropout where asked for, then a linear layer.
#[derive(Debug, Clone)]
pub(super) struct TabularMlp {
    /// Numeric columns, at least one.
    pub(super) numbers: usize,
    /// Number of categories and width of the embedding of every categorical column.
    pub(super) embeddings: Vec<(usize, usize)>,
    /// Widths of the hidden layers.
    pub(super) hidden: Vec<usize>,
    /// Of the hidden layers.
    pub(super) activation: Activation,
    /// Columns of the prediction.
    pub(super) outputs: usize,
    /// Probability with which a hidden unit is dropped; 0 for no dropout.
    pub(super) dropout: f64,
}

impl TabularMlp {
    /// The layout of the layers after the embeddings.
    fn dense(&self) -> Layout {
        let embedded: usize = self.embeddings.iter().map(|(_, width)| width).sum();
        let widths = self.hidden.iter().copied().chain([self.outputs]);
        dense_layout(self.numbers + embedded, widths)
    }
}

impl TableModel for TabularMlp {
    /// Tables `(categories, width)`, then weights `(inputs, outputs)` and biases layer by layer.
    fn layout(&self) -> Layout {
        let table = |(i, &(categories, width)): (usize, &(usize, usize))| {
            TensorShape::new(format!("embedding{i}"), [categories, width])
        };
        let tables = self.embeddings.iter().enumerate().map(table);
        layout_of(tables.chain(self.dense().tensors().iter().cloned()).collect())
    }

    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let embedded = self.layout().len() - self.dense().len();
        let mut params: Vec<f32> =
            (0..embedded).map(|_| (EMBEDDING_DEVIATION * normal(rng)) as f32).collect();
        params.extend(Init::Uniform.draw(&self.dense(), rng));
        params
    }

    /// Inverted dropout (Srivastava et al. 2014): `(B, width)` factors, 0 or `1 / (1 - dropout)`.
    fn dropout_masks(&self, rows: usize, rng: &mut Rng) -> Vec<Array> {
        if self.dropout == 0.0 {
            return Vec::new();
        }
        let kept = (1.0 / (1.0 - self.dropout)) as f32;
        let mut factor = || if unit(rng) < self.dropout { 0.0 } else { kept };
        let mut mask = |&width| {
            let factors = (0..rows * width).map(|_| factor()).collect();
            Array::new([rows, width], factors)
        };
        self.hidden.iter().map(&mut mask).collect()
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        masks: &[Array],
    ) -> Var<'t, R> {
        let (tables, layers) = params.split_at(self.embeddings.len());
        let embedded =
            tables.iter().zip(&batch.categories).map(|(table, of)| table.gather_rows(of));
        let inputs: Vec<_> =
            [constant(params[0], &batch.numbers)].into_iter().chain(embedded).collect();
        let mut outputs = Var::concat(&inputs, 1);
        for (i, layer) in layers.chunks_exact(2).enumerate() {
            outputs = outputs.matmul(layer[0]) + layer[1];
            if i < self.hidden.len() {
                outputs = self.activation.apply(outputs);
            }
            if let Some(mask) = masks.get(i) {
                outputs = outputs * constant(outputs, mask);
            }
        }
        outputs
    }
}

/// Standard deviation of an embedding's entries at the start.
const EMBEDDING_DEVIATION: f64 = 0.1;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;

    #[test]
    fn dropout_keeps_the_mean() {
        let hidden = vec![100, 50];
        let embeddings = Vec::new();
        let activation = Activation::Relu;
        let model =
            TabularMlp { numbers: 3, embeddings, hidden, activation, outputs: 1, dropout: 0.1 };
        let masks = model.dropout_masks(200, &mut stream(1, &[]));
        assert_eq!(masks.iter().map(Array::row_len).collect::<Vec<_>>(), [100, 50]);
        for mask in &masks {
            let count = mask.values.len() as f32;
            let dropped = mask.values.iter().filter(|&&x| x == 0.0).count() as f32 / count;
            let mean = mask.values.iter().sum::<f32>() / count;
            assert!((dropped - 0.1).abs() < 0.02 && (mean - 1.0).abs() < 0.02, "{dropped} {mean}");
        }
    }
}
