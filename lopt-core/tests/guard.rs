//! The guard at work: runs that are disturbed, which it must not make worse, and runs that are not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod disturbances;

use disturbances::{BATCH, DISTURBANCES, Disturbance, End, Trainer};
use lopt_core::{Layout, LearnedOptimizerConfig, Optimizer, Weights};
use std::sync::{Arc, Mutex};

/// Both kinds of optimizers.
const WEIGHTS: [&str; 2] = ["recommended", "hierarchical-rnn"];

/// Below it the loss of the small network is rounding errors of single precision.
const SOLVED: f64 = 1e-7;

/// Geometric means over seeds of the final losses of a trainer, and the number of events.
fn over_seeds(disturbance: Option<&Disturbance>, trainer: Trainer, seeds: u64) -> (f64, usize) {
    let ends = (0..seeds).map(|seed| disturbances::run(BATCH, disturbance, trainer, seed));
    let ends: Vec<End> = ends.collect();
    let logs = ends.iter().map(|end| end.loss.max(SOLVED).ln()).sum::<f64>();
    ((logs / seeds as f64).exp(), ends.iter().map(|end| end.events).sum())
}

/// A row of the table, and whether the guard has kept its promise.
fn row(
    weights: &'static str,
    disturbance: Option<&Disturbance>,
    adam: f64,
    seeds: u64,
) -> (String, bool) {
    let of = |guard| over_seeds(disturbance, Trainer::Learned { weights, guard }, seeds);
    let ((guarded, events), (bare, _)) = (of(true), of(false));
    let name = disturbance.map_or("none", |disturbance| disturbance.name);
    let keeps = if bare < adam { guarded <= 2.0 * bare } else { guarded <= adam };
    let row = format!("| {name} | {guarded:.1e} | {bare:.1e} | {adam:.1e} | {events} |");
    (row, keeps && (events > 0 || guarded.to_bits() == bare.to_bits()))
}

fn all_keep(disturbances: &[Option<&Disturbance>], seeds: u64) {
    let mut broken = Vec::new();
    let adams: Vec<f64> =
        disturbances.iter().map(|d| over_seeds(*d, Trainer::Adam, seeds).0).collect();
    for weights in WEIGHTS {
        println!("{weights}: guarded, bare, Adam(1e-3), events");
        for (disturbance, adam) in disturbances.iter().zip(&adams) {
            let (row, keeps) = row(weights, *disturbance, *adam, seeds);
            println!("{row}{}", if keeps { "" } else { " broken" });
            if !keeps {
                broken.push(format!("{weights}: {row}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn disturbed_runs_end_no_worse_with_the_guard() {
    let all: Vec<Option<&Disturbance>> = DISTURBANCES.iter().map(Some).collect();
    all_keep(&all, 1);
}

/// The table of `docs/guard.md`:
/// `cargo test --release -p lopt-core --test guard -- --ignored --nocapture table`.
#[test]
#[ignore = "a table for the documentation; takes minutes"]
fn table_of_disturbances() {
    let all: Vec<Option<&Disturbance>> =
        std::iter::once(None).chain(DISTURBANCES.iter().map(Some)).collect();
    all_keep(&all, 5);
}

#[test]
fn the_guard_is_silent_on_healthy_runs_of_any_batch_size() {
    for weights in WEIGHTS {
        for batch in [1, 2, 8, 32] {
            let end = disturbances::run(batch, None, Trainer::Learned { weights, guard: true }, 3);
            assert_eq!(end.events, 0, "{weights}, batches of {batch}");
        }
    }
}
