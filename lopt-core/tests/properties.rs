//! Laws that hold for every model: scale, order, save and load, a very long run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod exact;

use exact::ExactHierarchicalRnn;
use lopt_core::hierarchical_rnn::draw_log_rates;
use lopt_core::rng::{normal, stream};
use lopt_core::{
    HierarchicalRnn, Layout, LearnedOptimizerConfig, Optimizer, ParameterGroup, TensorShape,
    Weights,
};
use proptest::prelude::*;

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

fn layout(sizes: &[usize]) -> Layout {
    let tensor = |(i, &n): (usize, &usize)| TensorShape::new(format!("t{i}"), [n]);
    Layout::new(sizes.iter().enumerate().map(tensor).collect()).unwrap()
}

fn normals(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = stream(seed, &[]);
    (0..n).map(|_| normal(&mut rng)).collect()
}

/// Steps on a quadratic with curvatures `h` times `scale`, in `f64`.
fn exact_run(layout: &Layout, theta: &[f64], h: &[f64], scale: f64, steps: usize) -> Vec<f64> {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let config = weights.hierarchical_rnn().unwrap();
    let log_rates = draw_log_rates(&config, layout, 0);
    let mut rnn = ExactHierarchicalRnn::new(&config, &weights.psi_f64(), layout, &log_rates);
    let mut theta = theta.to_vec();
    for _ in 0..steps {
        let grads: Vec<f64> = theta.iter().zip(h).map(|(x, h)| scale * h * x).collect();
        rnn.step(&mut theta, &grads);
    }
    theta
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let gap = (a - b).abs() / (1.0 + a.abs());
        prop_assert!(gap < tolerance, "element {i}: {a} {b}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// No input knows the scale of the loss.
    #[test]
    fn a_factor_of_the_loss_leaves_the_trajectory(
        sizes in prop::collection::vec(1_usize..40, 1..4),
        seed in 0_u64..1000,
        exponent in -3.0_f64..3.0,
    ) {
        let layout = layout(&sizes);
        let theta = normals(seed, layout.len());
        let h: Vec<f64> = normals(seed + 1, layout.len()).iter().map(|x| x.exp()).collect();
        // large gradients: 1e-16 is added under the roots, which is not small beside small ones
        let one = exact_run(&layout, &theta, &h, 1e4, 12);
        let other = exact_run(&layout, &theta, &h, 10_f64.powf(4.0 + exponent), 12);
        close(&one, &other, 1e-6)?;
    }

    /// Inside a tensor there is no order.
    #[test]
    fn a_permutation_of_parameters_permutes_the_result(
        n in 2_usize..150,
        rest in 1_usize..20,
        seed in 0_u64..1000,
        turn in 1_usize..100,
    ) {
        let layout = layout(&[n, rest]);
        let theta = normals(seed, n + rest);
        let h: Vec<f64> = normals(seed + 1, n + rest).iter().map(|x| x.exp()).collect();
        let turned = |x: &[f64]| {
            let mut x = x.to_vec();
            x[..n].rotate_left(turn % n);
            x
        };
        let straight = turned(&exact_run(&layout, &theta, &h, 1.0, 12));
        let permuted = exact_run(&layout, &turned(&theta), &turned(&h), 1.0, 12);
        close(&straight, &permuted, 1e-9)?;
    }

    /// Any layout, any switch: what is loaded is what was saved.
    #[test]
    fn save_and_load_are_the_identity(
        sizes in prop::collection::vec(1_usize..200, 1..6),
        seed in 0_u64..1000,
        steps in 0_usize..8,
        compact in any::<bool>(),
        averaging in any::<bool>(),
        guarded in any::<bool>(),
        frozen in any::<bool>(),
    ) {
        let layout = layout(&sizes);
        let mut config = hierarchical();
        if compact {
            config = config.with_compact_state();
        }
        if !averaging {
            config = config.with_averaging(None);
        }
        if !guarded {
            config = config.with_guard(None);
        }
        if frozen {
            config = config.with_group(ParameterGroup::new("t0").frozen());
        }
        let mut optimizer = config.init(&layout).unwrap();
        let mut params: Vec<f32> = normals(seed, layout.len()).iter().map(|&x| x as f32).collect();
        for _ in 0..steps {
            let grads = optimizer.attended(&params).to_vec();
            optimizer.step_with_loss(&mut params, &grads, 1.0).unwrap();
        }
        let bytes = optimizer.to_bytes(&params).unwrap();
        let mut again = config.init(&layout).unwrap();
        let loaded = again.from_bytes(&bytes).unwrap();
        prop_assert_eq!(&loaded, &params);
        prop_assert!(again.to_bytes(&loaded).unwrap() == bytes);
    }
}

#[test]
fn a_million_steps_on_a_noisy_problem_stay_finite() {
    let layout = layout(&[6, 2]);
    let mut params: Vec<f32> = normals(1, 8).iter().map(|&x| x as f32).collect();
    let mut rng = stream(2, &[]);
    let mut bare = HierarchicalRnn::pretrained(&layout).unwrap();
    let mut largest = 0.0_f32;
    for n in 0..1_000_000_u32 {
        let at = bare.attended(&params);
        let grads: Vec<f32> = at
            .iter()
            .enumerate()
            .map(|(i, x)| (i + 1) as f32 * x + normal(&mut rng) as f32)
            .collect();
        bare.step(&mut params, &grads).unwrap();
        largest = params.iter().fold(largest, |most, x| most.max(x.abs()));
        assert!(largest.is_finite(), "step {n}");
    }
    assert!(bare.log_rates().iter().all(|rate| rate.is_finite()));
    assert!(params.iter().all(|x| x.abs() < 2.0), "{params:?}");
    // the guarded one has the same memory after as many steps as after one
    let mut guarded = hierarchical().init(&layout).unwrap();
    guarded.step_with_loss(&mut params, &[1.0; 8], 1.0).unwrap();
    let after_one = guarded.to_bytes(&params).unwrap().len();
    for n in 0..10_000_u16 {
        guarded.step_with_loss(&mut params, &[0.1; 8], 1.0 + f32::from(n % 7)).unwrap();
    }
    assert_eq!(guarded.to_bytes(&params).unwrap().len(), after_one);
}
