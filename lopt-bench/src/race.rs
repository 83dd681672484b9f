//! A race, which is all contenders on one workload, as data: `race.json`, a view of its runs.

use serde::{Deserialize, Serialize};

use crate::contender::Contender;
use crate::record::TimedRun;
use crate::score::{Cell, CurvePoint};
use crate::tuning::{best, mean};
use crate::workload::Workload;

/// `race.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceRecord {
    /// Name of the problem.
    pub problem: String,
    /// Optimizer steps of every run.
    pub steps: usize,
    /// Runs per setting; numbers below are means over them.
    pub seeds: usize,
    /// One entry per contender.
    pub contenders: Vec<ContenderRecord>,
}

/// How one contender did. `None` is `null` in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContenderRecord {
    /// Name in the race, `lopt` for the learned optimizer.
    pub name: String,
    /// Its hyper-parameters in words.
    pub setting: String,
    /// Whether the setting was chosen among several by its own result.
    pub tuned: bool,
    /// Mean training loss after the last step; `None` if a run diverged.
    pub final_train_loss: Option<f64>,
    /// Mean loss on the test set after the last step; `None` without a test set or if a run diverged.
    pub final_validation_loss: Option<f64>,
    /// Mean part of the test set that is classified rightly; `None` without a test set.
    pub test_accuracy: Option<f64>,
    /// Mean processor time of one run, gradients and steps, on one thread.
    pub seconds: f64,
    /// The part of `seconds` inside the optimizer.
    pub optimizer_seconds: f64,
    /// If runs diverged: how many, when and why.
    pub diverged: Option<String>,
    /// Training loss at the checkpoints, as far as all seeds got.
    pub curve: Vec<CurvePoint>,
    /// Loss on the test set at the checkpoints; empty without a test set.
    pub validation_curve: Vec<CurvePoint>,
    /// What the other settings gave; empty for contenders that are not tuned.
    pub grid: Vec<GridPoint>,
}

/// Result of one learning rate of a tuned contender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// The learning rate.
    pub rate: f64,
    /// Mean final training loss, `None` if a run diverged.
    pub final_train_loss: Option<f64>,
    /// Mean final loss on the test set; `None` without one, or if a run diverged.
    pub final_validation_loss: Option<f64>,
}

impl RaceRecord {
    /// The record of the runs of [`jobs`](crate::runs::jobs) on one workload.
    pub fn new(workload: &Workload, contenders: &[Contender], runs: &[TimedRun]) -> Self {
        let mut settings = runs.chunks(workload.seeds);
        let scored = contenders.iter().map(|contender| {
            let own: Vec<&[TimedRun]> = settings.by_ref().take(contender.settings.len()).collect();
            ContenderRecord::new(contender, &own)
        });
        Self {
            problem: workload.name.clone(),
            steps: workload.steps,
            seeds: workload.seeds,
            contenders: scored.collect(),
        }
    }

    /// The contender of this name.
    pub fn contender(&self, name: &str) -> Option<&ContenderRecord> {
        self.contenders.iter().find(|contender| contender.name == name)
    }
}

impl ContenderRecord {
    /// Means over seeds with the setting of the least mean final loss, on the test set where there is
    /// one; a setting of which a run diverged is chosen only if all have such a run.
    ///
    /// * `runs`: one entry per setting, in their order, each with one run per seed.
    fn new(contender: &Contender, runs: &[&[TimedRun]]) -> Self {
        let cells: Vec<Cell<'_>> =
            runs.iter().map(|runs| Cell::of(runs.iter().map(|run| &run.run))).collect();
        let finals: Vec<[Option<f64>; 2]> =
            cells.iter().map(|cell| [cell.mean_last(), cell.mean_last_validation()]).collect();
        let validated = runs.iter().copied().flatten().any(|r| !r.run.validation.is_empty());
        let judged =
            |finals: &[Option<f64>; 2]| finals[usize::from(validated)].unwrap_or(f64::INFINITY);
        let best = best(finals.iter().map(judged)).unwrap_or(0);
        let chosen = runs[best];
        let average = |value: fn(&TimedRun) -> f64| {
            chosen.iter().map(value).sum::<f64>() / chosen.len() as f64
        };
        let grid = contender.settings.iter().zip(&finals).filter(|_| contender.tuned());
        let grid = grid.filter_map(|(setting, &[final_train_loss, final_validation_loss])| {
            let rate = setting.rate()?;
            Some(GridPoint { rate, final_train_loss, final_validation_loss })
        });
        Self {
            name: contender.name.clone(),
            setting: contender.settings[best].describe_fully(),
            tuned: contender.tuned(),
            final_train_loss: finals[best][0],
            final_validation_loss: finals[best][1],
            test_accuracy: mean(chosen.iter().map(|run| run.run.accuracy)),
            seconds: average(|run| run.seconds),
            optimizer_seconds: average(|run| run.optimizer_seconds),
            diverged: divergence(chosen),
            curve: cells[best].curve(|row| &row.curve),
            validation_curve: cells[best].curve(|row| &row.validation),
            grid: grid.collect(),
        }
    }

    /// The final loss that counts: on the test set, or on the training set where there is no test set.
    pub fn final_loss(&self) -> Option<f64> {
        if self.validation_curve.is_empty() {
            self.final_train_loss
        } else {
            self.final_validation_loss
        }
    }

    /// The loss that counts after so many processor seconds of training, between checkpoints by a
    /// straight line, after the last step as it was then; `None` if a run diverged before.
    ///
    /// * `steps`: of the whole run.
    pub fn loss_after(&self, seconds: f64, steps: usize) -> Option<f64> {
        let own =
            [&self.validation_curve, &self.curve].into_iter().find(|curve| !curve.is_empty())?;
        let step = (seconds / self.seconds * steps as f64).min(steps as f64);
        let after = own.iter().position(|point| point.step as f64 >= step)?;
        let Some(before) = after.checked_sub(1) else { return Some(own[0].mean) };
        let (before, after) = (own[before], own[after]);
        let part = (step - before.step as f64) / (after.step - before.step) as f64;
        Some(before.mean + part * (after.mean - before.mean))
    }
}

/// How many runs diverged, and the story of the first.
fn divergence(runs: &[TimedRun]) -> Option<String> {
    let mut stories = runs.iter().map(|run| &run.run).filter(|row| !row.finished());
    let first = &stories.next()?.outcome;
    Some(format!("diverged in {} of {} runs: {first}", 1 + stories.count(), runs.len()))
}

/// What a reader must know beside the record, for the report.
#[derive(Debug, Clone)]
pub struct RaceContext {
    /// The command that repeats this race.
    pub command: String,
    /// What was trained on.
    pub workload: Workload,
    /// Runs of the whole race.
    pub runs: usize,
    /// Runs at a time.
    pub threads: usize,
    /// Wall time of the whole race.
    pub elapsed_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Baseline;
    use crate::contender::grid;
    use crate::record::FINISHED;
    use crate::record::RunRow;

    const STEPS: [usize; 3] = [0, 1, 10];

    fn run(losses: &[f64]) -> TimedRun {
        let finished = losses.len() == STEPS.len();
        let row = RunRow {
            workload: "toy".to_owned(),
            contender: "adam-tuned".to_owned(),
            setting: String::new(),
            seed: 0,
            outcome: if finished { FINISHED } else { "the loss is NaN at step 7" }.to_owned(),
            curve: STEPS.into_iter().zip(losses.iter().copied()).collect(),
            accuracy: Some(losses.len() as f64 / 10.0),
            // worse where training went far, so that the choice differs
            validation: STEPS.into_iter().zip(losses.iter().map(|loss| 2.0 - loss)).collect(),
            guard: Vec::new(),
        };
        TimedRun { run: row, seconds: 2.0, optimizer_seconds: 1.0 }
    }

    #[test]
    fn the_best_finite_setting_is_shown_with_its_means() {
        let settings = grid(Baseline::Adam)[..3].to_vec();
        let three = Contender { name: "adam-tuned".to_owned(), settings };
        let weak = [run(&[3.0, 2.0, 1.0]), run(&[3.0, 2.0, 1.0])];
        let best = [run(&[3.0, 1.0, 0.2]), run(&[5.0, 1.0, 0.4])];
        let broken = [run(&[3.0, 0.1, 0.01]), run(&[3.0])];
        let record = ContenderRecord::new(&three, &[&weak, &best, &broken]);
        // chosen by the test set
        assert_eq!((record.final_train_loss, record.final_validation_loss), (Some(1.0), Some(1.0)));
        assert!(record.setting.starts_with("rate 1e-5") && record.tuned);
        let blind = |runs: &[TimedRun; 2]| {
            let mut runs = runs.clone();
            runs.iter_mut().for_each(|run| run.run.validation.clear());
            runs
        };
        let (weak, best, broken) = (blind(&weak), blind(&best), blind(&broken));
        let record = ContenderRecord::new(&three, &[&weak, &best, &broken]);
        assert!((record.final_train_loss.unwrap() - 0.3).abs() < 1e-12);
        assert!(record.setting.starts_with("rate 3.2e-5") && record.tuned);
        assert_eq!(
            (record.final_validation_loss, record.final_loss()),
            (None, record.final_train_loss)
        );
        let point = record.curve[0];
        assert_eq!((point.step, point.mean, point.min, point.max), (0, 4.0, 3.0, 5.0));
        // ten steps take two seconds; after 1.1 of them half of the way from step 1 to step 10 is done
        assert!((record.loss_after(1.1, 10).unwrap() - 0.65).abs() < 1e-9);
        assert_eq!(record.loss_after(0.0, 10), Some(4.0));
        assert_eq!(record.loss_after(9.0, 10), record.final_train_loss);
        assert_eq!(record.grid[2].final_train_loss, None);
        assert_eq!((record.grid.len(), record.diverged), (3, None));

        let all_broken = ContenderRecord::new(&three, &[&broken, &broken, &broken]);
        assert_eq!((all_broken.final_train_loss, all_broken.curve.len()), (None, 1));
        let story = "diverged in 1 of 2 runs: the loss is NaN at step 7";
        assert_eq!(all_broken.diverged.as_deref(), Some(story));
    }
}
