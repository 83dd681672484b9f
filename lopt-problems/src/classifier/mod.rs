//! Classifiers: softmax regression, multilayer perceptrons, convolutional, residual, inception,
//! recurrent and attention networks, embeddings.
//!
//! With two classes the loss is the sigmoid cross-entropy of logit column 0 against "label is 1",
//! as published, and column 1 is idle; with more it is the softmax cross-entropy. Both are means
//! over the batch, plus, where asked for, a penalty on the mean over tensors of their sums of
//! squares.

mod attention;
mod conv;
mod embedding;
mod image_norm;
mod inception;
mod mlp;
mod recurrent;
mod resnet;

pub use attention::AttentionNet;
pub use conv::{ConvNet, Stage};
pub use embedding::EmbeddingRegression;
pub use image_norm::ImageNorm;
pub use inception::{InceptionModule, InceptionNet};
pub use mlp::Mlp;
pub use recurrent::{Cell, RecurrentNet};
pub use resnet::ResNet;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, normal, uniform};
use lopt_grad::{Real, Tape, Var};

use crate::instance::{Array, Dataset, Instance};
use crate::problem::Problem;

/// The nonlinearity of the hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    pub(crate) fn apply<R: Real>(self, x: Var<'_, R>) -> Var<'_, R> {
        match self {
            Self::Relu => x.relu(),
            Self::Sigmoid => x.sigmoid(),
            Self::Tanh => x.tanh(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }
}

/// How the weights of a classifier start; all are normal with mean 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Deviation `1.2 / sqrt(first extent)` for weights and biases alike: the training lists.
    Released,
    /// Variance `2 / fan-in` for weights, deviation 0.1 for biases: the released test MLPs.
    ReleasedTest,
    /// This deviation for everything: the released test ConvNets have 0.01.
    Constant(f64),
    /// Variance `2 / fan-in`, biases 0 (He et al. 2015), for relu.
    He,
    /// Variance `2 / (fan-in + fan-out)`, biases 0 (Glorot & Bengio 2010), for tanh and sigmoid.
    Glorot,
    /// Uniform between `±1 / sqrt(fan-in)`, biases too: linear and convolutional layers of PyTorch and
    /// of burn.
    Uniform,
}

impl Init {
    /// Draws all tensors of a layout; a tensor with one axis is a bias.
    pub(crate) fn draw(self, layout: &Layout, rng: &mut Rng) -> Vec<f32> {
        let mut params = Vec::with_capacity(layout.len());
        // of a bias it is that of the weights before it
        let mut fan_in = 1.0;
        for tensor in layout.tensors() {
            let bias = tensor.shape.len() == 1;
            let fan_out = *tensor.shape.last().unwrap_or(&1) as f64;
            if !bias {
                fan_in = tensor.len() as f64 / fan_out;
            }
            // a deviation, or the bound of a uniform distribution
            let scale = match (self, bias) {
                (Self::Uniform, _) => fan_in.sqrt().recip(),
                (Self::Released, _) => 1.2 / (tensor.shape[0] as f64).sqrt(),
                (Self::ReleasedTest, true) => 0.1,
                (Self::Constant(deviation), _) => deviation,
                (Self::He | Self::Glorot, true) => 0.0,
                (Self::ReleasedTest | Self::He, false) => (2.0 / fan_in).sqrt(),
                (Self::Glorot, false) => (2.0 / (fan_in + fan_out)).sqrt(),
            };
            params.extend((0..tensor.len()).map(|_| match self {
                Self::Uniform => uniform(rng, -scale, scale) as f32,
                _ => (scale * normal(rng)) as f32,
            }));
        }
        params
    }
}

/// The features of a batch, each row reshaped to `row_shape`, and its targets.
///
/// Targets are `(B, 1)` zeros and ones for two classes, `(B, classes)` one-hot for more.
fn batch_arrays(instance: &Instance, rows: Option<&[usize]>, row_shape: &[usize]) -> Vec<Array> {
    let dataset = instance.dataset.as_ref().expect("the instance has a data set");
    let all: Vec<usize>;
    let rows = match rows {
        Some(rows) => rows,
        None => {
            all = (0..dataset.len()).collect();
            &all
        }
    };
    let mut shape = vec![rows.len()];
    shape.extend(row_shape);
    let mut features = Vec::with_capacity(rows.len() * dataset.features.row_len());
    for &row in rows {
        features.extend_from_slice(dataset.features.row(row));
    }
    let columns = if dataset.classes == 2 { 1 } else { dataset.classes };
    let mut targets = vec![0.0; rows.len() * columns];
    for (target, &row) in targets.chunks_exact_mut(columns).zip(rows) {
        match dataset.labels[row] {
            label if columns > 1 => target[label] = 1.0,
            label => target[0] = label as f32,
        }
    }
    vec![Array::new(shape, features), Array::new([rows.len(), columns], targets)]
}

/// Mean cross-entropy of logits `(B, classes)`; never below zero.
pub(crate) fn cross_entropy<'t, R: Real>(logits: Var<'t, R>, targets: Var<'t, R>) -> Var<'t, R> {
    if targets.shape()[1] > 1 {
        let rows = targets.shape()[0] as f64;
        return (targets * logits.log_softmax()).sum() * -rows.recip();
    }
    // softplus(z) - z for label 1, softplus(z) for label 0, without the difference.
    (logits.slice(1, 0, 1) * (1.0 - targets * 2.0)).softplus().mean()
}

/// `weight` times the mean over tensors of their sums of squares; `None` if `weight` is 0.
fn penalty<'t, R: Real>(weight: f64, params: &[Var<'t, R>]) -> Option<Var<'t, R>> {
    if weight == 0.0 {
        return None;
    }
    let squares = params.iter().map(|x| x.square().sum());
    squares.reduce(|a, b| a + b).map(|sum| sum * (weight / params.len() as f64))
}

/// A classifier seen as a map from features to logits.
trait Network: Problem {
    /// Shape in which one row of features enters.
    fn row_shape(&self) -> Vec<usize>;

    /// Features `(B, ...)` to logits `(B, classes)`.
    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], features: Var<'t, R>) -> Var<'t, R>;
}

/// Fraction of rows whose label is the predicted one, forward in chunks.
fn accuracy(network: &impl Network, params: &[f32], dataset: &Dataset) -> f64 {
    let (layout, row_shape) = (network.layout(), network.row_shape());
    let mut tape = Tape::<f32>::new();
    let mut correct = 0;
    let row_len = dataset.features.row_len();
    let chunks = dataset.features.values.chunks(row_len * ROWS_AT_ONCE);
    for (features, labels) in chunks.zip(dataset.labels.chunks(ROWS_AT_ONCE)) {
        tape.clear();
        let tensors = layout.tensors().iter().zip(layout.ranges());
        let weights: Vec<_> =
            tensors.map(|(tensor, range)| tape.constant(&tensor.shape, &params[range])).collect();
        let shape = [&[labels.len()], row_shape.as_slice()].concat();
        let outputs = network.logits(&weights, tape.constant(&shape, features)).value();
        let predictions = outputs.chunks_exact(outputs.len() / labels.len()).map(predicted);
        correct += predictions.zip(labels).filter(|(guess, label)| guess == *label).count();
    }
    correct as f64 / dataset.len() as f64
}

/// The class of one row of logits; of two columns, the first speaks for label 1.
pub(crate) fn predicted(logits: &[f32]) -> usize {
    if logits.len() == 2 {
        return usize::from(logits[0] > 0.0);
    }
    (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

/// Bounds the memory of the forward pass.
const ROWS_AT_ONCE: usize = 250;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;
    use crate::problem::dense_layout;

    #[test]
    fn uniform_starts_fill_their_range_and_that_of_the_biases() {
        let layout = dense_layout(25, [400, 100].into_iter());
        let params = Init::Uniform.draw(&layout, &mut stream(1, &[]));
        for (tensor, range) in layout.ranges().enumerate() {
            let bound = if tensor < 2 { 0.2 } else { 0.05 };
            let most = params[range].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(most < bound && most > 0.95 * bound, "tensor {tensor}: {most}");
        }
    }
}
