//! A small residual network on CIFAR-10 or on generated images, with ours and with Adam(1e-3), on the
//! CPU or on a GPU.
//!
//! ```sh
//! cargo run --release -p lopt-burn --example resnet_cifar -- --blocks 1 --steps 50   # CPU
//! cargo run --release -p lopt-burn --features wgpu --example resnet_cifar -- --device gpu --data DIR
//! ```
//! DIR holds CIFAR-10's binary files (`data_batch_1.bin` to `test_batch.bin`); `LOPT_DATA` in the
//! environment does what `--data` does. 2000 steps of 64 images unless `--steps N` or `--batch N` say
//! otherwise; `--blocks N` in each of the three stages, 3 by default: ResNet-20.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use lopt_burn::LearnedOptimizerConfig;
use lopt_core::rng::{Rng, below, stream};
use lopt_problems::{Dataset, Recipe, read_cifar10};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

const ADAM_RATE: f64 = 1e-3;
const WIDTHS: [usize; 3] = [16, 32, 64];
/// Lines of the table.
const LINES: usize = 10;

/// Two convolutions beside a shortcut.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    norm1: GroupNorm,
    conv2: Conv2d,
    norm2: GroupNorm,
    shortcut: Option<Conv2d>,
}

/// Without a bias, as a norm follows.
fn conv(from: usize, to: usize, size: usize, stride: usize, device: &Device) -> Conv2d {
    let pad = size / 2;
    Conv2dConfig::new([from, to], [size, size])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .init(device)
}

fn norm(channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(8, channels).init(device)
}

impl Block {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        let stride = if from == to { 1 } else { 2 };
        Self {
            conv1: conv(from, to, 3, stride, device),
            norm1: norm(to, device),
            conv2: conv(to, to, 3, 1, device),
            norm2: norm(to, device),
            shortcut: (from != to).then(|| conv(from, to, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = relu(self.norm1.forward(self.conv1.forward(x.clone())));
        let inner = self.norm2.forward(self.conv2.forward(inner));
        let beside = self.shortcut.as_ref().map_or(x.clone(), |conv| conv.forward(x));
        relu(inner + beside)
    }
}

#[derive(Module, Debug)]
struct ResNet {
    stem: Conv2d,
    norm: GroupNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl ResNet {
    fn new(blocks: usize, device: &Device) -> Self {
        let mut from = WIDTHS[0];
        let mut all = Vec::new();
        for to in WIDTHS {
            for _ in 0..blocks {
                all.push(Block::new(from, to, device));
                from = to;
            }
        }
        Self {
            stem: conv(3, WIDTHS[0], 3, 1, device),
            norm: norm(WIDTHS[0], device),
            blocks: all,
            head: LinearConfig::new(from, 10).init(device),
        }
    }

    /// From `[B, 3, height, width]` to `[B, 10]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.stem.forward(images)));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }

    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let logits = self.forward(batch.images.clone());
        CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, batch.labels.clone())
    }

    /// The loss as a tensor, which nobody has to wait for.
    fn gradients(&self, batch: &Batch) -> (Tensor<1>, GradientsParams) {
        let loss = self.loss(batch);
        (loss.clone().inner(), GradientsParams::from_grads(loss.backward(), self))
    }
}

struct Batch {
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Batch {
    fn of(set: &Dataset, rows: &[usize], device: &Device) -> Self {
        let chosen = set.select(rows);
        let [height, width] = [chosen.features.shape[1], chosen.features.shape[2]];
        let images = TensorData::new(chosen.features.values, [rows.len(), height, width, 3]);
        let labels: Vec<i32> = chosen.labels.iter().map(|&label| label as i32).collect();
        Self {
            images: Tensor::from_data(images, device).permute([0, 3, 1, 2]),
            labels: Tensor::from_data(TensorData::new(labels, [rows.len()]), device),
        }
    }

    fn draw(set: &Dataset, size: usize, rng: &mut Rng, device: &Device) -> Self {
        let rows: Vec<usize> = (0..size).map(|_| below(rng, set.len())).collect();
        Self::of(set, &rows, device)
    }
}

/// Share of right answers over the first images of a set.
fn accuracy(model: &ResNet, set: &Dataset, device: &Device) -> f32 {
    let (model, device) = (model.valid(), device.clone().inner());
    let rows: Vec<usize> = (0..set.len().min(2000)).collect();
    let mut right = 0;
    for rows in rows.chunks(250) {
        let batch = Batch::of(set, rows, &device);
        let answers = model.forward(batch.images).argmax(1).flatten::<1>(0, 1);
        right += answers.equal(batch.labels).int().sum().into_scalar::<i32>();
    }
    right as f32 / rows.len() as f32
}

type Stepped = (ResNet, Tensor<1>);
type Failed = Box<dyn Error>;

/// Trains so many steps of so many images and gives back the mean losses of [`LINES`] windows, the model, and seconds per step; every
/// optimizer sees the same batches.
fn train(
    mut model: ResNet,
    set: &Dataset,
    (steps, size): (usize, usize),
    device: &Device,
    mut step: impl FnMut(ResNet, &Batch) -> Result<Stepped, Failed>,
) -> Result<(Vec<f32>, ResNet, f64), Failed> {
    let (mut rng, start) = (stream(1, &[]), Instant::now());
    let window = steps.div_ceil(LINES).max(1);
    let mut lines = Vec::new();
    let mut sum = Tensor::<1>::zeros([1], &device.clone().inner());
    for done in 1..=steps {
        let batch = Batch::draw(set, size, &mut rng, device);
        let loss;
        (model, loss) = step(model, &batch)?;
        sum = sum + loss;
        if done % window == 0 || done == steps {
            let of_window = done - lines.len() * window;
            lines.push(sum.clone().into_scalar::<f32>() / of_window as f32);
            sum = sum.zeros_like();
        }
    }
    Ok((lines, model, start.elapsed().as_secs_f64() / steps as f64))
}

type Step = Box<dyn FnMut(ResNet, &Batch) -> Result<Stepped, Failed>>;

/// A step of ours with the networks on the CPU.
fn on_cpu(config: &LearnedOptimizerConfig, model: &ResNet) -> Result<Step, Failed> {
    let mut optimizer = config.init(model)?;
    Ok(Box::new(move |model, batch| {
        let attended = optimizer.attend(&model)?;
        let (loss, grads) = attended.gradients(batch);
        Ok((optimizer.apply(model, attended, grads, None)?, loss))
    }))
}

/// A step of ours where the model is.
#[cfg(feature = "gpu")]
fn on_device(config: &LearnedOptimizerConfig, model: &ResNet) -> Result<Step, Failed> {
    let mut optimizer = config.init_on_device(model)?;
    Ok(Box::new(move |model, batch| {
        Ok(optimizer.step(model, |attended: &ResNet| attended.gradients(batch))?)
    }))
}

#[cfg(not(feature = "gpu"))]
fn on_device(_: &LearnedOptimizerConfig, _: &ResNet) -> Result<Step, Failed> {
    Err("a GPU needs `--features wgpu`, vulkan or cuda".into())
}

fn main() -> Result<(), Failed> {
    let mut data: Option<PathBuf> = std::env::var_os("LOPT_DATA").map(PathBuf::from);
    let (mut steps, mut size, mut blocks) = (2000, 64, 3);
    let mut on_gpu = cfg!(feature = "gpu");
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after `{word}`"))?;
        match (word.as_str(), value.as_str()) {
            ("--data", _) => data = Some(value.into()),
            ("--steps", _) => steps = value.parse()?,
            ("--batch", _) => size = value.parse()?,
            ("--blocks", _) => blocks = value.parse()?,
            ("--device", "cpu") => on_gpu = false,
            ("--device", "gpu") => on_gpu = true,
            _ => {
                let known = "--data DIR, --steps N, --batch N, --blocks N or --device cpu|gpu";
                return Err(format!("expected {known}, got `{word} {value}`").into());
            }
        }
    }
    let (mut train_set, mut test_set) = match &data {
        Some(folder) => read_cifar10(folder)?,
        None => {
            let images = |rows, seed| {
                Recipe::Images { size: 32, classes: 10, rows }.make(&mut stream(seed, &[]))
            };
            (images(64 * size, 10), images(16 * size, 11))
        }
    };
    if data.is_some() {
        // to about mean 0 and deviation 1, as the generated ones are
        for set in [&mut train_set, &mut test_set] {
            set.features.values.iter_mut().for_each(|x| *x = 4.0 * (*x - 0.5));
        }
    }
    let device = if on_gpu { Device::default() } else { Device::flex() }.autodiff();
    device.seed(1);
    let model = ResNet::new(blocks, &device);
    let (images, count) = (train_set.len(), model.num_params());
    println!("{device:?}: {images} images, {count} parameters, {steps} steps of {size}");
    let config = LearnedOptimizerConfig::new().with_guard(None);
    let step = if on_gpu { on_device(&config, &model)? } else { on_cpu(&config, &model)? };
    let (ours, ours_model, ours_time) =
        train(model.clone(), &train_set, (steps, size), &device, step)?;
    let mut adam = AdamConfig::new().init();
    let step = |model: ResNet, batch: &Batch| {
        let (loss, grads) = model.gradients(batch);
        Ok((adam.step(ADAM_RATE, model, grads), loss))
    };
    let (adams, adam_model, adam_time) = train(model, &train_set, (steps, size), &device, step)?;

    println!("{:>24} {:>10} {:>10}", "", "ours", "Adam(1e-3)");
    let window = steps.div_ceil(LINES).max(1);
    for (i, (ours, adam)) in ours.iter().zip(&adams).enumerate() {
        let (from, to) = (i * window, steps.min((i + 1) * window));
        println!("{:>24} {ours:>10.4} {adam:>10.4}", format!("loss of steps {from}-{to}"));
    }
    let [ours, adam] =
        [&ours_model, &adam_model].map(|model| 100.0 * accuracy(model, &test_set, &device));
    println!("{:>24} {ours:>9.1}% {adam:>9.1}%", "test accuracy");
    let [ours, adam] = [ours_time, adam_time].map(|seconds| 1e3 * seconds);
    println!("{:>24} {ours:>8.1}ms {adam:>8.1}ms", "time per step");
    Ok(())
}
