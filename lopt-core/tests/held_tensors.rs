//! Tensors that take no part: frozen ones, and those that never had a gradient.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::{
    Given, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, ParameterGroup, Schedule,
    TensorShape, Weights,
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

/// Trains `w` alone for 20 steps, between which `ema` is written to, then both for one step. Gives `w` and
/// `ema` after each of the steps.
fn written_to(config: &LearnedOptimizerConfig, ema: impl Fn(usize) -> f32) -> Vec<Vec<f32>> {
    let layout = layout(&[("w", 16), ("ema", 4)]);
    let mut optimizer = config.init(&layout).unwrap();
    let mut params: Vec<f32> = (0..20).map(|i| (0.7 * i as f32).sin()).collect();
    let mut seen = Vec::new();
    for step in 0..21 {
        params[16..].fill(ema(step));
        // that of tensors which never had a gradient is where they are
        let mut at = optimizer.attended(&params).to_vec();
        at[16..].copy_from_slice(&params[16..]);
        let grads: Vec<f32> = at.iter().enumerate().map(|(i, &x)| gradient(i, x, step)).collect();
        let has = [true, step == 20];
        let given = Given { loss: Some(1.0), has_gradient: &has, ..Given::default() };
        optimizer.step_given(&mut params, &grads, given).unwrap();
        // what the next gradient is taken at, if nobody writes meanwhile
        if step < 20 {
            assert_eq!(bits(&optimizer.attended(&params)[16..]), bits(&params[16..]));
        }
        seen.push(params.clone());
    }
    assert_eq!(optimizer.own_steps(), [21, 1]);
    seen
}

#[test]
fn a_tensor_that_is_written_to_before_its_first_gradient_starts_from_there() {
    for weights in WEIGHTS {
        for config in [config(weights), config(weights).with_guard(None)] {
            let moving = written_to(&config, |step| if step == 20 { 0.3 } else { step as f32 });
            let still = written_to(&config, |_| 0.3);
            for (moving, still) in moving.iter().zip(&still) {
                assert_eq!(bits(&moving[..16]), bits(&still[..16]), "{weights}");
            }
            let (moving, still) = (&moving[20][16..], &still[20][16..]);
            assert_eq!(bits(moving), bits(still), "{weights}");
            assert!(moving.iter().all(|&x| x != 0.3 && (x - 0.3).abs() < 0.2), "{moving:?}");
        }
    }
}

#[test]
fn minimize_shows_what_was_written_to_a_tensor_before_its_first_gradient() {
    let layout = layout(&[("w", 16), ("ema", 4)]);
    let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
    let mut params = vec![1.0_f32; 20];
    for step in 0..30 {
        if step <= 20 {
            params[16..].fill(0.1 * step as f32);
        }
        let written = bits(&params[16..]);
        let loss_and_gradient = |at: &[f32]| {
            // after a first step all points of a tensor are one still
            assert_eq!(step <= 21, bits(&at[16..]) == written, "step {step}");
            let mut grads = at.to_vec();
            if step < 20 {
                grads[16..].fill(0.0);
            }
            (at.iter().map(|x| x * x).sum(), grads)
        };
        optimizer.minimize(&mut params, loss_and_gradient).unwrap();
    }
    assert_eq!(optimizer.own_steps(), [30, 10]);
}
