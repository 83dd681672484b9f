//! Weights that an experiment meta-trains for itself, each from scratch and with the same budget.

use std::path::Path;
use std::sync::Arc;

use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_meta::config::{PAPER, RECOMMENDED};
use lopt_meta::{Recipe, Trainer};

use super::definition::Trained;
use super::l2l;
use super::record::{TrainedRow, fingerprint, rounded};
use crate::error::CliError;
use crate::output::write_file;
use crate::setting::LearnedWeights;

/// Trains, or reads what an earlier call wrote, and says what was done.
///
/// * `budget`: meta-updates.
/// * `path`: where the weights are kept.
///
/// # Errors
///
/// If the recipe does not exist or cannot be followed, or the disk refuses.
pub fn train(
    plan: &Trained,
    budget: u64,
    path: &Path,
) -> Result<(LearnedWeights, TrainedRow), CliError> {
    if plan.recipe == "l2l" {
        return l2l::train(plan, budget, path);
    }
    let recipe = recipe(plan, budget)?;
    let mut trainer = Trainer::new(recipe, Level::detect()).map_err(|error| fault(plan, &error))?;
    let mut curve = Vec::new();
    let (mut sum, mut count) = (0.0, 0.0);
    for update in 1..=budget {
        sum += trainer.update().meta_loss;
        count += 1.0;
        if update * POINTS / budget != (update - 1) * POINTS / budget {
            curve.push((update, rounded(sum / count)));
            (sum, count) = (0.0, 0.0);
        }
    }
    // nothing was scored, so these are the averaged weights of the end, not the best of several
    let weights = trainer.weights("");
    let bytes = weights.to_bytes().map_err(|error| fault(plan, &error))?;
    write_file(path, &bytes)?;
    let row = TrainedRow {
        name: plan.name.clone(),
        updates: budget,
        instance_steps: trainer.counters().instance_steps,
        curve,
        weights: fingerprint(&bytes),
    };
    Ok((LearnedWeights::Hierarchical(Arc::new(weights)), row))
}

/// The weights of a training that is already in the record; `None` if the file is gone or another.
pub fn reread(plan: &Trained, row: &TrainedRow, path: &Path) -> Option<LearnedWeights> {
    let bytes = std::fs::read(path).ok().filter(|bytes| fingerprint(bytes) == row.weights)?;
    if plan.recipe == "l2l" {
        return l2l::decode(&bytes);
    }
    Some(LearnedWeights::Hierarchical(Arc::new(Weights::from_bytes(&bytes).ok()?)))
}

/// The named recipe with the changes of the plan.
fn recipe(plan: &Trained, budget: u64) -> Result<Recipe, CliError> {
    let text = match plan.recipe.as_str() {
        "paper" => PAPER,
        "recommended" => RECOMMENDED,
        other => return Err(CliError::Bench(format!("no recipe is called `{other}`"))),
    };
    let mut table: toml::Table = toml::from_str(text).map_err(|error| fault(plan, &error))?;
    lay_over(&mut table, &plan.changes);
    let text = toml::to_string(&table).map_err(|error| fault(plan, &error))?;
    let mut recipe = Recipe::parse(&text).map_err(|error| fault(plan, &error))?;
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

/// The plan's name before what went wrong.
pub(super) fn fault(plan: &Trained, error: &dyn std::fmt::Display) -> CliError {
    CliError::Bench(format!("`{}`: {error}", plan.name))
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
