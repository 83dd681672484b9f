//! What a level does at most, to compare kernels with: functions over an array in the first cache, chains of
//! multiply-adds in registers, a pass over memory. Nothing here reads the clock, and nothing is inlined, as who
//! calls it may be compiled for size.

use std::hint::black_box;

use crate::{Buffer, Kernel, Level, Row, Simd, TILE};

/// Functions of [`sum_of_function`], by the names of their methods; the last is a division.
pub const FUNCTIONS: [&str; 7] = ["sigmoid", "tanh", "exp", "ln", "asinh", "sqrt", "div"];

/// The sum of one of [`FUNCTIONS`] over an array of whole rows.
///
/// The values do not depend on each other: this is throughput, the least a kernel can hope for that calls these
/// functions, not latency.
///
/// * `function`: one of [`FUNCTIONS`]; any other name counts as the last.
#[inline(never)]
pub fn sum_of_function(function: &'static str, level: Level, values: &Buffer<f32>) -> f32 {
    level.dispatch(Sweep { function, values })
}

/// Numbers of chains of [`chains_of_multiply_adds`].
///
/// With enough independent chains the units are always busy, with too many the registers run out.
pub const CHAINS: [usize; 6] = [2, 3, 4, 6, 8, 12];

/// The sum of so many independent chains of `x <- a x + b`, `turns` long, in registers, without loads.
///
/// * `chains`: one of [`CHAINS`]; any other number counts as the last.
#[inline(never)]
pub fn chains_of_multiply_adds(chains: usize, turns: usize, level: Level) -> f32 {
    match chains {
        2 => level.dispatch(Chains::<2> { turns }),
        3 => level.dispatch(Chains::<3> { turns }),
        4 => level.dispatch(Chains::<4> { turns }),
        6 => level.dispatch(Chains::<6> { turns }),
        8 => level.dispatch(Chains::<8> { turns }),
        _ => level.dispatch(Chains::<12> { turns }),
    }
}

/// Reads and writes every number once, in place.
#[inline(never)]
pub fn pass_in_place(values: &mut [u32]) {
    for value in values {
        *value ^= 1;
    }
}

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
        // one loop per function: a choice inside the loop would be part of the cost
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

/// `N` independent chains of `turns` multiply-adds.
struct Chains<const N: usize> {
    turns: usize,
}

impl<const N: usize> Kernel<f32> for Chains<N> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd<E = f32>>(self, s: S) -> f32 {
        // the compiler must not see that the chains agree, or that they converge
        let (a, b) = (s.splat(black_box(0.999)), s.splat(black_box(1e-3)));
        let mut chains = [s.zero(); N];
        for chain in &mut chains {
            *chain = s.splat(black_box(0.5));
        }
        for _ in 0..self.turns {
            for chain in &mut chains {
                *chain = s.fma(*chain, a, b);
            }
        }
        let mut total = s.zero();
        for chain in chains {
            total = s.add(total, chain);
        }
        s.sum_lanes(total)
    }
}
