//! Convolutions with a normalisation behind: over the batch, with running statistics, or over each
//! image.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use crate::classifier::Init;

/// The tensors of a convolution of `size x size` with a normalisation: filter, gain and bias.
pub(super) fn tensors(name: &str, size: usize, inputs: usize, width: usize) -> [TensorShape; 3] {
    [
        TensorShape::new(format!("{name}.filter"), [size, size, inputs, width]),
        TensorShape::new(format!("{name}.norm.gain"), [width]),
        TensorShape::new(format!("{name}.norm.bias"), [width]),
    ]
}

/// Filters and weights as in [`Init::He`], gains 1, biases 0.
pub(super) fn initial(layout: &Layout, rng: &mut Rng) -> Vec<f32> {
    let mut params = Init::He.draw(layout, rng);
    for (tensor, range) in layout.tensors().iter().zip(layout.ranges()) {
        if tensor.name.ends_with(".gain") {
            params[range].fill(1.0);
        }
    }
    params
}

/// From images `(B, height, width, C)` to the mean and the variance that their normalisation uses,
/// both `[C]` or `(B, 1, 1, C)`.
pub(super) type Moments<'m, 't, R> = dyn FnMut(Var<'t, R>) -> [Var<'t, R>; 2] + 'm;

/// `gain (x - mean) / sqrt(variance + 1e-5) + bias`, channel by channel.
///
/// * `gain`, `bias`: `[C]`.
pub(super) fn normalised<'t, R: Real>(
    images: Var<'t, R>,
    gain: Var<'t, R>,
    bias: Var<'t, R>,
    moments: &mut Moments<'_, 't, R>,
) -> Var<'t, R> {
    let [mean, variance] = moments(images);
    let factor = gain * (variance + EPSILON).sqrt().recip();
    images * factor + (bias - mean * factor)
}

/// Mean and variance over all pixels of the batch: batch normalisation in training (Ioffe & Szegedy
/// 2015).
pub(super) fn batch_moments<R: Real>(images: Var<'_, R>) -> [Var<'_, R>; 2] {
    moments_by(images, |x| x.mean_axis(1).mean_axis(1).mean_axis(0))
}

/// Mean and variance over the pixels of every image: instance normalisation (Ulyanov et al. 2016).
pub(super) fn image_moments<R: Real>(images: Var<'_, R>) -> [Var<'_, R>; 2] {
    let shape = [images.shape()[0], 1, 1, images.shape()[3]];
    moments_by(images, |x| x.mean_axis(1).mean_axis(1).reshape(&shape))
}

fn moments_by<'t, R: Real>(
    images: Var<'t, R>,
    mean_of: impl Fn(Var<'t, R>) -> Var<'t, R>,
) -> [Var<'t, R>; 2] {
    let mean = mean_of(images);
    [mean, mean_of((images - mean).square())]
}

/// Running statistics of a batch normalisation, `[C]` each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Running {
    /// Mean 0 and variance 1 for every tensor of the layout that is called `gain`.
    pub(super) fn of(layout: &Layout) -> Vec<Self> {
        let gains = layout.tensors().iter().filter(|tensor| tensor.name.ends_with(".gain"));
        let start = |width| Self { mean: vec![0.0; width], variance: vec![1.0; width] };
        gains.map(|gain| start(gain.len())).collect()
    }

    /// Moves a tenth of the way to the statistics of a batch of so many pixels, the variance being
    /// the unbiased estimate, as in PyTorch.
    pub(super) fn update(&mut self, [mean, variance]: [Var<'_, f32>; 2], pixels: usize) {
        let unbiased = pixels as f32 / (pixels as f32 - 1.0);
        for (running, new) in self.mean.iter_mut().zip(mean.value()) {
            *running += MOMENTUM * (new - *running);
        }
        for (running, new) in self.variance.iter_mut().zip(variance.value()) {
            *running += MOMENTUM * (unbiased * new - *running);
        }
    }

    /// The statistics as constants.
    pub(super) fn moments<'t>(&self, tape: &'t Tape<f32>) -> [Var<'t, f32>; 2] {
        [&self.mean, &self.variance].map(|values| tape.constant(&[values.len()], values))
    }
}

/// Added to the variance.
const EPSILON: f64 = 1e-5;
/// Weight of a batch in the running statistics.
const MOMENTUM: f32 = 0.1;
