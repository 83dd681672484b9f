//! A small convolutional network on MNIST or on generated digits, with ours and with Adam(1e-3).
//!
//! ```sh
//! cargo run -p lopt-burn --example burn_mnist                    # generated digits
//! cargo run -p lopt-burn --example burn_mnist -- --data DIR      # DIR holds MNIST's IDX files
//! ```
//! `LOPT_DATA` in the environment does what `--data` does; `--steps N` trains longer.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

mod digits;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use digits::Batch;
use lopt_burn::LearnedOptimizer;
use lopt_core::rng::{Rng, below, stream};
use lopt_problems::Dataset;
use std::error::Error;

const BATCH: usize = 64;
const ADAM_RATE: f64 = 1e-3;
/// Lines of the table.
const LINES: usize = 10;

#[derive(Module, Debug)]
struct Network {
    conv1: Conv2d,
    conv2: Conv2d,
    head: Linear,
}

impl Network {
    /// * `size`: height and width of an image.
    fn new(size: usize, device: &Device) -> Self {
        let after = |size: usize| (size - 3) / 2 + 1;
        let pixels = after(after(size)).pow(2);
        Self {
            conv1: Conv2dConfig::new([1, 8], [3, 3]).with_stride([2, 2]).init(device),
            conv2: Conv2dConfig::new([8, 16], [3, 3]).with_stride([2, 2]).init(device),
            head: LinearConfig::new(16 * pixels, 10).init(device),
        }
    }

    /// From `[B, 1, height, width]` to `[B, 10]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(images));
        let x = relu(self.conv2.forward(x));
        self.head.forward(x.flatten(1, 3))
    }

    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let logits = self.forward(batch.images.clone());
        CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, batch.labels.clone())
    }

    fn gradients(&self, batch: &Batch) -> (f32, GradientsParams) {
        let loss = self.loss(batch);
        (loss.clone().into_scalar(), GradientsParams::from_grads(loss.backward(), self))
    }
}

/// Rows chosen at random.
fn draw(set: &Dataset, rng: &mut Rng, device: &Device) -> Batch {
    let rows: Vec<usize> = (0..BATCH).map(|_| below(rng, set.len())).collect();
    Batch::of(set, &rows, device)
}

/// Mean loss and share of right answers over the first images of a set.
fn evaluate(model: &Network, set: &Dataset) -> (f32, f32) {
    let (model, device) = (model.valid(), Device::default());
    let rows: Vec<usize> = (0..set.len().min(2000)).collect();
    let (mut loss, mut right) = (0.0, 0.0);
    for rows in rows.chunks(250) {
        let batch = Batch::of(set, rows, &device);
        loss += model.loss(&batch).into_scalar::<f32>() * rows.len() as f32;
        let answers = model.forward(batch.images).argmax(1).flatten::<1>(0, 1);
        right += answers.equal(batch.labels).int().sum().into_scalar::<i32>() as f32;
    }
    (loss / rows.len() as f32, right / rows.len() as f32)
}

/// Losses of all steps and the model in the end; both optimizers see the same batches.
type Trained = (Vec<f32>, Network);

fn with_ours(mut model: Network, set: &Dataset, steps: usize) -> Result<Trained, lopt_burn::Error> {
    let (mut rng, device) = (stream(1, &[]), Device::default().autodiff());
    let mut optimizer = LearnedOptimizer::pretrained(&model)?;
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let batch = draw(set, &mut rng, &device);
        let loss;
        (model, loss) = optimizer.step(model, |attended: &Network| attended.gradients(&batch))?;
        losses.push(loss);
    }
    Ok((losses, model))
}

fn with_adam(mut model: Network, set: &Dataset, steps: usize) -> Trained {
    let (mut rng, device) = (stream(1, &[]), Device::default().autodiff());
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let batch = draw(set, &mut rng, &device);
        let (loss, grads) = model.gradients(&batch);
        model = optimizer.step(ADAM_RATE, model, grads);
        losses.push(loss);
    }
    (losses, model)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (data, steps) = digits::arguments("--steps", 600)?;
    let [train, test] = digits::sets(data)?;
    let device = Device::default().autodiff();
    device.seed(1);
    let model = Network::new(train.features.shape[1], &device);
    println!("{} images, {} parameters, {steps} steps of {BATCH}", train.len(), model.num_params());
    let (ours, ours_model) = with_ours(model.clone(), &train, steps)?;
    let (adam, adam_model) = with_adam(model, &train, steps);

    println!("{:>24} {:>10} {:>10}", "", "ours", "Adam(1e-3)");
    let window = steps.div_ceil(LINES).max(1);
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    for (i, (ours, adam)) in ours.chunks(window).zip(adam.chunks(window)).enumerate() {
        let (from, to) = (i * window, i * window + ours.len());
        let steps = format!("loss of steps {from}-{to}");
        println!("{steps:>24} {:>10.4} {:>10.4}", mean(ours), mean(adam));
    }
    let models = [&ours_model, &adam_model];
    let [ours, adam] = models.map(|model| evaluate(model, &train).0);
    println!("{:>24} {ours:>10.4} {adam:>10.4}", "final train loss");
    let [ours, adam] = models.map(|model| 100.0 * evaluate(model, &test).1);
    println!("{:>24} {ours:>9.1}% {adam:>9.1}%", "test accuracy");
    Ok(())
}
