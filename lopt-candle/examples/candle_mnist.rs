//! A small convolutional network on MNIST or on generated digits, with ours and with AdamW(1e-3).
//!
//! ```sh
//! cargo run -p lopt-candle --example candle_mnist                    # generated digits
//! cargo run -p lopt-candle --example candle_mnist -- --data DIR      # DIR holds MNIST's IDX files
//! ```
//! `LOPT_DATA` in the environment does what `--data` does; `--steps N` trains longer.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

mod compare;

use candle_core::{D, DType, Device, Module, Tensor};
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Linear, Optimizer, ParamsAdamW, VarBuilder, VarMap, conv2d,
    linear, loss::cross_entropy,
};
use compare::{draw, images, rows};
use lopt_candle::LearnedOptimizer;
use lopt_core::rng::{Rng, stream};
use lopt_problems::{Dataset, MnistPart, Recipe, read_mnist};
use std::error::Error;
use std::path::PathBuf;

const BATCH: usize = 64;
/// Lines of the table.
const LINES: usize = 10;

struct Network {
    variables: VarMap,
    conv1: Conv2d,
    conv2: Conv2d,
    head: Linear,
}

impl Network {
    /// * `size`: height and width of an image.
    fn new(size: usize) -> candle_core::Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let strided = Conv2dConfig { stride: 2, ..Conv2dConfig::default() };
        let after = |size: usize| (size - 3) / 2 + 1;
        let pixels = after(after(size)).pow(2);
        Ok(Self {
            conv1: conv2d(1, 8, 3, strided, builder.pp("conv1"))?,
            conv2: conv2d(8, 16, 3, strided, builder.pp("conv2"))?,
            head: linear(16 * pixels, 10, builder.pp("head"))?,
            variables,
        })
    }

    /// From `[B, 1, height, width]` to `[B, 10]`.
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.conv1.forward(images)?.relu()?;
        let x = self.conv2.forward(&x)?.relu()?;
        self.head.forward(&x.flatten_from(1)?)
    }

    fn loss(&self, (images, labels): &Batch) -> candle_core::Result<Tensor> {
        cross_entropy(&self.forward(images)?, labels)
    }
}

/// Images `[B, 1, height, width]` and labels `[B]`.
type Batch = (Tensor, Tensor);

fn draw_batch(set: &Dataset, rng: &mut Rng) -> candle_core::Result<Batch> {
    images(set, &rows(BATCH, set.len(), rng))
}

/// Mean loss and share of right answers over the first images of a set.
fn evaluate(model: &Network, set: &Dataset) -> candle_core::Result<(f32, f32)> {
    let rows: Vec<usize> = (0..set.len().min(2000)).collect();
    let (mut loss, mut right) = (0.0, 0.0);
    for rows in rows.chunks(250) {
        let (images, labels) = images(set, rows)?;
        let logits = model.forward(&images)?;
        loss += cross_entropy(&logits, &labels)?.to_scalar::<f32>()? * rows.len() as f32;
        let answers = logits.argmax(D::Minus1)?.eq(&labels)?.to_dtype(DType::F32)?;
        right += answers.sum_all()?.to_scalar::<f32>()?;
    }
    Ok((loss / rows.len() as f32, right / rows.len() as f32))
}

/// Losses of all steps; every optimizer sees the same batches.
fn with_ours(model: &Network, set: &Dataset, steps: usize) -> Result<Vec<f32>, lopt_candle::Error> {
    let mut rng = stream(2, &[]);
    let mut optimizer = LearnedOptimizer::pretrained(&model.variables)?;
    let step = |_| optimizer.minimize(|| model.loss(&draw_batch(set, &mut rng)?));
    (0..steps).map(step).collect()
}

fn with_adam(model: &Network, set: &Dataset, steps: usize) -> candle_core::Result<Vec<f32>> {
    let mut rng = stream(2, &[]);
    let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(model.variables.all_vars(), settings)?;
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let loss = model.loss(&draw_batch(set, &mut rng)?)?;
        optimizer.backward_step(&loss)?;
        losses.push(loss.to_scalar()?);
    }
    Ok(losses)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut data: Option<PathBuf> = std::env::var_os("LOPT_DATA").map(PathBuf::from);
    let mut steps = 300;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after `{word}`"))?;
        match word.as_str() {
            "--data" => data = Some(value.into()),
            "--steps" => steps = value.parse()?,
            _ => return Err(format!("expected --data DIR or --steps N, got `{word}`").into()),
        }
    }
    let (train, test) = match &data {
        Some(folder) => {
            (read_mnist(folder, MnistPart::Train)?, read_mnist(folder, MnistPart::Test)?)
        }
        None => {
            let digits =
                |rows, seed| Recipe::Digits { size: 20, rows }.make(&mut stream(seed, &[]));
            (digits(4000, 10), digits(1000, 11))
        }
    };
    let model = Network::new(train.features.shape[1])?;
    let count: usize = model.variables.all_vars().iter().map(|var| var.elem_count()).sum();
    println!("{} images, {count} parameters, {steps} steps of {BATCH}", train.len());
    draw(&model.variables)?;
    let ours = with_ours(&model, &train, steps)?;
    let [(ours_loss, _), (_, ours_right)] = [evaluate(&model, &train)?, evaluate(&model, &test)?];
    draw(&model.variables)?;
    let adam = with_adam(&model, &train, steps)?;
    let [(adam_loss, _), (_, adam_right)] = [evaluate(&model, &train)?, evaluate(&model, &test)?];

    println!("{:>24} {:>10} {:>12}", "", "ours", "AdamW(1e-3)");
    let window = steps.div_ceil(LINES).max(1);
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    for (i, (ours, adam)) in ours.chunks(window).zip(adam.chunks(window)).enumerate() {
        let label = format!("loss of steps {}-{}", i * window, i * window + ours.len());
        println!("{label:>24} {:>10.4} {:>12.4}", mean(ours), mean(adam));
    }
    println!("{:>24} {ours_loss:>10.4} {adam_loss:>12.4}", "final train loss");
    let [ours, adam] = [100.0 * ours_right, 100.0 * adam_right];
    println!("{:>24} {ours:>9.1}% {adam:>11.1}%", "test accuracy");
    Ok(())
}
