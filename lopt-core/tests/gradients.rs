//! Gradients that are too long, missing, or of tensors that take no part.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::{
    Given, GuardConfig, HierarchicalRnn, HierarchicalRnnConfig, Layout, LearnedOptimizerConfig,
    Optimizer, ParameterGroup, StepError, TensorShape, Weights,
};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

fn layout() -> Layout {
    Layout::new(vec![TensorShape::new("a", [64]), TensorShape::new("b", [8])]).unwrap()
}

fn start() -> Vec<f32> {
    (0..72).map(|i| (0.7 * i as f32).sin()).collect()
}

#[test]
fn a_gradient_whose_squares_overflow_is_left_out() {
    let refused = |error: StepError| {
        assert!(matches!(&error, StepError::GradientTooLong { tensor, .. } if tensor == "a"));
    };
    for guard in [None, Some(GuardConfig::default())] {
        let config = hierarchical().with_guard(guard);
        let mut optimizer = config.init(&layout()).unwrap();
        let mut params = start();
        for n in 0..100 {
            let mut grads = optimizer.attended(&params).to_vec();
            match n {
                50 => grads[3] = 1e20,
                60 => grads[..64].fill(2e18),
                _ => {}
            }
            let before = params.clone();
            match optimizer.step(&mut params, &grads) {
                Err(error) => refused(error),
                Ok(()) => assert!(guard.is_some() || ![50, 60].contains(&n), "step {n}"),
            }
            // after a gradient that cannot be used, the next one is taken at the best point so far
            let stays = [50, 60].contains(&n) || guard.is_some() && [51, 61].contains(&n);
            assert_eq!(params == before, stays, "step {n}");
        }
        assert!(params.iter().all(|x| x.is_finite()), "{params:?}");
        let counts = if guard.is_some() { (96, 4) } else { (98, 0) };
        assert_eq!((optimizer.steps(), optimizer.skipped_steps()), counts);
    }
    let mut bare = HierarchicalRnn::pretrained(&layout()).unwrap();
    refused(bare.step(&mut start(), &[1e20; 72]).unwrap_err());
}

#[test]
fn the_longest_gradient_that_is_taken_does_no_harm() {
    let mut optimizer = hierarchical().init(&layout()).unwrap();
    let mut params = start();
    for n in 0..40 {
        let long = if n % 4 == 0 { 1e18 } else { 1.0 };
        let grads: Vec<f32> = optimizer.attended(&params).iter().map(|x| long * x).collect();
        optimizer.step(&mut params, &grads).unwrap();
    }
    assert_eq!((optimizer.steps(), optimizer.skipped_steps()), (40, 0));
    assert!(params.iter().all(|x| x.is_finite()), "{params:?}");
}

#[test]
fn clipping_makes_a_long_gradient_usable() {
    let clipped = [hierarchical().with_clipping_norm(1.0), hierarchical().with_clipping_value(1.0)];
    for config in clipped {
        let mut optimizer = config.init(&layout()).unwrap();
        let mut params = start();
        for _ in 0..20 {
            optimizer.step(&mut params, &[1e30; 72]).unwrap();
        }
        assert_eq!((optimizer.steps(), optimizer.skipped_steps()), (20, 0));
        assert!(params.iter().all(|x| x.is_finite()), "{params:?}");
    }
}

#[test]
fn what_stands_for_a_missing_gradient_changes_nothing() {
    let clipped = hierarchical().with_clipping_norm(1.0);
    let frozen = clipped.clone().with_group(ParameterGroup::new("a").frozen());
    let run = |config: &LearnedOptimizerConfig, has_gradient: &[bool], absent: f32| {
        let mut optimizer = config.init(&layout()).unwrap();
        let mut params = start();
        for _ in 0..20 {
            let mut grads = optimizer.attended(&params).to_vec();
            grads[..64].fill(absent);
            let given = Given { has_gradient, ..Given::default() };
            optimizer.step_given(&mut params, &grads, given).unwrap();
        }
        assert_eq!(optimizer.steps(), 20);
        params
    };
    for (config, has_gradient) in [(&clipped, &[false, true][..]), (&frozen, &[])] {
        let zeros = run(config, has_gradient, 0.0);
        for absent in [1e6, 1e30, f32::NAN] {
            assert_eq!(run(config, has_gradient, absent), zeros, "{absent}");
        }
        assert_eq!(zeros[..64], start()[..64]);
        assert_ne!(zeros[64..], start()[64..]);
    }
}

#[test]
fn tensors_that_take_no_part_change_no_bit_of_the_others() {
    let others = [("c", 300), ("d", 1), ("e", 70)].map(|(name, n)| TensorShape::new(name, [n]));
    let alone = Layout::new(vec![others[0].clone(), others[1].clone(), others[2].clone()]).unwrap();
    let mask = |i: usize| TensorShape::new(format!("m{i}"), [9]);
    let [c, d, e] = others;
    // more than share a vector of the Tensor RNN
    let mut tensors = vec![mask(0), c];
    tensors.extend((1..90).map(mask));
    tensors.extend([d, e, mask(90)]);
    let beside = Layout::new(tensors).unwrap();
    let trained = |t: usize| !beside.tensors()[t].name.starts_with('m');
    let pick = |flat: &[f32]| -> Vec<f32> {
        let ranges = beside.ranges().enumerate().filter(|(t, _)| trained(*t));
        ranges.flat_map(|(_, range)| flat[range].to_vec()).collect()
    };
    let gradient = |at: &[f32], n: usize| -> Vec<f32> {
        at.iter().enumerate().map(|(i, x)| x + 0.3 * ((i * n) as f32).sin()).collect()
    };
    for weights in ["hierarchical-rnn", "paper"] {
        let (config, psi, record) = Weights::embedded(weights).unwrap().into_parts();
        // drawn rates would depend on the tensors before
        let config = HierarchicalRnnConfig {
            initial_rate: (1e-3, 1e-3),
            ..config.hierarchical_rnn().unwrap()
        };
        let weights = Weights::new(config, psi, record).unwrap();
        let config = hierarchical().with_weights(weights);
        for held in [f32::NEG_INFINITY, 7.0] {
            let (mut one, mut two) = (config.init(&alone).unwrap(), config.init(&beside).unwrap());
            let mut params: Vec<f32> = (0..371).map(|i| (0.7 * i as f32).sin()).collect();
            let mut more = vec![held; beside.len()];
            let mut own = params.iter();
            for (_, range) in beside.ranges().enumerate().filter(|(t, _)| trained(*t)) {
                more[range].iter_mut().zip(&mut own).for_each(|(to, from)| *to = *from);
            }
            let has_gradient: Vec<bool> = (0..beside.tensor_count()).map(trained).collect();
            for n in 0..60 {
                let grads = gradient(one.attended(&params), n);
                assert_eq!(pick(two.attended(&more)), one.attended(&params), "step {n}");
                let mut all = vec![f32::NAN; beside.len()];
                let mut own = grads.iter();
                for (_, range) in beside.ranges().enumerate().filter(|(t, _)| trained(*t)) {
                    all[range].iter_mut().zip(&mut own).for_each(|(to, from)| *to = *from);
                }
                one.step(&mut params, &grads).unwrap();
                let given = Given { has_gradient: &has_gradient, ..Given::default() };
                two.step_given(&mut more, &all, given).unwrap();
                assert_eq!(pick(&more), params, "step {n}");
            }
            assert!(!two.has_fallen_back() && two.skipped_steps() == 0);
            assert!(more[..9].iter().all(|x| x.to_bits() == held.to_bits()));
        }
    }
}

#[test]
fn a_step_without_any_tensor_counts_in_nothing() {
    let run = |with_pauses: bool| {
        let mut optimizer = hierarchical().init(&layout()).unwrap();
        let mut params = start();
        for _ in 0..20 {
            let before = params.clone();
            let grads = optimizer.attended(&params).to_vec();
            if with_pauses {
                let given = Given { has_gradient: &[false, false], ..Given::default() };
                optimizer.step_given(&mut params, &grads, given).unwrap();
                assert_eq!(params, before);
            }
            optimizer.step(&mut params, &grads).unwrap();
            assert_ne!(params, before);
        }
        assert_eq!(optimizer.own_steps(), [20, 20]);
        params
    };
    assert_eq!(run(true), run(false));
}
