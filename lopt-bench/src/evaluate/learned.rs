//! Our own runs on a task.

use lopt_problems::Task;

use super::baselines::seeds_at;
use super::curve::MULTIPLES;
use super::run::{Run, Start, run};
use crate::error::CliError;
use crate::learned::LearnedSource;
use crate::parallel::parallel;

/// A run of ours.
#[derive(Debug, Clone)]
pub struct LearnedRun {
    /// Initial rate; `None` for that of the weights.
    pub rate: Option<f64>,
    /// Seed.
    pub seed: usize,
    /// The multiples of the horizon that it was to reach.
    pub multiples: Vec<usize>,
    /// Loss on the fixed rows at the start.
    pub initial: f64,
    /// What it gave.
    pub run: Run,
}

/// Runs the weights on the first `seeds` seeds of a task: from their own rate as far as the task
/// goes, from the others over one horizon.
///
/// # Errors
///
/// If threads cannot be started or the optimizer cannot be built.
pub fn run_task(
    task: &Task,
    learned: &LearnedSource,
    rates: &[f64],
    seeds: usize,
    threads: usize,
) -> Result<Vec<LearnedRun>, CliError> {
    let starts: Vec<Start> = (0..seeds).map(|seed| Start::new(task, seed)).collect();
    let layout = task.problem.layout();
    let all: Vec<Option<f64>> =
        std::iter::once(None).chain(rates.iter().copied().map(Some)).collect();
    parallel(threads, all.len() * seeds, |index| {
        let (rate, seed) = (all[index / seeds], index % seeds);
        let wanted = |&multiple: &usize| {
            multiple == 1 || rate.is_none() && multiple <= task.longest && seed < seeds_at(multiple)
        };
        let multiples: Vec<usize> = MULTIPLES.into_iter().filter(wanted).collect();
        let steps = task.steps * multiples.last().copied().unwrap_or(1);
        let mut optimizer = learned.build(&layout, rate)?;
        let run = run(task, &starts[seed], &mut *optimizer, steps, f64::INFINITY);
        Ok(LearnedRun { rate, seed, multiples, initial: starts[seed].initial, run })
    })?
    .into_iter()
    .collect()
}
