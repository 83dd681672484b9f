//! The coordinatewise LSTM of Andrychowicz et al. 2016, trained as its authors did.

use std::path::Path;
use std::sync::Arc;

use lopt_core::l2l::L2lWeights;
use lopt_meta::l2l::{L2lConfig, train as meta_train};
use lopt_problems::race_problem;

use super::definition::Trained;
use super::record::{TrainedRow, fingerprint, rounded};
use super::training::fault;
use crate::error::CliError;
use crate::output::write_file;
use crate::setting::LearnedWeights;

/// The network it is trained on: one hidden layer of 20 sigmoid units on images of digits, as in its
/// paper, on our generated digits.
const PROBLEM: &str = "digits-mlp-sigmoid";

/// Points of the curve of losses.
const POINTS: u64 = 20;

/// Trains over `budget` runs of 100 steps and keeps the weights at `path`.
///
/// # Errors
///
/// If every evaluation diverged, or the disk refuses.
pub(super) fn train(
    plan: &Trained,
    budget: u64,
    path: &Path,
) -> Result<(LearnedWeights, TrainedRow), CliError> {
    let problem = race_problem(PROBLEM, None)?.problem;
    let config = L2lConfig {
        runs: budget,
        evaluate_every: (budget / 5).max(1),
        // a tenth of the time at most
        evaluation_runs: (budget / 50).clamp(2, 20),
        ..L2lConfig::default()
    };
    let mut curve = Vec::new();
    let (mut sum, mut count) = (0.0, 0.0);
    let weights = meta_train(problem, &config, |progress| {
        sum += progress.loss;
        count += 1.0;
        if progress.run * POINTS / budget != (progress.run - 1) * POINTS / budget {
            curve.push((progress.run, rounded(sum / count)));
            (sum, count) = (0.0, 0.0);
        }
    });
    let weights = weights.map_err(|error| fault(plan, &error))?;
    let bytes = weights.to_bytes().map_err(|error| fault(plan, &error))?;
    write_file(path, &bytes)?;
    let row = TrainedRow {
        name: plan.name.clone(),
        updates: budget,
        instance_steps: budget * config.run_steps as u64,
        curve,
        weights: fingerprint(&bytes),
    };
    Ok((LearnedWeights::L2l(Arc::new(weights)), row))
}

/// The weights of a file; `None` if they are damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<LearnedWeights> {
    Some(LearnedWeights::L2l(Arc::new(L2lWeights::from_bytes(bytes).ok()?)))
}
