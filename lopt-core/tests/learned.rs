//! The learned optimizer as users have it: settings, missing gradients, guard.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::{
    Given, GuardConfig, GuardEvent, HierarchicalRnn, HierarchicalRnnConfig, Layout,
    LearnedOptimizerConfig, Optimizer, ParameterGroup, Schedule, TensorShape, Weights,
};
use std::sync::{Arc, Mutex};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

fn layout() -> Layout {
    let tensors = [("a.weight", 90), ("a.bias", 7), ("b.weight", 300), ("b.bias", 1)];
    Layout::new(tensors.map(|(name, n)| TensorShape::new(name, [n])).to_vec()).unwrap()
}

fn start(layout: &Layout) -> Vec<f32> {
    let mut rng = stream(7, &[]);
    (0..layout.len()).map(|_| normal(&mut rng) as f32).collect()
}

/// Gradient and loss of a badly conditioned quadratic.
fn gradient(at: &[f32]) -> (Vec<f32>, f32) {
    let curvature = |i: usize| 10.0_f32.powf((i % 5) as f32 - 2.0);
    let grads = at.iter().enumerate().map(|(i, x)| curvature(i) * x).collect();
    let loss = at.iter().enumerate().map(|(i, x)| 0.5 * curvature(i) * x * x).sum::<f32>();
    (grads, loss / at.len() as f32)
}

fn run(optimizer: &mut impl Optimizer, params: &mut [f32], steps: usize) {
    for _ in 0..steps {
        let (grads, _) = gradient(optimizer.attended(params));
        optimizer.step(params, &grads).unwrap();
    }
}

#[test]
fn defaults_are_the_bare_optimizer_bit_for_bit() {
    let layout = layout();
    let (mut a, mut b) = (start(&layout), start(&layout));
    run(&mut HierarchicalRnn::pretrained(&layout).unwrap(), &mut a, 50);
    run(&mut hierarchical().init(&layout).unwrap(), &mut b, 50);
    assert_eq!(a, b);
}

#[test]
fn frozen_tensors_stay_and_the_others_learn() {
    let layout = layout();
    for compact in [false, true] {
        let mut config = hierarchical().with_group(ParameterGroup::new("a.*").frozen());
        if compact {
            config = config.with_compact_state();
        }
        let mut optimizer = config.init(&layout).unwrap();
        let (first, mut params) = (start(&layout), start(&layout));
        run(&mut optimizer, &mut params, 50);
        assert_eq!(params[..97], first[..97]);
        let size = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
        assert!(size(&params[97..]) < 0.5 * size(&first[97..]));
        let steps = optimizer.effective_step();
        assert_eq!(steps[..2], [0.0, 0.0]);
        assert!(steps[2] > 0.0 && steps[3] > 0.0, "{steps:?}");
    }
}

#[test]
fn a_tensor_without_gradient_keeps_parameters_and_state() {
    let two = Layout::new(vec![TensorShape::new("x", [200]), TensorShape::new("y", [3])]).unwrap();
    for (compact, averaging) in [(false, None), (true, None), (false, Some(8.0))] {
        let mut config = hierarchical().with_averaging(averaging);
        if compact {
            config = config.with_compact_state();
        }
        let mut optimizer = config.init(&two).unwrap();
        let mut params = start(&two);
        for n in 0..30 {
            let (mut grads, _) = gradient(optimizer.attended(&params));
            let before = params.clone();
            if n % 3 == 1 {
                grads[..200].fill(f32::NAN);
                let bytes = optimizer.to_bytes(&params).unwrap();
                let given = Given { has_gradient: &[false, true], ..Given::default() };
                optimizer.step_given(&mut params, &grads, given).unwrap();
                assert_eq!(params[..200], before[..200], "step {n}");
                assert_ne!(params[200..], before[200..], "step {n}");
                assert_ne!(bytes, optimizer.to_bytes(&params).unwrap());
            } else {
                optimizer.step(&mut params, &grads).unwrap();
                assert_ne!(params[..200], before[..200], "step {n}");
            }
            assert!(params.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn multipliers_scale_the_step() {
    let layout = layout();
    let first = start(&layout);
    let (grads, _) = gradient(&first);
    let one_step = |config: &LearnedOptimizerConfig, multiplier: f32| {
        let mut optimizer = config.clone().with_averaging(None).init(&layout).unwrap();
        optimizer.set_lr_multiplier(multiplier);
        let mut params = first.clone();
        optimizer.step(&mut params, &grads).unwrap();
        let moved: Vec<f32> = params.iter().zip(&first).map(|(a, b)| a - b).collect();
        (moved, optimizer.effective_step())
    };
    let (whole, sizes) = one_step(&hierarchical(), 1.0);
    let rms = |x: &[f32]| (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32).sqrt();
    for (t, size) in sizes.iter().enumerate() {
        let measured = rms(&whole[layout.range(t)]);
        assert!((size / measured - 1.0).abs() < 1e-2, "{size} {measured}");
    }
    let close = |half: &[f32], factor: f32, range: std::ops::Range<usize>| {
        for i in range {
            let tolerance = 1e-6 + 1e-3 * whole[i].abs();
            assert!(
                (half[i] - factor * whole[i]).abs() < tolerance,
                "{i}: {} {}",
                half[i],
                whole[i]
            );
        }
    };
    close(&one_step(&hierarchical(), 0.5).0, 0.5, 0..398);
    let group = ParameterGroup::new("b.*").with_step_multiplier(3.0);
    let (moved, _) = one_step(&hierarchical().with_group(group), 1.0);
    close(&moved, 1.0, 0..97);
    close(&moved, 3.0, 97..398);
    let warmup = Schedule::Constant.after_warmup(4);
    close(&one_step(&hierarchical().with_schedule(warmup), 1.0).0, 0.25, 0..398);
}

/// How far noise of a size takes the parameters from their start over 1000 steps, root mean square.
fn walk(least_gradient: f64, size: f64) -> f32 {
    let layout = layout();
    let (config, psi, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    let config = HierarchicalRnnConfig { least_gradient, ..config.hierarchical_rnn().unwrap() };
    let weights = Weights::new(config, psi, record).unwrap();
    let mut optimizer = hierarchical().with_weights(weights).init(&layout).unwrap();
    let (first, mut params) = (start(&layout), start(&layout));
    let mut rng = stream(8, &[]);
    for _ in 0..1000 {
        let noise: Vec<f32> = params.iter().map(|_| (size * normal(&mut rng)) as f32).collect();
        optimizer.step(&mut params, &noise).unwrap();
    }
    let squares = params.iter().zip(&first).map(|(a, b)| (a - b).powi(2));
    (squares.sum::<f32>() / params.len() as f32).sqrt()
}

#[test]
fn rounding_errors_are_not_followed() {
    let least =
        Weights::embedded("hierarchical-rnn").unwrap().hierarchical_rnn().unwrap().least_gradient;
    let (faded, followed) = (walk(least, 1e-11), walk(0.0, 1e-11));
    assert!(followed > 1e-3, "{followed}");
    assert!(faded < 1e-3 * followed, "{faded} beside {followed}");
    let (faded, followed) = (walk(least, 3e-9), walk(0.0, 3e-9));
    assert!(faded < 1e-4 * followed, "{faded} beside {followed}");
    // a gradient that is nothing moves nothing, and one of a usual size is followed as ever
    assert_eq!(walk(least, 0.0), 0.0);
    let (usual, ever) = (walk(least, 1e-3), walk(0.0, 1e-3));
    assert!((usual / ever - 1.0).abs() < 0.01, "{usual} beside {ever}");
}

#[test]
fn weight_decay_is_in_proportion_to_the_step() {
    let layout = layout();
    let config = hierarchical()
        .with_averaging(None)
        .with_weight_decay(4e-3)
        .with_schedule(Schedule::Exponential { rate: 0.5 })
        .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
        .with_group(ParameterGroup::new("a.*").with_step_multiplier(3.0));
    let mut optimizer = config.init(&layout).unwrap();
    optimizer.set_lr_multiplier(0.8);
    let mut params = start(&layout);
    for n in 0..40 {
        let before = params.clone();
        // steps fade to nothing where there is no gradient
        optimizer.step(&mut params, &[0.0; 398]).unwrap();
        let pace = optimizer.hierarchical_rnn().unwrap().config().log_pace(n).exp()
            * 0.8
            * 0.5_f64.powf(n as f64);
        for (t, factor) in [3.0, 0.0, 1.0, 0.0].into_iter().enumerate() {
            let keep = 1.0 - 4e-3 * pace * factor;
            for i in layout.range(t) {
                let expected = (f64::from(before[i]) * keep) as f32;
                assert!((params[i] - expected).abs() <= 3e-7 * expected.abs(), "step {n}, {i}");
            }
        }
    }
}

#[test]
fn weight_decay_does_not_outgrow_the_steps() {
    let layout = Layout::single(8).unwrap();
    let config = hierarchical().with_weight_decay(1e-3).with_guard(None);
    let mut optimizer = config.init(&layout).unwrap();
    let mut x = vec![0.0; 8];
    for n in 1..=20_000 {
        let grads: Vec<f32> = optimizer.attended(&x).iter().map(|x| 2.0 * (x - 1.0)).collect();
        optimizer.step(&mut x, &grads).unwrap();
        if n == 5_000 || n == 20_000 {
            assert!(x.iter().all(|x| (x - 1.0).abs() < 0.01), "{x:?} after {n} steps");
        }
    }
}

#[test]
fn bad_settings_are_refused_with_a_sentence() {
    let layout = layout();
    let refuse = |config: LearnedOptimizerConfig| config.init(&layout).unwrap_err().to_string();
    let none = refuse(hierarchical().with_group(ParameterGroup::new("head.*")));
    assert_eq!(
        none,
        "no tensor matches the group `head.*`; the first tensors are: \
         a.weight, a.bias, b.weight, b.bias"
    );
    let decay = refuse(hierarchical().with_weight_decay(-1.0));
    assert!(decay.starts_with("the weight decay is -1"), "{decay}");
    let norm = refuse(hierarchical().with_clipping_norm(0.0));
    assert_eq!(norm, "the clipping norm is 0, expected a positive number");
}

/// Weights that run away: the log rate only grows and the direction points uphill, at full length from
/// the first step.
fn poisoned() -> Weights {
    let (config, mut psi, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    let config = HierarchicalRnnConfig {
        warmup: 0.0,
        decay: 0.0,
        largest_decay: 0.0,
        ..config.hierarchical_rnn().unwrap()
    };
    psi.iter_mut().for_each(|x| *x = -*x);
    psi[MetaLayout::new(&config).log_rate_bias].fill(1.0);
    Weights::new(config, psi, record).unwrap()
}

fn trained(mut optimizer: impl Optimizer, steps: usize) -> f32 {
    let layout = layout();
    let mut params = start(&layout);
    for _ in 0..steps {
        let (grads, _) = gradient(optimizer.attended(&params));
        if optimizer.step(&mut params, &grads).is_err() {
            return f32::INFINITY;
        }
    }
    gradient(&params).1
}

#[test]
fn with_poisoned_weights_the_guarded_run_becomes_adam_a_few_steps_late() {
    let layout = layout();
    let adam = trained(lopt_baselines::Adam::new(&layout, 1e-3), 2000);
    let bare = hierarchical().with_weights(poisoned()).with_guard(None);
    let unguarded = trained(bare.init(&layout).unwrap(), 2000);
    let first = gradient(&start(&layout)).1;
    assert!(unguarded.is_nan() || unguarded > first, "no poison: {unguarded} from {first}");

    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let config = hierarchical().with_weights(poisoned());
    let mut optimizer = config
        .init(&layout)
        .unwrap()
        .on_event(move |event| seen.lock().unwrap().push(event.clone()));
    let mut params = start(&layout);
    for _ in 0..2000 {
        let (grads, loss) = gradient(optimizer.attended(&params));
        optimizer.step_with_loss(&mut params, &grads, loss).unwrap();
    }
    let guarded = gradient(&params).1;
    assert!(optimizer.has_fallen_back());
    let events = events.lock().unwrap();
    assert!(guarded <= 1.15 * adam, "{guarded}, Adam {adam}: {events:?}");
    let Some(GuardEvent::Restored { step: late, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert!(*late < 64, "{late}");
    let exactly = trained(lopt_baselines::Adam::new(&layout, 1e-3), 2000 - *late as usize);
    assert_eq!(guarded, exactly);
}

#[test]
fn non_finite_gradients_and_losses_are_left_out() {
    let layout = layout();
    let mut optimizer = hierarchical().init(&layout).unwrap();
    let mut params = start(&layout);
    run(&mut optimizer, &mut params, 5);
    let before = params.clone();
    let mut grads = gradient(&before).0;
    optimizer.step_with_loss(&mut params, &grads, f32::NAN).unwrap();
    grads[3] = f32::INFINITY;
    optimizer.step(&mut params, &grads).unwrap();
    assert_eq!(params, before);
    assert_eq!((optimizer.steps(), optimizer.skipped_steps()), (5, 2));

    let mut bare = hierarchical().with_guard(None).init(&layout).unwrap();
    let error = bare.step(&mut params, &grads).unwrap_err().to_string();
    assert_eq!(error, "expected a finite gradient, got inf at element 3 of tensor `a.weight`");
}

#[test]
fn the_guard_leaves_a_good_run_alone() {
    let layout = layout();
    let guard = GuardConfig::default();
    let run = |guard| {
        let mut optimizer = hierarchical().with_guard(guard).init(&layout).unwrap();
        let mut params = start(&layout);
        for _ in 0..500 {
            let (grads, loss) = gradient(optimizer.attended(&params));
            optimizer.step_with_loss(&mut params, &grads, loss).unwrap();
        }
        params
    };
    assert_eq!(run(Some(guard)), run(None));
}
