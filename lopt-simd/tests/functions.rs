//! exp, ln, tanh, sigmoid and asinh of every level against the standard library in `f64`.

#![allow(clippy::print_stdout, reason = "the exhaustive test tells the worst cases")]

use std::sync::Mutex;

use lopt_simd::{Kernel, Level, Simd};
use rayon::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Ln,
    Tanh,
    Sigmoid,
    Asinh,
}

use Function::{Asinh, Exp, Ln, Sigmoid, Tanh};

const FUNCTIONS: [Function; 5] = [Exp, Ln, Tanh, Sigmoid, Asinh];

impl Function {
    fn exact(self, x: f64) -> f64 {
        match self {
            Exp => x.exp(),
            Ln => x.ln(),
            Tanh => x.tanh(),
            Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
            Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Asinh => x.asinh(),
        }
    }

    /// Largest error in units of the last place, over all arguments and levels.
    fn bound(self) -> f64 {
        match self {
            Exp => 1.1,
            Ln => 1.6,
            Tanh | Sigmoid => 2.0,
            Asinh => 2.7,
        }
    }
}

struct Apply<'a> {
    function: Function,
    data: &'a mut [f32],
}

impl Kernel<f32> for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = f32>>(self, s: S) {
        let data: &mut [S::V] = bytemuck::cast_slice_mut(self.data);
        match self.function {
            Exp => data.iter_mut().for_each(|x| *x = s.exp(*x)),
            Ln => data.iter_mut().for_each(|x| *x = s.ln(*x)),
            Tanh => data.iter_mut().for_each(|x| *x = s.tanh(*x)),
            Sigmoid => data.iter_mut().for_each(|x| *x = s.sigmoid(*x)),
            Asinh => data.iter_mut().for_each(|x| *x = s.asinh(*x)),
        }
    }
}

fn apply(level: Level, function: Function, arguments: &[f32]) -> Vec<f32> {
    let mut lines = vec![wide::f32x16::default(); arguments.len().div_ceil(16)];
    let data: &mut [f32] = bytemuck::cast_slice_mut(&mut lines);
    data[..arguments.len()].copy_from_slice(arguments);
    level.dispatch(Apply { function, data });
    bytemuck::cast_slice(&lines)[..arguments.len()].to_vec()
}

/// The error in units of the last place; zero and infinity stand for what underflows or overflows.
fn error(function: Function, x: f32, exact: f64, got: f32) -> f64 {
    const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
    if matches!(function, Ln) && x.is_subnormal() && got == f32::NEG_INFINITY {
        return 0.0;
    }
    if exact.is_nan() || got.is_nan() {
        return if exact.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got.is_infinite() {
        return if f64::from(got) == exact || exact > f32::MAX.into() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if exact.abs() < SMALLEST && got == 0.0 {
        return 0.0;
    }
    let size = exact.abs().max(SMALLEST);
    let unit = f64::from_bits(size.to_bits() & !((1 << 52) - 1)) * f64::from(f32::EPSILON);
    (f64::from(got) - exact).abs() / unit
}

/// The worst error and its argument.
fn worst(level: Level, function: Function, arguments: &[f32], exact: &[f64]) -> (f64, f32) {
    let got = apply(level, function, arguments);
    let errors = arguments.iter().zip(exact).zip(got);
    let errors = errors.map(|((&x, &exact), got)| (error(function, x, exact, got), x));
    errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
}

/// Checks all bit patterns of that stride; prints the worst of each function and level.
fn sweep(stride: usize) {
    const CHUNK: u64 = 1 << 16;
    for function in FUNCTIONS {
        let found = Mutex::new([(0.0_f64, 0.0_f32); 3]);
        let chunks = (1_u64 << 32) / (CHUNK * stride as u64) + 1;
        (0..chunks).into_par_iter().for_each(|chunk| {
            let bits = (0..CHUNK).map(|i| (chunk * CHUNK + i) * stride as u64);
            let x: Vec<f32> =
                bits.map_while(|b| u32::try_from(b).ok()).map(f32::from_bits).collect();
            let exact: Vec<f64> = x.iter().map(|&x| function.exact(x.into())).collect();
            for (i, level) in
                Level::ALL.into_iter().enumerate().filter(|(_, level)| level.available())
            {
                let new = worst(level, function, &x, &exact);
                let mut found = found.lock().expect("no thread panics with the lock");
                if new.0 > found[i].0 {
                    found[i] = new;
                }
            }
        });
        for (level, (error, x)) in Level::ALL.into_iter().zip(found.into_inner().expect("unlocked"))
        {
            println!("{function:?} {}: {error:.3} ulp at {x:e}", level.name());
            assert!(error <= function.bound(), "{function:?} {level:?}: {error} ulp at {x:e}");
        }
    }
}

#[test]
fn errors_are_bounded_on_a_sample_of_all_numbers() {
    sweep(4001);
}

#[test]
#[ignore = "all 2^32 arguments take minutes in release mode"]
fn errors_are_bounded_everywhere() {
    sweep(1);
}

/// Points where a function changes its formula, saturates, overflows or is special.
const SPECIAL: [f32; 24] = [
    0.0,
    1e-38,
    1e-20,
    2.44e-4,
    0.07,
    0.145,
    0.2633,
    0.6,
    0.666_666_7,
    0.75,
    0.968_75,
    1.0,
    1.0625,
    1.333_333_4,
    1.5,
    9.01,
    9.1,
    10.0,
    16.64,
    30.0,
    87.336_54,
    88.722_84,
    103.97,
    104.0,
];

#[test]
fn errors_are_bounded_around_special_points() {
    let huge = [1e18_f32, 1e19, 1.701_411_8e38, f32::MAX, f32::INFINITY, f32::NAN];
    let knots = (1..36).flat_map(|n| {
        let n = n as f32 - 0.5;
        [0.29 * n, n * std::f32::consts::LN_2, n * std::f32::consts::LN_2 / 2.0]
    });
    let mut x = Vec::new();
    for point in SPECIAL.into_iter().chain(huge).chain(knots) {
        for distance in -600_i32..600 {
            let near = f32::from_bits(point.to_bits().saturating_add_signed(distance));
            x.extend([near, -near]);
        }
    }
    for function in FUNCTIONS {
        let exact: Vec<f64> = x.iter().map(|&x| function.exact(x.into())).collect();
        for level in Level::ALL.into_iter().filter(|level| level.available()) {
            let (error, x) = worst(level, function, &x, &exact);
            assert!(error <= function.bound(), "{function:?} {level:?}: {error} ulp at {x:e}");
        }
    }
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    let rows: [(Function, &[(f32, f32)]); 5] = [
        (Exp, &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (89.0, INF), (-104.0, 0.0)]),
        (Ln, &[(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF)]),
        (Tanh, &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (20.0, 1.0)]),
        (Sigmoid, &[(0.0, 0.5), (INF, 1.0), (-INF, 0.0), (f32::MAX, 1.0), (f32::MIN, 0.0)]),
        (Asinh, &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)]),
    ];
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        for (function, row) in rows {
            for &(x, expected) in row {
                let got = apply(level, function, &[x])[0];
                assert_eq!(got.to_bits(), expected.to_bits(), "{function:?}({x}) {level:?}: {got}");
            }
            for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
                assert!(apply(level, function, &[nan])[0].is_nan(), "{function:?} {level:?}");
            }
        }
        for x in [-1e-30, -1.0, f32::MIN, -INF] {
            assert!(apply(level, Ln, &[x])[0].is_nan(), "ln({x}) {level:?}");
        }
    }
}
