//! Instance-steps per second and core of meta-training, by problem.

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_core::simd::Level;
use lopt_meta::{Recipe, Trainer};
use std::time::Instant;

fn main() {
    for name in std::env::args().skip(1) {
        let mut recipe = Recipe::parse(include_str!("../recipes/quadratic20.toml")).expect("valid");
        recipe.problems.names = vec![name.clone()];
        recipe.lengths.unroll_mean = 1e-9;
        recipe.lengths.unroll_base = 100;
        recipe.updates = 1_000_000;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
        pool.install(|| {
            let mut trainer = Trainer::new(recipe, Level::detect()).expect("a valid recipe");
            trainer.update();
            let (start, busy) = (Instant::now(), cpu_seconds());
            let mut steps = 0;
            while start.elapsed().as_secs_f64() < 3.0 {
                steps += trainer.update().instance_steps;
            }
            let busy = cpu_seconds() - busy;
            println!("{name}: {:.0} instance-steps per second of one core", steps as f64 / busy);
        });
    }
}

/// Time this thread has run, so that other work on the machine does not count; wall time elsewhere.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) * 1e-9
}
