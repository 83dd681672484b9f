//! What the guard is for: weights that diverge on a task, and a user with broken weights, who with the
//! guard is a user of Adam(1e-3), a few steps late.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use lopt_baselines::Adam;
use lopt_bench::evaluate::run::{Start, run};
use lopt_core::{HierarchicalRnnConfig, LearnedOptimizerConfig, Optimizer, Weights};
use lopt_problems::{Suite, suite};
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

/// Run l at update 3,300 (`meta-training/log.md`): fast, and reckless where gradients are noise.
const RECKLESS: &[u8] = include_bytes!("data/reckless.lopt");

#[test]
fn where_weights_diverge_the_guarded_run_ends_no_worse_than_adam() {
    let tasks = suite(Suite::Validation, None).unwrap().tasks;
    let task = tasks.iter().find(|task| task.name == "mlp-relu-noisy-clusters").unwrap();
    let layout = task.problem.layout();
    let unguarded = LearnedOptimizerConfig::new()
        .with_weights(Weights::from_bytes(RECKLESS).unwrap())
        .with_guard(None);
    let guarded = unguarded.clone().with_guard(Some(Default::default()));
    let (mut guarded_log, mut adam_log) = (0.0, 0.0);
    for seed in 0..3 {
        let start = Start::new(task, seed);
        let end = |optimizer: &mut dyn Optimizer| {
            run(task, &start, optimizer, task.steps, f64::INFINITY).mark(1)
        };
        let bare = end(&mut unguarded.init(&layout).unwrap());
        assert!(bare.is_none_or(|bare| bare.exact > start.initial), "seed {seed}: {bare:?}");
        let guarded = end(&mut guarded.init(&layout).unwrap()).unwrap();
        let adam = end(&mut Adam::new(&layout, 1e-3)).unwrap();
        println!("seed {seed}: {bare:?}; guarded {guarded:?}; Adam(1e-3) {adam:?}");
        guarded_log += guarded.smoothed.ln();
        adam_log += adam.smoothed.ln();
    }
    assert!(guarded_log <= adam_log, "mean log loss {guarded_log} / 3, Adam {adam_log} / 3");
}

#[test]
fn poisoned_weights_end_no_worse_than_adam_with_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poisoned.lopt");
    let (config, mut psi, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    // it climbs, at full length from the first step
    let config = HierarchicalRnnConfig {
        warmup: 0.0,
        decay: 0.0,
        largest_decay: 0.0,
        ..config.hierarchical_rnn().unwrap()
    };
    psi.iter_mut().for_each(|x| *x = -*x);
    Weights::new(config, psi, record).unwrap().write(&path).unwrap();
    let loss = |losses: &[(String, Option<f64>)], name: &str| {
        losses.iter().find(|(known, _)| known == name).unwrap().1
    };
    let bare = race(&path, false);
    let adam = loss(&bare, "adam-1e-3").unwrap();
    assert!(loss(&bare, "lopt").is_none_or(|bare| bare > 2.3), "{bare:?}");
    let guarded = loss(&race(&path, true), "lopt").unwrap();
    // some 50 of the 1000 steps are lost
    assert!(guarded < 1.3 * adam, "{guarded}, Adam {adam}");
}
