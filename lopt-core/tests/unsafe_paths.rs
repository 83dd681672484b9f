//! Everything of the optimizer that is `unsafe` or casts memory, on models small enough for Miri
//! (`scripts/miri.sh`); the other tests of the same code do too much arithmetic for it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, Layout, LearnedOptimizerConfig, Optimizer, TensorShape, Weights};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

/// A tile and a part of one, and a scalar.
fn layout() -> Layout {
    let shapes = [("weight", 70), ("scalar", 1)];
    Layout::new(shapes.map(|(name, n)| TensorShape::new(name, [n])).to_vec()).unwrap()
}

/// Parameters after some steps, each given NaN first, which has to be refused.
fn steps(mut optimizer: impl Optimizer) -> Vec<f32> {
    let mut params: Vec<f32> = (0..71).map(|i| (0.7 * i as f32).sin()).collect();
    // a step takes Miri minutes
    for _ in 0..if cfg!(miri) { 1 } else { 3 } {
        let mut grads = optimizer.attended(&params).to_vec();
        grads[70] = f32::NAN;
        optimizer.step(&mut params, &grads).unwrap_err();
        grads[70] = 1e-3;
        optimizer.step(&mut params, &grads).unwrap();
    }
    params
}

#[test]
fn small_models_step() {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let new = || {
        HierarchicalRnn::new(
            &weights.hierarchical_rnn().unwrap(),
            &weights.psi_f64(),
            &layout(),
            Level::detect(),
        )
    };
    let plain = steps(new());
    assert!(plain.iter().all(|x| x.is_finite()));
    let compact = steps(new().with_compact_state());
    for (i, (a, b)) in plain.iter().zip(&compact).enumerate() {
        assert!((a - b).abs() < 0.02 * a.abs().max(0.1), "parameter {i}: {a}, compact {b}");
    }
}

#[test]
fn a_saved_state_goes_on() {
    let config = hierarchical();
    let mut whole = config.init(&layout()).unwrap();
    let mut params = vec![1.0; 71];
    let grads = params.clone();
    whole.step_with_loss(&mut params, &grads, 1.0).unwrap();
    let saved = whole.to_bytes(&params).unwrap();
    let mut resumed = config.init(&layout()).unwrap();
    let mut again = resumed.from_bytes(&saved).unwrap();
    whole.step_with_loss(&mut params, &grads, 0.9).unwrap();
    resumed.step_with_loss(&mut again, &grads, 0.9).unwrap();
    assert_eq!(params, again);
}

#[test]
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn denormals_are_zero_until_the_guard_is_dropped() {
    use lopt_core::flush::FlushToZero;
    use std::hint::black_box;
    let product = || black_box(1e-30_f32) * black_box(1e-10_f32);
    assert!(product() > 0.0);
    let outer = FlushToZero::set();
    assert!(product() == 0.0);
    let inner = FlushToZero::set();
    drop(inner);
    assert!(product() == 0.0, "the outer one still stands");
    drop(outer);
    assert!(product() > 0.0);
    let (outer, inner) = (FlushToZero::set(), FlushToZero::set());
    drop(outer);
    drop(inner);
    assert!(product() > 0.0, "whatever the order");
    std::thread::spawn(|| std::mem::forget(FlushToZero::set())).join().unwrap();
    assert!(product() > 0.0, "the mode of another thread is not ours");
}
