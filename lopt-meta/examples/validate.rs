//! Scores weights, the averaged psi of checkpoints, and Adam's grid on the validation suite;
//! `--compact [SEEDS]`: the embedded weights with state in 32 and in 16 bits.

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_baselines::Adam;
use lopt_core::{HierarchicalRnn, Layout, Weights};
use lopt_meta::Checkpoint;
use lopt_meta::validation::{TaskScore, mean_score, run_suite};
use lopt_problems::quick_validation_suite;
use std::path::Path;

fn print(name: &str, scores: &[TaskScore]) {
    print!("{name:<28} {:+.3} ", mean_score(scores));
    for score in scores {
        let [a, b, c] = score.losses;
        print!(" | {:+.2} {a:.3} {b:.3} {c:.4}", score.score);
    }
    println!();
}

/// Weights from a weights file, or the running average from a checkpoint.
fn load(path: &Path) -> Result<Weights, Box<dyn std::error::Error>> {
    let Ok(checkpoint) = Checkpoint::read(path) else { return Ok(Weights::read(path)?) };
    Ok(checkpoint.averaged()?)
}

fn bare(weights: &Weights, layout: &Layout) -> HierarchicalRnn {
    HierarchicalRnn::from_weights(weights, layout).expect("weights of a hierarchical RNN")
}

/// The embedded weights with either state on the same tasks, problems and batches.
fn compare_states(seeds: u64) -> Result<(), Box<dyn std::error::Error>> {
    let weights = Weights::embedded("hierarchical-rnn")?;
    for seed in 0..seeds {
        let wide = |layout: &Layout| bare(&weights, layout);
        print(&format!("f32 state, seed {seed}"), &run_suite(seed, wide));
        let compact = |layout: &Layout| wide(layout).with_compact_state();
        print(&format!("compact state, seed {seed}"), &run_suite(seed, compact));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<&str> = quick_validation_suite().iter().map(|task| task.name).collect();
    println!("score and losses at 10%, 30%, 100% of: {}", names.join(", "));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--compact") {
        let seeds = arguments.get(1).map_or(Ok(1), |seeds| seeds.parse())?;
        return compare_states(seeds);
    }
    let mut best: Option<Vec<TaskScore>> = None;
    for half_decade in 0..9 {
        let rate = 10.0_f64.powf(-5.0 + 0.5 * f64::from(half_decade));
        let scores = run_suite(0, |layout| Adam::new(layout, rate));
        print(&format!("adam {rate:.1e}"), &scores);
        let better = best.get_or_insert_with(|| scores.clone());
        for (old, new) in better.iter_mut().zip(&scores) {
            if new.score < old.score {
                old.clone_from(new);
            }
        }
    }
    print("adam, best rate per task", &best.unwrap_or_default());
    for path in arguments {
        let weights = load(Path::new(&path))?;
        for rate in [1e-5, 1e-4, 3e-4, 1e-3, 1e-2] {
            let make = |layout: &Layout| bare(&weights, layout).with_initial_rate(rate);
            print(&format!("{path} from {rate:e}"), &run_suite(0, make));
        }
    }
    Ok(())
}
