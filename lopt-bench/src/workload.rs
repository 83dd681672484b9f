//! What all contenders face alike: problem, seeds, starting points, batches, checkpoints.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lopt_core::rng::{Rng, shuffle, stream};
use lopt_problems::{
    AnyProblem, BatchStream, Dataset, Problem as _, ProblemObjective, race_problem,
};

use crate::error::CliError;
use crate::suggest::unknown;

/// A problem with everything that decides a run but the optimizer.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Name on the command line.
    pub name: String,
    /// The problem.
    pub problem: Arc<dyn AnyProblem>,
    /// Rows of the test set, for the accuracy.
    pub test: Option<Arc<Dataset>>,
    /// Rows per batch; `None` if the gradient is exact.
    pub batch: Option<usize>,
    /// Optimizer steps of every run.
    pub steps: usize,
    /// Repetitions.
    pub seeds: usize,
    /// Steps after which the training loss is measured: about six per decade, 0 and the last.
    pub checkpoints: Vec<usize>,
    /// Whether the loss on the test set is measured at the checkpoints, too.
    pub validated: bool,
    /// Rows of the training set, if there is one.
    pub rows: Option<usize>,
    /// The rows on which the training loss is measured.
    measured: Vec<usize>,
}

/// How much is run on a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Optimizer steps of every run; `None` for what suits the problem.
    pub steps: Option<usize>,
    /// Repetitions.
    pub seeds: usize,
    /// Rows per batch; `None` for what suits the problem.
    pub batch: Option<usize>,
    /// Most rows on which the training loss is measured; `None` for 2048.
    pub measured_rows: Option<usize>,
}

impl Workload {
    /// The workload of a problem.
    ///
    /// * `data`: folder with the files of MNIST or CIFAR-10.
    ///
    /// # Errors
    ///
    /// If the problem is unknown, its data are missing, or a number makes no sense.
    pub fn new(name: &str, size: Size, data: Option<&Path>) -> Result<Self, CliError> {
        let known = lopt_problems::names();
        if !known.iter().any(|known| known == name) {
            return Err(unknown("problem", name, known.iter().map(String::as_str)));
        }
        let chosen = race_problem(name, data)?;
        let instance = chosen.problem.instance(&mut stream(0, &[INSTANCE]));
        let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
        let batch = match (size.batch, chosen.batch, rows) {
            (Some(_), None, _) | (Some(_), _, None) => {
                let sentence = format!("`{name}` has no data to take batches from, omit --batch");
                return Err(CliError::Usage(sentence));
            }
            (Some(asked), _, Some(rows)) if asked > rows => {
                let sentence = format!("--batch must be at most the {rows} rows, got {asked}");
                return Err(CliError::Usage(sentence));
            }
            (asked, default, _) => asked.or(default),
        };
        let steps = size.steps.unwrap_or_else(|| default_steps(name));
        let most = size.measured_rows.unwrap_or(MEASURED_ROWS);
        Ok(Self {
            name: name.to_owned(),
            problem: chosen.problem,
            test: chosen.test,
            batch,
            steps,
            seeds: size.seeds,
            checkpoints: checkpoints(steps),
            validated: false,
            rows,
            measured: rows.map_or_else(Vec::new, |rows| measured_rows(rows, most)),
        })
    }

    /// Rows on which the training loss is measured, if there is a training set.
    pub fn measured_rows(&self) -> Option<usize> {
        self.rows.map(|_| self.measured.len())
    }

    /// The problem at a seed before its first batch, and the initial parameters, `[P]`: equal for all
    /// optimizers.
    pub fn start(&self, seed: usize) -> (ProblemObjective, Vec<f32>) {
        let instance = self.problem.instance(&mut random(seed, INSTANCE));
        let params = self.problem.init(&instance, &mut random(seed, INITIAL));
        let batches = self.rows.zip(self.batch);
        let batches =
            batches.map(|(rows, batch)| BatchStream::new(rows, batch, random(seed, BATCHES)));
        let problem = Arc::clone(&self.problem);
        let objective = ProblemObjective::new(problem, instance, random(seed, NOISE))
            .with_batches(batches)
            .with_training_rows(&self.measured, PART)
            .with_test(self.test.clone());
        (objective, params)
    }
}

/// The stream of a purpose at a seed; seeds count from 1 on, 0 is for what all seeds share.
fn random(seed: usize, purpose: u64) -> Rng {
    stream(seed as u64 + 1, &[purpose])
}

// Purposes of random streams.
const INSTANCE: u64 = 0;
const INITIAL: u64 = 1;
const BATCHES: u64 = 2;
const NOISE: u64 = 3;
const MEASURED: u64 = 4;

/// Steps of a race if none are asked for; chosen so that nobody waits long on two cores.
fn default_steps(problem: &str) -> usize {
    match problem {
        "mnist-mlp" => 2000,
        "mnist-conv" | "cifar-conv" => 500,
        _ => 1000,
    }
}

/// 0, the round numbers 1, 1.5, 2, 3, 5 and 7 of every decade, and the last.
fn checkpoints(steps: usize) -> Vec<usize> {
    let decades = std::iter::successors(Some(1_usize), |decade| decade.checked_mul(10));
    let round = decades
        .take_while(|&decade| decade < steps)
        .flat_map(|decade| [10, 15, 20, 30, 50, 70].map(|m| decade.saturating_mul(m) / 10));
    let all: BTreeSet<usize> = round.filter(|&step| step < steps).chain([0, steps]).collect();
    all.into_iter().collect()
}

/// All rows, or a fixed random choice of so many of a larger data set.
fn measured_rows(rows: usize, most: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..rows).collect();
    if rows > most {
        shuffle(&mut stream(0, &[MEASURED]), &mut chosen);
        chosen.truncate(most);
    }
    chosen
}

/// Most rows on which the training loss is measured, if nothing else is asked for.
const MEASURED_ROWS: usize = 2048;
/// Rows of one part of a measurement, which fit the cache.
const PART: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_spaced_like_logarithms() {
        assert_eq!(checkpoints(1), [0, 1]);
        assert_eq!(checkpoints(5), [0, 1, 2, 3, 5]);
        let steps = checkpoints(1000);
        assert!(
            steps.is_sorted() && steps.starts_with(&[0, 1, 2, 3, 5, 7, 10, 15, 20, 30]),
            "{steps:?}"
        );
        assert_eq!((steps.last(), steps.len() < 30), (Some(&1000), true));
    }

    #[test]
    fn a_large_set_is_measured_in_part() {
        let mut rows = measured_rows(10_000, 2048);
        assert_eq!(rows.len(), 2048);
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 2048);
        assert_eq!(measured_rows(300, 2048), (0..300).collect::<Vec<_>>());
    }
}
