//! Steps of tensors whose gradients do not come together, against the plain reference: those that do are
//! a problem of their own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod exact;
mod reference;

use exact::ExactHierarchicalRnn;
use lopt_core::hierarchical_rnn::draw_log_rates;
use lopt_core::rng::{normal, stream};
use lopt_core::tensor_step::TensorStep;
use lopt_core::{
    Given, HierarchicalRnnConfig, Layout, LearnedOptimizerConfig, TensorShape, Weights,
};
use proptest::prelude::*;
use reference::state::State;
use reference::variants::variants;
use reference::{Reference, mean};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

#[test]
fn single_precision_follows_the_exact_twin_where_tensors_come_and_go() {
    let shapes = [("a", 70), ("b", 5), ("c", 1)].map(|(name, n)| TensorShape::new(name, [n]));
    let layout = Layout::new(shapes.to_vec()).unwrap();
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let plain = hierarchical().with_averaging(None).with_guard(None);
    let mut single = plain.init(&layout).unwrap();
    let config = weights.hierarchical_rnn().unwrap();
    let rates: Vec<f64> = draw_log_rates(&config, &layout, 0);
    let mut exact = ExactHierarchicalRnn::new(&config, &weights.psi_f64(), &layout, &rates);
    let mut point: Vec<f64> = (0..76).map(|i| (0.7 * f64::from(i)).sin()).collect();
    let mut params: Vec<f32> = point.iter().map(|&x| x as f32).collect();
    for n in 0..30 {
        // a always, b from the tenth step on, c now and then
        let has = [true, n >= 10, n % 3 == 1];
        let gradient = |i: usize, x: f64| (1.0 + 0.1 * i as f64) * x + 0.1 * ((n + i) as f64).sin();
        let grads: Vec<f64> = point.iter().enumerate().map(|(i, &x)| gradient(i, x)).collect();
        let rounded: Vec<f32> = grads.iter().map(|&g| g as f32).collect();
        let given = Given { has_gradient: &has, ..Given::default() };
        single.step_given(&mut params, &rounded, given).unwrap();
        let held = has.map(|has| TensorStep { held: !has, ..TensorStep::whole() });
        exact.step_of(&mut point, &grads, &held);
        for (i, (a, b)) in params.iter().zip(&point).enumerate() {
            let off = (f64::from(*a) - b).abs();
            assert!(off <= 2e-5 * b.abs().max(1.0), "step {n}, {i}: {a} {b}");
        }
    }
}

/// Configurations in which time matters, and those of the literature.
fn timed_variants() -> Vec<(&'static str, HierarchicalRnnConfig)> {
    let timed = |config: &HierarchicalRnnConfig| {
        config.decay > 0.0 || config.largest_decay > 0.0 || config.clock > 0.0
    };
    let mut all = variants();
    all.retain(|(name, config)| timed(config) || ["paper", "released"].contains(name));
    assert!(all.len() >= 6, "{}", all.len());
    all
}

/// Tensors whose gradients have always come together, as a problem of their own.
#[derive(Clone)]
struct Cohort {
    tensors: Vec<usize>,
    state: State<f64>,
    /// That of the tensors which were together in the last step.
    mean_rate: f64,
}

impl Cohort {
    /// The part of it for which `counts` says so.
    fn of(&self, counts: impl Fn(usize) -> bool) -> Self {
        let mut part = self.clone();
        let mut places = self.tensors.iter();
        part.state.tensors.retain(|_| places.next().is_some_and(|&t| counts(t)));
        part.tensors.retain(|&t| counts(t));
        if part.state.steps == 0 && !part.tensors.is_empty() {
            part.mean_rate = mean(part.state.elements().map(|e| e.log_rate));
        }
        part
    }
}

fn near(what: &str, got: &[f64], expected: &[f64]) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let limit = 1e-10 * expected.abs().max(1.0);
        assert!((got - expected).abs() <= limit, "{what}[{i}]: got {got}, expected {expected}");
    }
}

/// Gradients that depend on the point and the step.
fn gradients(point: &[f64], n: usize) -> Vec<f64> {
    let one = |(i, x): (usize, &f64)| (1.0 + i as f64) * x + 0.1 * ((n + i) as f64).sin();
    point.iter().enumerate().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whichever tensors have a gradient, step by step: those whose gradients come together are as
    /// alone.
    #[test]
    fn tensors_that_come_and_go_equal_the_reference(
        sizes in prop::collection::vec(1_usize..12, 2..5),
        // bits of the tensors that have a gradient
        pattern in prop::collection::vec(0_u8..16, 1..12),
        seed in 0_u64..1000,
    ) {
        let shapes = sizes.iter().enumerate();
        let layout = Layout::new(
            shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()
        ).unwrap();
        let mut rng = stream(seed, &[]);
        let theta: Vec<f64> = (0..layout.len()).map(|_| normal(&mut rng)).collect();
        let log_rates: Vec<f64> = (0..layout.len()).map(|_| -4.0 + normal(&mut rng)).collect();
        for (name, config) in timed_variants() {
            let psi = reference::two_tensors::psi(&config);
            let oracle = Reference::new(&config, &psi);
            let split = |flat: &[f64]| -> Vec<Vec<f64>> {
                layout.ranges().map(|r| flat[r].to_vec()).collect()
            };
            let state = oracle.start(&split(&theta), &split(&log_rates));
            let tensors = (0..sizes.len()).collect();
            let whole = Cohort { tensors, state, mean_rate: 0.0 };
            let mut cohorts = vec![whole.of(|_| true)];
            let mut optimizer = ExactHierarchicalRnn::new(&config, &psi, &layout, &log_rates);
            let (mut point, mut attended) = (theta.clone(), theta.clone());
            for (n, bits) in pattern.iter().enumerate() {
                let has = |t: usize| bits >> t & 1 == 1;
                let whole = TensorStep::whole();
                let held: Vec<_> =
                    (0..sizes.len()).map(|t| TensorStep { held: !has(t), ..whole }).collect();
                let grads = gradients(&attended, n);
                attended = optimizer.step_of(&mut point, &grads, &held);
                let parts = cohorts.iter().flat_map(|c| [c.of(has), c.of(|t| !has(t))]);
                cohorts = parts.filter(|part| !part.tensors.is_empty()).collect();
                for part in cohorts.iter_mut().filter(|part| has(part.tensors[0])) {
                    let own = part.tensors.iter().flat_map(|&t| &grads[layout.range(t)]);
                    let own: Vec<f64> = own.copied().collect();
                    part.state = oracle.step_beside(&part.state, &own, part.mean_rate);
                    part.mean_rate = mean(part.state.elements().map(|e| e.log_rate));
                }
                for part in &cohorts {
                    for (tensor, &t) in part.state.tensors.iter().zip(&part.tensors) {
                        let range = layout.range(t);
                        let theta: Vec<f64> = tensor.elements.iter().map(|e| e.theta).collect();
                        let phi: Vec<f64> = tensor.elements.iter().map(|e| e.attended).collect();
                        let what = format!("{name} step {n} tensor {t}");
                        near(&what, &point[range.clone()], &theta);
                        near(&what, &attended[range], &phi);
                    }
                }
            }
        }
    }
}
