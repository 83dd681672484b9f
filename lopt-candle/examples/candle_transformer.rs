//! A small transformer that looks a value up by its key, with ours and with AdamW(1e-3).
//!
//! Every sequence lists pairs of a key and a value and ends in one of the keys; the answer is the
//! value that stood beside it. `cargo run -p lopt-candle --example candle_transformer -- --steps N`
//!
//! Both contenders go through the same loop, written for [`candle_nn::Optimizer`].
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use candle_core::{D, DType, Device, Module, Result, Tensor, Var};
use candle_nn::ops::{layer_norm_slow, softmax};
use candle_nn::{
    AdamW, Init, Linear, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss::cross_entropy,
};
use lopt_candle::{LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup};
use lopt_core::rng::{Rng, below, normal, stream};
use lopt_problems::{Dataset, Recipe};

const KEYS: usize = 16;
const VALUES: usize = 8;
const PAIRS: usize = 8;
const WIDTH: usize = 32;
const HEADS: usize = 4;
const LAYERS: usize = 2;
const BATCH: usize = 64;
/// Lines of the table.
const LINES: usize = 10;

/// Candle's own layer cuts gradients off where its input is contiguous.
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(builder: &VarBuilder<'_>) -> Result<Self> {
        let weight = builder.get_with_hints(WIDTH, "weight", Init::Const(1.0))?;
        Ok(Self { weight, bias: builder.get_with_hints(WIDTH, "bias", Init::Const(0.0))? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm_slow(x, &self.weight, &self.bias, 1e-5)
    }
}

struct Layer {
    norms: [Norm; 2],
    queries_keys_values: Linear,
    mixed: Linear,
    wide: Linear,
    narrow: Linear,
}

impl Layer {
    fn new(builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norms: [Norm::new(&builder.pp("norm1"))?, Norm::new(&builder.pp("norm2"))?],
            queries_keys_values: linear(WIDTH, 3 * WIDTH, builder.pp("qkv"))?,
            mixed: linear(WIDTH, WIDTH, builder.pp("mixed"))?,
            wide: linear(WIDTH, 2 * WIDTH, builder.pp("wide"))?,
            narrow: linear(2 * WIDTH, WIDTH, builder.pp("narrow"))?,
        })
    }

    /// `[B, length, WIDTH]` to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, length, _) = x.dims3()?;
        let part = self.queries_keys_values.forward(&self.norms[0].forward(x)?)?;
        // [3, B, heads, length, WIDTH / heads]
        let part = part.reshape((rows, length, 3, HEADS, WIDTH / HEADS))?;
        let part = part.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let (queries, keys, values) = (part.get(0)?, part.get(1)?, part.get(2)?);
        let scale = 1.0 / ((WIDTH / HEADS) as f64).sqrt();
        let scores = (queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? * scale)?;
        let seen = softmax(&scores, D::Minus1)?.matmul(&values)?;
        let seen = seen.transpose(1, 2)?.contiguous()?.reshape((rows, length, WIDTH))?;
        let x = (x + self.mixed.forward(&seen)?)?;
        let inside = self.wide.forward(&self.norms[1].forward(&x)?)?.gelu()?;
        &x + self.narrow.forward(&inside)?
    }
}

struct Network {
    variables: VarMap,
    embedding: Linear,
    positions: Tensor,
    layers: Vec<Layer>,
    head: Linear,
}

impl Network {
    fn new() -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let layer = |i| Layer::new(&builder.pp(format!("layer{i}")));
        Ok(Self {
            embedding: linear(KEYS + VALUES, WIDTH, builder.pp("embedding"))?,
            positions: builder.get((PAIRS + 1, WIDTH), "positions")?,
            layers: (0..LAYERS).map(layer).collect::<Result<_>>()?,
            head: linear(WIDTH, VALUES, builder.pp("head"))?,
            variables,
        })
    }

    /// From `[B, PAIRS + 1, KEYS + VALUES]` to `[B, VALUES]`.
    fn forward(&self, symbols: &Tensor) -> Result<Tensor> {
        let mut x = self.embedding.forward(symbols)?.broadcast_add(&self.positions)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        self.head.forward(&x.narrow(1, PAIRS, 1)?.squeeze(1)?)
    }

    fn named(&self) -> Result<Vec<(String, Var)>> {
        let data = self.variables.data().lock().map_err(candle_core::Error::msg)?;
        let mut named: Vec<_> =
            data.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(named)
    }

    /// The same start for everybody: candle's own draws cannot be repeated.
    fn start(&self) -> Result<()> {
        let mut rng = stream(1, &[]);
        for (name, var) in self.named()? {
            let (mean, scale) = match (name.as_str(), var.rank()) {
                ("positions", _) => (0.0, 0.1),
                (_, 2) => (0.0, (1.0 / var.dim(1)? as f64).sqrt()),
                (name, _) => (if name.ends_with("weight") { 1.0 } else { 0.0 }, 0.0),
            };
            let mut value = || (mean + scale * normal(&mut rng)) as f32;
            let values = (0..var.elem_count()).map(|_| value()).collect();
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}

fn batch(set: &Dataset, rows: &[usize]) -> Result<(Tensor, Tensor)> {
    let chosen = set.select(rows);
    let labels: Vec<u32> = chosen.labels.iter().map(|&label| label as u32).collect();
    let shape = (rows.len(), PAIRS + 1, KEYS + VALUES);
    let symbols = Tensor::from_vec(chosen.features.values, shape, &Device::Cpu)?;
    Ok((symbols, Tensor::from_vec(labels, rows.len(), &Device::Cpu)?))
}

/// The loop of any optimizer; returns the losses of all steps.
fn train(
    model: &Network,
    optimizer: &mut impl Optimizer,
    set: &Dataset,
    steps: usize,
) -> Result<Vec<f32>> {
    let mut rng: Rng = stream(2, &[]);
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let rows: Vec<usize> = (0..BATCH).map(|_| below(&mut rng, set.len())).collect();
        let (symbols, labels) = batch(set, &rows)?;
        let loss = cross_entropy(&model.forward(&symbols)?, &labels)?;
        optimizer.backward_step(&loss)?;
        losses.push(loss.to_scalar()?);
    }
    Ok(losses)
}

/// Mean loss and share of right answers.
fn evaluate(model: &Network, set: &Dataset) -> Result<(f32, f32)> {
    let rows: Vec<usize> = (0..set.len().min(2000)).collect();
    let (symbols, labels) = batch(set, &rows)?;
    let logits = model.forward(&symbols)?;
    let right = logits.argmax(D::Minus1)?.eq(&labels)?.to_dtype(DType::F32)?.mean_all()?;
    Ok((cross_entropy(&logits, &labels)?.to_scalar()?, right.to_scalar()?))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let steps = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => 500,
        [word, value] if word == "--steps" => value.parse()?,
        other => return Err(format!("expected --steps N, got {other:?}").into()),
    };
    let recall = |rows, seed| {
        let recipe = Recipe::Recall { keys: KEYS, values: VALUES, pairs: PAIRS, rows };
        recipe.make(&mut stream(seed, &[]))
    };
    let (set, test) = (recall(8000, 10), recall(1000, 11));
    let model = Network::new()?;
    let count: usize = model.named()?.iter().map(|(_, var)| var.elem_count()).sum();
    println!("{} rows, {count} parameters, {steps} steps of {BATCH}", set.len());

    // decay as AdamW(1e-3, 0.01) has it, but not of biases and normalisations
    let config = LearnedOptimizerConfig::new()
        .with_weight_decay(1e-5)
        .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
        .with_group(ParameterGroup::new("*.norm?.*").with_weight_decay(0.0));
    model.start()?;
    let mut optimizer = LearnedOptimizer::new(&model.variables, config)?;
    let ours = train(&model, &mut optimizer, &set, steps)?;
    // from the attended point, at which training computes, to the true parameters
    optimizer.eval()?;
    let [(ours_loss, _), (_, ours_right)] = [evaluate(&model, &set)?, evaluate(&model, &test)?];
    drop(optimizer);

    model.start()?;
    let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(model.variables.all_vars(), settings)?;
    let adam = train(&model, &mut optimizer, &set, steps)?;
    let [(adam_loss, _), (_, adam_right)] = [evaluate(&model, &set)?, evaluate(&model, &test)?];

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
