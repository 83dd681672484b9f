//! A classifier whose layers work on normalised sums, as those of a transformer do.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, uniform, unit};
use lopt_grad::{Real, Var};

use crate::field::table::{Table, TableModel, constant};
use crate::field::transformer::norm;
use crate::instance::Array;
use crate::problem::layout_of;

/// Blocks of a layer normalisation and two dense layers, around which a shortcut leads.
#[derive(Debug, Clone)]
pub(super) struct Normed {
    pub(super) inputs: usize,
    pub(super) width: usize,
    pub(super) blocks: usize,
    pub(super) classes: usize,
}

fn tensor(name: &str, shape: &[usize]) -> TensorShape {
    TensorShape::new(name, shape.to_vec())
}

impl TableModel for Normed {
    fn layout(&self) -> Layout {
        let n = self.width;
        let mut tensors = vec![tensor("in.weight", &[self.inputs, n]), tensor("in.bias", &[n])];
        for block in 0..self.blocks {
            let mut add = |name: &str, shape: &[usize]| {
                tensors.push(tensor(&format!("block{block}.{name}"), shape));
            };
            add("norm.gain", &[n]);
            add("norm.bias", &[n]);
            add("expand.weight", &[n, 2 * n]);
            add("expand.bias", &[2 * n]);
            add("output.weight", &[2 * n, n]);
            add("output.bias", &[n]);
        }
        tensors.push(tensor("norm.gain", &[n]));
        tensors.push(tensor("norm.bias", &[n]));
        tensors.push(tensor("head.weight", &[n, self.classes]));
        layout_of(tensors)
    }

    /// Gains 1, biases 0, weights uniform by their inputs.
    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        // decides nothing: without it the starts, and what was learned from them, would be others
        unit(rng);
        let layout = self.layout();
        let mut params = Vec::with_capacity(layout.len());
        for tensor in layout.tensors() {
            let bound = (tensor.shape[0] as f64).sqrt().recip();
            params.extend((0..tensor.len()).map(|_| match tensor.name.rsplit('.').next() {
                Some("gain") => 1.0,
                Some("bias") => 0.0,
                _ => uniform(rng, -bound, bound) as f32,
            }));
        }
        params
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        _: &[Array],
    ) -> Var<'t, R> {
        let mut sum = constant(params[0], &batch.numbers).matmul(params[0]) + params[1];
        for block in 0..self.blocks {
            let layer = &params[2 + 6 * block..];
            let expanded = (norm(sum, layer).matmul(layer[2]) + layer[3]).gelu();
            sum = sum + expanded.matmul(layer[4]) + layer[5];
        }
        let last = &params[2 + 6 * self.blocks..];
        norm(sum, last).matmul(last[2])
    }
}
