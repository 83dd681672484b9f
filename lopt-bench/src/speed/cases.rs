//! What is timed: one optimizer step, Adam's, a copy, a meta-update.

use std::hint::black_box;

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_core::{
    GuardConfig, HierarchicalRnn, HierarchicalRnnConfig, Layout, LearnedOptimizerConfig, Optimizer,
    RelativeRnn, RelativeRnnConfig, Weights,
};
use lopt_meta::config::QUADRATIC20;
use lopt_meta::{Recipe, Trainer};
use lopt_simd::throughput::pass_in_place;

use crate::error::CliError;
use crate::parallel::pool;

/// Something that is done over and over. A call does it once, and returns for how many parameters (times
/// steps) that counts, or why a step was refused.
pub(super) type Case = Box<dyn FnMut() -> Result<f64, CliError>>;

/// A step, on fixed gradients, of the optimizer that `make` makes, on threads of its own.
pub(super) fn step<O: Optimizer + 'static>(
    layout: &Layout,
    threads: usize,
    make: impl FnOnce() -> Result<O, CliError> + Send,
) -> Result<Case, CliError> {
    let pool = pool(threads)?;
    let mut optimizer = pool.install(make)?;
    let mut params = vec![0.1; layout.len()];
    let grads: Vec<f32> = (0..layout.len()).map(|i| (i as f32 * 0.37).sin()).collect();
    // Falls all the time, so that a guard keeps taking snapshots.
    let mut loss = 1e6;
    Ok(Box::new(move || {
        loss -= 1.0;
        black_box(optimizer.attended(&params));
        optimizer.observe(loss);
        pool.install(|| optimizer.step(&mut params, &grads))?;
        Ok(params.len() as f64)
    }))
}

/// A step of the bare learned optimizer with random weights, which cost what trained ones do.
pub(super) fn learned_step(
    config: &HierarchicalRnnConfig,
    layout: &Layout,
    level: Level,
    threads: usize,
    compact: bool,
) -> Result<Case, CliError> {
    let psi = random_psi(config);
    step(layout, threads, || {
        let optimizer = HierarchicalRnn::new(config, &psi, layout, level);
        Ok(if compact { optimizer.with_compact_state() } else { optimizer })
    })
}

/// A step of the bare relative RNN; what its networks say does not change what it costs.
pub(super) fn relative_step(
    layout: &Layout,
    level: Level,
    threads: usize,
) -> Result<Case, CliError> {
    let config = RelativeRnnConfig::recommended();
    let psi = config.initialize(&mut stream(1, &[]));
    step(layout, threads, || Ok(RelativeRnn::new(&config, &psi, layout, level)))
}

/// A step of what users have, with or without the guard.
pub(super) fn whole_step(
    config: &HierarchicalRnnConfig,
    layout: &Layout,
    guard: Option<GuardConfig>,
) -> Result<Case, CliError> {
    let psi = random_psi(config).into_iter().map(|x| x as f32).collect();
    let weights = Weights::new(*config, psi, TrainingRecord::default())?;
    let settings = LearnedOptimizerConfig::new().with_weights(weights).with_guard(guard);
    step(layout, 1, || Ok(settings.init(layout)?))
}

fn random_psi(config: &HierarchicalRnnConfig) -> Vec<f64> {
    MetaLayout::new(config).initialize(config, &mut stream(1, &[]))
}

/// A plain copy of so many bytes per parameter: half of them are read, half are written.
pub(super) fn copy(parameters: usize, bytes_per_parameter: f64) -> Case {
    let len = (parameters as f64 * bytes_per_parameter / 2.0) as usize;
    let (from, mut to) = (vec![1_u8; len], vec![2_u8; len]);
    Box::new(move || {
        black_box(&mut to).copy_from_slice(black_box(&from));
        Ok(parameters as f64)
    })
}

/// The same bytes read and written in one place, as optimizers do with their state.
pub(super) fn in_place(parameters: usize, bytes_per_parameter: f64) -> Case {
    let len = (parameters as f64 * bytes_per_parameter / 8.0) as usize;
    let mut values = vec![1; len];
    Box::new(move || {
        pass_in_place(black_box(&mut values));
        Ok(parameters as f64)
    })
}

/// A meta-update on instances of one problem of so many parameters: unrolls of 100 steps and the way
/// back through them, second derivatives included.
pub(super) fn meta_update(
    problem: &str,
    config: &str,
    level: Level,
    parameters: usize,
) -> Result<Case, CliError> {
    let mut recipe = Recipe::parse(QUADRATIC20)?;
    config.clone_into(&mut recipe.optimizer);
    recipe.switches.clear();
    recipe.problems.names = vec![problem.to_owned()];
    // All unrolls alike, and no end in sight.
    recipe.lengths.unroll_mean = 1e-9;
    recipe.lengths.unroll_base = 100;
    recipe.updates = 1_000_000;
    let pool = pool(1)?;
    let mut trainer = pool.install(|| Trainer::new(recipe, level))?;
    Ok(Box::new(move || {
        let steps = pool.install(|| trainer.update().instance_steps);
        Ok(steps as f64 * parameters as f64)
    }))
}
