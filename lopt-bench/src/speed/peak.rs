//! The most multiply-adds per second that one core does at a SIMD level.
//!
//! Chains of `x <- a x + b` in registers, without loads: with enough independent chains the units
//! are always busy, with too many the registers run out, so several numbers of chains are tried.

use std::convert::Infallible;
use std::hint::black_box;

use lopt_core::simd::{Kernel, Level, Simd};

use crate::timing::sample;

/// Nanoseconds of one multiply-add of 16 lanes.
pub fn multiply_add_ns(level: Level, seconds: f64) -> f64 {
    let share = seconds / 6.0;
    let tried = [chains::<2>, chains::<3>, chains::<4>, chains::<6>, chains::<8>, chains::<12>];
    tried.iter().map(|chains| chains(level, share)).fold(f64::INFINITY, f64::min)
}

fn chains<const N: usize>(level: Level, seconds: f64) -> f64 {
    const TURNS: usize = 20_000;
    let Ok([cpu_ns, _]) = sample::<Infallible>(seconds, || {
        black_box(level.dispatch(Chains::<N> { turns: black_box(TURNS) }));
        Ok((TURNS * N) as f64)
    });
    cpu_ns
}

/// `N` independent chains of `turns` multiply-adds.
struct Chains<const N: usize> {
    turns: usize,
}

impl<const N: usize> Kernel<f32> for Chains<N> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd<E = f32>>(self, s: S) -> f32 {
        // The compiler must not see that the chains agree, or that they converge.
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
