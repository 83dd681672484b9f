//! Trains one network by several optimizers, each from the same starts and on the same points.

use lopt_baselines::AdamW;
use lopt_core::rng::stream;
use lopt_core::{Layout, LearnedOptimizer, Optimizer, Schedule, TensorShape, Weights};
use lopt_problems::{Evaluation, Problem};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

/// The tensors of dense layers with these widths, the first being the number of inputs.
pub(crate) fn dense_layout(widths: &[usize]) -> Layout {
    let layer = |(i, pair): (usize, &[usize])| {
        let weight = TensorShape::new(format!("layer{i}.weight"), [pair[0], pair[1]]);
        [weight, TensorShape::new(format!("layer{i}.bias"), [pair[1]])]
    };
    Layout::new(widths.windows(2).enumerate().flat_map(layer).collect())
        .expect("layers have at least one unit")
}

/// What one optimizer reached: geometric means of the losses over the seeds.
#[derive(Debug)]
pub(crate) struct Row {
    pub name: String,
    /// Loss at the points that the model was trained on.
    pub training: f64,
    /// Loss at other points.
    pub validation: f64,
    /// Seconds of one training run, the mean over the seeds.
    pub seconds: f64,
}

type Make = Box<dyn Fn(&Layout, u64) -> Result<Box<dyn Optimizer>, Box<dyn Error>>>;

/// The optimizers, each with its name and how to make one for a run of some steps.
fn contenders() -> Vec<(String, Make)> {
    let learned = |weights: &'static str| -> Make {
        Box::new(move |layout, _| {
            let weights = Weights::embedded(weights)?;
            Ok(Box::new(LearnedOptimizer::from_weights(&weights, layout)?))
        })
    };
    let mut list = vec![
        ("lopt".to_owned(), learned("recommended")),
        ("lopt, weights hierarchical-rnn".to_owned(), learned("hierarchical-rnn")),
    ];
    // without weight decay, which would only keep AdamW from fitting
    let constant: Make = Box::new(|layout, _| Ok(Box::new(AdamW::new(layout, 1e-3, 0.0))));
    list.push(("AdamW, rate 1e-3".to_owned(), constant));
    for rate in [1e-3, 3e-3, 1e-2] {
        let cosine: Make = Box::new(move |layout, steps| {
            let schedule = Schedule::warmup_cosine(steps, steps / 20);
            Ok(Box::new(AdamW::new(layout, rate, 0.0).with_schedule(schedule)))
        });
        list.push((format!("AdamW, warm-up and cosine, rate {rate:.0e}"), cosine));
    }
    list
}

/// Trains the problem by every optimizer, over `steps` steps, from as many starts as `seeds`, and
/// hands each row to `report` when it is done.
pub(crate) fn compare(
    problem: impl Problem + Clone,
    steps: u64,
    seeds: u64,
    mut report: impl FnMut(&Row),
) -> Result<(), Box<dyn Error>> {
    for (name, make) in contenders() {
        report(&row(&name, &make, &problem, steps, seeds)?);
    }
    Ok(())
}

fn row(
    name: &str,
    make: &Make,
    problem: &(impl Problem + Clone),
    steps: u64,
    seeds: u64,
) -> Result<Row, Box<dyn Error>> {
    let mut row = Row { name: name.to_owned(), training: 0.0, validation: 0.0, seconds: 0.0 };
    for seed in 0..seeds {
        // two draws of the points: those to train on, and others
        let [trained, other] = [0, 1].map(|part| problem.instance(&mut stream(seed, &[part])));
        let mut params = problem.init(&trained, &mut stream(seed, &[2]));
        let mut training = Evaluation::new(Arc::new(problem.clone()), trained);
        let mut validation = Evaluation::new(Arc::new(problem.clone()), other);
        let mut optimizer = make(&problem.layout(), steps)?;

        let start = Instant::now();
        for _ in 0..steps {
            let (loss, grads) = training.value_and_gradient(optimizer.attended(&params), None);
            optimizer.observe(loss);
            optimizer.step(&mut params, grads)?;
        }
        row.seconds += start.elapsed().as_secs_f64() / seeds as f64;

        row.training += f64::from(training.loss(&params, None)).ln() / seeds as f64;
        row.validation += f64::from(validation.loss(&params, None)).ln() / seeds as f64;
    }
    (row.training, row.validation) = (row.training.exp(), row.validation.exp());
    Ok(row)
}

/// Compares, and prints a table row by row.
#[allow(clippy::print_stdout, reason = "an example reports")]
pub(crate) fn print(
    title: &str,
    problem: impl Problem + Clone,
    steps: u64,
    seeds: u64,
) -> Result<(), Box<dyn Error>> {
    println!("{title}: {steps} steps on all points at once, {seeds} seeds\n");
    println!("{:40} {:>10} {:>10} {:>8}", "loss", "training", "validation", "seconds");
    compare(problem, steps, seeds, |Row { name, training, validation, seconds }| {
        println!("{name:40} {training:10.2e} {validation:10.2e} {seconds:8.1}");
    })
}
