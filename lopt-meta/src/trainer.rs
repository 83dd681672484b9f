//! The training loop: unroll groups, average their meta-gradients, move psi.

use crate::checkpoint::{Checkpoint, CheckpointError, Counters};
use crate::config::{Recipe, RecipeError};
use crate::meta_optimizer::{MetaState, rate};
use crate::precision::Single;
use crate::slot::Slot;
use crate::unroll::{UnrollOutcome, Workspace, unroll};
use crate::validation::{mean_score, run_suite};
use lopt_core::hierarchical_rnn::AVERAGING_ETA;
use lopt_core::meta_params::MetaLayout;
use lopt_core::network::Network;
use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Weights};
use lopt_problems::{Ensemble, Entry, quick_validation_suite, training_ensemble};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Weight of the newest value in the shown average of the meta-loss.
const SHOWN_AVERAGE: f64 = 0.02;

/// Initial rates of validation runs: around the one that weights are used with.
const VALIDATION_RATES: [f32; 3] = [1e-5, 1e-4, 1e-3];

/// A training run.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    config: HierarchicalRnnConfig,
    entries: Vec<Entry>,
    meta: MetaState,
    slots: Vec<Slot<Single>>,
    counters: Counters,
    precision: Single,
    workspaces: Vec<Mutex<Workspace<f32>>>,
}

/// What one meta-update did.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateReport {
    /// Updates done so far.
    pub update: u64,
    /// Mean meta-loss over this update's lanes.
    pub meta_loss: f64,
    /// Its moving average.
    pub meta_loss_average: f64,
    /// Norm of the meta-gradient before limiting.
    pub norm: f64,
    /// Meta learning rate used.
    pub rate: f64,
    /// Inner steps times instances of this update.
    pub instance_steps: u64,
    /// Lanes that diverged and start again.
    pub diverged: usize,
    /// Lanes whose gradient was used.
    pub used: usize,
}

impl Trainer {
    /// Starts a run.
    ///
    /// # Errors
    ///
    /// If the recipe cannot be followed.
    pub fn new(recipe: Recipe, level: Level) -> Result<Self, TrainError> {
        let entries = select(&recipe)?;
        Self::on_problems(recipe, entries, level)
    }

    /// Starts a run on problems of your own; those that the recipe names are not looked at.
    ///
    /// # Errors
    ///
    /// If the recipe cannot be followed or there are no problems.
    pub fn on_problems(
        recipe: Recipe,
        entries: Vec<Entry>,
        level: Level,
    ) -> Result<Self, TrainError> {
        let config = recipe.optimizer_config()?;
        let layout = MetaLayout::new(&config);
        let psi = layout.initialize(&config, &mut stream(recipe.seed, &[0]));
        let meta = MetaState::new(psi, &recipe.meta_optimizer);
        let counters = Counters { best_score: f64::INFINITY, ..Counters::default() };
        Self::assemble(recipe, entries, config, meta, counters, level, None)
    }

    /// Starts a run from existing weights, with a fresh meta-optimizer.
    ///
    /// # Errors
    ///
    /// If the recipe cannot be followed or asks for another optimizer than the weights'.
    pub fn from_weights(
        recipe: Recipe,
        weights: &Weights,
        level: Level,
    ) -> Result<Self, TrainError> {
        let entries = select(&recipe)?;
        Self::from_weights_on_problems(recipe, entries, weights, level)
    }

    /// [`from_weights`](Self::from_weights) on problems of your own.
    ///
    /// # Errors
    ///
    /// As there, and if there are no problems.
    pub fn from_weights_on_problems(
        recipe: Recipe,
        entries: Vec<Entry>,
        weights: &Weights,
        level: Level,
    ) -> Result<Self, TrainError> {
        let config = recipe.optimizer_config()?;
        // the rate weights are used from does not matter: training draws its own
        let given = HierarchicalRnnConfig { initial_rate: config.initial_rate, ..weights.config };
        if config != given {
            return Err(TrainError::OtherOptimizer);
        }
        let meta = MetaState::new(weights.psi_f64(), &recipe.meta_optimizer);
        let counters = Counters { best_score: f64::INFINITY, ..Counters::default() };
        Self::assemble(recipe, entries, config, meta, counters, level, None)
    }

    /// Goes on from a checkpoint exactly where it was written.
    ///
    /// # Errors
    ///
    /// If the checkpoint does not fit its own recipe.
    pub fn resume(checkpoint: &Checkpoint, level: Level) -> Result<Self, TrainError> {
        let entries = select(&Recipe::parse(&checkpoint.recipe)?)?;
        Self::resume_on_problems(checkpoint, entries, level)
    }

    /// [`resume`](Self::resume) of a run on problems of your own, which have to be the same ones.
    ///
    /// # Errors
    ///
    /// As there, and if there are no problems.
    pub fn resume_on_problems(
        checkpoint: &Checkpoint,
        entries: Vec<Entry>,
        level: Level,
    ) -> Result<Self, TrainError> {
        let recipe = Recipe::parse(&checkpoint.recipe)?;
        let config = recipe.optimizer_config()?;
        let (meta, counters) = (checkpoint.meta.clone(), checkpoint.counters.clone());
        if meta.psi.len() != MetaLayout::new(&config).len() {
            return Err(TrainError::Unfit);
        }
        Self::assemble(recipe, entries, config, meta, counters, level, Some(checkpoint))
    }

    fn assemble(
        recipe: Recipe,
        entries: Vec<Entry>,
        config: HierarchicalRnnConfig,
        meta: MetaState,
        counters: Counters,
        level: Level,
        saved: Option<&Checkpoint>,
    ) -> Result<Self, TrainError> {
        if entries.is_empty() {
            return Err(TrainError::Recipe(RecipeError::NoProblems));
        }
        let net = Network::<f32>::new(&config, &meta.psi);
        let ids = 0..recipe.problems.slots as u64;
        let progress = (counters.updates as f64 / recipe.updates as f64).min(1.0);
        let start = |id, draw| Slot::start(&recipe, &entries, &net, id, draw, progress);
        let slots: Option<Vec<Slot<Single>>> = match saved {
            None => Some(ids.into_par_iter().map(|id| start(id, 0)).collect()),
            Some(saved) if saved.slots.is_empty() => {
                let draw = saved.counters.updates;
                Some(ids.into_par_iter().map(|id| start(id, draw)).collect())
            }
            Some(saved) if saved.slots.len() != recipe.problems.slots => None,
            Some(saved) => ids
                .into_par_iter()
                .map(|id| Slot::restore(&recipe, &entries, &net, id, &saved.slots[id as usize]))
                .collect(),
        };
        let slots = slots.ok_or(TrainError::Unfit)?;
        let threads = rayon::current_num_threads();
        let workspaces = (0..threads).map(|_| Mutex::new(Workspace::default())).collect();
        let precision = Single(level);
        Ok(Self { recipe, config, entries, meta, slots, counters, precision, workspaces })
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

    /// Whether all updates are done.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.counters.updates >= self.recipe.updates
    }

    /// One meta-update.
    pub fn update(&mut self) -> UpdateReport {
        let update = self.counters.updates;
        let progress = (update as f64 / self.recipe.updates as f64).min(1.0);
        let net = Network::<f32>::new(&self.config, &self.meta.psi);
        let (slots, groups) = (self.slots.len(), self.recipe.problems.groups_per_update);
        let first = (update as usize).wrapping_mul(groups) % slots;
        let chosen = |i: usize| (i + slots - first) % slots < groups;
        let (recipe, entries, workspaces) = (&self.recipe, &self.entries, &self.workspaces);
        let precision = self.precision;
        let run = |slot: &mut Slot<Single>| {
            if slot.steps >= slot.life {
                *slot = Slot::start(recipe, entries, &net, slot.id, slot.draw + 1, progress);
            }
            let thread = rayon::current_thread_index().unwrap_or(0) % workspaces.len();
            let mut workspace = workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let steps = slot.unroll_length(recipe);
            let outcome = unroll(precision, recipe, &net, slot, &mut workspace, steps);
            for (lane, _) in outcome.diverged.iter().enumerate().filter(|(_, d)| **d) {
                slot.restart_lane(recipe, &net, lane);
            }
            outcome
        };
        let mut active: Vec<&mut Slot<Single>> =
            self.slots.iter_mut().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, s)| s).collect();
        let outcomes: Vec<UnrollOutcome> =
            active.par_iter_mut().with_max_len(1).map(|slot| run(slot)).collect();
        self.apply(&outcomes, update)
    }

    fn apply(&mut self, outcomes: &[UnrollOutcome], update: u64) -> UpdateReport {
        let used: usize = outcomes.iter().map(|o| o.used).sum();
        let mut gradient = vec![0.0; self.meta.psi.len()];
        for outcome in outcomes {
            for (total, g) in gradient.iter_mut().zip(&outcome.gradient) {
                *total += g / used.max(1) as f64;
            }
        }
        let good = |o: &UnrollOutcome| -> Vec<f64> {
            o.losses.iter().zip(&o.diverged).filter(|(_, d)| !**d).map(|(l, _)| *l).collect()
        };
        let losses: Vec<f64> = outcomes.iter().flat_map(good).collect();
        let meta_loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let norm = if used > 0 {
            let config = &self.recipe.meta_optimizer;
            self.meta.update(config, &gradient, update, self.recipe.updates)
        } else {
            0.0
        };
        let lanes = outcomes.iter().map(|o| (o.steps * o.losses.len()) as u64);
        let instance_steps: u64 = lanes.sum();
        let c = &mut self.counters;
        let weight = if c.updates == 0 { 1.0 } else { SHOWN_AVERAGE };
        c.meta_loss += weight * (meta_loss - c.meta_loss);
        c.updates += 1;
        c.instance_steps += instance_steps;
        UpdateReport {
            update: c.updates,
            meta_loss,
            meta_loss_average: c.meta_loss,
            norm,
            rate: rate(&self.recipe.meta_optimizer, update, self.recipe.updates),
            instance_steps,
            diverged: outcomes.iter().flat_map(|o| &o.diverged).filter(|d| **d).count(),
            used,
        }
    }

    /// Scores the averaged psi on the validation suite, from each of three initial rates, and
    /// remembers it if it is the best so far. Returns the mean score.
    pub fn validate(&mut self) -> f64 {
        let tasks = quick_validation_suite();
        let (config, psi, level) = (&self.config, &self.meta.average, self.precision.0);
        let from = |rate: f32| {
            let make = |layout: &Layout| {
                HierarchicalRnn::new(config, psi, layout, level)
                    .with_initial_rate(rate)
                    .with_averaging(AVERAGING_ETA)
            };
            mean_score(&run_suite(&tasks, 0, make))
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

    /// Everything needed to go on.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            recipe: self.recipe.to_toml(),
            meta: self.meta.clone(),
            counters: self.counters.clone(),
            slots: self.slots.iter().map(Slot::save).collect(),
        }
    }

    /// The best weights so far by validation, or the current average before any evaluation.
    #[must_use]
    pub fn weights(&self, commit: &str) -> Weights {
        let evaluated = !self.counters.best_psi.is_empty();
        let psi = if evaluated { &self.counters.best_psi } else { &self.meta.average };
        Weights {
            config: self.config,
            psi: psi.iter().map(|&x| x as f32).collect(),
            record: TrainingRecord {
                recipe: self.recipe.to_toml(),
                seed: self.recipe.seed,
                updates: if evaluated { self.counters.best_update } else { self.counters.updates },
                instance_steps: self.counters.instance_steps,
                validation: if evaluated { self.counters.best_score } else { 0.0 },
                commit: commit.to_owned(),
            },
        }
    }
}

/// The problems a recipe selects.
fn select(recipe: &Recipe) -> Result<Vec<Entry>, RecipeError> {
    let problems = &recipe.problems;
    let mut entries = Vec::new();
    if !problems.ensemble.is_empty() {
        let kind: Ensemble =
            problems.ensemble.parse().map_err(|e| RecipeError::Problem(format!("{e}")))?;
        entries = training_ensemble(kind);
    }
    for name in &problems.names {
        let problem =
            lopt_problems::lookup(name, None).map_err(|e| RecipeError::Problem(e.to_string()))?;
        entries.push(Entry { set: "by-name", problem });
    }
    if problems.most_parameters > 0 {
        entries.retain(|e| e.problem.layout().len() <= problems.most_parameters);
    }
    if entries.is_empty() { Err(RecipeError::NoProblems) } else { Ok(entries) }
}

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The recipe is at fault.
    #[error("{0}")]
    Recipe(#[from] RecipeError),
    /// The checkpoint is at fault.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint was made by other code or another recipe.
    #[error("the checkpoint does not fit its recipe: it was written by another version")]
    Unfit,
    /// The weights are of another optimizer.
    #[error("the weights belong to another optimizer than the recipe's")]
    OtherOptimizer,
}
