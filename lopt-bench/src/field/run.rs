//! One run of a field job: its curves, and the processor time of training alone.

use lopt_core::Optimizer;
use lopt_problems::{FieldTask, Objective, Outcome, Phase, Probe, train};

use crate::record::{FINISHED, RunRow, rounded};
use crate::timing::{Clock, PhaseTimes};

/// Who runs, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the contender.
    pub contender: String,
    /// Its hyper-parameters in words.
    pub setting: String,
    /// Number of the seed, from 0.
    pub seed: usize,
}

/// A run with what the clock said.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TimedRun {
    /// Processor seconds of gradients and steps.
    pub seconds: f64,
    /// Processor seconds of the optimizer's steps alone.
    pub optimizer_seconds: f64,
    /// The run; nothing in it depends on the clock.
    pub run: RunRow,
}

/// Steps at which the validation loss is measured: the start and [`MARKS`] equal parts of the run.
pub fn marks(steps: usize) -> Vec<usize> {
    let mut marks: Vec<usize> = (0..=MARKS).map(|part| part * steps / MARKS).collect();
    marks.dedup();
    marks
}

/// Parts of a run after each of which the validation loss is measured.
pub const MARKS: usize = 40;

/// Trains a job from a seed's start.
///
/// * `steps`: of the run; those of the task, or fewer for a look.
/// * `guarded`: whether the optimizer may restore parameters that are not finite; without, they end
///   the run.
pub fn run(
    task: &FieldTask,
    steps: usize,
    label: Label,
    optimizer: &mut dyn Optimizer,
    guarded: bool,
) -> TimedRun {
    let mut start = task.job.start(label.seed as u64);
    let mut probe = FieldProbe::new(steps, guarded);
    let outcome = train(&mut *start.objective, optimizer, &mut start.params, steps, &mut probe);
    probe.enter(Phase::Measure);
    let outcome = match outcome {
        Outcome::Finished => FINISHED.to_owned(),
        Outcome::Diverged { step, reason } => format!("{reason} at step {step}"),
    };
    TimedRun {
        seconds: probe.times.gradients + probe.times.steps,
        optimizer_seconds: probe.times.steps,
        run: RunRow {
            workload: task.name.to_owned(),
            contender: label.contender,
            setting: label.setting,
            seed: label.seed,
            outcome,
            curve: probe.training,
            accuracy: probe.accuracy.map(rounded),
            validation: probe.validation,
            guard: Vec::new(),
        },
    }
}

/// Measures the validation loss at the marks and averages the training loss between them.
struct FieldProbe {
    marks: Vec<usize>,
    guarded: bool,
    /// Sum and number of the losses of batches since the last mark.
    losses: (f64, usize),
    training: Vec<(usize, f64)>,
    validation: Vec<(usize, f64)>,
    accuracy: Option<f64>,
    times: PhaseTimes,
}

impl FieldProbe {
    fn new(steps: usize, guarded: bool) -> Self {
        Self {
            marks: marks(steps),
            guarded,
            losses: (0.0, 0),
            training: Vec::new(),
            validation: Vec::new(),
            accuracy: None,
            times: PhaseTimes::start(Clock::Thread),
        }
    }
}

impl Probe for FieldProbe {
    fn enter(&mut self, phase: Phase) {
        self.times.enter(phase);
    }

    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        if self.marks.binary_search(&step).is_err() {
            return Ok(());
        }
        if self.losses.1 > 0 {
            let mean = self.losses.0 / self.losses.1 as f64;
            self.training.push((step, rounded(mean)));
            self.losses = (0.0, 0);
        }
        let measured = objective.validate(params).ok_or("the job has no validation rows")?;
        if measured.loss.is_finite() {
            self.validation.push((step, rounded(measured.loss)));
            self.accuracy = measured.accuracy;
        } else if !self.guarded {
            return Err(format!("the validation loss is {}", measured.loss));
        }
        Ok(())
    }

    fn batch_loss(
        &mut self,
        _: usize,
        batch: lopt_problems::BatchLoss<'_>,
        _: &mut dyn Objective,
    ) -> Result<(), String> {
        if batch.loss.is_finite() {
            self.losses = (self.losses.0 + f64::from(batch.loss), self.losses.1 + 1);
        } else if !batch.guarded {
            return Err(format!("the loss of the batch is {}", batch.loss));
        }
        Ok(())
    }
}
