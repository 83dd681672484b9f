//! Weights files: wire format, embedded weights, refusals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::{EMBEDDED, TrainingRecord};
use lopt_core::{
    HierarchicalRnn, HierarchicalRnnConfig, Layout, LearnedOptimizer, Optimizer, StepError,
    TensorShape, Weights,
};

fn weights() -> Weights {
    let config = HierarchicalRnnConfig::paper();
    let count = MetaLayout::new(&config).len();
    Weights {
        config: config.into(),
        psi: (0..count).map(|i| (i as f32 * 0.1).sin()).collect(),
        record: TrainingRecord {
            recipe: "seed = 1".to_owned(),
            seed: 7,
            updates: 8,
            instance_steps: 9,
            validation: -1.5,
            commit: "abc".to_owned(),
        },
    }
}

/// The payload is bincode's legacy format, byte for byte, as bincode 2.0.1 writes it.
#[test]
fn the_wire_format_is_bincodes() {
    let w = weights();
    let legacy = bincode::config::legacy();
    let r = &w.record;
    let record = (&r.recipe, r.seed, r.updates, r.instance_steps, r.validation, &r.commit);
    // an enum is the number of its variant and what is in it
    let parts = (0_u32, w.hierarchical_rnn().unwrap(), &w.psi, record);
    let expected = bincode::serde::encode_to_vec(parts, legacy).unwrap();
    let bytes = w.to_bytes().unwrap();
    // magic, version, checksum, length
    assert_eq!(bytes[28..], expected);
}

#[test]
fn files_round_trip_and_damage_is_refused() {
    let w = weights();
    let bytes = w.to_bytes().unwrap();
    assert_eq!(Weights::from_bytes(&bytes).unwrap(), w);
    for at in [0, 9, 13, 21, 40, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Weights::from_bytes(&damaged).is_err(), "byte {at}");
    }
    assert!(Weights::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let short = Weights { psi: w.psi[1..].to_vec(), ..w.clone() };
    let error = Weights::from_bytes(&short.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("8092") && error.contains("8093"), "{error}");
    let mut bad = w;
    bad.psi[5] = f32::NAN;
    let error = Weights::from_bytes(&bad.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("meta-parameter 5"), "{error}");
}

#[test]
fn a_clock_changes_nothing_until_it_is_trained() {
    let given = HierarchicalRnnConfig {
        clock: 0.0,
        zero_init_rate: false,
        ..HierarchicalRnnConfig::recommended()
    };
    let plain = MetaLayout::new(&given).initialize(&given, &mut stream(3, &[]));
    let config = HierarchicalRnnConfig { clock: 10.0, ..given };
    let psi = MetaLayout::with_clock(&config, &plain);
    assert_eq!(psi.len(), plain.len() + 3 * config.global_hidden);
    let layout =
        Layout::new(vec![TensorShape::new("a", [5]), TensorShape::new("b", [2, 3])]).unwrap();
    let end = |config: &HierarchicalRnnConfig, psi: &[f64]| {
        let mut optimizer = HierarchicalRnn::new(config, psi, &layout, Level::Portable);
        let mut params = vec![1.0_f32; 11];
        for _ in 0..30 {
            let grads: Vec<f32> = params.iter().zip(1..).map(|(x, i)| x * i as f32).collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        params
    };
    assert_eq!(end(&config, &psi), end(&given, &plain));
    let mut heard = psi;
    let row = MetaLayout::new(&config).global.gates_weight.start
        + config.tensor_hidden * 2 * config.global_hidden;
    heard[row..row + 2 * config.global_hidden].fill(1.0);
    assert_ne!(end(&config, &heard), end(&given, &plain));
}

#[test]
fn embedded_weights_train_a_quadratic() {
    for name in EMBEDDED {
        let weights = Weights::embedded(name).unwrap();
        assert!(!weights.record.recipe.is_empty() && weights.record.updates > 0, "{name}");
        let layout = Layout::single(50).unwrap();
        let mut optimizer = LearnedOptimizer::from_weights(&weights, &layout).unwrap();
        let mut x: Vec<f32> = (0..50).map(|i| (i as f32).cos()).collect();
        let loss = |x: &[f32]| x.iter().enumerate().map(|(i, v)| (1 + i) as f32 * v * v).sum();
        let start: f32 = loss(&x);
        for _ in 0..300 {
            let at = optimizer.attended(&x).to_vec();
            let grads: Vec<f32> =
                at.iter().enumerate().map(|(i, v)| 2.0 * (1 + i) as f32 * v).collect();
            optimizer.step(&mut x, &grads).unwrap();
        }
        let end: f32 = loss(&x);
        assert!(end < 0.01 * start, "{name}: from {start} to {end}");
    }
    assert!(Weights::embedded("nonesuch").unwrap_err().to_string().contains("recommended"));
}

/// With averaging, gradients are taken at the iterates and `params` hold their weighted mean.
#[test]
fn averaging_follows_its_formula() {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let (layout, eta) = (Layout::single(4).unwrap(), 3.0_f32);
    let plain = || {
        HierarchicalRnn::new(
            &weights.hierarchical_rnn().unwrap(),
            &weights.psi_f64(),
            &layout,
            Level::detect(),
        )
    };
    let (mut last, mut averaged) = (plain(), plain().with_averaging(eta));
    let (mut x, mut mean) = (vec![1.0_f32, -2.0, 0.5, 3.0], vec![1.0_f32, -2.0, 0.5, 3.0]);
    let mut expected = x.clone();
    for n in 1..=20 {
        assert_eq!(averaged.attended(&mean), x, "step {n}");
        let grads: Vec<f32> = x.iter().map(|v| 2.0 * v).collect();
        last.step(&mut x, &grads).unwrap();
        averaged.step(&mut mean, &grads).unwrap();
        let weight = (eta + 1.0) / (n as f32 + eta);
        expected.iter_mut().zip(&x).for_each(|(e, v)| *e += weight * (v - *e));
        for (mean, expected) in mean.iter().zip(&expected) {
            assert!((mean - expected).abs() <= 1e-6, "step {n}: {mean}, not {expected}");
        }
    }
}

#[test]
fn a_refused_gradient_changes_nothing() {
    let layout = Layout::single(3).unwrap();
    let mut optimizer = HierarchicalRnn::pretrained(&layout).unwrap();
    let mut twin = optimizer.clone();
    let mut x = vec![1.0, 2.0, 3.0];
    let error = optimizer.step(&mut x, &[0.1, f32::NAN, 0.2]).unwrap_err();
    assert!(matches!(error, StepError::NonFiniteGradient { index: 1, .. }), "{error}");
    assert!(optimizer.step(&mut x, &[0.1]).is_err());
    assert_eq!(x, [1.0, 2.0, 3.0]);
    let mut y = x.clone();
    optimizer.step(&mut x, &[0.1, 0.2, 0.3]).unwrap();
    twin.step(&mut y, &[0.1, 0.2, 0.3]).unwrap();
    assert_eq!(x, y);
}
