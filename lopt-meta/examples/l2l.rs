//! Trains the L2L optimizer on a sigmoid network for digits, and compares it within its horizon.
//!
//! `cargo run --release -p lopt-meta --example l2l -- 1000 [weights file]`

use lopt_baselines::{Adam, Sgd};
use lopt_core::rng::stream;
use lopt_core::{Layout, Optimizer};
use lopt_meta::l2l::{L2l, L2lConfig, L2lWeights, train};
use lopt_problems::{
    Activation, AnyProblem, BatchStream, Mlp, Objective, Probe, Problem, ProblemObjective, Recipe,
    Source, train as train_model,
};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Steps of every run.
const STEPS: usize = 100;
/// Instances of the comparison.
const INSTANCES: u64 = 5;

#[allow(clippy::print_stdout, reason = "an example reports")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let digits = Source::once(Recipe::Digits { size: 16, rows: 4000 }, 1);
    let network = |activation| -> Arc<dyn AnyProblem> {
        Arc::new(Mlp::new(&[20], activation, digits.clone(), 128).plain())
    };
    let problem = network(Activation::Sigmoid);
    let config = L2lConfig {
        runs,
        evaluate_every: runs.div_ceil(10).max(1),
        evaluation_runs: 5,
        ..L2lConfig::default()
    };
    let before = Instant::now();
    let weights = train(Arc::clone(&problem), &config, |progress| {
        if let Some(score) = progress.evaluation {
            let seconds = before.elapsed().as_secs();
            println!("run {:5}: evaluation {score:.4} after {seconds} s", progress.run);
        }
    })?;
    if let Some(path) = arguments.next() {
        weights.write(Path::new(&path))?;
    }
    for problem in [problem, network(Activation::Relu)] {
        println!(
            "{}, mean loss over all data after {STEPS} and {} steps",
            problem.name(),
            4 * STEPS
        );
        compare(&problem, &weights)?;
    }
    Ok(())
}

/// Prints the losses of L2L, Adam and SGD on instances and starts of their own.
#[allow(clippy::print_stdout, reason = "an example reports")]
fn compare(problem: &Arc<dyn AnyProblem>, weights: &L2lWeights) -> Result<(), Box<dyn Error>> {
    let layout = problem.layout();
    let learned = |layout: &Layout| -> Result<Box<dyn Optimizer>, Box<dyn Error>> {
        Ok(Box::new(L2l::new(layout, weights)?))
    };
    let show =
        |name: &str, losses: [f64; 2]| println!("{name:12} {:.4} {:.4}", losses[0], losses[1]);
    show("l2l", losses(problem, || learned(&layout))?);
    for rate in [3e-3, 1e-2, 3e-2, 1e-1] {
        let adam = || Ok(Box::new(Adam::new(&layout, rate)) as Box<dyn Optimizer>);
        show(&format!("adam {rate}"), losses(problem, adam)?);
    }
    for rate in [0.1, 0.3, 1.0, 3.0] {
        let sgd = || Ok(Box::new(Sgd::new(&layout, rate)) as Box<dyn Optimizer>);
        show(&format!("sgd {rate}"), losses(problem, sgd)?);
    }
    Ok(())
}

/// Mean losses at the horizon of training and at four times of it; infinite if a run diverged.
fn losses(
    problem: &Arc<dyn AnyProblem>,
    make: impl Fn() -> Result<Box<dyn Optimizer>, Box<dyn Error>>,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut sums = [0.0; 2];
    for seed in 0..INSTANCES {
        let mut rng = stream(1_000_000 + seed, &[]);
        let instance = problem.instance(&mut rng);
        let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
        let mut params = problem.init(&instance, &mut rng);
        let noise = stream(1_000_000 + seed, &[1]);
        let batches = rows.zip(problem.batch_size());
        let batches = batches.map(|(rows, batch)| BatchStream::new(rows, batch, rng));
        let mut objective =
            ProblemObjective::new(Arc::clone(problem), instance, noise).with_batches(batches);
        let mut ends = Ends([f64::INFINITY; 2]);
        let _ = train_model(&mut objective, &mut *make()?, &mut params, 4 * STEPS, &mut ends);
        sums.iter_mut().zip(ends.0).for_each(|(sum, loss)| *sum += loss / INSTANCES as f64);
    }
    Ok(sums)
}

/// The loss over all data at both ends.
struct Ends([f64; 2]);

impl Probe for Ends {
    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        if let Some(end) = [STEPS, 4 * STEPS].iter().position(|&end| end == step) {
            self.0[end] = objective.training_loss(params).unwrap_or(f64::NAN);
        }
        Ok(())
    }
}
