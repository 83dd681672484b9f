//! One run of a field job: its curves, and the processor time of training alone.

use lopt_core::Optimizer;
use lopt_problems::{BatchLoss, FieldTask, Objective, Phase, Probe, train};

use crate::record::{RunRow, TimedRun, rounded};
use crate::timing::{Clock, PhaseTimes};

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
/// * `steps`: of the run; those of the task, or fewer for a look. `row`: who runs.
/// * `guarded`: whether the optimizer may restore parameters that are not finite; without, they end
///   the run.
pub fn run(
    task: &FieldTask,
    steps: usize,
    row: RunRow,
    optimizer: &mut dyn Optimizer,
    guarded: bool,
) -> TimedRun {
    let mut start = task.job.start(row.seed as u64);
    let times = PhaseTimes::start(Clock::Thread);
    let mut probe = FieldProbe { marks: marks(steps), guarded, losses: (0.0, 0), row, times };
    let outcome = train(&mut *start.objective, optimizer, &mut start.params, steps, &mut probe);
    probe.enter(Phase::Measure);
    TimedRun::new(probe.row, outcome, &probe.times)
}

/// Measures the validation loss at the marks and averages the training loss between them.
struct FieldProbe {
    marks: Vec<usize>,
    guarded: bool,
    /// Sum and number of the losses of batches since the last mark.
    losses: (f64, usize),
    row: RunRow,
    times: PhaseTimes,
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
            self.row.curve.push((step, rounded(mean)));
            self.losses = (0.0, 0);
        }
        let measured = objective.validate(params).ok_or("the job has no validation rows")?;
        if measured.loss.is_finite() {
            self.row.validation.push((step, rounded(measured.loss)));
            self.row.accuracy = measured.accuracy.map(rounded);
        } else if !self.guarded {
            return Err(format!("the validation loss is {}", measured.loss));
        }
        Ok(())
    }

    fn batch_loss(
        &mut self,
        _: usize,
        batch: BatchLoss<'_>,
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
