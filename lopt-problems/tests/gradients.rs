//! Gradients and Hessian-vector products of every listed problem against finite differences.

mod support;

use std::sync::Arc;

use lopt_problems::{
    AnyProblem, EmbeddingRegression, Ensemble, ImageNorm, InceptionModule, InceptionNet, Problem,
    Recipe, ResNet, Source, Suite, suite, training_ensemble,
};
use support::{Draw, all_entries, along, direction, dot, norm};

/// The steps over which a difference quotient is tried; the best one counts.
const STEPS: [f64; 4] = [1e-4, 1e-5, 1e-6, 1e-7];

/// Relative error of the derivative along a random direction.
fn gradient_error(draw: &Draw, seed: u64) -> f64 {
    let v = direction(&draw.params, seed);
    let (_, gradient) = draw.gradient(&draw.params);
    let slope = dot(&gradient, &v);
    let scale = slope.abs() + 1e-3 * norm(&gradient) * norm(&v) + 1e-9;
    let error = |step: f64| {
        let [ahead, behind] = [step, -step].map(|h| draw.loss(&along(&draw.params, &v, h)));
        ((ahead - behind) / (2.0 * step) - slope).abs() / scale
    };
    STEPS.map(error).into_iter().fold(f64::INFINITY, f64::min)
}

/// Relative error of the Hessian times a random direction.
fn hessian_error(draw: &Draw, seed: u64) -> f64 {
    let v = direction(&draw.params, seed);
    let (gradient, product) = draw.hessian_product(&draw.params, &v);
    let scale = norm(&product) + 1e-6 * norm(&gradient) + 1e-9;
    let error = |step: f64| {
        let [ahead, behind] = [step, -step].map(|h| draw.gradient(&along(&draw.params, &v, h)).1);
        let quotients = ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * step));
        let gaps: Vec<f64> = quotients.zip(&product).map(|(a, b)| a - b).collect();
        norm(&gaps) / scale
    };
    STEPS.map(error).into_iter().fold(f64::INFINITY, f64::min)
}

fn check(problems: impl Iterator<Item = Arc<dyn AnyProblem>>) {
    let mut wrong = Vec::new();
    for problem in problems {
        let draw = Draw::new(&problem, 11);
        let error = gradient_error(&draw, 12);
        if error.is_nan() || error > 1e-5 {
            wrong.push(format!("{}: gradient off by {error:e}", problem.name()));
        }
        let error = hessian_error(&draw, 13);
        if error.is_nan() || error > 1e-5 {
            wrong.push(format!("{}: Hessian off by {error:e}", problem.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_listed_problem() {
    check(all_entries().into_iter().map(|entry| entry.problem));
}

#[test]
fn every_wide_problem() {
    check(training_ensemble(Ensemble::WidePaper).into_iter().map(|entry| entry.problem));
}

/// Relu networks have kinks, and a kink within the step of a difference spoils that draw; a wrong
/// derivative spoils all three.
#[test]
fn every_small_network() {
    let wide = training_ensemble(Ensemble::WidePaper).len();
    for entry in &training_ensemble(Ensemble::Scaled)[wide..] {
        let errors = [11, 21, 31].map(|seed| {
            let draw = Draw::new(&entry.problem, seed);
            gradient_error(&draw, seed + 1) + hessian_error(&draw, seed + 2)
        });
        let best = errors.into_iter().fold(f64::INFINITY, f64::min);
        assert!(best < 1e-5, "{}: off by {errors:?}", entry.problem.name());
    }
}

#[test]
fn every_held_out_problem() {
    let held_out = lopt_problems::quick_validation_suite().into_iter().map(|task| {
        // 50 rows say as much about the derivative as 2000.
        Arc::new(FewRows(task.problem)) as Arc<dyn AnyProblem>
    });
    let embeddings = [EmbeddingRegression::sparse(), EmbeddingRegression::one_hot()];
    check(held_out.chain(embeddings.map(|problem| Arc::new(problem) as Arc<dyn AnyProblem>)));
}

#[test]
fn residual_networks_of_every_normalization() {
    let norms = [ImageNorm::Group(1), ImageNorm::Group(2), ImageNorm::Batch];
    check(norms.into_iter().map(|norm| {
        let images = Source::once(Recipe::Images { size: 8, classes: 3, rows: 5 }, 1);
        // Two blocks per stage: with and without a halved image and a shortcut of its own.
        let name = format!("tiny-{norm:?}");
        Arc::new(ResNet::new(name, &[4, 6], 2, norm, images, 5)) as Arc<dyn AnyProblem>
    }));
}

/// Away from the start, where biases are zero and every pixel without an active input is on a kink;
/// the best of three draws counts, as for the small networks.
#[test]
fn inception_networks_with_and_without_halved_images() {
    let module = |halves| InceptionModule { one: 2, three: [3, 2], five: [2, 3], pool: 1, halves };
    for halves in [[false, false], [false, true]] {
        let images = Source::once(Recipe::Images { size: 6, classes: 3, rows: 4 }, 1);
        let net = InceptionNet::new("tiny", 3, &halves.map(module), images, 4);
        let problem: Arc<dyn AnyProblem> = Arc::new(net);
        let errors = [11, 21, 31].map(|seed| {
            let mut draw = Draw::new(&problem, seed);
            draw.params = along(&draw.params, &direction(&draw.params, seed + 3), 0.3);
            gradient_error(&draw, seed + 1) + hessian_error(&draw, seed + 2)
        });
        let best = errors.into_iter().fold(f64::INFINITY, f64::min);
        assert!(best < 1e-5, "{halves:?}: off by {errors:?}");
    }
}

#[test]
fn every_task_of_the_suites() {
    for kind in [Suite::Validation, Suite::Test] {
        let tasks = suite(kind, None).expect("no file is needed").tasks.into_iter();
        check(tasks.map(|task| Arc::new(FewRows(task.problem)) as Arc<dyn AnyProblem>));
    }
}

/// A problem whose whole data set is its first 50 rows.
#[derive(Debug)]
struct FewRows(Arc<dyn AnyProblem>);

impl Problem for FewRows {
    fn name(&self) -> String {
        self.0.name()
    }

    fn layout(&self) -> lopt_core::layout::Layout {
        self.0.layout()
    }

    fn instance(&self, rng: &mut lopt_core::rng::Rng) -> lopt_problems::Instance {
        self.0.instance(rng)
    }

    fn init(&self, instance: &lopt_problems::Instance, rng: &mut lopt_core::rng::Rng) -> Vec<f32> {
        self.0.init(instance, rng)
    }

    fn batch(
        &self,
        instance: &lopt_problems::Instance,
        _: Option<&[usize]>,
    ) -> Vec<lopt_problems::Array> {
        let rows: Vec<usize> = (0..50).collect();
        self.0.batch(instance, Some(&rows))
    }

    fn loss<'t, R: lopt_problems::Scalar>(
        &self,
        tape: &'t lopt_grad::Tape<R>,
        params: &[lopt_grad::Var<'t, R>],
        constants: &[lopt_grad::Var<'t, R>],
        batch: &[lopt_grad::Var<'t, R>],
    ) -> lopt_grad::Var<'t, R> {
        self.0.loss(tape, params, constants, batch)
    }
}
