//! The field suite as an experiment: a record of rows, and the figures that are read from it.
//!
//! The rows are, job by job: the facts of the job, the runs of the contenders designed by hand, and
//! for every factor and seed a run of ours without and one with the guard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lopt_problems::{FieldSuite, FieldTask, field_tasks};

use super::baselines::baselines;
use super::figures::FieldFigures;
use super::learned::run_factor;
use super::score::{JobFacts, JobRuns};
use super::{FACTORS, GUARDED, LEARNED, factor_text};
use crate::contender::Contender;
use crate::error::CliError;
use crate::experiment::log::{Log, Timing};
use crate::output::say;
use crate::parallel::parallel;
use crate::record::{Record, Row, RunRow, TimedRun};
use crate::setting::Setting;

/// What is run, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The jobs, each with its suite.
    pub tasks: Vec<(FieldSuite, FieldTask)>,
    /// Jobs left out, as their data were not found.
    pub skipped: Vec<String>,
    /// Most steps of a run.
    pub most_steps: usize,
    /// Seeds of every job.
    pub seeds: usize,
    /// Runs at a time.
    pub threads: usize,
    /// Folder of the baselines.
    pub cache: PathBuf,
}

impl Plan {
    /// The jobs of these suites, with three seeds; `only` keeps those of these names, if it has any.
    ///
    /// # Errors
    ///
    /// If data files are there, but cannot be used.
    pub fn new(
        suites: &[FieldSuite],
        data: Option<&Path>,
        only: &[String],
        cache: &Path,
        threads: usize,
    ) -> Result<Self, CliError> {
        let wanted = |name: &str| only.is_empty() || only.iter().any(|other| other == name);
        let (mut tasks, mut skipped) = (Vec::new(), Vec::new());
        for &suite in suites {
            let field = field_tasks(suite, data)?;
            let chosen = field.tasks.into_iter().filter(|task| wanted(task.name));
            tasks.extend(chosen.map(|task| (suite, task)));
            let names = field.skipped.iter().map(|task| task.name.to_owned());
            skipped.extend(names.filter(|name| wanted(name)));
        }
        let cache = cache.join("field");
        Ok(Self { tasks, skipped, most_steps: usize::MAX, seeds: SEEDS, threads, cache })
    }

    /// Factors and seeds with which ours runs, in the order of a record.
    fn factors(&self) -> Vec<(f64, usize)> {
        let seeds = |factor| if factor == 1.0 { self.seeds } else { FACTOR_SEEDS.min(self.seeds) };
        let of = |factor| (0..seeds(factor)).map(move |seed| (factor, seed));
        FACTORS.into_iter().flat_map(of).collect()
    }

    fn steps(&self, task: &FieldTask) -> usize {
        task.steps.min(self.most_steps)
    }

    /// Facts and runs of a job by the contenders designed by hand, from the cache or computed.
    ///
    /// # Errors
    ///
    /// If the cache is damaged or cannot be written, or threads cannot be started.
    pub fn baselines(
        &self,
        suite: FieldSuite,
        task: &FieldTask,
    ) -> Result<(JobFacts, Vec<TimedRun>), CliError> {
        let facts = JobFacts::new(suite, task, self.steps(task));
        let runs = baselines(&self.cache, task, &facts, self.seeds, self.threads)?;
        Ok((facts, runs))
    }

    /// All runs of ours on a job, by factor and seed, without the guard and with it.
    ///
    /// * `begun`: so many of the runs are known already, in this order.
    /// * `ended`: told the place of each other run, and the run.
    ///
    /// # Errors
    ///
    /// If the optimizer cannot be built, threads cannot be started, or `ended` fails.
    pub fn learned(
        &self,
        task: &FieldTask,
        judged: &Setting,
        begun: usize,
        ended: impl Fn(usize, &TimedRun) -> Result<(), CliError> + Sync,
    ) -> Result<Vec<[TimedRun; 2]>, CliError> {
        let steps = self.steps(task);
        let (jobs, first) = (self.factors(), begun / 2);
        parallel(self.threads, jobs.len().saturating_sub(first), |index| {
            let (factor, seed) = jobs[first + index];
            let pair = run_factor(task, steps, judged, factor, seed)?;
            let mut places = (2 * (first + index)..).zip(&pair).filter(|place| place.0 >= begun);
            places.try_for_each(|(place, run)| ended(place, run))?;
            Ok(pair)
        })
    }

    /// The figures of weights on these jobs; nothing is kept but the baselines.
    ///
    /// * `baselines_only`: leaves ours out, and so all figures.
    ///
    /// # Errors
    ///
    /// As [`baselines`](Self::baselines) and [`learned`](Self::learned).
    pub fn evaluate(
        &self,
        suite: FieldSuite,
        judged: &Contender,
        baselines_only: bool,
    ) -> Result<FieldFigures, CliError> {
        let mut scores = Vec::new();
        for (done, (suite, task)) in self.tasks.iter().enumerate() {
            let (facts, mut runs) = self.baselines(*suite, task)?;
            if !baselines_only {
                let setting = &judged.settings[0];
                runs.extend(self.learned(task, setting, 0, |_, _| Ok(()))?.into_iter().flatten());
            }
            scores.extend(JobRuns::new(&facts, &runs).score());
            say(format_args!("evaluate: {} of {} jobs, {}", done + 1, self.tasks.len(), task.name));
        }
        Ok(FieldFigures::new(suite.name(), &judged.name, scores, self.skipped.clone()))
    }
}

/// Seeds of every job of the suite.
pub const SEEDS: usize = 3;

/// Seeds for factors other than 1: seven factors on all seeds would take most of the time.
pub const FACTOR_SEEDS: usize = 1;

/// Appends all rows of a plan to a record, from where an earlier call was interrupted.
///
/// # Errors
///
/// As [`Plan::baselines`] and [`Plan::learned`]; if the record cannot be written.
pub fn put_rows(plan: &Plan, judged: &Setting, log: &Log) -> Result<(), CliError> {
    let put =
        |place: usize, run: &TimedRun| log.put(Timing::of(place, run), &Row::Run(run.run.clone()));
    let mut next = 0;
    for (suite, task) in &plan.tasks {
        let (facts, runs) = plan.baselines(*suite, task)?;
        let first = next + 1 + runs.len();
        let facts = Row::Job(facts);
        log.complete(next, &facts)?;
        for (place, run) in (next + 1..).zip(&runs) {
            if !log.has(place, &run.run.in_words())? {
                put(place, run)?;
            }
        }
        let ours =
            plan.factors().into_iter().flat_map(|own| [LEARNED, GUARDED].map(|name| (name, own)));
        for (place, (name, (factor, seed))) in (first..).zip(ours) {
            log.has(place, &RunRow::new(task.name, name, factor_text(factor), seed).in_words())?;
        }
        let begun = log.begun.len().saturating_sub(first);
        plan.learned(task, judged, begun, |place, run| put(first + place, run))?;
        next = first + 2 * plan.factors().len();
        say(format_args!("field: {} done", task.name));
    }
    Ok(())
}

/// The jobs of a record with their runs.
///
/// * `timing`: what the clock said of the rows.
pub fn jobs(record: &Record, timing: &[Timing]) -> Vec<(JobFacts, Vec<TimedRun>)> {
    let times: BTreeMap<usize, &Timing> = timing.iter().map(|t| (t.row, t)).collect();
    let mut jobs: Vec<(JobFacts, Vec<TimedRun>)> = Vec::new();
    for (place, row) in record.rows.iter().enumerate() {
        match row {
            Row::Job(facts) => jobs.push((facts.clone(), Vec::new())),
            Row::Run(run) => {
                let timed = times.get(&place);
                let seconds = timed.map_or(f64::NAN, |timed| timed.seconds);
                let optimizer_seconds =
                    timed.and_then(|timed| timed.optimizer_seconds).unwrap_or(f64::NAN);
                if let Some((_, runs)) = jobs.last_mut() {
                    runs.push(TimedRun { seconds, optimizer_seconds, run: run.clone() });
                }
            }
            _ => {}
        }
    }
    jobs
}

/// The figures of both suites in a record; a suite without a job is left out.
///
/// * `timing`: what the clock said of the rows.
pub fn figures(record: &Record, timing: &[Timing], weights: &str) -> Vec<FieldFigures> {
    let jobs = jobs(record, timing);
    let of = |suite: FieldSuite| {
        let own = jobs.iter().filter(|(facts, _)| facts.suite == suite.name());
        let scores: Vec<_> =
            own.filter_map(|(facts, runs)| JobRuns::new(facts, runs).score()).collect();
        (!scores.is_empty()).then(|| FieldFigures::new(suite.name(), weights, scores, Vec::new()))
    };
    [FieldSuite::Choose, FieldSuite::Test].into_iter().filter_map(of).collect()
}
