//! Both ways of use take the very steps of `lopt_core`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use candle_core::{DType, Tensor};
use candle_nn::Optimizer as _;
use lopt_candle::{LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup, Schedule};
use lopt_core::Optimizer as _;
use model::{Mlp, batch, bits, values};

fn hierarchical() -> lopt_core::Weights {
    lopt_core::Weights::embedded("hierarchical-rnn").unwrap()
}

const STEPS: u64 = 50;

fn configs() -> Vec<LearnedOptimizerConfig> {
    let plain = LearnedOptimizerConfig::new;
    vec![
        plain(),
        plain().with_weights(hierarchical()).with_compact_state().with_guard(None),
        plain().with_weights(hierarchical()).with_averaging(None).with_weight_decay(1e-3),
        plain()
            .with_group(ParameterGroup::new("*.bias").with_step_multiplier(2.0))
            .with_clipping_norm(0.5)
            .with_schedule(Schedule::Cosine { steps: 60, floor: 0.1 }),
    ]
}

/// Loss, flat gradient, then whatever is to be done with them, at every step of a core optimizer.
fn with_core(config: &LearnedOptimizerConfig, mut each: impl FnMut(u64, f32, &[f32], &[f32])) {
    let mlp = Mlp::new(DType::F32);
    let mut core = config.init(&mlp.layout()).unwrap();
    let mut params = mlp.values();
    for step in 0..STEPS {
        mlp.set_values(core.attended(&params));
        let loss = mlp.loss(&batch(16, step, DType::F32)).unwrap();
        let store = loss.backward().unwrap();
        let gradient = |var: &Tensor| values(store.get(var).unwrap());
        let grads: Vec<f32> = mlp.named().iter().flat_map(|(_, var)| gradient(var)).collect();
        let loss = loss.to_scalar::<f32>().unwrap();
        core.step_with_loss(&mut params, &grads, loss).unwrap();
        each(step, loss, &params, core.attended(&params));
    }
}

#[test]
fn minimize_is_the_core_bit_for_bit() {
    for config in configs() {
        let mlp = Mlp::new(DType::F32);
        let mut optimizer = LearnedOptimizer::new(&mlp.map, config.clone()).unwrap();
        with_core(&config, |step, expected, params, _| {
            let data = batch(16, step, DType::F32);
            let loss = optimizer.minimize(|| mlp.loss(&data)).unwrap();
            assert_eq!(loss.to_bits(), expected.to_bits(), "step {step}");
            assert_eq!(bits(&mlp.values()), bits(params), "step {step}");
            assert_eq!(bits(optimizer.parameters()), bits(params), "step {step}");
        });
        assert_eq!(optimizer.core().steps(), STEPS);
    }
}

#[test]
fn the_trait_is_the_core_bit_for_bit() {
    for config in configs() {
        let mlp = Mlp::new(DType::F32);
        let mut optimizer = LearnedOptimizer::new(&mlp.map, config.clone()).unwrap();
        with_core(&config, |step, _, params, attended| {
            let loss = mlp.loss(&batch(16, step, DType::F32)).unwrap();
            optimizer.backward_step(&loss).unwrap();
            assert_eq!(bits(&mlp.values()), bits(attended), "step {step}");
            let truth = optimizer.evaluate(|| mlp.values()).unwrap();
            assert_eq!(bits(&truth), bits(params), "step {step}");
            assert_eq!(bits(&mlp.values()), bits(attended), "step {step}");
        });
        optimizer.eval().unwrap();
        assert_eq!(bits(&mlp.values()), bits(optimizer.parameters()));
    }
}

#[test]
fn in_the_place_of_adamw_it_trains() {
    let mlp = Mlp::new(DType::F32);
    let vars: Vec<_> = mlp.named().into_iter().map(|(_, var)| var).collect();
    let mut optimizer = LearnedOptimizer::new(vars, LearnedOptimizerConfig::new()).unwrap();
    let names = optimizer.effective_step();
    assert_eq!(
        names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["var.0", "var.1", "var.2", "var.3"]
    );
    let data = batch(64, 0, DType::F32);
    let first = mlp.loss(&data).unwrap().to_scalar::<f32>().unwrap();
    for _ in 0..300 {
        let store = mlp.loss(&data).unwrap().backward().unwrap();
        optimizer.step(&store).unwrap();
    }
    optimizer.eval().unwrap();
    let last = mlp.loss(&data).unwrap().to_scalar::<f32>().unwrap();
    assert!(last < 0.05 * first, "from {first} to {last}");
    assert!(!optimizer.has_fallen_back());
    assert!(optimizer.effective_step().iter().all(|(_, step)| *step > 0.0));
}

#[test]
fn the_rate_of_the_trait_multiplies_steps() {
    let moved = |rate: f64| {
        let mlp = Mlp::new(DType::F32);
        let config =
            LearnedOptimizerConfig::new().with_weights(hierarchical()).with_averaging(None);
        let mut optimizer = LearnedOptimizer::new(&mlp.map, config).unwrap();
        assert_eq!(optimizer.learning_rate(), 1.0);
        optimizer.set_learning_rate(rate);
        assert_eq!(optimizer.learning_rate(), rate);
        let before = mlp.values();
        optimizer.backward_step(&mlp.loss(&batch(16, 0, DType::F32)).unwrap()).unwrap();
        optimizer.eval().unwrap();
        mlp.values().iter().zip(before).map(|(a, b)| a - b).collect::<Vec<f32>>()
    };
    assert!(moved(0.0).iter().all(|x| *x == 0.0));
    for (half, whole) in moved(0.5).iter().zip(moved(1.0)) {
        assert!((half - 0.5 * whole).abs() < 1e-6 + 1e-3 * whole.abs(), "{half} {whole}");
    }
}

#[test]
fn two_half_batches_are_one_whole() {
    let (whole, halves) = (Mlp::new(DType::F32), Mlp::new(DType::F32));
    let config = LearnedOptimizerConfig::new;
    let mut a = LearnedOptimizer::new(&whole.map, config()).unwrap();
    let mut b = LearnedOptimizer::new(&halves.map, config()).unwrap();
    for step in 0..20 {
        let (x, y) = batch(32, step, DType::F32);
        let loss = a.minimize(|| whole.loss(&(x.clone(), y.clone()))).unwrap();
        let mut asked = Vec::new();
        let mean = b.minimize_batches(2, |half| {
            asked.push(half);
            halves.loss(&(x.narrow(0, 16 * half, 16)?, y.narrow(0, 16 * half, 16)?))
        });
        assert_eq!(asked, [0, 1]);
        let mean = mean.unwrap();
        assert!((loss - mean).abs() < 1e-4 * (1.0 + loss), "step {step}: {loss} {mean}");
    }
    for (a, b) in whole.values().iter().zip(halves.values()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let error = b.minimize_batches(0, |_| halves.loss(&batch(1, 0, DType::F32))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected at least one batch to accumulate gradients over, got none"
    );
}
