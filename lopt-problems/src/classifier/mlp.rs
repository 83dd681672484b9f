//! Softmax regression and multilayer perceptrons.

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::{Activation, Init, Network, accuracy, batch_arrays, cross_entropy, penalty};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, dense_layout};

/// A network of dense layers, `x W + b`, with a nonlinearity after all but the last.
///
/// Without hidden layers it is softmax regression: convex, teaches minibatch noise. With them the
/// layers' gradients differ in size by orders of magnitude and units saturate: what most users
/// train.
#[derive(Debug, Clone)]
pub struct Mlp {
    name: String,
    hidden: Vec<usize>,
    activation: Activation,
    init: Init,
    penalty: f64,
    batch: usize,
    source: Source,
}

impl Mlp {
    /// A network with the given hidden widths that learns the examples of `source`.
    ///
    /// It starts from [`Init::Released`] and has the released penalty of 1e-3. The name lists the
    /// input's and the hidden widths, as in `mlp-8-8-5-sigmoid`.
    ///
    /// # Panics
    ///
    /// If a width or `batch` is 0, or the source has no labels.
    pub fn new(hidden: &[usize], activation: Activation, source: Source, batch: usize) -> Self {
        assert!(!hidden.contains(&0) && batch > 0, "widths and batch are at least 1");
        assert!(source.classes() > 1, "a classifier needs labels");
        let inputs = source.row_shape().iter().product::<usize>();
        let widths: String = hidden.iter().map(|width| format!("-{width}")).collect();
        let name = if hidden.is_empty() {
            format!("softmax-{inputs}")
        } else {
            format!("mlp-{inputs}{widths}-{}", activation.name())
        };
        let hidden = hidden.to_vec();
        Self { name, hidden, activation, init: Init::Released, penalty: 1e-3, batch, source }
    }

    /// Softmax regression: no hidden layer.
    pub fn softmax_regression(source: Source, batch: usize) -> Self {
        Self::new(&[], Activation::Relu, source, batch)
    }

    /// The same network under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same network with another starting distribution and penalty.
    #[must_use]
    pub fn starting_from(mut self, init: Init, penalty: f64) -> Self {
        (self.init, self.penalty) = (init, penalty);
        self
    }

    /// The plain classifier of the races: no penalty, [`Init::He`] for relu, else
    /// [`Init::Glorot`].
    #[must_use]
    pub fn plain(self) -> Self {
        let init = if self.activation == Activation::Relu { Init::He } else { Init::Glorot };
        self.starting_from(init, 0.0)
    }

    fn inputs(&self) -> usize {
        self.source.row_shape().iter().product()
    }
}

impl Network for Mlp {
    fn row_shape(&self) -> Vec<usize> {
        vec![self.inputs()]
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], features: Var<'t, R>) -> Var<'t, R> {
        let mut outputs = features;
        for (i, layer) in params.chunks_exact(2).enumerate() {
            let inputs = if i == 0 { outputs } else { self.activation.apply(outputs) };
            outputs = inputs.matmul(layer[0]) + layer[1];
        }
        outputs
    }
}

impl Problem for Mlp {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let outputs = self.hidden.iter().copied().chain([self.source.classes()]);
        dense_layout(self.inputs(), outputs)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        self.init.draw(&self.layout(), rng)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        batch_arrays(instance, rows, &[self.inputs()])
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
        let loss = cross_entropy(self.logits(params, batch[0]), batch[1]);
        penalty(self.penalty, params).map_or(loss, |penalty| loss + penalty)
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        Some(accuracy(self, params, dataset))
    }
}
