//! Convolutional networks.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::{Activation, Init, Network, accuracy, batch_arrays, cross_entropy, penalty};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// A convolution without bias, stride 1, same size, then the nonlinearity and max pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Height and width of the filter, odd.
    pub kernel: usize,
    /// Output channels.
    pub channels: usize,
    /// Height and width of the pooling window, which divides the image; 1 for none.
    pub pool: usize,
}

/// Convolutions, then one dense layer on the flattened image.
///
/// A test problem: the training lists have no weight sharing at all.
#[derive(Debug, Clone)]
pub struct ConvNet {
    name: String,
    stages: Vec<Stage>,
    activation: Activation,
    init: Init,
    penalty: f64,
    batch: usize,
    source: Source,
}

impl ConvNet {
    /// A network of the given stages that learns the images `(height, width, channels)` of
    /// `source`.
    ///
    /// It starts from the released `Init::Constant(0.01)` and has the released penalty of 1e-3.
    ///
    /// # Panics
    ///
    /// If the source has no images or no labels, a size is 0, a kernel even, or a pooling window
    /// does not divide its image.
    pub fn new(
        name: impl Into<String>,
        stages: &[Stage],
        activation: Activation,
        source: Source,
        batch: usize,
    ) -> Self {
        assert!(batch > 0 && source.classes() > 1, "a classifier needs a batch and labels");
        let image = source.row_shape();
        assert!(image.len() == 3, "expected images (height, width, channels), got {image:?}");
        let (mut height, mut width) = (image[0], image[1]);
        for &Stage { kernel, channels, pool } in stages {
            assert!(kernel % 2 == 1 && channels > 0 && pool > 0, "kernels are odd, sizes not 0");
            assert!(height % pool == 0 && width % pool == 0, "{pool} divides {height} x {width}");
            (height, width) = (height / pool, width / pool);
        }
        let (name, stages, init) = (name.into(), stages.to_vec(), Init::Constant(0.01));
        Self { name, stages, activation, init, penalty: 1e-3, batch, source }
    }

    /// The same network with another starting distribution and penalty.
    #[must_use]
    pub fn starting_from(mut self, init: Init, penalty: f64) -> Self {
        (self.init, self.penalty) = (init, penalty);
        self
    }
}

impl Network for ConvNet {
    fn row_shape(&self) -> Vec<usize> {
        self.source.row_shape()
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], images: Var<'t, R>) -> Var<'t, R> {
        let (filters, dense) = params.split_at(self.stages.len());
        let mut images = images;
        for (&filter, stage) in filters.iter().zip(&self.stages) {
            images = self.activation.apply(images.conv2d(filter));
            if stage.pool > 1 {
                images = images.max_pool2d(stage.pool);
            }
        }
        let rows = images.shape()[0];
        let inputs = dense[0].shape()[0];
        images.reshape(&[rows, inputs]).matmul(dense[0]) + dense[1]
    }
}

impl Problem for ConvNet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let image = self.source.row_shape();
        let (mut pixels, mut inputs) = (image[0] * image[1], image[2]);
        let mut tensors = Vec::new();
        for (i, &Stage { kernel, channels, pool }) in self.stages.iter().enumerate() {
            let shape = [kernel, kernel, inputs, channels];
            tensors.push(TensorShape::new(format!("conv{i}.filter"), shape));
            pixels /= pool * pool;
            inputs = channels;
        }
        let classes = self.source.classes();
        tensors.push(TensorShape::new("dense.weight", [pixels * inputs, classes]));
        tensors.push(TensorShape::new("dense.bias", [classes]));
        layout_of(tensors)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        self.init.draw(&self.layout(), rng)
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
        let loss = cross_entropy(self.logits(params, batch[0]), batch[1]);
        penalty(self.penalty, params).map_or(loss, |penalty| loss + penalty)
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        Some(accuracy(self, params, dataset))
    }
}
