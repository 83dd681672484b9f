//! Nanoseconds per parameter of one step, by SIMD level, on one thread.

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = HierarchicalRnnConfig::recommended();
    let psi = MetaLayout::new(&config).initialize(&config, &mut stream(1, &[]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for n in [4096, 1_000_000] {
        let layout = Layout::single(n)?;
        let grads: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            if !level.available() {
                continue;
            }
            let mut optimizer =
                pool.install(|| HierarchicalRnn::new(&config, &psi, &layout, level));
            let mut params = vec![0.1_f32; n];
            let mut best = f64::INFINITY;
            for _ in 0..(60_000_000 / n).clamp(5, 20000) {
                let start = Instant::now();
                pool.install(|| optimizer.step(&mut params, &grads))?;
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("{n} parameters, {level:?}: {:.1} ns per parameter", best * 1e9 / n as f64);
        }
    }
    Ok(())
}
