//! Residual networks with pre-activation (He et al. 2016, "Identity Mappings in Deep Residual
//! Networks"): what users of image models train, with hundreds of tensors where a ConvNet has ten.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::image_norm::ImageNorm;
use super::{Init, Network, accuracy, batch_arrays, cross_entropy};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// A stem, stages of residual blocks, the mean over the pixels, one dense layer.
///
/// A block adds `conv(relu(norm(conv(relu(norm(x))))))` to its input. The first block of every
/// stage but the first halves the image: the tape's convolutions have stride 1, so it is the
/// activated input that is averaged over windows of 2 x 2, once for both ways, and the shortcut
/// then has a convolution of 1 x 1. Filters start as in [`Init::He`], scales at 1, shifts and
/// biases at 0. There is no penalty.
///
/// A test problem, like [`ConvNet`](super::ConvNet).
#[derive(Debug, Clone)]
pub struct ResNet {
    name: String,
    widths: Vec<usize>,
    blocks: usize,
    norm: ImageNorm,
    batch: usize,
    source: Source,
}

impl ResNet {
    /// A network that learns the images `(height, width, channels)` of `source`, with one stage of
    /// `blocks` blocks for each of `widths`, its number of channels. `6 n + 2` layers are three
    /// stages of `n` blocks.
    ///
    /// # Panics
    ///
    /// If the source has no images or no labels, a size is 0, the normalisation does not divide
    /// a width, or the image cannot be halved often enough.
    pub fn new(
        name: impl Into<String>,
        widths: &[usize],
        blocks: usize,
        norm: ImageNorm,
        source: Source,
        batch: usize,
    ) -> Self {
        assert!(batch > 0 && source.classes() > 1, "a classifier needs a batch and labels");
        let image = source.row_shape();
        assert!(image.len() == 3, "expected images (height, width, channels), got {image:?}");
        assert!(blocks > 0 && !widths.is_empty(), "a network has stages, and these have blocks");
        assert!(widths.iter().all(|&width| norm.fits(width)), "{norm:?} and widths {widths:?}");
        let shrink = 1 << (widths.len() - 1);
        assert!(image[..2].iter().all(|n| n % shrink == 0), "{shrink} divides {image:?}");
        Self { name: name.into(), widths: widths.to_vec(), blocks, norm, batch, source }
    }

    /// Every block: its input's and its own width, and whether it halves the image.
    fn plan(&self) -> impl Iterator<Item = (usize, usize, bool)> {
        let mut before = self.widths[0];
        let all = self.widths.iter().enumerate();
        all.flat_map(move |(i, &w)| (0..self.blocks).map(move |j| (w, i > 0 && j == 0))).map(
            move |(width, halves)| {
                let inputs = std::mem::replace(&mut before, width);
                (inputs, width, halves)
            },
        )
    }
}

impl Network for ResNet {
    fn row_shape(&self) -> Vec<usize> {
        self.source.row_shape()
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], images: Var<'t, R>) -> Var<'t, R> {
        let mut params = params.iter().copied();
        let mut next = || params.next().expect("one variable per tensor of the layout");
        let mut x = images.conv2d(next());
        for (_, _, halves) in self.plan() {
            let mut activated = self.norm.apply(x, next(), next()).relu();
            if halves {
                activated = activated.avg_pool2d(2);
                x = activated.conv2d(next());
            }
            let inner = activated.conv2d(next());
            let inner = self.norm.apply(inner, next(), next()).relu();
            x = x + inner.conv2d(next());
        }
        let x = self.norm.apply(x, next(), next()).relu();
        let shape = x.shape();
        let means = x.reshape(&[shape[0], shape[1] * shape[2], shape[3]]).mean_axis(1);
        means.matmul(next()) + next()
    }
}

impl Problem for ResNet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let channels = self.source.row_shape()[2];
        let mut tensors = vec![TensorShape::new("stem.filter", [3, 3, channels, self.widths[0]])];
        for (i, (inputs, width, halves)) in self.plan().enumerate() {
            tensors.push(TensorShape::new(format!("block{i}.norm0.scale"), [inputs]));
            tensors.push(TensorShape::new(format!("block{i}.norm0.shift"), [inputs]));
            if halves {
                let shape = [1, 1, inputs, width];
                tensors.push(TensorShape::new(format!("block{i}.shortcut.filter"), shape));
            }
            tensors.push(TensorShape::new(format!("block{i}.conv0.filter"), [3, 3, inputs, width]));
            tensors.push(TensorShape::new(format!("block{i}.norm1.scale"), [width]));
            tensors.push(TensorShape::new(format!("block{i}.norm1.shift"), [width]));
            tensors.push(TensorShape::new(format!("block{i}.conv1.filter"), [3, 3, width, width]));
        }
        let (last, classes) = (self.widths[self.widths.len() - 1], self.source.classes());
        tensors.push(TensorShape::new("last.norm.scale", [last]));
        tensors.push(TensorShape::new("last.norm.shift", [last]));
        tensors.push(TensorShape::new("dense.weight", [last, classes]));
        tensors.push(TensorShape::new("dense.bias", [classes]));
        layout_of(tensors)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let layout = self.layout();
        let mut params = Init::He.draw(&layout, rng);
        for (tensor, range) in layout.tensors().iter().zip(layout.ranges()) {
            if tensor.name.ends_with(".scale") {
                params[range].fill(1.0);
            }
        }
        params
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
