//! Tensors whose gradients do not come together: each goes by its own steps, as if the others were not
//! there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::Adam;
use lopt_core::{
    Given, GuardConfig, GuardEvent, HierarchicalRnnConfig, Layout, LearnedOptimizer,
    LearnedOptimizerConfig, Optimizer, TensorShape, Weights,
};
use std::sync::{Arc, Mutex};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

const A: [bool; 2] = [true, false];
const B: [bool; 2] = [false, true];
const BOTH: [bool; 2] = [true, true];

/// Tensors a and b of 8 numbers.
fn layout() -> Layout {
    Layout::new(["a", "b"].map(|name| TensorShape::new(name, [8])).to_vec()).unwrap()
}

fn size(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// A step on the sum of squares.
fn step(optimizer: &mut LearnedOptimizer, params: &mut [f32], has_gradient: [bool; 2]) {
    let mut grads: Vec<f32> = optimizer.attended(params).iter().map(|x| 2.0 * x).collect();
    for (of_tensor, has) in grads.chunks_mut(8).zip(has_gradient) {
        if !has {
            of_tensor.fill(f32::NAN);
        }
    }
    let given = Given { has_gradient: &has_gradient, ..Given::default() };
    optimizer.step_given(params, &grads, given).unwrap();
}

fn steps(optimizer: &mut LearnedOptimizer, params: &mut [f32], has: [bool; 2], count: usize) {
    (0..count).for_each(|_| step(optimizer, params, has));
}

/// Optimizers whose points, states and averages differ in kind.
fn kinds() -> Vec<(&'static str, LearnedOptimizerConfig)> {
    let plain = hierarchical;
    let (config, psi, record) = Weights::embedded("paper").unwrap().into_parts();
    // drawn rates differ from place to place
    let config =
        HierarchicalRnnConfig { initial_rate: (1e-3, 1e-3), ..config.hierarchical_rnn().unwrap() };
    let paper = Weights::new(config, psi, record).unwrap();
    vec![
        ("plain", plain()),
        ("compact", plain().with_compact_state()),
        ("not averaged", plain().with_averaging(None)),
        ("attention", plain().with_weights(paper.clone()).with_averaging(None)),
        ("attention, averaged", plain().with_weights(paper)),
    ]
}

#[test]
fn a_tensor_that_joins_late_trains_as_the_first_did() {
    for (name, config) in kinds() {
        let mut optimizer = config.init(&layout()).unwrap();
        let mut params = vec![1.0; 16];
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        for n in 1..=5000 {
            step(&mut optimizer, &mut params, A);
            if n <= 300 {
                of_a.push(params[..8].to_vec());
            }
        }
        assert_eq!(params[8..], [1.0; 8]);
        for _ in 0..300 {
            step(&mut optimizer, &mut params, BOTH);
            of_b.push(params[8..].to_vec());
        }
        assert!(size(&of_a[29]) < 0.1 && size(&of_a[299]) < 1e-6, "{name}");
        for n in [29, 299] {
            let (a, b) = (size(&of_a[n]), size(&of_b[n]));
            assert!(b <= 10.0 * a, "{name}, step {n}: {b:e} rather than {a:e}");
        }
        // only the rounding of a compact state is that of a place in the model
        assert_eq!(of_a == of_b, name != "compact", "{name}");
        assert_eq!(optimizer.hierarchical_rnn().unwrap().own_steps(), [5300, 300]);
        assert_eq!(optimizer.hierarchical_rnn().unwrap().steps(), 5300);
        assert!(!optimizer.has_fallen_back() && optimizer.skipped_steps() == 0);
    }
}

#[test]
fn tensors_that_parted_are_as_if_the_others_were_not_there() {
    for (name, config) in kinds() {
        let run = |then: [bool; 2], pause: [bool; 2]| {
            let mut optimizer = config.init(&layout()).unwrap();
            let mut params: Vec<f32> = (0..16).map(|i| 1.0 + 0.1 * i as f32).collect();
            steps(&mut optimizer, &mut params, BOTH, 10);
            steps(&mut optimizer, &mut params, pause, 1000);
            steps(&mut optimizer, &mut params, then, 100);
            params
        };
        let (beside, alone) = (run(BOTH, A), run(B, [false; 2]));
        if name == "compact" {
            let (beside, alone) = (size(&beside[8..]), size(&alone[8..]));
            assert!(beside < 10.0 * alone, "{beside:e} rather than {alone:e}");
        } else {
            assert_eq!(beside[8..], alone[8..], "{name}");
        }
    }
}

#[test]
fn tensors_trained_in_turn_are_two_models() {
    let single = Layout::single(8).unwrap();
    let config = hierarchical();
    let mut both = config.init(&layout()).unwrap();
    let mut params: Vec<f32> = (0..16).map(|i| 1.0 + 0.1 * i as f32).collect();
    let mut alone =
        [&params[..8], &params[8..]].map(|start| (config.init(&single).unwrap(), start.to_vec()));
    for n in 0..60 {
        let turn = n % 2;
        step(&mut both, &mut params, if turn == 0 { A } else { B });
        let (optimizer, x) = &mut alone[turn];
        let grads: Vec<f32> = optimizer.attended(x).iter().map(|x| 2.0 * x).collect();
        optimizer.step(x, &grads).unwrap();
        assert_eq!(params[..8], alone[0].1, "step {n}");
        assert_eq!(params[8..], alone[1].1, "step {n}");
    }
}

#[test]
fn before_its_first_gradient_a_tensor_may_be_written_to() {
    for (name, config) in kinds() {
        let run = |early: bool| {
            let mut optimizer = config.init(&layout()).unwrap();
            let mut params = vec![1.0; 16];
            if early {
                params[8..].fill(-0.3);
            }
            steps(&mut optimizer, &mut params, A, 10);
            params[8..].fill(-0.3);
            // the gradient is that of the value, whatever the attended point says
            let mut grads: Vec<f32> = optimizer.attended(&params).iter().map(|x| 2.0 * x).collect();
            grads[8..].fill(-0.6);
            optimizer.step(&mut params, &grads).unwrap();
            steps(&mut optimizer, &mut params, BOTH, 20);
            params
        };
        assert_eq!(run(true), run(false), "{name}");
    }
}

#[test]
fn a_saved_run_goes_on_with_the_steps_of_every_tensor() {
    for (name, config) in kinds() {
        let mut whole = config.init(&layout()).unwrap();
        let mut params = vec![1.0; 16];
        steps(&mut whole, &mut params, A, 40);
        steps(&mut whole, &mut params, BOTH, 5);
        steps(&mut whole, &mut params, B, 3);
        let bytes = whole.to_bytes(&params).unwrap();
        let mut resumed = config.init(&layout()).unwrap();
        let mut again = resumed.from_bytes(&bytes).unwrap();
        assert_eq!(resumed.hierarchical_rnn().unwrap().own_steps(), [45, 8]);
        for (optimizer, params) in [(&mut whole, &mut params), (&mut resumed, &mut again)] {
            steps(optimizer, params, BOTH, 30);
        }
        assert_eq!(again, params, "{name}");
        assert!(whole.to_bytes(&params).unwrap() == resumed.to_bytes(&again).unwrap(), "{name}");
    }
}

#[test]
fn weight_decay_and_step_sizes_go_by_the_tensors_own_steps() {
    let config = hierarchical().with_averaging(None).with_weight_decay(4e-3);
    let mut optimizer = config.init(&layout()).unwrap();
    let mut params = vec![1.0; 16];
    steps(&mut optimizer, &mut params, A, 500);
    params.fill(1.0);
    // steps fade to nothing where there is no gradient, and the decay is left
    optimizer.step(&mut params, &[0.0; 16]).unwrap();
    let pace = |n| optimizer.hierarchical_rnn().unwrap().config().log_pace(n).exp() as f32;
    for (of_tensor, count) in params.chunks(8).zip([500, 0]) {
        let expected = 1.0 - 4e-3 * pace(count);
        assert!(of_tensor.iter().all(|x| (x - expected).abs() < 1e-6), "{of_tensor:?} {expected}");
    }
    let plain = hierarchical().with_averaging(None);
    let mut optimizer = plain.init(&layout()).unwrap();
    let mut params = vec![1.0; 16];
    steps(&mut optimizer, &mut params, A, 500);
    for has in [BOTH, B, BOTH] {
        let before = params.clone();
        step(&mut optimizer, &mut params, has);
        let moved: Vec<f32> = params.iter().zip(&before).map(|(a, b)| a - b).collect();
        for (moved, told) in moved.chunks(8).zip(optimizer.effective_step()) {
            let measured = (size(moved) / 8.0).sqrt();
            let off = (f64::from(told) - measured).abs();
            assert!(off <= 1e-2 * measured + 1e-7, "{told} {measured}");
        }
    }
}

#[test]
fn the_adam_that_takes_over_corrects_by_the_tensors_own_steps() {
    let layout = layout();
    let guard = GuardConfig::default();
    let mut optimizer = hierarchical().init(&layout).unwrap();
    let mut params = vec![1.0; 16];
    // a loss that explodes wherever the parameters have moved: Adam takes over
    for n in 0..40 {
        let moved = optimizer.attended(&params)[0] != 1.0;
        let loss = if n > 6 && moved { 1e6 } else { 1.0 };
        optimizer.step_with_loss(&mut params, &[1.0; 16], loss).unwrap();
        if optimizer.has_fallen_back() {
            break;
        }
    }
    assert!(optimizer.has_fallen_back());
    steps(&mut optimizer, &mut params, A, 100);
    assert_eq!(params[8..], [1.0; 8]);
    let mut adam = Adam::new(&Layout::single(8).unwrap(), guard.fallback_rate);
    let mut alone = vec![1.0; 8];
    for n in 0..50 {
        if n == 20 {
            let bytes = optimizer.to_bytes(&params).unwrap();
            optimizer = hierarchical().init(&layout).unwrap();
            params = optimizer.from_bytes(&bytes).unwrap();
        }
        step(&mut optimizer, &mut params, BOTH);
        let before = alone.clone();
        let grads: Vec<f32> = alone.iter().map(|x| 2.0 * x).collect();
        adam.step(&mut alone, &grads).unwrap();
        assert_eq!(params[8..], alone, "step {n}");
        let moved = f64::from(before[0] - alone[0]);
        let told = f64::from(optimizer.effective_step()[1]);
        assert!((told / moved - 1.0).abs() < 1e-3, "step {n}: {told} {moved}");
    }
}

#[test]
fn the_guard_knows_every_tensor_from_its_first_step_on() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let mut optimizer = hierarchical()
        .with_averaging(None)
        .init(&layout())
        .unwrap()
        .on_event(move |event: &GuardEvent| seen.lock().unwrap().push(event.to_string()));
    let mut params = vec![1.0; 16];
    steps(&mut optimizer, &mut params, A, 15);
    // large from the start is not grown, and what was written before a first step is where to go back to
    params[8..].fill(5000.0);
    steps(&mut optimizer, &mut params, BOTH, 15);
    assert_eq!(*told.lock().unwrap(), [""; 0]);
    params[8..].fill(1e8);
    steps(&mut optimizer, &mut params, BOTH, 10);
    let events = told.lock().unwrap();
    assert!(events.len() == 1 && events[0].contains("root mean square"), "{events:?}");
    assert_eq!(params[8..], [5000.0; 8]);
}

#[test]
fn a_reset_forgets_the_steps_of_every_tensor() {
    for (name, config) in kinds() {
        let run = |again: bool| {
            let mut optimizer = config.init(&layout()).unwrap();
            if again {
                let mut params = vec![0.5; 16];
                steps(&mut optimizer, &mut params, B, 9);
                steps(&mut optimizer, &mut params, BOTH, 7);
                optimizer.reset();
                assert_eq!(optimizer.hierarchical_rnn().unwrap().own_steps(), [0, 0]);
            }
            let mut params = vec![1.0; 16];
            steps(&mut optimizer, &mut params, A, 6);
            optimizer.to_bytes(&params).unwrap()
        };
        assert!(run(true) == run(false), "{name}");
    }
}
