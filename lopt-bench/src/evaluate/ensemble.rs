//! Weights on the very ensemble they were trained on, beside Adam and RMSProp with the one rate that
//! is best for the whole of it.
//!
//! Every entry is run from the same starts by all of them. The result of a run is
//! `ln(loss / first loss)` on the whole data set, the loss averaged over ten places in the last tenth
//! of the run, held between `ln 1e-12` and `ln 1000`, which a run that diverges gets.

use std::sync::Arc;

use lopt_core::Optimizer;
use lopt_core::rng::stream;
use lopt_problems::{
    BatchStream, Ensemble, Entry, Objective, Outcome, Probe, Problem as _, ProblemObjective, train,
    training_ensemble,
};
use serde::Serialize;

use crate::baseline::{Baseline, half_decades};
use crate::error::CliError;
use crate::parallel::parallel;
use crate::setting::{Learned, Setting};
use crate::suggest::unknown;
use crate::tuning::best;

/// What was run and what it gave.
#[derive(Debug, Clone, Serialize)]
pub struct EnsembleRecord {
    /// The weights.
    pub weights: String,
    /// Name of the ensemble.
    pub ensemble: String,
    /// Steps of a run.
    pub steps: usize,
    /// Seeds of an entry.
    pub seeds: usize,
    /// The best single rate of Adam.
    pub adam_rate: f64,
    /// The best single rate of RMSProp.
    pub rmsprop_rate: f64,
    /// Part of the entries on which ours is at least as good as Adam.
    pub win_rate_vs_adam: f64,
    /// The same with RMSProp.
    pub win_rate_vs_rmsprop: f64,
    /// At least as good as both.
    pub win_rate_vs_both: f64,
    /// One per entry.
    pub entries: Vec<EntryRecord>,
}

/// Mean results over seeds, lower is better.
#[derive(Debug, Clone, Serialize)]
pub struct EntryRecord {
    /// Name of the problem.
    pub problem: String,
    /// Its group.
    pub set: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Ours.
    pub ours: f64,
    /// Adam at the best single rate.
    pub adam: f64,
    /// RMSProp at the best single rate.
    pub rmsprop: f64,
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Steps of a run.
    pub steps: usize,
    /// Seeds of an entry.
    pub seeds: usize,
    /// Larger problems are left out.
    pub most_parameters: usize,
    /// Runs at a time.
    pub threads: usize,
}

/// Runs everything.
///
/// # Errors
///
/// If there is no such ensemble or the optimizer cannot be built.
pub fn run(learned: &Learned, ensemble: &str, effort: Effort) -> Result<EnsembleRecord, CliError> {
    let names = Ensemble::ALL.map(|known| known.1);
    let kind: Ensemble = ensemble.parse().map_err(|_| unknown("ensemble", ensemble, names))?;
    let mut entries = training_ensemble(kind);
    let most = effort.most_parameters;
    entries.retain(|entry| entry.problem.layout().len() <= most);
    if entries.is_empty() {
        return Err(CliError::Usage(format!(
            "`{ensemble}` has no problem of at most {most} parameters"
        )));
    }
    // half decades from 1e-4 up: lower ones go nowhere in so many steps
    let rates = half_decades(1e-4, 9);
    let mut settings = vec![Setting::Learned(learned.clone())];
    for kind in [Baseline::Adam, Baseline::RmsProp] {
        settings.extend(rates.iter().map(|&rate| Setting::constant(kind, rate)));
    }
    let results: Vec<Vec<f64>> = parallel(effort.threads, entries.len(), |index| {
        let entry = &entries[index];
        settings.iter().map(|setting| result(entry, setting, effort)).collect()
    })?;
    let best = |first: usize| {
        let total = |i: usize| results.iter().map(|of_entry| of_entry[first + i]).sum::<f64>();
        best((0..rates.len()).map(total)).unwrap_or(0)
    };
    let (adam, rmsprop) = (best(1), best(1 + rates.len()));
    let records: Vec<EntryRecord> = entries
        .iter()
        .zip(&results)
        .map(|(entry, of_entry)| EntryRecord {
            problem: entry.problem.name(),
            set: entry.set.to_owned(),
            parameters: entry.problem.layout().len(),
            ours: of_entry[0],
            adam: of_entry[1 + adam],
            rmsprop: of_entry[1 + rates.len() + rmsprop],
        })
        .collect();
    let part = |wins: &dyn Fn(&EntryRecord) -> bool| {
        records.iter().filter(|record| wins(record)).count() as f64 / records.len() as f64
    };
    let beats = |record: &EntryRecord, other: f64| record.ours <= other + TIE;
    Ok(EnsembleRecord {
        weights: learned.label.clone(),
        ensemble: ensemble.to_owned(),
        steps: effort.steps,
        seeds: effort.seeds,
        adam_rate: rates[adam],
        rmsprop_rate: rates[rmsprop],
        win_rate_vs_adam: part(&|r| beats(r, r.adam)),
        win_rate_vs_rmsprop: part(&|r| beats(r, r.rmsprop)),
        win_rate_vs_both: part(&|r| beats(r, r.adam) && beats(r, r.rmsprop)),
        entries: records,
    })
}

/// Mean over seeds.
fn result(entry: &Entry, setting: &Setting, effort: Effort) -> Result<f64, CliError> {
    let layout = entry.problem.layout();
    let mut sum = 0.0;
    for seed in 0..effort.seeds {
        let mut optimizer = setting.build(&layout, effort.steps)?;
        sum += one_run(entry, seed as u64, optimizer.as_mut(), effort.steps);
    }
    Ok(sum / effort.seeds as f64)
}

fn one_run(entry: &Entry, seed: u64, optimizer: &mut dyn Optimizer, steps: usize) -> f64 {
    let problem = &entry.problem;
    let mut path: Vec<u64> = problem.name().bytes().map(u64::from).collect();
    path.push(seed);
    let mut rng = stream(SEED, &path);
    path.push(NOISE);
    let instance = problem.instance(&mut rng);
    let mut params = problem.init(&instance, &mut rng);
    let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
    let batches = rows.zip(problem.batch_size());
    let batches = batches.map(|(rows, batch)| BatchStream::new(rows, batch, rng));
    let all: Vec<usize> = (0..rows.unwrap_or(0)).collect();
    let mut objective = ProblemObjective::new(Arc::clone(problem), instance, stream(SEED, &path))
        .with_batches(batches)
        .with_training_rows(&all, MOST_ROWS);
    let first = objective.training_loss(&params).unwrap_or(f64::NAN);
    let mut probe = LateLosses { steps, every: (steps / 100).max(1), losses: Vec::new() };
    match train(&mut objective, optimizer, &mut params, steps, &mut probe) {
        Outcome::Diverged { .. } => WORST,
        Outcome::Finished => {
            let late = probe.losses.iter().sum::<f64>() / probe.losses.len().max(1) as f64;
            let ratio = (late / first).ln();
            if ratio.is_nan() { WORST } else { ratio.clamp(BEST, WORST) }
        }
    }
}

/// The losses at some places in the last tenth of a run.
struct LateLosses {
    steps: usize,
    every: usize,
    losses: Vec<f64>,
}

impl Probe for LateLosses {
    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        if step > self.steps - self.steps / 10 && step.is_multiple_of(self.every) {
            self.losses.extend(objective.training_loss(params));
        }
        Ok(())
    }
}

/// Seed of everything random.
const SEED: u64 = 20_170_314;
/// The stream of the noise below that of the rest.
const NOISE: u64 = 1;
/// Rows at a time on which a loss is measured.
const MOST_ROWS: usize = 512;
/// What is solved beyond this counts alike.
const BEST: f64 = -27.631_021_115_928_547;
/// What divergence counts.
const WORST: f64 = 6.907_755_278_982_137;
/// A hundredth of a nat is no difference.
const TIE: f64 = 0.01;
