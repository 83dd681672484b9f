//! A ConvNet with batch normalisation on CIFAR-10 or on generated digits, ours beside AdamW.
//!
//! ```sh
//! cargo run -p lopt-candle --example candle_convnet                    # generated digits
//! cargo run -p lopt-candle --example candle_convnet -- --data DIR      # DIR holds CIFAR-10's binary files
//! ```
//! `--steps N` trains longer, `--quick` shows that it runs.
//!
//! All variables of the `VarMap` are given to the optimizer. Those that hold running statistics never have
//! a gradient, so they belong to their layers and count in nothing.

pub(crate) mod compare;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor};
use candle_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Linear, VarBuilder, VarMap, batch_norm, conv2d_no_bias,
    linear, loss::cross_entropy,
};
use compare::{Job, Options, draw, images, print, rows};
use lopt_core::rng::{Rng, stream};
use lopt_problems::{Dataset, Recipe, read_cifar10};

const BATCH: usize = 64;
/// Channels after each convolution.
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Three times convolution, normalisation and `ReLU`, with the image halved in between.
pub(crate) struct ConvNet {
    variables: VarMap,
    layers: Vec<(Conv2d, BatchNorm)>,
    head: Linear,
    data: [Dataset; 2],
}

impl ConvNet {
    /// * `data`: images to train on, and to validate.
    pub(crate) fn new(data: [Dataset; 2]) -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let padded = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let mut layers = Vec::new();
        let mut inputs = data[0].features.shape[3];
        for (i, width) in WIDTHS.into_iter().enumerate() {
            let builder = builder.pp(format!("layer{i}"));
            let conv = conv2d_no_bias(inputs, width, 3, padded, builder.pp("conv"))?;
            layers.push((conv, batch_norm(width, 1e-5, builder.pp("norm"))?));
            inputs = width;
        }
        let head = linear(inputs, data[0].classes, builder.pp("head"))?;
        draw(&variables)?;
        Ok(Self { variables, layers, head, data })
    }

    /// From `[B, channels, height, width]` to `[B, classes]`.
    fn forward(&self, images: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = images.clone();
        for (i, (conv, norm)) in self.layers.iter().enumerate() {
            if i > 0 {
                x = x.avg_pool2d(2)?;
            }
            x = norm.forward_t(&conv.forward(&x)?, training)?.relu()?;
        }
        self.head.forward(&x.mean((2, 3))?)
    }
}

impl Job for ConvNet {
    fn variables(&self) -> &VarMap {
        &self.variables
    }

    fn loss(&self, _: usize, rng: &mut Rng) -> Result<Tensor> {
        let (images, labels) = images(&self.data[0], &rows(BATCH, self.data[0].len(), rng))?;
        cross_entropy(&self.forward(&images, true)?, &labels)
    }

    fn validation(&self) -> Result<f32> {
        let all: Vec<usize> = (0..self.data[1].len().min(1000)).collect();
        let mut sum = 0.0;
        for rows in all.chunks(250) {
            let (images, labels) = images(&self.data[1], rows)?;
            let loss = cross_entropy(&self.forward(&images, false)?, &labels)?;
            sum += loss.to_scalar::<f32>()? * rows.len() as f32;
        }
        Ok(sum / all.len() as f32)
    }
}

/// Generated digits, to train on and to validate.
pub(crate) fn digits(training: usize, validation: usize) -> [Dataset; 2] {
    [(training, 10), (validation, 11)]
        .map(|(rows, seed)| Recipe::Digits { size: 20, rows }.make(&mut stream(seed, &[])))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = Options::of_command_line(200)?;
    let data = match &options.data {
        Some(folder) => read_cifar10(folder)?.into(),
        None if options.quick => digits(500, 250),
        None => digits(4000, 1000),
    };
    let title = format!("ConvNet with batch normalisation, {} images", data[0].len());
    Ok(print(&title, &ConvNet::new(data)?, options.steps)?)
}
