//! Runs, updates of psi, evaluations; the best psi is kept.

use super::config::{L2lConfig, L2lTrainError};
use super::network::L2lNetwork;
use super::psi::initial_psi;
use super::run::{Run, meta_gradient};
use super::weights::L2lWeights;
use crate::meta_optimizer::MetaState;
use lopt_core::flush::FlushToZero;

use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_problems::{AnyProblem, Problem as _};
use std::sync::Arc;

// Streams below the seed.
const START: u64 = 0;
const TRAINING: u64 = 1;
const EVALUATION: u64 = 2;

/// How training goes, after every run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2lProgress {
    /// Runs done.
    pub run: u64,
    /// Mean of the losses the run met; infinite if it diverged.
    pub loss: f64,
    /// The evaluation after this run, if there was one: the mean loss over the last unroll of fresh
    /// instances; infinite if one diverged.
    pub evaluation: Option<f64>,
}

/// Trains the L2L optimizer on instances of one problem and returns the weights of the best
/// evaluation. Equal seeds give equal weights, whatever the number of threads.
///
/// The instances and starts of evaluations are streams of their own, never trained on.
///
/// # Errors
///
/// If a setting makes no sense, the problem corrupts its gradients, or every evaluation diverged.
pub fn train(
    problem: Arc<dyn AnyProblem>,
    config: &L2lConfig,
    mut progress: impl FnMut(L2lProgress),
) -> Result<L2lWeights, L2lTrainError> {
    config.check()?;
    if problem.gradient_noise() != 0.0 || problem.gradient_sparsity() != 0.0 {
        return Err(L2lTrainError::Corrupted { problem: problem.name() });
    }
    let _flush = FlushToZero::set();
    let level = Level::detect();
    let adam = config.meta_optimizer();
    let mut meta = MetaState::new(initial_psi(&mut stream(config.seed, &[START])), &adam);
    let mut best: Option<(f64, u64, Vec<f64>)> = None;
    for done in 1..=config.runs {
        let mut run = Run::new(&problem, config.seed, [TRAINING, done]);
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..config.run_steps / config.unroll {
            let network = L2lNetwork::new(&meta.psi, level)?;
            let Some(unroll) = run.unroll(&network, config.unroll) else {
                sum = f64::INFINITY;
                break;
            };
            sum += unroll.meta_loss();
            count += unroll.losses.len();
            let gradient = meta_gradient(&network, &unroll)?;
            meta.update(&adam, &gradient, meta.applied, 0);
        }
        let due = done.is_multiple_of(config.evaluate_every) || done == config.runs;
        let evaluation = if due { Some(evaluate(&problem, config, &meta.psi)?) } else { None };
        if let Some(score) = evaluation
            && score.is_finite()
            && best.as_ref().is_none_or(|(least, ..)| score < *least)
        {
            best = Some((score, meta.applied, meta.psi.clone()));
        }
        progress(L2lProgress { run: done, loss: sum / f64::from(count.max(1) as u32), evaluation });
    }
    let (validation, updates, psi) = best.ok_or(L2lTrainError::Diverged)?;
    let record = TrainingRecord {
        recipe: format!(
            "problem = {:?}\n{}",
            problem.name(),
            toml::to_string(config).unwrap_or_default()
        ),
        seed: config.seed,
        updates,
        instance_steps: updates * config.unroll as u64,
        validation,
        commit: String::new(),
    };
    Ok(L2lWeights::new(&psi, record)?)
}

/// Mean loss over the last unroll of the evaluation's runs, infinite if one diverged.
fn evaluate(
    problem: &Arc<dyn AnyProblem>,
    config: &L2lConfig,
    psi: &[f64],
) -> Result<f64, L2lTrainError> {
    let network = L2lNetwork::new(psi, Level::detect())?;
    let mut total = 0.0;
    for i in 0..config.evaluation_runs {
        let mut run = Run::new(problem, config.seed, [EVALUATION, i]);
        let mut last = f64::INFINITY;
        for _ in 0..config.run_steps / config.unroll {
            let Some(unroll) = run.unroll(&network, config.unroll) else {
                return Ok(f64::INFINITY);
            };
            last = unroll.meta_loss() / unroll.losses.len() as f64;
        }
        total += last;
    }
    Ok(total / config.evaluation_runs as f64)
}
