//! The result of a race as data: `race.json`.

use serde::{Deserialize, Serialize};

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
    /// Mean part of the test set that is classified rightly; `None` without a test set.
    pub test_accuracy: Option<f64>,
    /// Mean wall time of one run, gradients and steps, on one thread.
    pub seconds: f64,
    /// The part of `seconds` inside the optimizer.
    pub optimizer_seconds: f64,
    /// If runs diverged: how many, when and why.
    pub diverged: Option<String>,
    /// Training loss at the checkpoints, as far as all seeds got.
    pub curve: Vec<CurvePoint>,
    /// What the other settings gave; empty for contenders that are not tuned.
    pub grid: Vec<GridPoint>,
}

/// Training loss at one checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps taken.
    pub step: usize,
    /// Mean over seeds.
    pub mean: f64,
    /// Least of the seeds.
    pub min: f64,
    /// Greatest of the seeds.
    pub max: f64,
}

/// Result of one learning rate of a tuned contender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// The learning rate.
    pub rate: f64,
    /// Mean final training loss, `None` if a run diverged.
    pub final_train_loss: Option<f64>,
}

impl ContenderRecord {
    /// Mean training loss at a checkpoint, if all seeds got there.
    pub fn loss_at(&self, step: usize) -> Option<f64> {
        self.curve.iter().find(|point| point.step == step).map(|point| point.mean)
    }
}

impl RaceRecord {
    /// The contender of this name.
    pub fn contender(&self, name: &str) -> Option<&ContenderRecord> {
        self.contenders.iter().find(|contender| contender.name == name)
    }
}

/// What a reader must know beside the record, for the report.
#[derive(Debug, Clone, PartialEq)]
pub struct RaceContext {
    /// The command that repeats this race.
    pub command: String,
    /// Parameters `P` and tensors `T` of the model.
    pub parameters: usize,
    /// Number of tensors.
    pub tensors: usize,
    /// Rows per batch; `None` for the exact gradient.
    pub batch: Option<usize>,
    /// Rows of the training set.
    pub train_rows: Option<usize>,
    /// Rows of the test set.
    pub test_rows: Option<usize>,
    /// Rows over which the training loss is measured.
    pub loss_rows: Option<usize>,
    /// Steps that the table shows.
    pub table_steps: Vec<usize>,
    /// Runs of the whole race.
    pub runs: usize,
    /// Runs at a time.
    pub threads: usize,
    /// Wall time of the whole race.
    pub elapsed_seconds: f64,
}
