//! The L2L trainer: its meta-gradient, that it learns and repeats, what it refuses.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::Layout;
use lopt_core::rng::{Rng, normal, stream};
use lopt_core::simd::Level;
use lopt_grad::{Tape, Var};
use lopt_meta::l2l::{
    L2lConfig, L2lNetwork, L2lState, L2lTrainError, L2lWeights, META_PARAMETERS, Run, initial_psi,
    meta_gradient, train,
};
use lopt_problems::{
    Activation, AnyProblem, Array, Instance, Mlp, Noisy, Problem, Quadratic, Recipe, Scalar, Source,
};
use std::sync::Arc;

/// `c . x`: its gradient does not depend on the parameters.
#[derive(Debug)]
struct Linear;

impl Problem for Linear {
    fn name(&self) -> String {
        "linear".to_owned()
    }

    fn layout(&self) -> Layout {
        Layout::single(9).unwrap()
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let slopes = (0..9).map(|_| (0.1 * normal(rng)) as f32).collect();
        Instance { constants: vec![Array::new([9], slopes)], dataset: None }
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        (0..9).map(|_| normal(rng) as f32).collect()
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        (params[0] * constants[0]).sum()
    }
}

fn mlp(rows: usize) -> Arc<dyn AnyProblem> {
    let digits = Source::once(Recipe::Digits { size: 8, rows }, 1);
    Arc::new(Mlp::new(&[8], Activation::Sigmoid, digits, 16).plain())
}

/// On the linear problem the gradients do not depend on psi, so this is the whole derivative of the
/// meta-loss. On the network it is the published one: the recorded gradients are read again and
/// weigh the parameters, as if they did not depend on them.
#[test]
fn the_meta_gradient_is_that_of_differences_with_frozen_gradients() {
    for problem in [Arc::new(Linear) as Arc<dyn AnyProblem>, mlp(200)] {
        let psi: Vec<f64> =
            initial_psi(&mut stream(4, &[])).iter().map(|&x| f64::from(x as f32)).collect();
        let network = L2lNetwork::<f32>::new(&psi, Level::detect()).unwrap();
        let mut run = Run::new(&problem, 2, [0, 0]);
        let unroll = run.unroll(&network, 6).unwrap();
        assert_eq!((unroll.losses.len(), unroll.gradients.len()), (7, 7));
        let gradient = meta_gradient(&network, &unroll).unwrap();

        let frozen: Vec<Vec<f64>> =
            unroll.gradients.iter().map(|g| g.iter().map(|&g| f64::from(g)).collect()).collect();
        let value = |psi: &[f64]| {
            let network = L2lNetwork::<f64>::new(psi, Level::Portable).unwrap();
            let mut state = L2lState::new(frozen[0].len());
            // relative to the start, which psi does not move
            let mut params = vec![0.0; frozen[0].len()];
            let mut total = 0.0;
            for (read, met) in frozen.iter().zip(&frozen[1..]) {
                network.forward(&mut state, &mut params, read);
                total += params.iter().zip(met).map(|(x, g)| x * g).sum::<f64>();
            }
            total
        };
        let size = gradient.iter().map(|x| x * x).sum::<f64>().sqrt();
        for seed in 0..5 {
            let mut rng = stream(seed, &[7]);
            let direction: Vec<f64> = psi.iter().map(|_| normal(&mut rng)).collect();
            let along = |h: f64| -> Vec<f64> {
                psi.iter().zip(&direction).map(|(x, d)| x + h * d).collect()
            };
            let quotient = (value(&along(1e-5)) - value(&along(-1e-5))) / 2e-5;
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let gap = (slope - quotient).abs();
            assert!(gap < 1e-4 * size, "{}: {slope}, {quotient}, of {size}", problem.name());
        }
        // the meta-loss itself, on the linear problem: all that moves it is in the differences
        if problem.name() == "linear" {
            let first = f64::from(unroll.losses[0]);
            let moved = unroll.meta_loss() - 7.0 * first;
            assert!((moved - value(&psi)).abs() < 1e-5, "{moved}, {}", value(&psi));
        }
    }
}

fn short() -> L2lConfig {
    L2lConfig {
        runs: 60,
        run_steps: 40,
        rate: 5e-3,
        evaluate_every: 20,
        evaluation_runs: 3,
        ..L2lConfig::default()
    }
}

#[test]
fn it_learns_and_repeats_on_any_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut seen = Vec::new();
            let weights = train(mlp(200), &short(), |progress| seen.push(progress)).unwrap();
            (weights, seen)
        })
    };
    let (weights, seen) = run(1);
    assert_eq!(seen.len(), 60);
    let evaluations: Vec<f64> = seen.iter().filter_map(|p| p.evaluation).collect();
    assert_eq!(evaluations.len(), 3);
    let mean = |part: &[lopt_meta::l2l::L2lProgress]| {
        part.iter().map(|p| p.loss).sum::<f64>() / part.len() as f64
    };
    let (early, late) = (mean(&seen[..10]), mean(&seen[50..]));
    assert!(late < early - 0.3, "mean loss of the first runs {early}, of the last {late}");
    let best = evaluations.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((weights.record.validation, weights.psi().len()), (best, META_PARAMETERS));
    let (again, seen_again) = run(3);
    assert_eq!(seen, seen_again);
    let bytes = |weights: &L2lWeights| weights.to_bytes();
    assert_eq!(bytes(&weights), bytes(&again));
}

#[test]
fn what_makes_no_sense_is_refused_in_one_sentence() {
    let quadratic = || Arc::new(Quadratic::new(3)) as Arc<dyn AnyProblem>;
    for (config, word) in [
        (L2lConfig { runs: 0, ..short() }, "runs"),
        (L2lConfig { run_steps: 30, ..short() }, "multiple"),
        (L2lConfig { rate: f64::NAN, ..short() }, "rate"),
        (L2lConfig { limit: -1.0, ..short() }, "limit"),
    ] {
        let error = train(quadratic(), &config, |_| {}).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
    let noisy = Arc::new(Noisy::new(Quadratic::new(3), 0.1));
    let error = train(noisy, &short(), |_| {}).unwrap_err();
    assert!(matches!(error, L2lTrainError::Corrupted { .. }), "{error}");
}
