//! The training loop of one process: unroll groups, average their meta-gradients, move psi.

use crate::checkpoint::{Checkpoint, CheckpointError, Counters, SlotState};
use crate::config::{Recipe, RecipeError};
use crate::crew::{Crew, has_turn};
use crate::learner::{Contribution, Learner};
use crate::meta_optimizer::MetaState;
use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_core::weights::WeightsError;
use lopt_problems::{Ensemble, Entry, training_ensemble};

/// A training run.
#[derive(Debug)]
pub struct Trainer {
    learner: Learner,
    crew: Crew,
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
        Self::assemble(Learner::new(recipe, level)?, entries, None)
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
        Self::assemble(Learner::from_weights(recipe, weights, level)?, entries, None)
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
        Self::assemble(Learner::resume(checkpoint, level)?, entries, Some(checkpoint))
    }

    fn assemble(
        learner: Learner,
        entries: Vec<Entry>,
        saved: Option<&Checkpoint>,
    ) -> Result<Self, TrainError> {
        let ids: Vec<u64> = (0..learner.recipe().problems.slots as u64).collect();
        let slots = saved.map_or(&[][..], |saved| &saved.slots);
        let crew = hire(&learner, entries, &ids, slots)?;
        Ok(Self { learner, crew })
    }

    /// What learns, without the slots.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        self.learner.recipe()
    }

    /// Counters so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.learner.counters()
    }

    /// psi and the meta-optimizer.
    #[must_use]
    pub fn meta(&self) -> &MetaState {
        self.learner.meta()
    }

    /// Whether all updates are done.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.learner.finished()
    }

    /// One meta-update.
    pub fn update(&mut self) -> UpdateReport {
        let (recipe, update) = (self.learner.recipe(), self.learner.counters().updates);
        let (slots, groups) = (recipe.problems.slots, recipe.problems.groups_per_update);
        let chosen = |id| has_turn(id, slots, groups, update);
        let (net, progress) = (self.learner.network(), self.learner.progress());
        let outcomes = self.crew.unroll(recipe, &net, progress, chosen);
        let length = self.learner.meta().psi.len();
        self.learner.apply(&Contribution::reduce(outcomes.iter().map(|(_, o)| o), length))
    }

    /// Scores the averaged psi on the validation suite, from each of three initial rates, and
    /// remembers it if it is the best so far. Returns the mean score.
    pub fn validate(&mut self) -> f64 {
        self.learner.validate()
    }

    /// Everything needed to go on.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.learner.checkpoint(self.crew.save())
    }

    /// The best weights so far by validation, or the current average before any evaluation.
    ///
    /// # Errors
    ///
    /// If a meta-parameter is not finite.
    pub fn weights(&self, commit: &str) -> Result<Weights, WeightsError> {
        self.learner.weights(commit)
    }
}

/// The slots of these ids: as saved, or new runs if none are.
pub(crate) fn hire(
    learner: &Learner,
    entries: Vec<Entry>,
    ids: &[u64],
    saved: &[SlotState],
) -> Result<Crew, TrainError> {
    if entries.is_empty() {
        return Err(TrainError::Recipe(RecipeError::NoProblems));
    }
    let (recipe, net, level) = (learner.recipe(), learner.network(), learner.level());
    if saved.is_empty() {
        let (draw, progress) = (learner.counters().updates, learner.progress());
        return Ok(Crew::start(recipe, entries, &net, ids, draw, progress, level));
    }
    Crew::restore(recipe, entries, &net, ids, saved, level).ok_or(TrainError::Unfit)
}

/// The problems a recipe selects.
pub(crate) fn select(recipe: &Recipe) -> Result<Vec<Entry>, RecipeError> {
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
