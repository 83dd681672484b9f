//! All that we need to know of Adam on a task: final losses of every setting, best curves.
//!
//! First every setting over one horizon. Then the best constant rates and 1e-3 go on to five
//! horizons on every seed, so that a speed-up above one can be seen, and, where the task runs them,
//! the best settings of both kinds to five and twenty-five horizons on the first seeds.

use std::ops::Range;

use lopt_problems::Task;
use serde::{Deserialize, Serialize};

use super::curve::{envelope, rounded};
use super::run::{Run, Start, run};
use crate::baseline::RateSchedule::{self, Constant, Cosine};
use crate::baseline::{Baseline, half_decades};
use crate::error::CliError;
use crate::parallel::parallel;
use crate::setting::Setting;
use crate::timing::{Clock, Stopwatch};
use crate::tuning::{mean, order};

/// Adam on one task; a file of the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskBaselines {
    /// Name of the task.
    pub task: String,
    /// Version of the task.
    pub version: u32,
    /// Its horizon.
    pub horizon: usize,
    /// Its largest multiple.
    pub longest: usize,
    /// What all runs cost, on one core.
    pub core_seconds: f64,
    /// Steps of all runs.
    pub steps: usize,
    /// Number of the first seed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_seed: usize,
    /// One entry per seed, from the first on.
    pub seeds: Vec<SeedBaselines>,
}

/// Adam on one seed of a task. Losses are smoothed; `None` stands for divergence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedBaselines {
    /// Losses after one horizon with the constant rates of the grid.
    pub constant: Vec<Option<f64>>,
    /// The same with cosines.
    pub cosine: Vec<Option<f64>>,
    /// Least loss so far of any constant rate, at the places of the grid.
    pub best_curve: Vec<f64>,
    /// Least loss so far of the rate 1e-3.
    #[serde(rename = "usual_curve")]
    pub untuned_curve: Vec<f64>,
    /// Losses after longer runs.
    pub longer: Vec<LongerRun>,
}

/// The end of a longer run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LongerRun {
    /// Multiple of the horizon.
    pub multiple: usize,
    /// What became of the rate.
    #[serde(rename = "pace")]
    pub schedule: RateSchedule,
    /// Index of its rate.
    pub rate: usize,
    /// Loss, `None` if it diverged.
    pub loss: Option<f64>,
}

fn is_zero(seed: &usize) -> bool {
    *seed == 0
}

impl SeedBaselines {
    /// Losses after a multiple of the horizon, by rate; `None` where diverged or not run.
    pub fn finals(&self, multiple: usize, schedule: RateSchedule) -> Vec<Option<f64>> {
        match (multiple, schedule) {
            (1, Constant) => return self.constant.clone(),
            (1, Cosine) => return self.cosine.clone(),
            _ => {}
        }
        let mut finals = vec![None; RATES];
        let chosen = |run: &&LongerRun| run.multiple == multiple && run.schedule == schedule;
        for run in self.longer.iter().filter(chosen) {
            finals[run.rate] = run.loss;
        }
        finals
    }
}

impl TaskBaselines {
    /// Mean logarithm of the loss after a multiple of the horizon, by rate, over the first `seeds`
    /// seeds; infinite where one of them diverged or was not run.
    pub fn scores(&self, multiple: usize, schedule: RateSchedule, seeds: usize) -> Vec<f64> {
        let finals: Vec<Vec<Option<f64>>> =
            self.seeds.iter().take(seeds).map(|seed| seed.finals(multiple, schedule)).collect();
        (0..RATES).map(|rate| mean_log(finals.iter().map(|finals| finals[rate]))).collect()
    }

    /// Whether everything is there, and every number a loss; else what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        let whole = |seed: &SeedBaselines| {
            let (all, longer) = ([&seed.constant, &seed.cosine], &seed.longer);
            let curves = [&seed.best_curve, &seed.untuned_curve];
            let ends =
                all.into_iter().flatten().chain(longer.iter().map(|run| &run.loss)).flatten();
            all.iter().all(|losses| losses.len() == RATES)
                && longer.iter().all(|run| run.rate < RATES)
                && curves.iter().all(|curve| !curve.is_empty())
                && ends.chain(curves.into_iter().flatten()).all(|x| *x >= 0.0 && x.is_finite())
        };
        let broken = self.seeds.iter().position(|seed| !whole(seed));
        let reason = |seed| format!("the losses of seed {seed} are not those of all rates");
        broken.map_or(Ok(()), |seed| Err(reason(seed)))
    }

    /// Runs Adam on these seeds of a task.
    ///
    /// # Errors
    ///
    /// If threads cannot be started.
    pub fn compute(task: &Task, seeds: Range<usize>, threads: usize) -> Result<Self, CliError> {
        let first_seed = seeds.start;
        let starts: Vec<Start> = seeds.map(|seed| Start::new(task, seed)).collect();
        let seeds = starts.len();
        let mut first = Vec::new();
        for schedule in [Constant, Cosine] {
            for rate in 0..RATES {
                first.extend((0..seeds).map(|seed| Job { schedule, rate, seed, multiple: 1 }));
            }
        }
        let mut done = run_all(task, &starts, &first, threads)?;
        let second = second_jobs(task, &done, seeds);
        done.extend(run_all(task, &starts, &second, threads)?);
        let of_seed = |seed: usize| summary(task, done.iter().filter(|done| done.job.seed == seed));
        Ok(Self {
            task: task.name.to_owned(),
            version: task.version,
            horizon: task.steps,
            longest: task.longest,
            core_seconds: rounded(done.iter().map(|done| done.seconds).sum()),
            steps: done.iter().map(|done| done.run.steps).sum(),
            first_seed,
            seeds: (0..seeds).map(of_seed).collect(),
        })
    }
}

/// A run to be done.
#[derive(Debug, Clone, Copy)]
struct Job {
    schedule: RateSchedule,
    /// Index of the rate in [`rates`].
    rate: usize,
    /// Counted from the first one asked for.
    seed: usize,
    multiple: usize,
}

/// A run that is done.
struct Done {
    job: Job,
    run: Run,
    seconds: f64,
}

fn run_all(
    task: &Task,
    starts: &[Start],
    jobs: &[Job],
    threads: usize,
) -> Result<Vec<Done>, CliError> {
    let (layout, rates) = (task.problem.layout(), rates());
    parallel(threads, jobs.len(), |index| {
        let job = jobs[index];
        let Job { schedule, rate, seed, multiple } = job;
        let steps = multiple * task.steps;
        let watch = Stopwatch::start(Clock::Thread);
        let adam = Setting::Baseline { kind: Baseline::Adam, rate: Some(rates[rate]), schedule };
        let run =
            run(task, &starts[seed], adam.build(&layout, steps)?.as_mut(), steps, ABANDON_ABOVE);
        Ok(Done { job, run, seconds: watch.seconds() })
    })
}

/// The longer runs of the best settings, the longest first.
fn second_jobs(task: &Task, done: &[Done], seeds: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut constant = best_rates(done, Constant);
    if !constant.contains(&UNTUNED_RATE) {
        constant.push(UNTUNED_RATE);
    }
    for seed in 0..seeds {
        let longest = if seed == 0 { task.longest.max(REACH) } else { REACH };
        for &rate in &constant {
            jobs.push(Job { schedule: Constant, rate, seed, multiple: longest });
        }
    }
    for &rate in &best_rates(done, Cosine) {
        for multiple in [5, 25].into_iter().filter(|&multiple| multiple <= task.longest) {
            let some = 0..seeds.min(seeds_at(multiple));
            jobs.extend(some.map(|seed| Job { schedule: Cosine, rate, seed, multiple }));
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.multiple));
    jobs
}

/// Number of seeds on which runs of such a multiple are made.
pub fn seeds_at(multiple: usize) -> usize {
    match multiple {
        1 => usize::MAX,
        5 => 2,
        _ => 1,
    }
}

/// The rates of the least mean logarithm of the final loss, the best first.
fn best_rates(done: &[Done], schedule: RateSchedule) -> Vec<usize> {
    let score = |rate: usize| {
        let runs = done.iter().filter(|d| d.job.schedule == schedule && d.job.rate == rate);
        mean_log(runs.map(|done| done.run.mark(1).map(|mark| mark.smoothed)))
    };
    let mut best = order(&(0..RATES).map(score).collect::<Vec<f64>>());
    best.truncate(LONGER);
    best
}

/// Mean logarithm of losses; infinite if one of the runs diverged.
fn mean_log(losses: impl Iterator<Item = Option<f64>>) -> f64 {
    mean(losses.map(|loss| loss.map(f64::ln))).unwrap_or(f64::INFINITY)
}

/// What is kept of the runs of one seed.
fn summary<'a>(task: &Task, runs: impl Iterator<Item = &'a Done> + Clone) -> SeedBaselines {
    let loss = |done: &Done, multiple| done.run.mark(multiple).map(|mark| rounded(mark.smoothed));
    let finals = |schedule| {
        let mut finals = vec![None; RATES];
        let short = runs.clone().filter(|d| d.job.multiple == 1 && d.job.schedule == schedule);
        short.for_each(|done| finals[done.job.rate] = loss(done, 1));
        finals
    };
    let constant = || runs.clone().filter(|done| done.job.schedule == Constant);
    let curve = |curve: Vec<f64>| curve.into_iter().map(rounded).collect();
    let untuned = constant().filter(|done| done.job.rate == UNTUNED_RATE);
    let mut longer = Vec::new();
    for done in runs.clone().filter(|done| done.job.multiple > 1) {
        let Job { schedule, rate, .. } = done.job;
        let ends = [5, 25].into_iter().filter(|&end| end <= done.job.multiple.min(task.longest));
        for multiple in ends {
            // A cosine's loss on the way is none of a shorter cosine.
            if schedule == Constant || multiple == done.job.multiple {
                longer.push(LongerRun { multiple, schedule, rate, loss: loss(done, multiple) });
            }
        }
    }
    SeedBaselines {
        constant: finals(Constant),
        cosine: finals(Cosine),
        best_curve: curve(envelope(constant().map(|done| done.run.curve.as_slice()))),
        untuned_curve: curve(envelope(untuned.map(|done| done.run.curve.as_slice()))),
        longer,
    }
}

/// The fifteen rates `1e-7, 3.2e-7, ... 1`.
pub fn rates() -> Vec<f64> {
    half_decades(1e-7, RATES)
}

/// Number of rates.
pub const RATES: usize = 15;

/// Index of the rate 1e-3, which people use untuned.
pub const UNTUNED_RATE: usize = 8;

/// Horizons over which the best constant rates run on every seed: speed-ups up to this are seen.
pub const REACH: usize = 5;

/// Settings of each kind that go on.
const LONGER: usize = 3;

/// Times the initial loss at which a run counts as diverged and ends.
const ABANDON_ABOVE: f64 = 1e3;
