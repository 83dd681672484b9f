//! A user with broken weights and the guard is a user of Adam(1e-3), a few steps late.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use lopt_core::Weights;
use serde_json::Value;

/// Final losses by name.
fn race(weights: &std::path::Path, guard: bool) -> Vec<(String, Option<f64>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
    command.args(["race", "digits-mlp", "--steps", "1000", "--seeds", "2", "--only"]);
    command.arg("lopt,adam-1e-3").arg("--weights").arg(weights).arg("--out").arg(folder.path());
    if guard {
        command.arg("--guard");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let record = fs::read_to_string(folder.path().join("race.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let contenders = record["contenders"].as_array().unwrap();
    let final_loss = |contender: &Value| {
        (contender["name"].as_str().unwrap().to_owned(), contender["final_train_loss"].as_f64())
    };
    contenders.iter().map(final_loss).collect()
}

#[test]
fn poisoned_weights_end_no_worse_than_adam_with_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poisoned.lopt");
    let mut weights = Weights::embedded("recommended").unwrap();
    // it climbs
    weights.psi.iter_mut().for_each(|x| *x = -*x);
    weights.write(&path).unwrap();
    let loss = |losses: &[(String, Option<f64>)], name: &str| {
        losses.iter().find(|(known, _)| known == name).unwrap().1
    };
    let bare = race(&path, false);
    let adam = loss(&bare, "adam-1e-3").unwrap();
    assert!(loss(&bare, "lopt").is_none_or(|bare| bare > 2.3), "{bare:?}");
    let guarded = loss(&race(&path, true), "lopt").unwrap();
    assert!(guarded < 1.1 * adam, "{guarded}, Adam {adam}");
}
