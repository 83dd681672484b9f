//! Time to make an optimizer and to take a step, on one thread: one tensor, and as many parameters in
//! tensors of five.

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_core::{Layout, LearnedOptimizer, Optimizer, TensorShape};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for (tensors, elements) in [(1, 100_000), (20_000, 5)] {
        let shapes = (0..tensors).map(|i| TensorShape::new(format!("t{i}"), [elements]));
        let layout = Layout::new(shapes.collect())?;
        let start = Instant::now();
        let mut optimizer = pool.install(|| LearnedOptimizer::pretrained(&layout))?;
        let made = start.elapsed().as_secs_f64();
        let mut params: Vec<f32> = (0..layout.len()).map(|i| (0.7 * i as f32).sin()).collect();
        let mut best = f64::INFINITY;
        for _ in 0..30 {
            let grads = optimizer.attended(&params).to_vec();
            let start = Instant::now();
            pool.install(|| optimizer.step(&mut params, &grads))?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        let (made, best) = (1e3 * made, 1e3 * best);
        println!("{tensors} x {elements}: made in {made:.0} ms, {best:.1} ms a step");
    }
    Ok(())
}
