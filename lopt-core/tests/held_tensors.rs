//! Tensors that take no part: frozen ones, and those that never had a gradient.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::{
    Given, Layout, LearnedOptimizerConfig, Optimizer, ParameterGroup, Schedule, TensorShape,
    Weights,
};

const WEIGHTS: [&str; 2] = ["recommended", "hierarchical-rnn"];

fn config(weights: &str) -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new().with_weights(Weights::embedded(weights).unwrap())
}

fn layout(tensors: &[(&str, usize)]) -> Layout {
    Layout::new(tensors.iter().map(|&(name, n)| TensorShape::new(name, [n])).collect()).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Gradient of `(1 + i / 10) x^2 / 2`, with some noise.
fn gradient(i: usize, x: f32, step: usize) -> f32 {
    (1.0 + 0.1 * i as f32) * x + 0.3 * ((7 * i + 3 * step) as f32).sin()
}

/// Trains `a` and `b` and gives the bits of all their points; between them, if `held` is some value, lies
/// a tensor full of it.
fn train(config: &LearnedOptimizerConfig, held: Option<f32>, frozen: bool) -> Vec<u32> {
    let mut tensors = vec![("a", 70), ("b", 5)];
    let mut config = config.clone();
    if held.is_some() {
        tensors.insert(1, ("held", 300));
        if frozen {
            config = config.with_group(ParameterGroup::new("held").frozen());
        }
    }
    let layout = layout(&tensors);
    let of_held = held.map_or(70..70, |_| 70..370);
    let mut optimizer = config.init(&layout).unwrap();
    let mut params: Vec<f32> = (0..layout.len()).map(|i| (0.7 * i as f32).sin()).collect();
    params.truncate(75);
    params.splice(70..70, of_held.clone().map(|_| held.unwrap_or_default()));
    let without = |values: &[f32]| {
        let kept = values.iter().enumerate().filter(|(i, _)| !of_held.contains(i));
        kept.map(|(_, x)| *x).collect::<Vec<f32>>()
    };
    let mut seen = Vec::new();
    for step in 0..60 {
        let at = without(optimizer.attended(&params));
        let loss: f32 = at.iter().map(|x| x * x).sum();
        let mut grads: Vec<f32> =
            at.iter().enumerate().map(|(i, &x)| gradient(i, x, step)).collect();
        // a gradient that nobody may look at
        grads.splice(70..70, of_held.clone().map(|_| held.unwrap_or_default()));
        let has = [true, false, true];
        let has_gradient = if held.is_some() && !frozen { &has[..] } else { &[] };
        let loss = (step % 3 > 0).then_some(loss);
        let given = Given { loss, has_gradient, ..Given::default() };
        optimizer.step_given(&mut params, &grads, given).unwrap();
        seen.extend(bits(&without(&params)));
        let sizes = optimizer.effective_step();
        seen.extend([sizes[0].to_bits(), sizes[sizes.len() - 1].to_bits()]);
        let held_now = &params[of_held.clone()];
        assert!(held_now.iter().all(|x| Some(x.to_bits()) == held.map(f32::to_bits)));
    }
    assert_eq!((optimizer.steps(), optimizer.skipped_steps()), (60, 0));
    seen
}

#[test]
fn held_tensors_count_in_nothing() {
    for weights in WEIGHTS {
        let configs = [
            config(weights),
            config(weights).with_guard(None),
            config(weights)
                .with_weight_decay(1e-3)
                .with_clipping_norm(1.0)
                .with_schedule(Schedule::Constant.after_warmup(10)),
        ];
        for config in &configs {
            let alone = train(config, None, false);
            for value in [65_025.0, f32::NEG_INFINITY, f32::NAN] {
                for frozen in [false, true] {
                    let among = train(config, Some(value), frozen);
                    assert!(among == alone, "{weights}, {value}, frozen: {frozen}");
                }
            }
        }
    }
}
