//! Meta-gradients of the hand-written way back against the original TensorFlow code, in `f64`.

#![allow(dead_code, unused_imports, reason = "the modules serve the tests of lopt-core too")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../lopt-core/tests/reference/mod.rs"]
mod reference;
#[path = "../../lopt-core/tests/tf_case/mod.rs"]
mod tf_case;

use lopt_core::Layout;
use lopt_core::meta_params::MetaLayout;
use lopt_core::network::Network;
use lopt_core::rng::Rng;
use lopt_core::simd::{Element, Level};
use lopt_grad::{Tape, Var};
use lopt_meta::Recipe;
use lopt_meta::precision::{Exact, Precision, Single};
use lopt_meta::slot::Slot;
use lopt_meta::unroll::{Workspace, unroll_weighted};
use lopt_problems::{Array, Entry, Instance, Problem, Scalar};
use reference::unroll::{Floor, Order};
use std::sync::Arc;
use tf_case::{TfCase, TfProblem, tf_case};

/// A recorded problem for the tape.
#[derive(Debug)]
struct Recorded {
    layout: Layout,
    start: Vec<f32>,
    quadratic: Option<(Vec<f32>, Vec<f32>)>,
}

impl Problem for Recorded {
    fn name(&self) -> String {
        "recorded".to_owned()
    }

    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn instance(&self, _: &mut Rng) -> Instance {
        let arrays = self.quadratic.as_ref().map(|(w, y)| {
            let n = y.len();
            vec![Array::new([n, w.len() / n], w.clone()), Array::new([n, 1], y.clone())]
        });
        Instance::of(arrays.unwrap_or_default())
    }

    fn init(&self, _: &Instance, _: &mut Rng) -> Vec<f32> {
        self.start.clone()
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        if let [w, y] = constants {
            let parts: Vec<Var<'t, R>> =
                params.iter().map(|p| p.reshape(&[p.shape().elements(), 1])).collect();
            let v = Var::concat(&parts, 0);
            return (w.matmul(v) - *y).square().sum() * 0.5;
        }
        let (x, y) = (params[0].slice(0, 0, 1), params[0].slice(0, 1, 1));
        ((1.0 - x).square() + (y - x.square()).square() * 100.0).sum()
    }
}

/// The inputs of the recordings are exact in single precision.
fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

fn check(name: &str) {
    check_in(Exact, name, 1e-9);
}

fn check_in<P: Precision>(precision: P, name: &str, tolerance: f64) {
    let case = tf_case(name);
    let quadratic = match &case.problem {
        TfProblem::Quadratic { w, y } => Some((narrow(w), narrow(y))),
        TfProblem::Rosenbrock => None,
    };
    let problem = Recorded { layout: case.layout.clone(), start: narrow(&case.theta), quadratic };
    let mut recipe = Recipe::parse(include_str!("../recipes/quadratic20.toml")).unwrap();
    recipe.meta_loss.adjoint_limit = 0.0;
    recipe.meta_loss.instance_limit = 0.0;
    recipe.meta_loss.numerator_epsilon = matches!(case.floor, Floor::OnBoth);
    recipe.meta_loss.second_derivatives = matches!(case.order, Order::Second);
    let entries = [Entry { set: "recorded", problem: Arc::new(problem) }];
    let net = Network::<P::E>::new(&case.config, &case.psi);
    let begin = || {
        let mut slot = Slot::<P>::start(&recipe, &entries, &net, 0, 0, 0.0);
        let lanes = |x: &f64| std::iter::repeat_n(P::E::from_f64(*x), P::LANES);
        let log_rates: Vec<P::E> = case.log_rate.iter().flat_map(lanes).collect();
        slot.state.reset(&net, &slot.plan, &log_rates, |_| true);
        slot
    };
    let mut workspace = Workspace::default();
    // TensorFlow averages f(theta_0), f(theta_0), ..., f(theta_{K-1}): the first two are constant
    let weights = |steps: usize| -> Vec<f64> {
        let each = 1.0 / (steps + 1) as f64;
        (1..=steps).map(|n| if n < steps { each } else { 0.0 }).collect()
    };
    for expected in case.unrolls() {
        let mut slot = begin();
        if expected.skipped > 0 {
            unroll_weighted(
                precision,
                &recipe,
                &net,
                &mut slot,
                &mut workspace,
                &weights(expected.skipped),
            );
        }
        let outcome = unroll_weighted(
            precision,
            &recipe,
            &net,
            &mut slot,
            &mut workspace,
            &weights(expected.steps),
        );
        assert_eq!(outcome.used, P::LANES, "{name}");
        let mean: Vec<f64> = outcome.gradient.iter().map(|g| g / P::LANES as f64).collect();
        compare(&case, &mean, &expected.gradient, expected.skipped, tolerance);
    }
}

fn compare(case: &TfCase, got: &[f64], expected: &[f64], skipped: usize, tolerance: f64) {
    if tolerance > 1e-9 {
        // single precision: one relative error for all of psi, as the recordings suggest
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut got.iter().zip(expected).map(|(a, b)| a - b));
        let scale = norm(&mut expected.iter().copied());
        assert!(error <= tolerance * scale, "{}: error {error}, norm {scale}", case.name);
        return;
    }
    for block in &MetaLayout::new(&case.config).blocks {
        let (got, expected) = (&got[block.range.clone()], &expected[block.range.clone()]);
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut got.iter().zip(expected).map(|(a, b)| a - b));
        let scale = norm(&mut expected.iter().copied());
        let what = format!("{} after {skipped}: {}", case.name, block.name);
        assert!(error <= tolerance * scale + 1e-16, "{what}: error {error}, norm {scale}");
    }
}

#[test]
fn released() {
    check("c1_released_init.f64");
    check("c2_released_perturbed.f64");
}

#[test]
fn attention() {
    check("c4_paper_perturbed.f64");
    check("c5_paper_globalmean.f64");
}

#[test]
fn first_order() {
    check("c6_released_no2nd.f64");
}

#[test]
fn rosenbrock() {
    check("c7_rosenbrock_perturbed.f64");
}

#[test]
fn single_precision_on_every_level() {
    for level in Level::ALL {
        if level.available() {
            check_in(Single(level), "c2_released_perturbed.f64", 1e-4);
            check_in(Single(level), "c4_paper_perturbed.f64", 1e-4);
        }
    }
}
