//! Milliseconds to make an optimizer and to take its first two steps, on one thread, beside AdamW.
//!
//! `cargo run --release -p lopt-core --example creation_time`

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_baselines::AdamW;
use lopt_core::{
    Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, TensorShape, Weights,
};
use std::error::Error;
use std::time::Instant;

type Made = Result<Box<dyn Optimizer>, Box<dyn Error>>;
type Make = fn(&Layout) -> Made;

fn learned(layout: &Layout, weights: &str, compact: bool) -> Made {
    let config = LearnedOptimizerConfig::new().with_weights(Weights::embedded(weights)?);
    let config = if compact { config.with_compact_state() } else { config };
    Ok(Box::new(config.init(layout)?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let contenders: [(&str, Make); 4] = [
        ("default", |layout| Ok(Box::new(LearnedOptimizer::pretrained(layout)?))),
        ("hierarchical-rnn", |layout| learned(layout, "hierarchical-rnn", false)),
        ("the same, compact", |layout| learned(layout, "hierarchical-rnn", true)),
        ("AdamW", |layout| Ok(Box::new(AdamW::new(layout, 1e-3, 0.01)))),
    ];
    println!("{:18} {:>16} {:>9} {:>11} {:>11}", "", "tensors", "making", "first step", "second");
    for (tensors, elements) in [(1, 1_000_000), (1, 10_000_000), (1, 50_000_000), (20_000, 5)] {
        let shapes = (0..tensors).map(|i| TensorShape::new(format!("t{i}"), [elements]));
        let layout = Layout::new(shapes.collect())?;
        let mut params = vec![0.5_f32; layout.len()];
        let grads: Vec<f32> = (0..layout.len()).map(|i| (0.7 * i as f32).sin()).collect();
        for (name, make) in contenders {
            let mut time = Instant::now();
            let mut lap =
                || 1e3 * std::mem::replace(&mut time, Instant::now()).elapsed().as_secs_f64();
            let mut optimizer = pool.install(|| make(&layout).map_err(|e| e.to_string()))?;
            let made = lap();
            pool.install(|| optimizer.step(&mut params, &grads))?;
            let first = lap();
            pool.install(|| optimizer.step(&mut params, &grads))?;
            let second = lap();
            let size = format!("{tensors} x {elements}");
            println!("{name:18} {size:>16} {made:>6.1} ms {first:>8.1} ms {second:>8.1} ms");
        }
    }
    Ok(())
}
