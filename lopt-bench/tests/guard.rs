//! What the guard is for: weights that diverge on a task, a user with broken weights, who with the
//! guard is a user of Adam(1e-3), a few steps late, and runs that are disturbed, which it must not
//! make worse.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod disturbances;

use std::fs;
use std::process::Command;

use disturbances::{DISTURBANCES, Disturbance, End, Trainer};
use lopt_bench::evaluate::run::{Start, run};
use lopt_core::baselines::Adam;
use lopt_core::{LearnedOptimizerConfig, Optimizer, Weights};
use lopt_problems::{Suite, suite};
use rayon::prelude::*;
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

/// Run l at update 3,300 (`docs/meta-training-log.md`): fast, and reckless where gradients are noise.
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
    let mut weights = Weights::embedded("recommended").unwrap();
    // it climbs, at full length from the first step
    let config = &mut weights.config;
    (config.warmup, config.decay, config.largest_decay) = (0.0, 0.0, 0.0);
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

/// Below it the loss of the small network is rounding errors of single precision.
const SOLVED: f64 = 1e-7;

/// Geometric means over seeds of the final losses of a trainer, and the number of events.
fn over_seeds(disturbance: Option<&Disturbance>, trainer: Trainer, seeds: u64) -> (f64, usize) {
    let ends = (0..seeds).map(|seed| disturbances::run(disturbance, trainer, seed));
    let ends: Vec<End> = ends.collect();
    let logs = ends.iter().map(|end| end.loss.max(SOLVED).ln()).sum::<f64>();
    ((logs / seeds as f64).exp(), ends.iter().map(|end| end.events).sum())
}

#[test]
fn disturbed_runs_end_no_worse_with_the_guard() {
    const SEEDS: u64 = 2;
    DISTURBANCES.par_iter().for_each(|disturbance| {
        let of = |trainer| over_seeds(Some(disturbance), trainer, SEEDS);
        let (guarded, events) = of(Trainer::Guarded);
        let (bare, _) = of(Trainer::Bare);
        let told = format!("{}: {guarded:e}, without {bare:e}", disturbance.name);
        if events == 0 {
            assert_eq!(guarded, bare, "{told}");
        }
        let (adam, _) = of(Trainer::Adam);
        let recovers = bare < adam;
        assert!(if recovers { guarded <= 2.0 * bare } else { guarded <= adam }, "{told}, {adam:e}");
    });
}

#[test]
fn the_guard_is_silent_on_healthy_runs_of_any_batch_size() {
    [1, 2, 8, 32].par_iter().for_each(|&batch| {
        let end = disturbances::run_on_batches(batch, None, Trainer::Guarded, 3);
        assert_eq!(end.events, 0, "batches of {batch}");
    });
}

/// The tables of `docs/guard.md`:
/// `cargo test -p lopt-bench --test guard -- --ignored --nocapture`.
#[test]
#[ignore = "a table for the documentation; takes minutes"]
fn table_of_disturbances() {
    const SEEDS: u64 = 5;
    let all: Vec<Option<&Disturbance>> =
        std::iter::once(None).chain(DISTURBANCES.iter().map(Some)).collect();
    let rows: Vec<String> = all
        .par_iter()
        .map(|disturbance| {
            let of = |trainer| over_seeds(*disturbance, trainer, SEEDS);
            let (guarded, events) = of(Trainer::Guarded);
            let ([bare, adam], name) =
                ([Trainer::Bare, Trainer::Adam].map(|trainer| of(trainer).0), disturbance);
            let name = name.map_or("none", |disturbance| disturbance.name);
            format!("| {name} | {guarded:.1e} | {bare:.1e} | {adam:.1e} | {events} |")
        })
        .collect();
    println!("{}", rows.join("\n"));
    for batch in [1, 2, 4, 32] {
        let healthy = (0..20_u64).into_par_iter().map(|seed| {
            disturbances::run_on_batches(batch, None, Trainer::Guarded, 100 + seed).events.min(1)
        });
        println!("batches of {batch}: events in {} of 20 runs", healthy.sum::<usize>());
    }
}
