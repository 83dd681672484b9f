//! Our own runs on a task.

use std::iter::once;
use std::ops::Range;

use lopt_problems::Task;

use super::baselines::seeds_at;
use super::curve::MULTIPLES;
use super::run::{Run, Start, run};
use crate::error::CliError;
use crate::parallel::parallel;
use crate::setting::{Learned, Setting};

/// A run of ours.
#[derive(Debug, Clone)]
pub struct LearnedRun {
    /// Initial rate; `None` for that of the weights.
    pub rate: Option<f64>,
    /// Seed, counted from the first one asked for.
    pub seed: usize,
    /// The multiples of the horizon at which it is compared with Adam.
    pub multiples: Vec<usize>,
    /// Loss on the fixed rows at the start.
    pub initial: f64,
    /// Whether it was to reach [`LONGEST`] horizons.
    pub long: bool,
    /// What it gave.
    pub run: Run,
}

/// Multiple of the horizon at which it is asked whether the loss still falls.
pub const LONGEST: usize = 25;
/// Seeds that go there; there is an Adam for the first only.
const LONG_SEEDS: usize = 3;

/// Runs the weights on these seeds of a task: from their own rate as far as the task
/// goes, from the others over one horizon.
///
/// # Errors
///
/// If threads cannot be started or the optimizer cannot be built.
pub fn run_task(
    task: &Task,
    learned: &Learned,
    rates: &[f64],
    seeds: Range<usize>,
    threads: usize,
) -> Result<Vec<LearnedRun>, CliError> {
    let starts: Vec<Start> = seeds.map(|seed| Start::new(task, seed)).collect();
    let seeds = starts.len();
    let layout = task.problem.layout();
    let all: Vec<Option<f64>> = once(None).chain(rates.iter().copied().map(Some)).collect();
    parallel(threads, all.len() * seeds, |index| {
        let (rate, seed) = (all[index / seeds], index % seeds);
        let wanted = |&multiple: &usize| {
            multiple == 1 || rate.is_none() && multiple <= task.longest && seed < seeds_at(multiple)
        };
        let multiples: Vec<usize> = MULTIPLES.into_iter().filter(wanted).collect();
        let long = rate.is_none() && task.longest >= LONGEST && seed < LONG_SEEDS;
        let last = if long { LONGEST } else { multiples.last().copied().unwrap_or(1) };
        let steps = task.steps * last;
        let setting = Setting::Learned(Learned { rate, ..learned.clone() });
        let mut optimizer = setting.build(&layout, steps)?;
        let run = run(task, &starts[seed], &mut *optimizer, steps, f64::INFINITY);
        Ok(LearnedRun { rate, seed, multiples, initial: starts[seed].initial, long, run })
    })
}
