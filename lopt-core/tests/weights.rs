//! Weights files: what is in them, embedded weights, refusals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::sealed::seal;
use lopt_core::simd::Level;
use lopt_core::weights::{EMBEDDED, TrainingRecord};
use lopt_core::{
    HierarchicalRnn, HierarchicalRnnConfig, Layout, LearnedOptimizer, Optimizer, StepError,
    TensorShape, Weights,
};

fn weights() -> Weights {
    let config = HierarchicalRnnConfig::paper();
    let count = MetaLayout::new(&config).len();
    let record = TrainingRecord {
        recipe: "seed = 1\n\'\'\'\u{1b}".to_owned(),
        seed: u64::MAX,
        updates: 8,
        instance_steps: 9,
        validation: f64::INFINITY,
        commit: "abc".to_owned(),
    };
    Weights::new(config, (0..count).map(|i| (i as f32 * 0.1).sin()).collect(), record).unwrap()
}

/// A file of today with this text in the place of its names.
fn file(text: &str, psi: &[f32]) -> Vec<u8> {
    let mut payload = (text.len() as u64).to_le_bytes().to_vec();
    payload.extend(text.as_bytes());
    payload.extend(psi.iter().flat_map(|x| x.to_le_bytes()));
    seal(&payload, b"LOPTWGTS", 7)
}

/// The names in a file, as they stand in it.
fn text(bytes: &[u8]) -> &str {
    // magic, version, checksum, length of the contents
    let (length, rest) = bytes[28..].split_first_chunk::<8>().unwrap();
    str::from_utf8(&rest[..u64::from_le_bytes(*length) as usize]).unwrap()
}

#[test]
fn a_file_is_names_and_numbers() {
    let w = weights();
    let bytes = w.to_bytes().unwrap();
    assert!(bytes == file(text(&bytes), w.psi()));
    assert!(text(&bytes).starts_with("[config.hierarchical-rnn]\nparameter_hidden = 10\n"));
    assert_eq!(Weights::from_bytes(&bytes).unwrap(), w);
}

#[test]
fn what_a_file_lacks_is_off_and_what_nobody_knows_is_refused() {
    let w = weights();
    let bytes = w.to_bytes().unwrap();
    let later = ["warmup", "decay", "largest_decay", "clock", "wide_from", "least_gradient"];
    let older: String = text(&bytes)
        .lines()
        .filter(|line| !later.iter().any(|name| line.starts_with(&format!("{name} = "))))
        .filter(|line| !line.starts_with("parameter_scale"))
        .take_while(|line| *line != "[record]")
        .map(|line| format!("{line}\n"))
        .collect();
    let read = Weights::from_bytes(&file(&older, w.psi())).unwrap();
    assert_eq!((read.config(), read.psi()), (w.config(), w.psi()));
    assert_eq!(*read.record(), TrainingRecord::default());

    let refused = |text: &str| Weights::from_bytes(&file(text, w.psi())).unwrap_err().to_string();
    let newer = older.replace("attention =", "\"momentum\\u001b\" = 1\nattention =");
    let error = refused(&newer);
    assert!(error.starts_with("not usable as weights: unknown field `momentum\\u{1b}`"), "{error}");
    let error = refused(&format!("color = 3\n{older}"));
    assert!(error.starts_with("not usable as weights: unknown field `color`"), "{error}");
    let error = refused(&older.replace("hierarchical-rnn", "transformer"));
    assert!(error.starts_with("not usable as weights: unknown variant `transformer`"), "{error}");
    let error = refused(&older.replace("tensor_hidden = 20\n", ""));
    assert_eq!(error, "not usable as weights: missing field `tensor_hidden`");
    let error = refused(&older.replace("tensor_hidden = 20\n", "tensor_hidden = -1\n"));
    assert!(error.starts_with("not usable as weights: invalid value"), "{error}");
    assert!(refused(&"[".repeat(100_000)).starts_with("not usable as weights: "));
}

#[test]
fn damage_is_refused() {
    let w = weights();
    let bytes = w.to_bytes().unwrap();
    for at in [0, 9, 13, 21, 40, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Weights::from_bytes(&damaged).is_err(), "byte {at}");
    }
    assert!(Weights::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let mut newer = bytes;
    newer[8] = 9;
    assert_eq!(
        Weights::from_bytes(&newer).unwrap_err().to_string(),
        "not usable as weights: the file has format version 9, and the newest that this program reads \
         is 7: it takes a newer program"
    );
}

/// Whether made by hand or read from a file.
#[test]
fn weights_no_optimizer_can_use_are_refused() {
    let (config, psi, record) = weights().into_parts();
    let text = text(&weights().to_bytes().unwrap()).to_owned();
    let refused = |psi: &[f32]| {
        let error = Weights::new(config, psi.to_vec(), record.clone()).unwrap_err().to_string();
        let read = Weights::from_bytes(&file(&text, psi)).unwrap_err().to_string();
        assert_eq!(read, error);
        error
    };
    assert_eq!(
        refused(&psi[1..]),
        "weights hold 8092 meta-parameters, their configuration needs 8093"
    );
    let mut bad = psi.clone();
    bad[5] = f32::NAN;
    assert_eq!(refused(&bad), "meta-parameter 5 of the weights is not finite");
    let impossible =
        HierarchicalRnnConfig { decay: f64::NAN, ..config.hierarchical_rnn().unwrap() };
    assert_eq!(
        Weights::new(impossible, psi, record).unwrap_err().to_string(),
        "weights for an impossible optimizer: decay is NaN, expected a number, 0 for none"
    );
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
        assert!(!weights.record().recipe.is_empty() && weights.record().updates > 0, "{name}");
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
