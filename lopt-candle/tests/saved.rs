//! A run that was saved and loaded is the run that was not.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use candle_core::{DType, Device, Var};
use candle_nn::Optimizer as _;
use lopt_candle::{Error, LearnedOptimizer, LearnedOptimizerConfig, Schedule, StateError};
use model::{Mlp, batch, bits};

fn hierarchical() -> lopt_core::Weights {
    lopt_core::Weights::embedded("hierarchical-rnn").unwrap()
}

fn configs() -> [LearnedOptimizerConfig; 3] {
    let plain = LearnedOptimizerConfig::new();
    let schedule = Schedule::Cosine { steps: 100, floor: 0.1 };
    [
        plain.clone(),
        plain.clone().with_weights(hierarchical()).with_compact_state().with_weight_decay(1e-4),
        plain.with_schedule(schedule),
    ]
}

fn step(optimizer: &mut LearnedOptimizer, mlp: &Mlp, n: u64, through_trait: bool, dtype: DType) {
    let data = batch(16, n, dtype);
    if through_trait {
        optimizer.backward_step(&mlp.loss(&data).unwrap()).unwrap();
    } else {
        optimizer.minimize(|| mlp.loss(&data)).unwrap();
    }
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (config, dtype) in configs().into_iter().zip([DType::F32, DType::BF16, DType::F16]) {
        for through_trait in [false, true] {
            let mlp = Mlp::new(dtype);
            let mut whole = LearnedOptimizer::new(&mlp.map, config.clone()).unwrap();
            whole.set_lr_multiplier(0.7);
            for n in 0..60 {
                if [0, 1, 25].contains(&n) {
                    whole.save(folder.path().join(n.to_string())).unwrap();
                }
                step(&mut whole, &mlp, n, through_trait, dtype);
            }
            whole.eval().unwrap();
            for from in [0, 1, 25] {
                let again = Mlp::new(dtype);
                let mut resumed = LearnedOptimizer::new(&again.map, config.clone()).unwrap();
                resumed.load(folder.path().join(from.to_string())).unwrap();
                assert!((resumed.learning_rate() - 0.7).abs() < 1e-6);
                assert_eq!(resumed.core().steps(), from);
                if through_trait {
                    resumed.train().unwrap();
                }
                (from..60).for_each(|n| step(&mut resumed, &again, n, through_trait, dtype));
                resumed.eval().unwrap();
                assert_eq!(bits(resumed.parameters()), bits(whole.parameters()), "{from}");
                assert_eq!(bits(&again.values()), bits(&mlp.values()), "{from}");
            }
        }
    }
}

#[test]
fn loading_leaves_the_truth_in_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = LearnedOptimizer::new(&mlp.map, LearnedOptimizerConfig::new()).unwrap();
    (0..5).for_each(|n| step(&mut optimizer, &mlp, n, true, DType::F32));
    optimizer.save(&path).unwrap();
    let truth = optimizer.parameters().to_vec();
    // into the same optimizer, further on
    (5..9).for_each(|n| step(&mut optimizer, &mlp, n, true, DType::F32));
    optimizer.load(&path).unwrap();
    assert_eq!(mlp.values(), truth);
    let error = optimizer.backward_step(&mlp.loss(&batch(4, 0, DType::F32)).unwrap()).unwrap_err();
    assert!(matches!(Error::within(&error), Some(Error::Evaluating)), "{error}");
}

#[test]
fn another_model_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = LearnedOptimizer::new(&mlp.map, LearnedOptimizerConfig::new()).unwrap();
    (0..3).for_each(|n| step(&mut optimizer, &mlp, n, false, DType::F32));
    optimizer.save(&path).unwrap();

    let other = Var::ones((2, 2), DType::F32, &Device::Cpu).unwrap();
    let config = LearnedOptimizerConfig::new();
    let mut one = LearnedOptimizer::new(vec![other.clone()], config).unwrap();
    let error = one.load(&path).unwrap_err();
    assert!(matches!(&error, Error::State(StateError::In { .. })), "{error}");
    assert_eq!(
        error.to_string(),
        format!("{}: saved for a model of 4 tensors, here there are 1", path.display())
    );
    assert_eq!(model::values(&other), [1.0; 4]);

    let mut named = mlp.named();
    named[1].0 = "hidden.kernel".to_owned();
    let config = LearnedOptimizerConfig::new();
    let mut renamed = LearnedOptimizer::new(named, config).unwrap();
    let error = renamed.load(&path).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "saved for a model whose tensor 1 is `hidden.weight [8, 5]`, \
             here it is `hidden.kernel [8, 5]`"
        ),
        "{error}"
    );
    let missing = renamed.load(folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the state"), "{missing}");
}
