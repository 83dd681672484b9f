//! Weights that an experiment meta-trains for itself, each from scratch and with the same budget: those
//! of a recipe, or the coordinatewise LSTM of Andrychowicz et al. 2016, trained as its authors did.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_meta::config::{HIERARCHICAL_RNN, PAPER};
use lopt_meta::l2l::{L2lConfig, L2lWeights, train as train_l2l};
use lopt_meta::{Recipe, Trainer};
use lopt_problems::race_problem;

use super::definition::Trained;
use crate::error::CliError;
use crate::input::read_bytes;
use crate::output::write_file;
use crate::record::{TrainedRow, fingerprint, rounded};
use crate::setting::LearnedWeights;

/// Trains, and says what was done.
///
/// * `budget`: meta-updates, for the LSTM runs of 100 steps; `path`: where the weights are kept.
///
/// # Errors
///
/// If the recipe does not exist or cannot be followed, every evaluation diverged, or the disk refuses.
pub fn train(
    plan: &Trained,
    budget: u64,
    path: &Path,
) -> Result<(LearnedWeights, TrainedRow), CliError> {
    let mut curve = Curve { budget, sum: 0.0, count: 0.0, points: Vec::new() };
    let (weights, bytes, instance_steps) = trained(plan, budget, &mut curve)
        .map_err(|error| CliError::Failed(format!("`{}`: {error}", plan.name)))?;
    write_file(path, &bytes)?;
    let row = TrainedRow {
        name: plan.name.clone(),
        updates: budget,
        instance_steps,
        curve: curve.points,
        weights: fingerprint(&bytes),
    };
    Ok((weights, row))
}

/// The weights of a plan, their bytes, and what they cost in inner steps times instances.
fn trained(
    plan: &Trained,
    budget: u64,
    curve: &mut Curve,
) -> Result<(LearnedWeights, Vec<u8>, u64), Box<dyn Error>> {
    Ok(if plan.recipe == L2L {
        let problem = race_problem(L2L_PROBLEM, None)?.problem;
        let config = L2lConfig {
            runs: budget,
            evaluate_every: (budget / 5).max(1),
            // a tenth of the time at most
            evaluation_runs: (budget / 50).clamp(2, 20),
            ..L2lConfig::default()
        };
        let weights = train_l2l(problem, &config, |done| curve.push(done.run, done.loss))?;
        let bytes = weights.to_bytes();
        (LearnedWeights::L2l(Arc::new(weights)), bytes, budget * config.run_steps as u64)
    } else {
        let mut trainer = Trainer::new(recipe(plan, budget)?, Level::detect())?;
        (1..=budget).for_each(|update| curve.push(update, trainer.update().meta_loss));
        // nothing was scored, so these are the averaged weights of the end, not the best of several
        let weights = trainer.weights("")?;
        let bytes = weights.to_bytes()?;
        let steps = trainer.counters().instance_steps;
        (LearnedWeights::Lopt(Arc::new(weights)), bytes, steps)
    })
}

/// The weights of a training run that is already in the record; `None` if the file is gone or another.
pub fn reread(plan: &Trained, row: &TrainedRow, path: &Path) -> Option<LearnedWeights> {
    let bytes = read_bytes(path).ok().filter(|bytes| fingerprint(bytes) == row.weights)?;
    Some(match plan.recipe == L2L {
        true => LearnedWeights::L2l(Arc::new(L2lWeights::from_bytes(&bytes).ok()?)),
        false => LearnedWeights::Lopt(Arc::new(Weights::from_bytes(&bytes).ok()?)),
    })
}

/// Means of the meta-loss over twentieths of a training run.
struct Curve {
    budget: u64,
    sum: f64,
    count: f64,
    points: Vec<(u64, f64)>,
}

impl Curve {
    /// The meta-loss of an update, the first being 1.
    fn push(&mut self, update: u64, loss: f64) {
        self.sum += loss;
        self.count += 1.0;
        if update * POINTS / self.budget != (update - 1) * POINTS / self.budget {
            self.points.push((update, rounded(self.sum / self.count)));
            (self.sum, self.count) = (0.0, 0.0);
        }
    }
}

/// The recipe that is no recipe but the LSTM.
const L2L: &str = "l2l";

/// The network the LSTM is trained on: one hidden layer of 20 sigmoid units on images of digits, as in
/// its paper, on our generated digits.
const L2L_PROBLEM: &str = "digits-mlp-sigmoid";

/// The named recipe with the changes of the plan.
fn recipe(plan: &Trained, budget: u64) -> Result<Recipe, Box<dyn Error>> {
    let text = match plan.recipe.as_str() {
        "paper" => PAPER,
        "recommended" => HIERARCHICAL_RNN,
        other => return Err(format!("no recipe is called `{other}`").into()),
    };
    let mut table: toml::Table = toml::from_str(text)?;
    lay_over(&mut table, &plan.changes);
    let mut recipe = Recipe::parse(&toml::to_string(&table)?)?;
    recipe.updates = budget;
    Ok(recipe)
}

/// Puts the values of `changes` in their places, table by table.
fn lay_over(table: &mut toml::Table, changes: &toml::Table) {
    for (key, change) in changes {
        match (table.get_mut(key), change) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(change)) => {
                lay_over(inner, change);
            }
            _ => {
                table.insert(key.clone(), change.clone());
            }
        }
    }
}

/// Points of the curve of the meta-loss.
const POINTS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: &str) -> Trained {
        let changes = toml::from_str(changes).unwrap();
        Trained { name: "x".to_owned(), recipe: "paper".to_owned(), changes }
    }

    #[test]
    fn changes_reach_the_recipe() {
        let plan = plan(
            "zeroed = [\"global.gates.bias\"]\nswitches = { attention = false }\nproblems = { slots = 8 }",
        );
        let recipe = recipe(&plan, 7).unwrap();
        assert!(!recipe.optimizer_config().unwrap().attention);
        assert_eq!(
            (recipe.updates, recipe.problems.slots, recipe.problems.ensemble.as_str()),
            (7, 8, "paper")
        );
    }

    #[test]
    fn trained_weights_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.weights");
        let changes = "problems = { slots = 2, groups_per_update = 1, most_parameters = 8 }\nlengths = { unroll_base = 2, unroll_mean = 1.0 }";
        let plan = plan(changes);
        let (_, row) = train(&plan, 3, &path).unwrap();
        assert_eq!((row.updates, row.curve.len()), (3, 3));
        assert!(reread(&plan, &row, &path).is_some());
        std::fs::write(&path, b"other").unwrap();
        assert!(reread(&plan, &row, &path).is_none());
    }
}
