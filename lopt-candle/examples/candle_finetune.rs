//! Fine-tuning with layers that thaw later, ours beside AdamW.
//!
//! `cargo run -p lopt-candle --example candle_finetune`, with `--steps N` or `--quick`. A network learns the
//! digits from 0 to 4 first. Then its head is trained on few images of 5 to 9; halfway the layers below
//! thaw. Up to there they have no gradient, so they stay as they are and take their first step when they
//! thaw, while the head goes on as before.

pub(crate) mod compare;

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{
    Conv2d, Conv2dConfig, Linear, VarBuilder, VarMap, conv2d, linear, loss::cross_entropy,
};
use compare::{Job, Options, draw, images, prepare, print, rows};
use lopt_candle::LearnedOptimizerConfig;
use lopt_core::rng::{Rng, stream};
use lopt_problems::{Dataset, Recipe};

const BATCH: usize = 32;
const SIZE: usize = 20;
/// Digits of each of the two tasks.
const CLASSES: usize = 5;

struct Network {
    variables: VarMap,
    /// The layers below.
    convolutions: [Conv2d; 2],
    /// One for each task.
    heads: [Linear; 2],
}

impl Network {
    fn new() -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let strided = Conv2dConfig { stride: 2, ..Conv2dConfig::default() };
        let after = |size: usize| (size - 3) / 2 + 1;
        let inputs = 16 * after(after(SIZE)).pow(2);
        let network = Self {
            convolutions: [
                conv2d(1, 8, 3, strided, builder.pp("conv0"))?,
                conv2d(8, 16, 3, strided, builder.pp("conv1"))?,
            ],
            heads: [
                linear(inputs, CLASSES, builder.pp("head0"))?,
                linear(inputs, CLASSES, builder.pp("head1"))?,
            ],
            variables,
        };
        draw(&network.variables)?;
        Ok(network)
    }

    /// `[B, CLASSES]` by the head of a task; the layers below get a gradient unless `frozen`.
    fn forward(&self, images: &Tensor, task: usize, frozen: bool) -> Result<Tensor> {
        let mut x = images.clone();
        for convolution in &self.convolutions {
            x = convolution.forward(&x)?.relu()?;
        }
        let x = if frozen { x.detach() } else { x };
        self.heads[task].forward(&x.flatten_from(1)?)
    }
}

/// One of the two tasks.
struct Task {
    network: Network,
    number: usize,
    /// Step from which the layers below have a gradient.
    thaws: usize,
    /// To train on and to validate.
    data: [Dataset; 2],
}

impl Task {
    /// Digits of a task, labelled from 0.
    fn digits(number: usize, count: usize, seed: u64) -> Dataset {
        let recipe = Recipe::Digits { size: SIZE, rows: 3 * count };
        let all = recipe.make(&mut stream(seed, &[]));
        let belongs = |row: &usize| all.labels[*row] / CLASSES == number;
        let chosen: Vec<usize> = (0..all.len()).filter(belongs).take(count).collect();
        let mut set = all.select(&chosen);
        set.labels.iter_mut().for_each(|label| *label %= CLASSES);
        set.classes = CLASSES;
        set
    }
}

impl Job for Task {
    fn variables(&self) -> &VarMap {
        &self.network.variables
    }

    fn loss(&self, step: usize, rng: &mut Rng) -> Result<Tensor> {
        let (images, labels) = images(&self.data[0], &rows(BATCH, self.data[0].len(), rng))?;
        let logits = self.network.forward(&images, self.number, step < self.thaws)?;
        cross_entropy(&logits, &labels)
    }

    fn validation(&self) -> Result<f32> {
        let all: Vec<usize> = (0..self.data[1].len()).collect();
        let (images, labels) = images(&self.data[1], &all)?;
        let logits = self.network.forward(&images, self.number, true)?;
        cross_entropy(&logits, &labels)?.to_scalar()
    }
}

/// The second task, with a network that has learned the first one in as many steps.
///
/// * `images`: to train on in the first task and in the second, and to validate.
pub(crate) fn fine_tuning(steps: usize, images: [usize; 3]) -> Result<impl Job> {
    let data = |number: usize, count: usize| {
        let seed = 10 * (number as u64 + 1);
        [Task::digits(number, count, seed), Task::digits(number, images[2], seed + 1)]
    };
    let (number, thaws) = (0, 0);
    let first = Task { network: Network::new()?, number, thaws, data: data(0, images[0]) };
    prepare(&first, LearnedOptimizerConfig::new(), steps)?;
    let (number, thaws) = (1, steps / 2);
    Ok(Task { number, thaws, data: data(1, images[1]), ..first })
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = Options::of_command_line(200)?;
    let images = if options.quick { [300, 100, 100] } else { [3000, 200, 1000] };
    let title = format!("Fine-tuning on {} images, layers below thaw halfway", images[1]);
    Ok(print(&title, &fine_tuning(options.steps, images)?, options.steps)?)
}
