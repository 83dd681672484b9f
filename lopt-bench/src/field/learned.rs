//! The optimizer that is judged on a job: every factor on its steps, with and without the guard.

use std::sync::{Arc, Mutex, PoisonError};

use lopt_core::{GuardConfig, LearnedOptimizerConfig};
use lopt_problems::FieldTask;

use super::run::run;
use super::{GUARDED, LEARNED, factor_text};
use crate::error::CliError;
use crate::record::{RunRow, TimedRun};
use crate::setting::{Learned, LearnedWeights, Setting};

/// Both runs of a factor: without the guard, and with it.
///
/// As long as the guard has nothing to do, the guarded run is the other one bit for bit, so that where
/// it stayed quiet the other is not run again, but for factor 1, where the processor time of the
/// unguarded step counts. Optimizers designed by hand have no guard, and run once.
///
/// # Errors
///
/// If the optimizer cannot be built.
pub fn run_factor(
    task: &FieldTask,
    steps: usize,
    judged: &Setting,
    factor: f64,
    seed: usize,
) -> Result<[TimedRun; 2], CliError> {
    let row = |contender: &str| RunRow::new(task.name, contender, factor_text(factor), seed);
    let layout = task.job.layout();
    let Setting::Learned(Learned { weights: LearnedWeights::Lopt(weights), .. }) = judged else {
        let mut optimizer = judged.times(factor).build(&layout, steps)?;
        let without = run(task, steps, row(LEARNED), &mut *optimizer, false);
        let mut with = without.clone();
        with.run.contender = GUARDED.to_owned();
        return Ok([without, with]);
    };
    let build = |guard: Option<GuardConfig>| {
        let config = LearnedOptimizerConfig::new().with_weights((**weights).clone());
        let mut optimizer = config.with_guard(guard).init(&layout)?;
        optimizer.set_lr_multiplier(factor as f32);
        Ok::<_, CliError>(optimizer)
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let mut guarded = build(Some(GuardConfig::default()))?.on_event(move |event| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_string());
    });
    let mut with = run(task, steps, row(GUARDED), &mut guarded, true);
    with.run.guard = events.lock().unwrap_or_else(PoisonError::into_inner).clone();
    with.run.guard.truncate(MOST_EVENTS);
    let quiet = with.run.guard.is_empty() && with.run.finished();
    let without = if quiet && factor != 1.0 {
        let mut same = with.clone();
        same.run.contender = LEARNED.to_owned();
        same
    } else {
        run(task, steps, row(LEARNED), &mut build(None)?, false)
    };
    Ok([without, with])
}

/// Events of the guard that are kept of a run.
const MOST_EVENTS: usize = 8;
