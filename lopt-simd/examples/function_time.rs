//! Nanoseconds per 16 lanes of the elementary functions, by SIMD level, on an array in the L1 cache.

#![allow(clippy::print_stdout, reason = "an example prints")]

use lopt_simd::{Kernel, Level, Simd};
use std::hint::black_box;
use std::time::Instant;

const VECTORS: usize = 64;
const NAMES: [&str; 5] = ["exp", "ln", "tanh", "sigmoid", "asinh"];

struct Apply<'a> {
    function: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel<f32> for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = f32>>(self, s: S) {
        let from: &[S::V] = bytemuck::cast_slice(self.from);
        let to: &mut [S::V] = bytemuck::cast_slice_mut(self.to);
        let pairs = from.iter().zip(to);
        match self.function {
            0 => pairs.for_each(|(x, y)| *y = s.exp(*x)),
            1 => pairs.for_each(|(x, y)| *y = s.ln(*x)),
            2 => pairs.for_each(|(x, y)| *y = s.tanh(*x)),
            3 => pairs.for_each(|(x, y)| *y = s.sigmoid(*x)),
            _ => pairs.for_each(|(x, y)| *y = s.asinh(*x)),
        }
    }
}

/// The best of many rounds; arguments in `(-3, 3)`, for the logarithm in `(0, 6)`.
fn nanoseconds(level: Level, function: usize) -> f64 {
    let offset = if NAMES[function] == "ln" { 3.1 } else { 0.0 };
    let mut from = vec![wide::f32x16::default(); VECTORS];
    for (i, x) in bytemuck::cast_slice_mut::<_, f32>(&mut from).iter_mut().enumerate() {
        *x = (i as f32 * 0.37).sin() * 3.0 + offset;
    }
    let mut to = from.clone();
    let mut best = f64::INFINITY;
    for _ in 0..20_000 {
        let start = Instant::now();
        for _ in 0..4 {
            let from = bytemuck::cast_slice(black_box(&from[..]));
            let to = bytemuck::cast_slice_mut(black_box(&mut to[..]));
            level.dispatch(Apply { function, from, to });
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / (4 * VECTORS) as f64
}

fn main() {
    for level in Level::ALL {
        if level.available() {
            for (function, name) in NAMES.iter().enumerate() {
                println!("{:8} {name:8} {:6.2} ns", level.name(), nanoseconds(level, function));
            }
        }
    }
}
