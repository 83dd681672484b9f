//! Validation losses of the jobs to choose by, for calibrations of a run of `lopt train --config recommended`:
//! the half `field` of the field suite, the races, and networks that long steps harm. A row per calibration.
//!
//! ```text
//! cargo run --release -p lopt-bench --example calibrations -- run/checkpoint.lopt DATA 3 as-it-is \
//!     readout=0.5,length=0.25,warm_up=100 adamw
//! ```
//!
//! `DATA` holds MNIST and CIFAR-10, 3 is the number of seeds. What a calibration does not name is as in the
//! checkpoint's recipe; `adamw` is AdamW(1e-3).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use lopt_bench::baseline::Baseline;
use lopt_bench::contender::Contender;
use lopt_bench::parallel::{parallel, threads};
use lopt_bench::record::RunRow;
use lopt_bench::runs::jobs;
use lopt_bench::setting::{Learned, LearnedWeights, Setting};
use lopt_bench::workload::{Size, Workload};
use lopt_core::rng::stream;
use lopt_meta::checkpoint::Checkpoint;
use lopt_meta::evolution::{EvolutionRecipe, EvolutionTrainer};
use lopt_problems::{
    Activation, AnyProblem, BadlyScaled, FieldSuite, FieldTask, Mlp, Problem, Source, field_tasks,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, data, seeds, calibrations @ ..] = &arguments[..] else {
        return Err("expected CHECKPOINT DATA SEEDS CALIBRATION...".into());
    };
    let (saved, seeds) = (Checkpoint::read(Path::new(checkpoint))?, seeds.parse()?);
    let contenders = calibrations.iter().map(|text| {
        let setting = match text.as_str() {
            "adamw" => Setting::constant(Baseline::AdamW, 1e-3),
            text => calibrated(&saved, text)?,
        };
        Ok(Contender::new(text, vec![setting]))
    });
    let contenders = contenders.collect::<Result<Vec<Contender>, Box<dyn Error>>>()?;
    let data = Some(Path::new(data));
    let field = field_tasks(FieldSuite::Choose, data)?.tasks;
    let networks = networks(data, seeds)?;
    let names = field.iter().map(|task| task.name);
    let names: Vec<&str> = names.chain(networks.iter().map(|it| it.name.as_str())).collect();
    println!("| calibration | mean logarithm of the first {MEAN} | {} |", names.join(" | "));
    for contender in &contenders {
        let [of_field, of_networks] = losses(&field, &networks, contender, seeds)?;
        let all: Vec<f64> = of_field.into_iter().chain(of_networks).collect();
        let mean = all[..MEAN].iter().map(|loss| loss.ln()).sum::<f64>() / MEAN as f64;
        let all: Vec<String> = all.iter().map(|loss| format!("{loss:.4}")).collect();
        println!("| {} | {mean:.4} | {} |", contender.name, all.join(" | "));
    }
    Ok(())
}

/// The weights of a run with the numbers of its calibration that `text` names.
fn calibrated(saved: &Checkpoint, text: &str) -> Result<Setting, Box<dyn Error>> {
    let mut recipe = EvolutionRecipe::parse(&saved.recipe)?;
    let mut networks = recipe.calibration.networks.unwrap_or(recipe.networks);
    for pair in text.split(',').filter(|&pair| pair != "as-it-is") {
        let (name, value) = pair.split_once('=').ok_or("expected NAME=NUMBER")?;
        let number = match name {
            "readout" => &mut recipe.calibration.readout,
            "length" => &mut recipe.calibration.length,
            "weight_decay" => &mut recipe.calibration.weight_decay,
            "agreement" => &mut networks.agreement,
            "warm_up" => &mut networks.warm_up,
            "warm_up_per_matrix" => &mut networks.warm_up_per_matrix,
            "shorter_with_depth" => &mut networks.shorter_with_depth,
            "doubt_with_depth" => &mut networks.doubt_with_depth,
            "power_in_noise" => &mut networks.power_in_noise,
            "most_decay" => &mut networks.weight_decay,
            _ => return Err(format!("there is no number named {name}").into()),
        };
        *number = value.parse()?;
    }
    recipe.calibration.networks = Some(networks);
    let mut saved = saved.clone();
    saved.recipe = recipe.to_toml();
    let weights = EvolutionTrainer::resume(&saved)?.weights("")?;
    Ok(Setting::Learned(Learned::new(text, LearnedWeights::Lopt(Arc::new(weights)))))
}

/// Races, and networks on MNIST that long steps harm: deep ones without normalisation, batches of few rows,
/// parameters in units of their own.
fn networks(data: Option<&Path>, seeds: usize) -> Result<Vec<Workload>, Box<dyn Error>> {
    let race = |name: &str| {
        let size = Size { seeds, ..Size::default() };
        let mut workload = Workload::new(name, size, data)?;
        (workload.validated, workload.checkpoints) = (true, vec![0, workload.steps]);
        Ok::<_, Box<dyn Error>>(workload)
    };
    let mnist = race("mnist-mlp")?;
    let images = mnist.problem.instance(&mut stream(0, &[])).dataset.ok_or("MNIST has images")?;
    let mlp = |hidden: &[usize], activation| {
        Mlp::new(hidden, activation, Source::given(Arc::clone(&images)), 64).plain()
    };
    let on_images = |name: &str, problem: Arc<dyn AnyProblem>, batch, steps| {
        let mut workload = mnist.clone();
        (workload.name, workload.problem) = (name.to_owned(), problem);
        (workload.batch, workload.steps) = (Some(batch), steps);
        workload.checkpoints = vec![0, steps];
        workload
    };
    let relu = Activation::Relu;
    Ok(vec![
        race("digits-mlp")?,
        mnist.clone(),
        on_images("20 layers, ReLU", Arc::new(mlp(&[64; 20], relu)), 64, 1000),
        on_images("20 layers, tanh", Arc::new(mlp(&[64; 20], Activation::Tanh)), 64, 1000),
        on_images("one row", Arc::new(mlp(&[64, 64], relu)), 1, 3000),
        on_images("128, 128", Arc::new(mlp(&[128, 128], relu)), 64, 600),
        on_images("softmax, 4 rows", Arc::new(mlp(&[], relu)), 4, 100),
        on_images("softmax, 4 rows, longer", Arc::new(mlp(&[], relu)), 4, 1000),
        on_images("units", Arc::new(BadlyScaled::new(mlp(&[64, 64], relu), 2.0)), 64, 1000),
    ])
}

/// Mean losses over the seeds, of the field jobs and of the others; infinite where a run was lost.
fn losses(
    field: &[FieldTask],
    networks: &[Workload],
    contender: &Contender,
    seeds: usize,
) -> Result<[Vec<f64>; 2], Box<dyn Error>> {
    let (setting, contenders) = (&contender.settings[0], std::slice::from_ref(contender));
    let of_networks = jobs(networks, contenders);
    let of_field = field.iter().flat_map(|task| (0..seeds).map(move |seed| (task, seed)));
    let of_field: Vec<(&FieldTask, usize)> = of_field.collect();
    let runs = parallel(threads(None), of_field.len() + of_networks.len(), |place| {
        let Some(&(task, seed)) = of_field.get(place) else {
            return of_networks[place - of_field.len()].run();
        };
        let row = RunRow::new(task.name, &contender.name, setting.describe(), seed);
        let mut optimizer = setting.build(&task.job.layout(), task.steps)?;
        Ok(lopt_bench::field::run::run(task, task.steps, row, &mut *optimizer, false))
    })?;
    let end = |place: usize| {
        let run = &runs[place].run;
        let mut losses = run.validation.iter().map(|&(_, loss)| loss);
        let keeps_best = of_field.get(place).is_some_and(|(task, _)| task.job.early_stopping());
        let end = if keeps_best { losses.reduce(f64::min) } else { losses.next_back() };
        end.filter(|_| run.finished()).unwrap_or(f64::INFINITY)
    };
    let ends: Vec<f64> = (0..runs.len()).map(end).collect();
    let (of_field, of_networks) = ends.split_at(of_field.len());
    let means = |ends: &[f64]| {
        ends.chunks_exact(seeds).map(|own| own.iter().sum::<f64>() / seeds as f64).collect()
    };
    Ok([means(of_field), means(of_networks)])
}

/// Jobs of which the mean logarithm is taken: those of the suite and the races.
const MEAN: usize = 8;
