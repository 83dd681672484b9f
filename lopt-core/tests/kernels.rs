//! The kernels against the plain reference and the TensorFlow recordings; levels and threads
//! against each other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod exact;
mod reference;
mod tf_case;

use exact::ExactHierarchicalRnn;
use lopt_core::hierarchical_rnn::draw_log_rates;
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{below, normal, stream};
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer, TensorShape};
use proptest::prelude::*;
use reference::Reference;
use reference::unroll::Problem;
use reference::variants::variants;
use tf_case::{TRACE_STEPS, TfCase, tf_case};

fn near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        let limit = tolerance * expected.abs().max(1.0);
        assert!(error <= limit, "{what}[{i}]: got {got}, expected {expected}");
    }
}

/// Transposes `[field][P]` to the recordings' `[P][field]`.
fn interleave(fields: &[Vec<f64>]) -> Vec<f64> {
    (0..fields[0].len()).flat_map(|i| fields.iter().map(move |f| f[i])).collect()
}

fn exact_trace(name: &str) {
    let case = tf_case(name);
    let mut optimizer =
        ExactHierarchicalRnn::new(&case.config, &case.psi, &case.layout, &case.log_rate);
    let mut theta = case.theta.clone();
    let mut attended = theta.clone();
    let (hidden, scales) = (case.config.parameter_hidden, case.config.timescales);
    for n in 0..TRACE_STEPS {
        let check = |field: &str, got: &[f64]| {
            near(&format!("{name} step {n} {field}"), got, &case.trace(field, n), 1e-12);
        };
        check("param", &theta);
        let grads = case.problem.gradient(&attended);
        attended = optimizer.step(&mut theta, &grads);
        check("new_param", &theta);
        check("new_attended", &attended);
        let units: Vec<Vec<f64>> = (0..hidden).map(|j| optimizer.field(j)).collect();
        check("state.parameter", &interleave(&units));
        for s in 0..scales {
            check(&format!("state.grad_accum{}", s + 1), &optimizer.field(hidden + s));
            check(&format!("state.ms{}", s + 1), &optimizer.field(hidden + scales + s));
        }
        check("state.log_learning_rate", &optimizer.field(hidden + 2 * scales));
        let decay = |i: usize| -> Vec<f64> {
            optimizer.field(hidden + 2 * scales + i).iter().map(|gain| 1.0 - gain).collect()
        };
        check("state.inp_decay", &decay(1));
        check("state.scl_decay", &decay(2));
        let tensors: Vec<f64> =
            (0..case.layout.tensor_count()).flat_map(|t| optimizer.tensor_hidden(t)).collect();
        check("state.layer", &tensors);
        check("global", &optimizer.global_hidden());
    }
}

#[test]
fn exact_kernels_reproduce_tensorflow() {
    for name in [
        "c1_released_init.f64",
        "c2_released_perturbed.f64",
        "c4_paper_perturbed.f64",
        "c5_paper_globalmean.f64",
        "c6_released_no2nd.f64",
        "c7_rosenbrock_perturbed.f64",
    ] {
        exact_trace(name);
    }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|l| l.available())
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

fn single_trace(case: &TfCase, level: Level) {
    let log_rates = narrow(&case.log_rate);
    let mut optimizer = HierarchicalRnn::new(&case.config, &case.psi, &case.layout, level)
        .with_initial_log_rates(&log_rates);
    let mut theta = narrow(&case.theta);
    for n in 0..TRACE_STEPS {
        let at: Vec<f64> = optimizer.attended(&theta).iter().map(|&x| f64::from(x)).collect();
        optimizer.step(&mut theta, &narrow(&case.problem.gradient(&at))).unwrap();
        let got: Vec<f64> = theta.iter().map(|&x| f64::from(x)).collect();
        near(&format!("{} {level:?} step {n}", case.name), &got, &case.trace("new_param", n), 5e-6);
    }
}

#[test]
fn single_precision_kernels_follow_tensorflow_on_every_level() {
    for level in levels() {
        single_trace(&tf_case("c2_released_perturbed.f32"), level);
        single_trace(&tf_case("c2_released_perturbed.f64"), level);
    }
}

/// With decays of 0.9991 and their roots: of `1 - d` in `f32`, only 1e-4 would be right.
#[test]
fn slow_averages_are_as_exact_as_fast_ones() {
    let layout = Layout::new(vec![TensorShape::new("a", [5])]).unwrap();
    for (name, config) in variants() {
        let psi_layout = MetaLayout::new(&config);
        let mut psi = psi_layout.initialize(&config, &mut stream(7, &[1]));
        psi[psi_layout.rms_decay_weight.clone()].fill(0.0);
        psi[psi_layout.rms_decay_bias.clone()].fill(7.0);
        psi[psi_layout.gradient_decay_weight.clone()].fill(0.0);
        psi[psi_layout.gradient_decay_bias.clone()].fill(7.0);
        for level in levels() {
            let mut optimizer = HierarchicalRnn::new(&config, &psi, &layout, level);
            let rates: Vec<f64> = optimizer.log_rates().iter().map(|&x| f64::from(x)).collect();
            let mut exact = ExactHierarchicalRnn::new(&config, &psi, &layout, &rates);
            let (mut theta, mut point) = ([0.3_f32; 5], [0.3; 5]);
            for n in 0..6 {
                // the first gradient, which an average takes whole, is small
                let size = if n == 0 { 1e-5 } else { 0.7 };
                let grads: Vec<f64> = (0..5).map(|i| size * (1.0 + 0.1 * f64::from(i))).collect();
                optimizer.step(&mut theta, &narrow(&grads)).unwrap();
                exact.step(&mut point, &grads);
            }
            let [tiles, ..] = optimizer.state().buffers();
            let first = config.parameter_hidden;
            for field in first..first + config.timescales + config.mean_squares() {
                for (i, want) in exact.field(field).into_iter().enumerate() {
                    let got = f64::from(tiles[field * 64 + i]);
                    let error = (got - want).abs() / want.abs();
                    assert!(error < 2e-6, "{name} {level:?}, field {field}: {got}, not {want}");
                }
            }
        }
    }
}

/// A problem of several tensors with gradients that depend on the point.
fn gradients(point: &[f64], n: usize) -> Vec<f64> {
    let one = |(i, x): (usize, &f64)| (1.0 + i as f64) * x + 0.1 * ((n + i) as f64).sin();
    point.iter().enumerate().map(one).collect()
}

#[test]
fn exact_kernels_equal_the_reference_on_every_switch() {
    let layout = Layout::new(vec![
        TensorShape::new("a", [3]),
        TensorShape::new("b", [1]),
        TensorShape::new("c", [9]),
    ])
    .unwrap();
    let mut rng = stream(5, &[]);
    let theta: Vec<f64> = (0..layout.len()).map(|_| normal(&mut rng)).collect();
    let log_rates: Vec<f64> = (0..layout.len()).map(|_| -4.0 + normal(&mut rng)).collect();
    for (name, config) in variants() {
        let psi = reference::two_tensors::psi(&config);
        let oracle = Reference::new(&config, &psi);
        let split =
            |flat: &[f64]| -> Vec<Vec<f64>> { layout.ranges().map(|r| flat[r].to_vec()).collect() };
        let mut state = oracle.start(&split(&theta), &split(&log_rates));
        let mut optimizer = ExactHierarchicalRnn::new(&config, &psi, &layout, &log_rates);
        let mut point = theta.clone();
        let mut attended = theta.clone();
        for n in 0..6 {
            let grads = gradients(&attended, n);
            state = oracle.step(&state, &grads);
            attended = optimizer.step(&mut point, &grads);
            near(&format!("{name} step {n} theta"), &point, &state.theta(), 1e-11);
            near(&format!("{name} step {n} phi"), &attended, &state.attended(), 1e-11);
        }
    }
}

#[test]
fn many_tensors_equal_the_exact_twin() {
    let shapes = (0..150).map(|i| TensorShape::new(format!("t{i}"), [1 + i % 7]));
    let layout = Layout::new(shapes.collect()).unwrap();
    let theta: Vec<f64> = (0..layout.len()).map(|i| (0.7 * i as f64).sin()).collect();
    for config in [HierarchicalRnnConfig::recommended(), HierarchicalRnnConfig::released()] {
        let psi = reference::two_tensors::psi(&config);
        let log_rates: Vec<f32> = draw_log_rates(&config, &layout, 3);
        let exact: Vec<f64> = log_rates.iter().map(|&rate| f64::from(rate)).collect();
        for level in levels() {
            let mut optimizer = HierarchicalRnn::new(&config, &psi, &layout, level)
                .with_initial_log_rates(&log_rates);
            let (mut point, mut params) = (theta.clone(), narrow(&theta));
            let mut twin = ExactHierarchicalRnn::new(&config, &psi, &layout, &exact);
            for n in 0..8 {
                let grads = gradients(&point, n);
                twin.step(&mut point, &grads);
                optimizer.step(&mut params, &narrow(&grads)).unwrap();
                for (i, (a, b)) in params.iter().zip(&point).enumerate() {
                    let off = (f64::from(*a) - b).abs();
                    assert!(off <= 1e-5 * b.abs().max(1.0), "{level:?}, step {n}, {i}: {a} {b}");
                }
            }
        }
    }
}

fn trajectory(
    config: &HierarchicalRnnConfig,
    psi: &[f64],
    layout: &Layout,
    level: Level,
    steps: usize,
) -> Vec<f32> {
    let mut optimizer = HierarchicalRnn::new(config, psi, layout, level);
    let mut params: Vec<f32> = (0..layout.len()).map(|i| (i as f32 * 0.7).sin()).collect();
    for n in 0..steps {
        let at: Vec<f64> = optimizer.attended(&params).iter().map(|&x| f64::from(x)).collect();
        optimizer.step(&mut params, &narrow(&gradients(&at, n))).unwrap();
    }
    params
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn levels_agree_on_any_layout(sizes in prop::collection::vec(1_usize..400, 1..12)) {
        let shapes = sizes.iter().enumerate();
        let layout = Layout::new(
            shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()
        ).unwrap();
        let config = HierarchicalRnnConfig::paper();
        let psi = reference::two_tensors::psi(&config);
        let runs: Vec<Vec<f32>> =
            levels().map(|level| trajectory(&config, &psi, &layout, level, 3)).collect();
        // each level is deterministic, but they round differently: not all have fused
        // multiply-add, and AVX-512 has elementary functions of its own
        for run in &runs[1..] {
            for (a, b) in run.iter().zip(&runs[0]) {
                prop_assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{} {}", a, b);
            }
        }
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let layout = Layout::new(vec![
        TensorShape::new("big", [300, 100]),
        TensorShape::new("small", [7]),
        TensorShape::new("middle", [5000]),
    ])
    .unwrap();
    let config = HierarchicalRnnConfig::recommended();
    let psi = reference::two_tensors::psi(&config);
    let with_threads = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| trajectory(&config, &psi, &layout, Level::detect(), 4))
    };
    let one = with_threads(1);
    for n in [1, 2, 3, 5] {
        assert!(with_threads(n) == one, "{n} threads");
    }
}

#[test]
fn threads_change_no_bit_of_random_layouts() {
    for case in 0..12 {
        let mut rng = stream(case, &[9]);
        let tensors = 1 + below(&mut rng, 4);
        let size = |i| 1 + below(&mut rng, [200, 30_000][i % 2]);
        let sizes: Vec<usize> = (0..tensors).map(size).collect();
        let shapes = sizes.iter().enumerate();
        let shapes = shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect();
        let layout = Layout::new(shapes).unwrap();
        let compact = case % 2 == 1;
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut optimizer = HierarchicalRnn::pretrained(&layout).unwrap();
                if compact {
                    optimizer = optimizer.with_compact_state();
                }
                let mut params: Vec<f32> =
                    (0..layout.len()).map(|i| (i as f32 * 0.7).sin()).collect();
                for _ in 0..3 {
                    let grads = optimizer.attended(&params).to_vec();
                    optimizer.step(&mut params, &grads).unwrap();
                }
                params
            })
        };
        let one = run(1);
        for threads in [2, 3, 6] {
            assert!(run(threads) == one, "{threads} threads, tensors of {sizes:?}");
        }
    }
}
