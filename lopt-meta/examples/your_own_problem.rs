//! Meta-training on a problem of one's own: `docs/your-own-problem.md` tells the story.
//!
//! `cargo run --release -p lopt-meta --example your_own_problem`

use lopt_baselines::Adam;
use lopt_core::rng::{Rng, normal, stream, uniform};
use lopt_core::simd::Level;
use lopt_core::{Layout, LearnedOptimizerConfig, Optimizer, TensorShape, Weights};
use lopt_grad::{Tape, Var};
use lopt_meta::{Recipe, Trainer};
use lopt_problems::{Array, Entry, Evaluation, Instance, Problem, Scalar};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// Fits `a1 exp(-k1 t) + a2 exp(-k2 t)` to noisy measurements: four numbers, a narrow curved valley.
#[derive(Debug, Clone)]
struct Decay;

/// Measurements per instance.
const POINTS: usize = 40;

impl Problem for Decay {
    fn name(&self) -> String {
        "two-decays".to_owned()
    }

    fn layout(&self) -> Layout {
        let tensors = vec![TensorShape::new("amplitude", [2]), TensorShape::new("log_rate", [2])];
        Layout::new(tensors).expect("two tensors of two elements")
    }

    /// What is random about the problem: the times, the same for all, and the measurements.
    fn instance(&self, rng: &mut Rng) -> Instance {
        let (a, k) = ([normal(rng), normal(rng)], [uniform(rng, 0.2, 1.0), uniform(rng, 2.0, 8.0)]);
        let times: Vec<f32> = (0..POINTS).map(|i| 4.0 * i as f32 / POINTS as f32).collect();
        let value = |t: f64| a[0] * (-k[0] * t).exp() + a[1] * (-k[1] * t).exp();
        let values = times.iter().map(|&t| (value(f64::from(t)) + 0.01 * normal(rng)) as f32);
        let values = values.collect();
        let constants = vec![Array::new([POINTS, 1], times), Array::new([POINTS, 1], values)];
        Instance { constants, dataset: None }
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        (0..4).map(|_| normal(rng) as f32).collect()
    }

    /// Written once; gradients and second derivatives come from it, in every precision.
    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (amplitude, log_rate) = (params[0].reshape(&[2, 1]), params[1].reshape(&[1, 2]));
        let (times, measured) = (constants[0], constants[1]);
        let decays = (times.matmul(log_rate.exp()) * -1.0).exp();
        (decays.matmul(amplitude) - measured).square().mean()
    }
}

/// Mean of the log final loss over instances that training has not seen.
fn score(make: &dyn Fn(&Layout) -> Box<dyn Optimizer>, instances: u64) -> f64 {
    let problem = Arc::new(Decay);
    let one = |seed: u64| {
        let mut rng = stream(1_000_000 + seed, &[]);
        let instance = problem.instance(&mut rng);
        let mut params = problem.init(&instance, &mut rng);
        let mut evaluation = Evaluation::new(problem.clone(), instance);
        let mut optimizer = make(&problem.layout());
        for _ in 0..STEPS {
            let (loss, grads) = evaluation.value_and_gradient(optimizer.attended(&params), None);
            optimizer.observe(loss);
            if optimizer.step(&mut params, grads).is_err() {
                return WORST;
            }
        }
        f64::from(evaluation.loss(&params, None)).ln().clamp(-WORST, WORST)
    };
    (0..instances).map(one).sum::<f64>() / instances as f64
}

/// Steps of every run.
const STEPS: usize = 40;
/// Log loss of a run that diverged.
const WORST: f64 = 20.0;

#[allow(clippy::print_stdout, reason = "an example reports")]
fn main() -> Result<(), Box<dyn Error>> {
    let instances = 100;
    let scores = train_and_compare(300, instances)?;
    println!("mean log loss after {STEPS} steps, {instances} new instances");
    for (name, score) in scores {
        println!("{name:18} {score:.3}");
    }
    Ok(())
}

/// Trains, writes and reads weights, and scores them beside others; own weights come first.
pub(crate) fn train_and_compare(
    updates: u64,
    instances: u64,
) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    // train: from the embedded weights, on our problem only
    let mut recipe = Recipe::parse(include_str!("../recipes/own-problem.toml"))?;
    recipe.updates = updates;
    let problems = vec![Entry::new("own", Decay)];
    let start = Weights::embedded("hierarchical-rnn")?;
    let mut trainer = Trainer::from_weights_on_problems(recipe, problems, &start, Level::detect())?;
    for _ in 0..updates {
        let report = trainer.update();
        if !report.meta_loss.is_finite() {
            return Err(format!("update {} has no finite meta-loss", report.update).into());
        }
    }

    // ship: one small file, read and checked like the embedded ones
    let file = std::env::temp_dir().join("two-decays.lopt");
    trainer.weights("example")?.write(&file)?;
    let own = Weights::read(Path::new(&file))?;

    // use: as the embedded ones
    let learned = |weights: &Weights| {
        let config = LearnedOptimizerConfig::new().with_weights(weights.clone());
        move |layout: &Layout| -> Box<dyn Optimizer> {
            Box::new(config.init(layout).expect("weights of the recommended kind"))
        }
    };
    let mut scores = vec![
        ("own weights".to_owned(), score(&learned(&own), instances)),
        ("embedded weights".to_owned(), score(&learned(&start), instances)),
    ];
    for rate in [1e-3, 1e-2, 3e-2, 1e-1, 3e-1] {
        let adam =
            move |layout: &Layout| -> Box<dyn Optimizer> { Box::new(Adam::new(layout, rate)) };
        scores.push((format!("Adam, rate {rate}"), score(&adam, instances)));
    }
    Ok(scores)
}
