//! What the elementary functions of the kernels cost, one after another over a small array.
//!
//! The array fits the first cache, and the values do not depend on each other: this is throughput,
//! the least a kernel can hope for that calls these functions, not latency.

use std::convert::Infallible;
use std::hint::black_box;

use lopt_core::simd::Buffer;
use lopt_core::simd::{Kernel, Level, Row, Simd, TILE};

use crate::timing::sample;

/// The functions that are timed, by the names of their methods; the last is a division.
pub const FUNCTIONS: [&str; 7] = ["sigmoid", "tanh", "exp", "ln", "asinh", "sqrt", "div"];

/// Nanoseconds that one of [`FUNCTIONS`] takes for 16 lanes.
pub fn function_ns(function: &'static str, level: Level, seconds: f64) -> f64 {
    let mut values = Buffer::<f32>::rows(ROWS, 16);
    for (i, value) in values.iter_mut().enumerate() {
        *value = 0.1 + 3.0 * (i as f32 * 0.618).fract();
    }
    let Ok([cpu_ns, _]) = sample::<Infallible>(seconds, || {
        for _ in 0..16 {
            black_box(level.dispatch(Sweep { function, values: black_box(&values) }));
        }
        Ok((16 * ROWS * TILE) as f64)
    });
    cpu_ns
}

/// Rows of the array: 16 KiB.
const ROWS: usize = 32;

/// The sum of the function over an array.
struct Sweep<'a> {
    function: &'static str,
    values: &'a Buffer<f32>,
}

impl Kernel<f32> for Sweep<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd<E = f32>>(self, s: S) -> f32 {
        let rows = self.values.as_rows::<S>();
        // One loop per function: a choice inside the loop would be part of the cost.
        match self.function {
            "sigmoid" => sweep(s, rows, |x| s.sigmoid(x)),
            "tanh" => sweep(s, rows, |x| s.tanh(x)),
            "exp" => sweep(s, rows, |x| s.exp(x)),
            "ln" => sweep(s, rows, |x| s.ln(x)),
            "asinh" => sweep(s, rows, |x| s.asinh(x)),
            "sqrt" => sweep(s, rows, |x| s.sqrt(x)),
            _ => {
                let one = s.constant(1.0);
                sweep(s, rows, |x| s.div(one, x))
            }
        }
    }
}

/// Adds to one total per column, so that no addition waits for the one before.
#[inline(always)]
fn sweep<S: Simd<E = f32>>(s: S, rows: &[Row<S>], function: impl Fn(S::V) -> S::V) -> f32 {
    let mut totals = [s.zero(); TILE];
    for row in rows {
        for (total, &x) in totals.iter_mut().zip(row) {
            *total = s.add(*total, function(x));
        }
    }
    let mut all = s.zero();
    for total in totals {
        all = s.add(all, total);
    }
    s.sum_lanes(all)
}
