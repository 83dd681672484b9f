//! All that we need to know of Adam on a task: final losses of every setting, best curves.
//!
//! First every setting over one horizon. Then the best constant rates and 1e-3 go on to five
//! horizons on every seed, so that a speed-up above one can be seen, and, where the task runs them,
//! the best settings of both kinds to five and twenty-five horizons on the first seeds.

use std::ops::Range;

use lopt_problems::Task;
use serde::{Deserialize, Serialize};

use super::cost::Stopwatch;
use super::curve::{envelope, rounded};
use super::run::{Run, Start, run};
use super::setting::{AdamSetting, Pace, RATES, USUAL_RATE};
use crate::error::CliError;
use crate::parallel::parallel;

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
    pub usual_curve: Vec<f64>,
    /// Losses after longer runs.
    pub longer: Vec<LongerRun>,
}

/// The end of a longer run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LongerRun {
    /// Multiple of the horizon.
    pub multiple: usize,
    /// Kind of the setting.
    pub pace: Pace,
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
    pub fn finals(&self, multiple: usize, pace: Pace) -> Vec<Option<f64>> {
        if multiple == 1 {
            return match pace {
                Pace::Constant => self.constant.clone(),
                Pace::Cosine => self.cosine.clone(),
            };
        }
        let mut finals = vec![None; RATES];
        for run in self.longer.iter().filter(|run| (run.multiple, run.pace) == (multiple, pace)) {
            finals[run.rate] = run.loss;
        }
        finals
    }
}

impl TaskBaselines {
    /// Runs Adam on these seeds of a task.
    ///
    /// # Errors
    ///
    /// If threads cannot be started.
    pub fn compute(task: &Task, seeds: Range<usize>, threads: usize) -> Result<Self, CliError> {
        let first_seed = seeds.start;
        let starts: Vec<Start> = seeds.map(|seed| Start::new(task, seed)).collect();
        let seeds = starts.len();
        let first = first_jobs(seeds);
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
    setting: AdamSetting,
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
    let layout = task.problem.layout();
    parallel(threads, jobs.len(), |index| {
        let job = jobs[index];
        let steps = job.multiple * task.steps;
        let watch = Stopwatch::start();
        let mut adam = job.setting.build(&layout, steps);
        let run = run(task, &starts[job.seed], &mut adam, steps, ABANDON_ABOVE);
        Done { job, run, seconds: watch.seconds() }
    })
}

/// Every setting on every seed.
fn first_jobs(seeds: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for pace in [Pace::Constant, Pace::Cosine] {
        for rate in 0..RATES {
            let setting = AdamSetting { pace, rate };
            jobs.extend((0..seeds).map(|seed| Job { setting, seed, multiple: 1 }));
        }
    }
    jobs
}

/// The longer runs of the best settings, the longest first.
fn second_jobs(task: &Task, done: &[Done], seeds: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut constant = best_rates(done, Pace::Constant);
    if !constant.contains(&USUAL_RATE) {
        constant.push(USUAL_RATE);
    }
    for seed in 0..seeds {
        let longest = if seed == 0 { task.longest.max(REACH) } else { REACH };
        for &rate in &constant {
            let setting = AdamSetting { pace: Pace::Constant, rate };
            jobs.push(Job { setting, seed, multiple: longest });
        }
    }
    for &rate in &best_rates(done, Pace::Cosine) {
        let setting = AdamSetting { pace: Pace::Cosine, rate };
        for multiple in [5, 25].into_iter().filter(|&multiple| multiple <= task.longest) {
            let some = 0..seeds.min(seeds_at(multiple));
            jobs.extend(some.map(|seed| Job { setting, seed, multiple }));
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
fn best_rates(done: &[Done], pace: Pace) -> Vec<usize> {
    let score = |rate: usize| {
        let runs = done.iter().filter(|done| done.job.setting == AdamSetting { pace, rate });
        runs.map(|done| done.run.mark(1).map_or(f64::INFINITY, |mark| mark.smoothed.ln()))
            .sum::<f64>()
    };
    let mut order: Vec<usize> = (0..RATES).collect();
    order.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    order.truncate(LONGER);
    order
}

/// What is kept of the runs of one seed.
fn summary<'a>(task: &Task, runs: impl Iterator<Item = &'a Done> + Clone) -> SeedBaselines {
    let loss = |done: &Done, multiple| done.run.mark(multiple).map(|mark| rounded(mark.smoothed));
    let finals = |pace| {
        let mut finals = vec![None; RATES];
        let short = runs.clone().filter(|d| d.job.multiple == 1 && d.job.setting.pace == pace);
        short.for_each(|done| finals[done.job.setting.rate] = loss(done, 1));
        finals
    };
    let constant = || runs.clone().filter(|done| done.job.setting.pace == Pace::Constant);
    let curve = |curve: Vec<f64>| curve.into_iter().map(rounded).collect();
    let usual = constant().filter(|done| done.job.setting.rate == USUAL_RATE);
    let mut longer = Vec::new();
    for done in runs.clone().filter(|done| done.job.multiple > 1) {
        let AdamSetting { pace, rate } = done.job.setting;
        let ends = [5, 25].into_iter().filter(|&end| end <= done.job.multiple.min(task.longest));
        for multiple in ends {
            // A cosine's loss on the way is none of a shorter cosine.
            if pace == Pace::Constant || multiple == done.job.multiple {
                longer.push(LongerRun { multiple, pace, rate, loss: loss(done, multiple) });
            }
        }
    }
    SeedBaselines {
        constant: finals(Pace::Constant),
        cosine: finals(Pace::Cosine),
        best_curve: curve(envelope(constant().map(|done| done.run.curve.as_slice()))),
        usual_curve: curve(envelope(usual.map(|done| done.run.curve.as_slice()))),
        longer,
    }
}

/// Horizons over which the best constant rates run on every seed: speed-ups up to this are seen.
pub const REACH: usize = 5;

/// Settings of each kind that go on.
const LONGER: usize = 3;

/// Times the initial loss at which a run counts as diverged and ends.
const ABANDON_ABOVE: f64 = 1e3;
