//! What is timed: one optimizer step, Adam's, a copy, a meta-update.

use lopt_core::learned::BuildError;
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_core::{
    GuardConfig, HierarchicalRnn, HierarchicalRnnConfig, Layout, LearnedOptimizerConfig, Optimizer,
    Weights,
};
use lopt_meta::config::QUADRATIC20;
use lopt_meta::{Recipe, Trainer};
use rayon::ThreadPool;

use crate::error::CliError;

/// Something that is done over and over.
pub trait Case {
    /// Does it once; returns for how many parameters (times steps) that counts.
    ///
    /// # Errors
    ///
    /// If a step is refused.
    fn run(&mut self) -> Result<f64, CliError>;
}

/// A step of any optimizer on fixed gradients.
#[expect(missing_debug_implementations, reason = "holds an optimizer, which has none")]
pub struct StepCase {
    pool: ThreadPool,
    optimizer: Box<dyn Optimizer>,
    params: Vec<f32>,
    grads: Vec<f32>,
    /// Falls all the time, so that a guard keeps taking snapshots.
    loss: f32,
}

impl StepCase {
    /// The optimizer that `make` makes, on threads of its own.
    ///
    /// # Errors
    ///
    /// If the threads cannot be started, or the optimizer cannot be made.
    pub fn new<O: Optimizer + 'static>(
        layout: &Layout,
        threads: usize,
        make: impl FnOnce() -> Result<O, CliError> + Send,
    ) -> Result<Self, CliError> {
        let pool = pool(threads)?;
        let optimizer = Box::new(pool.install(make)?);
        let grads = (0..layout.len()).map(|i| (i as f32 * 0.37).sin()).collect();
        Ok(Self { pool, optimizer, params: vec![0.1; layout.len()], grads, loss: 1e6 })
    }

    /// The bare learned optimizer with random weights, which cost what trained ones do.
    ///
    /// # Errors
    ///
    /// If the threads cannot be started.
    pub fn learned(
        config: &HierarchicalRnnConfig,
        layout: &Layout,
        level: Level,
        threads: usize,
        compact: bool,
    ) -> Result<Self, CliError> {
        let psi = random_psi(config);
        Self::new(layout, threads, || {
            let optimizer = HierarchicalRnn::new(config, &psi, layout, level);
            Ok(if compact { optimizer.with_compact_state() } else { optimizer })
        })
    }

    /// What users have, with or without the guard.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn whole(
        config: &HierarchicalRnnConfig,
        layout: &Layout,
        guard: Option<GuardConfig>,
    ) -> Result<Self, CliError> {
        let psi = random_psi(config).into_iter().map(|x| x as f32).collect();
        let weights = Weights { config: *config, psi, record: TrainingRecord::default() };
        let settings = LearnedOptimizerConfig::new().with_weights(weights).with_guard(guard);
        let fault = |error: BuildError| CliError::Speed(error.to_string());
        Self::new(layout, 1, || settings.init(layout).map_err(fault))
    }
}

fn random_psi(config: &HierarchicalRnnConfig) -> Vec<f64> {
    MetaLayout::new(config).initialize(config, &mut stream(1, &[]))
}

impl Case for StepCase {
    fn run(&mut self) -> Result<f64, CliError> {
        let Self { pool, optimizer, params, grads, loss } = self;
        *loss -= 1.0;
        optimizer.observe(*loss);
        pool.install(|| optimizer.step(params, grads))
            .map_err(|error| CliError::Speed(error.to_string()))?;
        Ok(self.params.len() as f64)
    }
}

/// A plain copy of as many bytes as Adam moves.
#[derive(Debug)]
pub struct CopyCase {
    from: Vec<u8>,
    to: Vec<u8>,
    parameters: usize,
}

impl CopyCase {
    /// Half of the bytes are read, half are written.
    pub fn new(parameters: usize, bytes_per_parameter: f64) -> Self {
        let len = (parameters as f64 * bytes_per_parameter / 2.0) as usize;
        Self { from: vec![1; len], to: vec![2; len], parameters }
    }
}

impl Case for CopyCase {
    fn run(&mut self) -> Result<f64, CliError> {
        std::hint::black_box(&mut self.to).copy_from_slice(std::hint::black_box(&self.from));
        Ok(self.parameters as f64)
    }
}

/// The same bytes read and written in one place, as optimizers do with their state.
#[derive(Debug)]
pub struct InPlaceCase {
    values: Vec<u32>,
    parameters: usize,
}

impl InPlaceCase {
    /// Half of the bytes are read, half are written.
    pub fn new(parameters: usize, bytes_per_parameter: f64) -> Self {
        let len = (parameters as f64 * bytes_per_parameter / 8.0) as usize;
        Self { values: vec![1; len], parameters }
    }
}

impl Case for InPlaceCase {
    fn run(&mut self) -> Result<f64, CliError> {
        for value in std::hint::black_box(&mut self.values) {
            *value ^= 1;
        }
        Ok(self.parameters as f64)
    }
}

/// A meta-update: unrolls of 100 steps and the way back through them, second derivatives included.
#[derive(Debug)]
pub struct MetaCase {
    pool: ThreadPool,
    trainer: Trainer,
    parameters: usize,
}

impl MetaCase {
    /// On instances of one problem.
    ///
    /// # Errors
    ///
    /// If there is no such problem or configuration, or the thread cannot be started.
    pub fn new(problem: &str, config: &str, level: Level) -> Result<Self, CliError> {
        let fault = |error: &dyn std::error::Error| CliError::Speed(error.to_string());
        let mut recipe = Recipe::parse(QUADRATIC20).map_err(|error| fault(&error))?;
        config.clone_into(&mut recipe.optimizer);
        recipe.switches.clear();
        recipe.problems.names = vec![problem.to_owned()];
        // All unrolls alike, and no end in sight.
        recipe.lengths.unroll_mean = 1e-9;
        recipe.lengths.unroll_base = 100;
        recipe.updates = 1_000_000;
        let parameters = lopt_problems::lookup(problem, None)?.layout().len();
        let pool = pool(1)?;
        let trainer =
            pool.install(|| Trainer::new(recipe, level)).map_err(|error| fault(&error))?;
        Ok(Self { pool, trainer, parameters })
    }

    /// Parameters of the problem.
    pub fn parameters(&self) -> usize {
        self.parameters
    }
}

impl Case for MetaCase {
    fn run(&mut self) -> Result<f64, CliError> {
        let Self { pool, trainer, parameters } = self;
        let steps = pool.install(|| trainer.update().instance_steps);
        Ok(steps as f64 * *parameters as f64)
    }
}

/// A pool of its own, so that nothing else runs on its threads.
///
/// # Errors
///
/// If the threads cannot be started.
pub fn pool(threads: usize) -> Result<ThreadPool, CliError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| CliError::Threads(error.to_string()))
}
