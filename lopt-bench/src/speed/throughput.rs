//! What one core does at most at a SIMD level: functions over a small array, multiply-adds in registers.

use std::convert::Infallible;
use std::hint::black_box;

use lopt_core::simd::{Buffer, Level, TILE};
use lopt_simd::throughput::{CHAINS, chains_of_multiply_adds, sum_of_function};

use crate::timing::sample;

/// Nanoseconds that one of [`FUNCTIONS`](lopt_simd::throughput::FUNCTIONS) takes for 16 lanes.
pub fn function_ns(function: &'static str, level: Level, seconds: f64) -> f64 {
    let mut values = Buffer::<f32>::rows(ROWS, 16);
    for (i, value) in values.iter_mut().enumerate() {
        *value = 0.1 + 3.0 * (i as f32 * 0.618).fract();
    }
    let Ok([cpu_ns, _]) = sample::<Infallible>(seconds, || {
        for _ in 0..16 {
            black_box(sum_of_function(function, level, black_box(&values)));
        }
        Ok((16 * ROWS * TILE) as f64)
    });
    cpu_ns
}

/// Rows of the array: 16 KiB.
const ROWS: usize = 32;

/// Nanoseconds of one multiply-add of 16 lanes, with the number of chains that suits the level best.
pub fn multiply_add_ns(level: Level, seconds: f64) -> f64 {
    let share = seconds / CHAINS.len() as f64;
    CHAINS.iter().map(|&n| chains_ns(n, level, share)).fold(f64::INFINITY, f64::min)
}

fn chains_ns(chains: usize, level: Level, seconds: f64) -> f64 {
    const TURNS: usize = 20_000;
    let Ok([cpu_ns, _]) = sample::<Infallible>(seconds, || {
        black_box(chains_of_multiply_adds(chains, black_box(TURNS), level));
        Ok((TURNS * chains) as f64)
    });
    cpu_ns
}
