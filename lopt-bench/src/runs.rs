//! Runs: every setting of every contender on every workload and seed, each from the start to the last
//! step.

use lopt_problems::{Objective, Outcome, Phase, Probe, Problem as _, train};

use crate::contender::Contender;
use crate::error::CliError;
use crate::parallel::parallel;
use crate::progress::Progress;
use crate::record::{FINISHED, RunRow};
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

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Losses and outcome, with all digits.
    pub row: RunRow,
    /// Processor time of gradients and steps.
    pub seconds: f64,
    /// Processor time of the steps alone.
    pub optimizer_seconds: f64,
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
    keep: impl Fn(usize, Run) -> Result<T, CliError> + Sync,
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
    /// Trains. The clock runs during gradients and steps only, not while losses are measured.
    ///
    /// # Errors
    ///
    /// If the optimizer cannot be built.
    pub fn run(&self) -> Result<Run, CliError> {
        let Self { workload, contender, setting, seed } = *self;
        let (mut objective, mut params) = workload.start(seed);
        let mut optimizer = setting.build(&workload.problem.layout(), workload.steps)?;
        let mut probe = Checkpoints {
            workload,
            curve: Vec::with_capacity(workload.checkpoints.len()),
            validation: Vec::new(),
            accuracy: None,
            times: PhaseTimes::start(Clock::Thread),
        };
        let steps = workload.steps;
        let outcome = train(&mut objective, optimizer.as_mut(), &mut params, steps, &mut probe);
        let row = RunRow {
            workload: workload.name.clone(),
            contender: contender.name.clone(),
            setting: setting.describe(),
            seed,
            outcome: match outcome {
                Outcome::Finished => FINISHED.to_owned(),
                Outcome::Diverged { step, reason } => format!("{reason} at step {step}"),
            },
            curve: probe.curve,
            accuracy: probe.accuracy,
            validation: probe.validation,
            guard: Vec::new(),
        };
        let PhaseTimes { gradients, steps, .. } = probe.times;
        Ok(Run { row, seconds: gradients + steps, optimizer_seconds: steps })
    }
}

/// Measures the training loss, and where asked for the validation loss, at the checkpoints, and the
/// accuracy at the end.
struct Checkpoints<'w> {
    workload: &'w Workload,
    curve: Vec<(usize, f64)>,
    validation: Vec<(usize, f64)>,
    accuracy: Option<f64>,
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
        if self.workload.checkpoints.get(self.curve.len()) == Some(&step)
            && let Some(loss) = objective.training_loss(params)
        {
            if !loss.is_finite() {
                return Err(format!("the training loss is {loss}"));
            }
            self.curve.push((step, loss));
            if (self.workload.validated || step == self.workload.steps)
                && let Some(measured) = objective.validate(params)
            {
                if self.workload.validated {
                    self.validation.push((step, measured.loss));
                }
                self.accuracy = measured.accuracy;
            }
        }
        Ok(())
    }
}
