//! Autoencoders: networks that learn to copy their input through a narrow layer.

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::classifier::{Activation, Init};
use crate::data::Source;
use crate::instance::{Array, Instance};
use crate::problem::{Problem, Scalar, dense_layout};

/// Dense layers `x W + b` with a nonlinearity after all but the last, as many outputs as inputs;
/// the loss is the mean square of their difference.
///
/// A test problem: deep, no labels, and long stretches where only the mean is reproduced (Hinton &
/// Salakhutdinov 2006, the classic of second-order optimization).
#[derive(Debug, Clone)]
pub struct Autoencoder {
    name: String,
    hidden: Vec<usize>,
    activation: Activation,
    batch: usize,
    source: Source,
}

impl Autoencoder {
    /// An autoencoder of the given hidden widths on the examples of `source`, flattened. It starts
    /// from [`Init::He`] for relu, else [`Init::Glorot`].
    ///
    /// # Panics
    ///
    /// If a size is 0 or there is no hidden layer.
    pub fn new(
        name: impl Into<String>,
        hidden: &[usize],
        activation: Activation,
        source: Source,
        batch: usize,
    ) -> Self {
        assert!(!hidden.is_empty() && !hidden.contains(&0), "hidden layers have units");
        assert!(batch > 0, "a batch has rows");
        Self { name: name.into(), hidden: hidden.to_vec(), activation, batch, source }
    }

    fn inputs(&self) -> usize {
        self.source.row_shape().iter().product()
    }
}

impl Problem for Autoencoder {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let outputs = self.hidden.iter().copied().chain([self.inputs()]);
        dense_layout(self.inputs(), outputs)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let relu = self.activation == Activation::Relu;
        let init = if relu { Init::He } else { Init::Glorot };
        init.draw(&self.layout(), rng)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        let dataset = instance.dataset.as_ref().expect("the instance has a data set");
        let values = match rows {
            None => dataset.features.values.clone(),
            Some(rows) => rows.iter().flat_map(|&row| dataset.features.row(row)).copied().collect(),
        };
        let count = rows.map_or(dataset.len(), <[usize]>::len);
        vec![Array::new([count, self.inputs()], values)]
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
        let mut outputs = batch[0];
        for (i, layer) in params.chunks_exact(2).enumerate() {
            let inputs = if i == 0 { outputs } else { self.activation.apply(outputs) };
            outputs = inputs.matmul(layer[0]) + layer[1];
        }
        (outputs - batch[0]).square().mean()
    }
}
