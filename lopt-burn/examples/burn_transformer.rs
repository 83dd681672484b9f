//! A small transformer that looks a value up by its key, with ours and with Adam(1e-3).
//!
//! Every sequence lists pairs of a key and a value and ends in one of the keys; the answer is the
//! value that stood beside it. `cargo run -p lopt-burn --example burn_transformer -- --steps N`
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use burn::module::{Module, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use lopt_burn::{LearnedOptimizerConfig, ParameterGroup};
use lopt_core::rng::{Rng, below, stream};
use lopt_problems::{Dataset, Recipe};
use std::error::Error;

const KEYS: usize = 16;
const VALUES: usize = 8;
const PAIRS: usize = 8;
const WIDTH: usize = 32;
const BATCH: usize = 64;
const ADAM_RATE: f64 = 1e-3;
/// Lines of the table.
const LINES: usize = 10;

#[derive(Module, Debug)]
struct Network {
    embedding: Linear,
    positions: Param<Tensor<2>>,
    encoder: TransformerEncoder,
    head: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let positions = Tensor::random([PAIRS + 1, WIDTH], Distribution::Normal(0.0, 0.1), device);
        let encoder = TransformerEncoderConfig::new(WIDTH, 2 * WIDTH, 4, 2)
            .with_dropout(0.0)
            .with_norm_first(true);
        Self {
            embedding: LinearConfig::new(KEYS + VALUES, WIDTH).init(device),
            positions: Param::from_tensor(positions),
            encoder: encoder.init(device),
            head: LinearConfig::new(WIDTH, VALUES).init(device),
        }
    }

    /// From `[B, PAIRS + 1, KEYS + VALUES]` to `[B, VALUES]`.
    fn forward(&self, symbols: Tensor<3>) -> Tensor<2> {
        let rows = symbols.dims()[0];
        let x = self.embedding.forward(symbols) + self.positions.val().unsqueeze();
        let x = self.encoder.forward(TransformerEncoderInput::new(x));
        let last = x.slice([0..rows, PAIRS..PAIRS + 1, 0..WIDTH]);
        self.head.forward(last.flatten(1, 2))
    }

    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let logits = self.forward(batch.symbols.clone());
        CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, batch.labels.clone())
    }

    fn gradients(&self, batch: &Batch) -> (f32, GradientsParams) {
        let loss = self.loss(batch);
        (loss.clone().into_scalar(), GradientsParams::from_grads(loss.backward(), self))
    }
}

struct Batch {
    symbols: Tensor<3>,
    labels: Tensor<1, Int>,
}

impl Batch {
    fn of(set: &Dataset, rows: &[usize], device: &Device) -> Self {
        let chosen = set.select(rows);
        let shape = [rows.len(), PAIRS + 1, KEYS + VALUES];
        let labels: Vec<i32> = chosen.labels.iter().map(|&label| label as i32).collect();
        let symbols = TensorData::new(chosen.features.values, shape);
        Self {
            symbols: Tensor::from_data(symbols, device),
            labels: Tensor::from_data(TensorData::new(labels, [rows.len()]), device),
        }
    }

    fn draw(set: &Dataset, rng: &mut Rng, device: &Device) -> Self {
        let rows: Vec<usize> = (0..BATCH).map(|_| below(rng, set.len())).collect();
        Self::of(set, &rows, device)
    }
}

/// Mean loss and share of right answers.
fn evaluate(model: &Network, set: &Dataset) -> (f32, f32) {
    let rows: Vec<usize> = (0..set.len().min(2000)).collect();
    let batch = Batch::of(set, &rows, &Device::default());
    let model = model.valid();
    let loss = model.loss(&batch).into_scalar();
    let answers = model.forward(batch.symbols).argmax(1).flatten::<1>(0, 1);
    let right = answers.equal(batch.labels).int().sum().into_scalar::<i32>();
    (loss, right as f32 / rows.len() as f32)
}

/// Losses of all steps and the model in the end; both optimizers see the same batches.
type Trained = (Vec<f32>, Network);

fn with_ours(mut model: Network, set: &Dataset, steps: usize) -> Result<Trained, lopt_burn::Error> {
    let (mut rng, device) = (stream(1, &[]), Device::default().autodiff());
    // decay as AdamW(1e-3, 0.01) has it, but not of biases and normalisations
    let mut optimizer = LearnedOptimizerConfig::new()
        .with_weight_decay(1e-5)
        .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
        .with_group(ParameterGroup::new("*.norm_?.*").with_weight_decay(0.0))
        .init(&model)?;
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let batch = Batch::draw(set, &mut rng, &device);
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
        let batch = Batch::draw(set, &mut rng, &device);
        let (loss, grads) = model.gradients(&batch);
        model = optimizer.step(ADAM_RATE, model, grads);
        losses.push(loss);
    }
    (losses, model)
}

fn main() -> Result<(), Box<dyn Error>> {
    let steps = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => 500,
        [word, value] if word == "--steps" => value.parse()?,
        other => return Err(format!("expected --steps N, got {other:?}").into()),
    };
    let recall = |rows, seed| {
        let recipe = Recipe::Recall { keys: KEYS, values: VALUES, pairs: PAIRS, rows };
        recipe.make(&mut stream(seed, &[]))
    };
    let (train, test) = (recall(8000, 10), recall(1000, 11));
    let device = Device::default().autodiff();
    device.seed(1);
    let model = Network::new(&device);
    println!("{} rows, {} parameters, {steps} steps of {BATCH}", train.len(), model.num_params());
    let (ours, ours_model) = with_ours(model.clone(), &train, steps)?;
    let (adam, adam_model) = with_adam(model, &train, steps);

    println!("{:>24} {:>10} {:>10}", "", "ours", "Adam(1e-3)");
    let window = steps.div_ceil(LINES).max(1);
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    for (i, (ours, adam)) in ours.chunks(window).zip(adam.chunks(window)).enumerate() {
        let (from, to) = (i * window, i * window + ours.len());
        let steps = format!("loss of steps {from}-{to}");
        println!("{steps:>24} {:>10.2e} {:>10.2e}", mean(ours), mean(adam));
    }
    let models = [&ours_model, &adam_model];
    let [ours, adam] = models.map(|model| evaluate(model, &train).0);
    println!("{:>24} {ours:>10.2e} {adam:>10.2e}", "final train loss");
    let [ours, adam] = models.map(|model| 100.0 * evaluate(model, &test).1);
    println!("{:>24} {ours:>9.1}% {adam:>9.1}%", "test accuracy");
    Ok(())
}
