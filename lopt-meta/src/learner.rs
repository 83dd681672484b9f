//! What learns: psi, the meta-optimizer and the counters, without the slots that feed them.

use crate::checkpoint::{Checkpoint, Counters, SlotState};
use crate::config::Recipe;
use crate::meta_optimizer::{MetaState, rate};
use crate::trainer::{TrainError, UpdateReport};
use crate::unroll::UnrollOutcome;
use crate::validation::{mean_score, run_suite};
use lopt_core::hierarchical_rnn::AVERAGING_ETA;
use lopt_core::meta_params::MetaLayout;
use lopt_core::network::Network;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::{TrainingRecord, WeightsError};
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Weights};

/// Weight of the newest value in the shown average of the meta-loss.
const SHOWN_AVERAGE: f64 = 0.02;

/// Initial rates of validation runs: around the one that weights are used with.
const VALIDATION_RATES: [f32; 3] = [1e-5, 1e-4, 1e-3];

/// The half of a training run that one process owns, however many unroll for it.
#[derive(Debug)]
pub struct Learner {
    recipe: Recipe,
    config: HierarchicalRnnConfig,
    meta: MetaState,
    counters: Counters,
    level: Level,
}

/// What unrolls contribute to one meta-update.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Meta-gradient, mean over the lanes used.
    pub gradient: Vec<f64>,
    /// Lanes used.
    pub used: usize,
    /// Mean meta-loss of the lanes that did not diverge.
    pub meta_loss: f64,
    /// Inner steps times instances.
    pub instance_steps: u64,
    /// Lanes that diverged.
    pub diverged: usize,
}

impl Contribution {
    /// Sums outcomes in the order given, which decides the bits. `length`: that of psi.
    #[must_use]
    pub fn reduce<'a>(
        outcomes: impl Iterator<Item = &'a UnrollOutcome> + Clone,
        length: usize,
    ) -> Self {
        let used: usize = outcomes.clone().map(|o| o.used).sum();
        let mut gradient = vec![0.0; length];
        for outcome in outcomes.clone() {
            for (total, g) in gradient.iter_mut().zip(&outcome.gradient) {
                *total += g / used.max(1) as f64;
            }
        }
        let good = |o: &UnrollOutcome| -> Vec<f64> {
            o.losses.iter().zip(&o.diverged).filter(|(_, d)| !**d).map(|(l, _)| *l).collect()
        };
        let losses: Vec<f64> = outcomes.clone().flat_map(good).collect();
        Self {
            gradient,
            used,
            meta_loss: losses.iter().sum::<f64>() / losses.len().max(1) as f64,
            instance_steps: outcomes.clone().map(|o| (o.steps * o.losses.len()) as u64).sum(),
            diverged: outcomes.flat_map(|o| &o.diverged).filter(|d| **d).count(),
        }
    }

    /// Becomes the mean of both over all lanes used.
    pub fn merge(&mut self, other: &Self) {
        let used = self.used + other.used;
        let share = other.used as f64 / used.max(1) as f64;
        for (mean, g) in self.gradient.iter_mut().zip(&other.gradient) {
            *mean += share * (g - *mean);
        }
        self.meta_loss += share * (other.meta_loss - self.meta_loss);
        self.used = used;
        self.instance_steps += other.instance_steps;
        self.diverged += other.diverged;
    }
}

impl Learner {
    /// Starts at random weights.
    ///
    /// # Errors
    ///
    /// If the recipe cannot be followed.
    pub fn new(recipe: Recipe, level: Level) -> Result<Self, TrainError> {
        let config = recipe.optimizer_config()?;
        let psi = MetaLayout::new(&config).initialize(&config, &mut stream(recipe.seed, &[0]));
        Self::at(recipe, config, psi, level)
    }

    /// Starts at existing weights, with a fresh meta-optimizer.
    ///
    /// # Errors
    ///
    /// If the recipe cannot be followed or asks for another optimizer than the weights'.
    pub fn from_weights(
        recipe: Recipe,
        weights: &Weights,
        level: Level,
    ) -> Result<Self, TrainError> {
        let config = recipe.optimizer_config()?;
        // the rate weights are used from does not matter: training draws its own; and a new pace, width
        // or fading is for training to get used to, as is a clock where there was none
        let given = HierarchicalRnnConfig {
            initial_rate: config.initial_rate,
            warmup: config.warmup,
            decay: config.decay,
            largest_decay: config.largest_decay,
            wide_from: config.wide_from,
            least_gradient: config.least_gradient,
            ..weights.hierarchical_rnn().map_err(|_| TrainError::OtherOptimizer)?
        };
        let new_clock = given.clock == 0.0 && config.clock > 0.0;
        let given =
            if new_clock { HierarchicalRnnConfig { clock: config.clock, ..given } } else { given };
        if config != given {
            return Err(TrainError::OtherOptimizer);
        }
        let psi = weights.psi_f64();
        let psi = if new_clock { MetaLayout::with_clock(&config, &psi) } else { psi };
        Self::at(recipe, config, psi, level)
    }

    fn at(
        recipe: Recipe,
        config: HierarchicalRnnConfig,
        mut psi: Vec<f64>,
        level: Level,
    ) -> Result<Self, TrainError> {
        // a checkpoint outlives what a name stands for today
        let recipe = recipe.pinned()?;
        clear_zeroed(&recipe, &config, &mut psi);
        let meta = MetaState::new(psi, &recipe.meta_optimizer);
        let counters = Counters { best_score: f64::INFINITY, ..Counters::default() };
        Ok(Self { recipe, config, meta, counters, level })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    ///
    /// If the checkpoint does not fit its own recipe.
    pub fn resume(checkpoint: &Checkpoint, level: Level) -> Result<Self, TrainError> {
        let recipe = Recipe::parse(&checkpoint.recipe)?.pinned()?;
        let config = recipe.optimizer_config()?;
        let (meta, counters) = (checkpoint.meta.clone(), checkpoint.counters.clone());
        if meta.psi.len() != MetaLayout::new(&config).len() {
            return Err(TrainError::Unfit);
        }
        Ok(Self { recipe, config, meta, counters, level })
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Counters so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// psi and the meta-optimizer.
    #[must_use]
    pub fn meta(&self) -> &MetaState {
        &self.meta
    }

    /// Instructions that steps are computed with.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether all updates are done.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.counters.updates >= self.recipe.updates
    }

    /// How far meta-training is, 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        progress(&self.recipe, self.counters.updates)
    }

    /// The network at psi.
    #[must_use]
    pub fn network(&self) -> Network<f32> {
        self.network_at(&self.meta.psi)
    }

    /// The network at another psi.
    pub(crate) fn network_at(&self, psi: &[f64]) -> Network<f32> {
        Network::new(&self.config, psi)
    }

    /// One meta-update.
    pub fn apply(&mut self, contribution: &Contribution) -> UpdateReport {
        let update = self.counters.updates;
        let norm = if contribution.used > 0 {
            let mut gradient = contribution.gradient.clone();
            clear_zeroed(&self.recipe, &self.config, &mut gradient);
            let config = &self.recipe.meta_optimizer;
            self.meta.update(config, &gradient, update, self.recipe.updates)
        } else {
            0.0
        };
        let c = &mut self.counters;
        let weight = if c.updates == 0 { 1.0 } else { SHOWN_AVERAGE };
        c.meta_loss += weight * (contribution.meta_loss - c.meta_loss);
        c.updates += 1;
        c.instance_steps += contribution.instance_steps;
        UpdateReport {
            update: c.updates,
            meta_loss: contribution.meta_loss,
            meta_loss_average: c.meta_loss,
            norm,
            rate: rate(&self.recipe.meta_optimizer, update, self.recipe.updates),
            instance_steps: contribution.instance_steps,
            diverged: contribution.diverged,
            used: contribution.used,
        }
    }

    /// Scores the averaged psi on the validation suite, from each of three initial rates, and
    /// remembers it if it is the best so far. Returns the mean score.
    pub fn validate(&mut self) -> f64 {
        let (config, psi, level) = (&self.config, &self.meta.average, self.level);
        let from = |rate: f32| {
            let make = |layout: &Layout| {
                HierarchicalRnn::new(config, psi, layout, level)
                    .with_initial_rate(rate)
                    .with_averaging(AVERAGING_ETA)
            };
            mean_score(&run_suite(0, make))
        };
        let scores = VALIDATION_RATES.map(from);
        let score = scores.iter().sum::<f64>() / scores.len() as f64;
        if score < self.counters.best_score {
            self.counters.best_score = score;
            self.counters.best_psi.clone_from(&self.meta.average);
            self.counters.best_update = self.counters.updates;
        }
        score
    }

    /// Everything needed to go on, with the states of the slots in order.
    #[must_use]
    pub fn checkpoint(&self, slots: Vec<SlotState>) -> Checkpoint {
        Checkpoint {
            recipe: self.recipe.to_toml(),
            meta: self.meta.clone(),
            counters: self.counters.clone(),
            slots,
        }
    }

    /// The best weights so far by validation, or the current average before any evaluation.
    ///
    /// # Errors
    ///
    /// If a meta-parameter is not finite.
    pub fn weights(&self, commit: &str) -> Result<Weights, WeightsError> {
        let evaluated = !self.counters.best_psi.is_empty();
        let psi = if evaluated { &self.counters.best_psi } else { &self.meta.average };
        let record = TrainingRecord {
            recipe: self.recipe.to_toml(),
            seed: self.recipe.seed,
            updates: if evaluated { self.counters.best_update } else { self.counters.updates },
            instance_steps: self.counters.instance_steps,
            validation: if evaluated { self.counters.best_score } else { 0.0 },
            commit: commit.to_owned(),
        };
        Weights::new(self.config, psi.iter().map(|&x| x as f32).collect(), record)
    }
}

/// How far a recipe is after so many updates, 0 to 1.
pub(crate) fn progress(recipe: &Recipe, updates: u64) -> f64 {
    (updates as f64 / recipe.updates as f64).min(1.0)
}

/// Zeroes the blocks of a vector like psi that the recipe keeps at zero.
fn clear_zeroed(recipe: &Recipe, config: &HierarchicalRnnConfig, values: &mut [f64]) {
    for block in MetaLayout::new(config).blocks {
        if recipe.zeroed.iter().any(|name| name == block.name) {
            values[block.range].fill(0.0);
        }
    }
}
