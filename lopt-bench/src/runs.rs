//! Runs: every setting of every contender on every workload and seed, each from the start to the last
//! step.

use lopt_problems::{Objective, Phase, Probe, Problem as _, train};

use crate::contender::Contender;
use crate::error::CliError;
use crate::parallel::parallel;
use crate::progress::Progress;
use crate::record::{RunRow, TimedRun};
use crate::setting::Setting;
use crate::timing::{Clock, PhaseTimes};
use crate::workload::Workload;

/// One run to do.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// On what.
    pub workload: &'a Workload,
    /// Who.
    pub contender: &'a Contender,
    /// With which of its settings.
    pub setting: &'a Setting,
    /// Number of the seed.
    pub seed: usize,
}

/// All runs, by workload, contender, setting and seed.
pub fn jobs<'a>(workloads: &'a [Workload], contenders: &'a [Contender]) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for workload in workloads {
        for contender in contenders {
            for setting in &contender.settings {
                let job = |seed| Job { workload, contender, setting, seed };
                jobs.extend((0..workload.seeds).map(job));
            }
        }
    }
    jobs
}

/// Does all jobs, several at a time, each on one thread, also inside the optimizer: `seconds` then mean
/// the same for all, and nothing else depends on `threads`.
///
/// * `name`: of the whole, for the screen; `keep`: what becomes of a run when it ends, by the place of
///   its job.
///
/// # Errors
///
/// If an optimizer cannot be built, threads cannot be started, or a run cannot be kept.
pub fn run_all<T: Send>(
    name: &str,
    jobs: &[Job<'_>],
    threads: usize,
    keep: impl Fn(usize, TimedRun) -> Result<T, CliError> + Sync,
) -> Result<Vec<T>, CliError> {
    let progress = Progress::new(format!("{name}, runs"), 0, jobs.len() as u64);
    let kept = parallel(threads, jobs.len(), |place| {
        let kept = keep(place, jobs[place].run()?)?;
        progress.advance();
        Ok(kept)
    });
    progress.close();
    kept
}

impl Job<'_> {
    /// Its row, before anything is measured.
    pub fn row(&self) -> RunRow {
        let (workload, contender) = (&self.workload.name, &self.contender.name);
        RunRow::new(workload, contender, self.setting.describe(), self.seed)
    }

    /// Trains. The clock runs during gradients and steps only, not while losses are measured.
    ///
    /// # Errors
    ///
    /// If the optimizer cannot be built.
    pub fn run(&self) -> Result<TimedRun, CliError> {
        let Self { workload, setting, seed, .. } = *self;
        let (mut objective, mut params) = workload.start(seed);
        let mut optimizer = setting.build(&workload.problem.layout(), workload.steps)?;
        let mut probe =
            Checkpoints { workload, row: self.row(), times: PhaseTimes::start(Clock::Thread) };
        let steps = workload.steps;
        let outcome = train(&mut objective, optimizer.as_mut(), &mut params, steps, &mut probe);
        Ok(TimedRun::new(probe.row, outcome, &probe.times))
    }
}

/// Measures the training loss, and where asked for the validation loss, at the checkpoints, and the
/// accuracy at the end.
struct Checkpoints<'w> {
    workload: &'w Workload,
    row: RunRow,
    times: PhaseTimes,
}

impl Probe for Checkpoints<'_> {
    fn enter(&mut self, phase: Phase) {
        self.times.enter(phase);
    }

    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        if self.workload.checkpoints.get(self.row.curve.len()) == Some(&step)
            && let Some(loss) = objective.training_loss(params)
        {
            if !loss.is_finite() {
                return Err(format!("the training loss is {loss}"));
            }
            self.row.curve.push((step, loss));
            if (self.workload.validated || step == self.workload.steps)
                && let Some(measured) = objective.validate(params)
            {
                if self.workload.validated {
                    self.row.validation.push((step, measured.loss));
                }
                self.row.accuracy = measured.accuracy;
            }
        }
        Ok(())
    }
}
