//! What parts of the relative RNN and of its training are worth: runs without one each, all of equal length.
//! `cargo run --release -p lopt-meta --example ablations -- UPDATES PAIRS SEEDS` prints a table of scores on
//! practice jobs that are not trained on: 0 is as good as tuned AdamW, less is better. The name of a part as a fourth
//! argument, such as `held-out-rows`, leaves out the other rows. There are as many jobs to train on as pairs in a run.
//!
//! `-- SECONDS PAIRS SEEDS estimators` compares evolution strategies, exact truncated gradients and their mix, each for
//! so many seconds of processor time, at a constant rate of the meta-optimizer and without the pull; as many runs are
//! differentiated in an update as there are pairs. `-- SECONDS PAIRS SEEDS cells` does the same for parameters without and
//! with a network of their own. Making jobs and scoring come on top, a minute for each run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

mod cells;

use cells::Cell;
use lopt_meta::evolution::{Estimator, FIRST_JOB, Part, RECOMMENDED, practice_jobs};
use lopt_meta::{EvolutionRecipe, EvolutionTrainer};

/// When a run ends.
#[derive(Clone, Copy)]
enum Length {
    Updates(u64),
    /// Of processor time, of all threads together.
    Seconds(f64),
}

impl Length {
    /// Whether a run that begins now goes on after so many updates.
    fn begin(self) -> impl Fn(u64) -> bool {
        let begun = processor_seconds();
        move |updates| match self {
            Self::Updates(all) => updates < all,
            Self::Seconds(all) => processor_seconds() - begun < all,
        }
    }
}

/// A run of a recipe: its score at the end, and how many updates it took.
fn score(recipe: EvolutionRecipe, length: Length) -> (f64, u64) {
    let mut trainer = EvolutionTrainer::new(recipe);
    let goes_on = length.begin();
    while goes_on(trainer.counters().updates) {
        trainer.update();
    }
    (trainer.validate(), trainer.counters().updates)
}

/// Processor time of this process.
#[cfg(unix)]
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Where there is no such clock, that of the wall.
#[cfg(not(unix))]
fn processor_seconds() -> f64 {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// What runs of a recipe give by seed, as a row of the table.
fn row(
    name: &str,
    recipe: &EvolutionRecipe,
    seeds: u64,
    run: impl Fn(EvolutionRecipe) -> (f64, u64),
) {
    let of_seed = |seed| run(EvolutionRecipe { seed, ..recipe.clone() });
    let runs: Vec<(f64, u64)> = (1..=seeds).map(of_seed).collect();
    let mean = runs.iter().map(|(score, _)| score).sum::<f64>() / runs.len() as f64;
    let each: Vec<String> = runs.iter().map(|(score, _)| format!("{score:.3}")).collect();
    let updates = runs.iter().map(|(_, updates)| updates).sum::<u64>() / seeds;
    println!("| {name} | {mean:.3} | {} | {updates} |", each.join(", "));
}

/// Names of parts, and what a run without one is called.
const PARTS: [(&str, &str, Part); 5] = [
    ("signals", "without what is seen of gradients", Part::Signals),
    ("loss", "without the loss", Part::Loss),
    ("recurrence", "without recurrence", Part::Recurrence),
    ("augmentation", "without augmentation", Part::Augmentation),
    ("held-out-rows", "scored by training rows", Part::HeldOutRows),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let numbers = given.iter().take(3).map(|number| number.parse::<u64>().ok());
    let numbers: Option<Vec<u64>> = numbers.collect();
    let what = given.get(3).map_or("", String::as_str);
    let by_time = ["estimators", "cells"].contains(&what);
    let parts = PARTS.iter().filter(|(name, ..)| what.is_empty() || *name == what);
    let parts: Vec<_> = parts.collect();
    let (Some(&[length, pairs, seeds]), true) = (numbers.as_deref(), by_time || !parts.is_empty())
    else {
        let parts = PARTS.map(|(name, ..)| name).join(", ");
        eprintln!(
            "expected numbers of updates, of pairs in an update, and of seeds, such as 60 16 3, and perhaps one of \
             {parts}; or of seconds, of pairs, and of seeds, and one of estimators, cells"
        );
        std::process::exit(2);
    };
    let (pairs, seeds) = (pairs.max(1), seeds.max(1));
    let mut recipe = EvolutionRecipe::parse(RECOMMENDED).expect("the recipe is checked by tests");
    (recipe.updates, recipe.pairs) = (length.max(1), pairs as usize);
    println!("| run, {pairs} pairs in an update | mean score | by seed | updates |");
    println!("| --- | --- | --- | --- |");
    row("nothing learned: the prior", &recipe, 1, |recipe| score(recipe, Length::Updates(0)));
    if !by_time {
        recipe.jobs = recipe.jobs.min(length * pairs);
        let of = |recipe| score(recipe, Length::Updates(length));
        row("all parts", &recipe, seeds, of);
        for &&(_, words, part) in &parts {
            let recipe = EvolutionRecipe { without: vec![part], ..recipe.clone() };
            row(words, &recipe, seeds, of);
        }
        return;
    }
    let length = Length::Seconds(length as f64);
    let meta = &mut recipe.meta_optimizer;
    (meta.final_rate, meta.warmup) = (meta.rate, 5);
    // gradients of some steps are far shorter than those of whole runs, and a pull would weigh more
    recipe.pull = 0.0;
    if what == "cells" {
        let validation = practice_jobs(0..FIRST_JOB, &[]);
        let jobs = practice_jobs(FIRST_JOB..FIRST_JOB + recipe.jobs, &[]);
        for (name, cell) in [
            ("nothing in front of the relative RNN", Cell::Nothing),
            ("a perceptron with two layers of 8", Cell::Perceptron),
            ("a GRU of 10 units", Cell::Gru),
        ] {
            let run = |recipe| cells::run(cell, &recipe, [&jobs, &validation], length);
            row(name, &recipe, seeds, run);
        }
        return;
    }
    for (name, estimator) in [
        ("evolution strategies", Estimator::Evolution),
        ("exact truncated gradients", Estimator::Exact),
        ("both", Estimator::Mix),
    ] {
        let recipe = EvolutionRecipe { estimator, ..recipe.clone() };
        row(name, &recipe, seeds, |recipe| score(recipe, length));
    }
}
