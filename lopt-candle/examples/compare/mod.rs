//! Trains one candle model by ours and by AdamW(1e-3), each from the same start and on the same batches.
#![allow(dead_code, reason = "every example uses a part")]

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarMap};
use lopt_candle::{LearnedOptimizer, LearnedOptimizerConfig};
use lopt_core::rng::{Rng, below, normal, stream};
use lopt_problems::Dataset;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Instant;

/// A model with its data.
pub(crate) trait Job {
    /// All variables, trained or not.
    fn variables(&self) -> &VarMap;

    /// Loss of a batch to train on.
    fn loss(&self, step: usize, rng: &mut Rng) -> Result<Tensor>;

    /// Loss on rows that the model is not trained on.
    fn validation(&self) -> Result<f32>;
}

/// What one optimizer reached.
#[derive(Debug)]
pub(crate) struct Row {
    pub name: &'static str,
    pub validation: f32,
    /// Seconds of training.
    pub seconds: f64,
}

/// Ours, then AdamW.
pub(crate) fn compare(job: &impl Job, steps: usize) -> Result<[Row; 2]> {
    let start = values(job.variables())?;
    let mut ours = LearnedOptimizer::pretrained(job.variables())?;
    let seconds = train(job, &mut ours, steps)?;
    // from the attended point, at which training computes, to the true parameters
    ours.eval()?;
    let ours = Row { name: "lopt", validation: job.validation()?, seconds };
    start.iter().try_for_each(|(_, var, value)| var.set(value))?;
    let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(job.variables().all_vars(), settings)?;
    let seconds = train(job, &mut adam, steps)?;
    let adam = Row { name: "AdamW(1e-3)", validation: job.validation()?, seconds };
    start.iter().try_for_each(|(_, var, value)| var.set(value))?;
    Ok([ours, adam])
}

/// The loop of any optimizer; gives its seconds.
pub(crate) fn train(job: &impl Job, optimizer: &mut impl Optimizer, steps: usize) -> Result<f64> {
    let mut rng = stream(2, &[]);
    let start = Instant::now();
    for step in 0..steps {
        optimizer.backward_step(&job.loss(step, &mut rng)?)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Trains by ours with settings of one's own, before what is compared; leaves the true parameters.
pub(crate) fn prepare(job: &impl Job, config: LearnedOptimizerConfig, steps: usize) -> Result<()> {
    let mut optimizer = LearnedOptimizer::new(job.variables(), config)?;
    train(job, &mut optimizer, steps).map(drop)
}

/// Names, variables, and copies of their values, by name.
fn values(map: &VarMap) -> Result<Vec<(String, Var, Tensor)>> {
    let data = map.data().lock().unwrap_or_else(PoisonError::into_inner);
    let copy = |(name, var): (&String, &Var)| Ok((name.clone(), var.clone(), var.copy()?));
    let mut all: Vec<_> = data.iter().map(copy).collect::<Result<_>>()?;
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    Ok(all)
}

/// [`draw_scaled`] as for layers with `ReLU` (He et al. 2015).
pub(crate) fn draw(map: &VarMap) -> Result<()> {
    draw_scaled(map, 2.0)
}

/// Draws the values of all tensors with two axes or more, and sets biases to 0: candle's own draws cannot be
/// repeated.
///
/// * `gain`: the variance of an element, times the inputs of an output.
pub(crate) fn draw_scaled(map: &VarMap, gain: f64) -> Result<()> {
    let mut rng = stream(1, &[]);
    for (name, var, _) in values(map)? {
        let scale = match var.rank() {
            0 | 1 if name.ends_with("bias") => 0.0,
            0 | 1 => continue,
            _ => (gain * var.dim(0)? as f64 / var.elem_count() as f64).sqrt(),
        };
        let drawn = (0..var.elem_count()).map(|_| (scale * normal(&mut rng)) as f32).collect();
        var.set(&Tensor::from_vec(drawn, var.shape(), var.device())?)?;
    }
    Ok(())
}

/// Rows that are drawn anew for every batch.
pub(crate) fn rows(count: usize, of: usize, rng: &mut Rng) -> Vec<usize> {
    (0..count).map(|_| below(rng, of)).collect()
}

/// Images `[B, channels, height, width]` and labels `[B]`.
pub(crate) fn images(set: &Dataset, rows: &[usize]) -> Result<(Tensor, Tensor)> {
    let chosen = set.select(rows);
    let labels: Vec<u32> = chosen.labels.iter().map(|&label| label as u32).collect();
    let images = Tensor::from_vec(chosen.features.values, chosen.features.shape, &Device::Cpu)?;
    let images = images.permute((0, 3, 1, 2))?.contiguous()?;
    Ok((images, Tensor::from_vec(labels, rows.len(), &Device::Cpu)?))
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub steps: usize,
    /// Few steps on few rows, to see that it runs.
    pub quick: bool,
    pub data: Option<PathBuf>,
}

impl Options {
    /// From the words after the program's name, and `LOPT_DATA`.
    pub(crate) fn of_command_line(steps: usize) -> std::result::Result<Self, String> {
        let data = std::env::var_os("LOPT_DATA").map(PathBuf::from);
        let mut options = Self { steps, quick: false, data };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| format!("expected a value after `{word}`"));
            match word.as_str() {
                "--quick" => (options.quick, options.steps) = (true, steps.min(QUICK_STEPS)),
                "--steps" => options.steps = value()?.parse().map_err(|e| format!("{e}"))?,
                "--data" => options.data = Some(value()?.into()),
                _ => {
                    return Err(format!(
                        "expected --quick, --steps N or --data PATH, got `{word}`"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// Steps of a run with `--quick`.
pub(crate) const QUICK_STEPS: usize = 20;

/// Prints the comparison.
#[allow(clippy::print_stdout, reason = "an example reports")]
pub(crate) fn print(title: &str, job: &impl Job, steps: usize) -> Result<()> {
    println!("{title}, {steps} steps\n");
    println!("{:12} {:>16} {:>8}", "", "validation loss", "seconds");
    for Row { name, validation, seconds } in compare(job, steps)? {
        println!("{name:12} {validation:16.4} {seconds:8.1}");
    }
    Ok(())
}
