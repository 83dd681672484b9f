//! Evolution strategies for the [`RelativeRnn`](lopt_core::RelativeRnn): whole training runs of practice
//! jobs, scored by their losses on validation rows.
//!
//! An update draws pairs of runs: the same job, start, batches and factor of the steps, once with psi
//! plus a perturbation and once with psi minus it (Salimans et al. 2017, with mirrored sampling). The
//! difference of the two scores, which is limited, weighs the perturbation in the estimate of the
//! gradient. There is no truncation and nothing is differentiated, so that what is drawn may be as long
//! and as noisy as real jobs are. A recipe may ask for exact gradients of some steps of a run in place of pairs, or
//! for both ([`Estimator`]).

mod estimate;
mod exact;
mod recipe;
mod score;

pub use recipe::{Calibration, Estimator, EvolutionRecipe, Part, RECOMMENDED};
pub use score::{Practice, Rows, tuned_adamw};

use std::ops::Range;

use lopt_core::learned::BuildError;
use lopt_core::rng::{Rng, below, normal, stream, uniform, unit};
use lopt_core::weights::{TrainingRecord, WeightsError};
use lopt_core::{LearnedOptimizerConfig, RelativeRnnConfig, Weights};
use lopt_problems::{plain_practice, practice};
use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Counters};
use crate::config::RecipeError;
use crate::meta_optimizer::{MetaState, rate};
use crate::trainer::UpdateReport;
use exact::Unroll;

/// A run of an [`EvolutionRecipe`].
#[derive(Debug)]
pub struct EvolutionTrainer {
    recipe: EvolutionRecipe,
    jobs: Vec<Practice>,
    validation: Vec<Practice>,
    /// Meta-parameters that stay zero.
    held: Vec<usize>,
    meta: MetaState,
    counters: Counters,
}

impl EvolutionTrainer {
    /// A run from nothing: hidden layers are drawn, the readout is zero.
    #[must_use]
    pub fn new(recipe: EvolutionRecipe) -> Self {
        let psi = recipe.networks.initialize(&mut stream(recipe.seed, &[INITIAL]));
        Self::at(recipe, psi)
    }

    /// A run from existing weights.
    ///
    /// # Errors
    ///
    /// If they are not of the recipe's optimizer.
    pub fn from_weights(recipe: EvolutionRecipe, weights: &Weights) -> Result<Self, RecipeError> {
        let known = [recipe.networks, recipe.given_networks()];
        if !known.iter().any(|&networks| *weights.config() == networks.into()) {
            return Err(RecipeError::OtherOptimizer);
        }
        Ok(Self::at(recipe, weights.psi_f64()))
    }

    fn at(recipe: EvolutionRecipe, mut psi: Vec<f64>) -> Self {
        let parts = recipe.without.iter();
        let held: Vec<usize> = parts.flat_map(|part| part.weights(&recipe.networks)).collect();
        held.iter().for_each(|&i| psi[i] = 0.0);
        Self {
            validation: practice_jobs(0..FIRST_JOB, &[]),
            jobs: practice_jobs(FIRST_JOB..FIRST_JOB + recipe.jobs, &recipe.without),
            held,
            meta: MetaState::new(psi, &recipe.meta_optimizer),
            counters: Counters { best_score: f64::INFINITY, ..Counters::default() },
            recipe,
        }
    }

    /// Goes on where a checkpoint was written, bit for bit.
    ///
    /// # Errors
    ///
    /// If its recipe cannot be followed.
    pub fn resume(saved: &Checkpoint) -> Result<Self, RecipeError> {
        let recipe = EvolutionRecipe::parse(&saved.recipe)?;
        let expected = recipe.networks.meta_parameters();
        if saved.meta.psi.len() != expected {
            return Err(RecipeError::OtherOptimizer);
        }
        let mut trainer = Self::at(recipe, vec![0.0; expected]);
        trainer.meta = saved.meta.clone();
        trainer.counters = saved.counters.clone();
        Ok(trainer)
    }

    /// One update of psi.
    pub fn update(&mut self) -> UpdateReport {
        let (recipe, update) = (&self.recipe, self.counters.updates);
        let readout = recipe.networks.readout();
        let all = 0..self.meta.psi.len();
        let free = if update < recipe.readout_first { readout.clone() } else { all };
        let pairs = if recipe.estimator.has_pairs() { recipe.pairs } else { 0 };
        let unrolls = if recipe.estimator.has_unrolls() { recipe.pairs } else { 0 };
        let pairs: Vec<Pair> =
            (0..pairs).into_par_iter().map(|pair| self.pair(update, pair, &free)).collect();
        let unrolls: Vec<(Option<Unroll>, u64)> =
            (0..unrolls).into_par_iter().map(|run| self.unroll(update, run)).collect();
        let mut gradient = vec![0.0; self.meta.psi.len()];
        let share = 1.0 / (2.0 * recipe.sigma * pairs.len() as f64);
        let mut steps = unrolls.iter().map(|(_, taken)| taken).sum();
        let (mut scores, mut by_pairs) = (Vec::new(), Vec::new());
        for i in readout {
            gradient[i] = recipe.pull * self.meta.psi[i];
        }
        for Pair { noise, difference, mean, steps: taken } in pairs {
            let weight = share * difference.clamp(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE);
            by_pairs.push(noise.into_iter().map(|e| weight * e).collect());
            scores.push(mean);
            steps += taken;
        }
        let lost = unrolls.iter().filter(|(unroll, _)| unroll.is_none()).count();
        let share = 1.0 / (unrolls.len() - lost) as f64;
        let mut by_unrolls = Vec::new();
        for Unroll { gradient, score } in unrolls.into_iter().filter_map(|(unroll, _)| unroll) {
            by_unrolls.push(gradient[free.clone()].iter().map(|g| share * g).collect());
            scores.push(score);
        }
        estimate::add(&mut gradient[free], &[by_pairs, by_unrolls]);
        let score = scores.iter().map(|score| score / scores.len() as f64).sum();
        self.held.iter().for_each(|&i| gradient[i] = 0.0);
        let of = &recipe.meta_optimizer;
        let norm = self.meta.update(of, &gradient, update, recipe.updates);
        let counters = &mut self.counters;
        let follow = (1.0 / (update + 1) as f64).max(0.02);
        counters.meta_loss += follow * (score - counters.meta_loss);
        counters.updates += 1;
        counters.instance_steps += steps;
        UpdateReport {
            meta_loss: score,
            meta_loss_average: counters.meta_loss,
            update: counters.updates,
            norm,
            rate: rate(of, update, recipe.updates),
            instance_steps: steps,
            diverged: lost,
            used: scores.len(),
        }
    }

    /// The job of a run, the factor of its steps, and its seed.
    fn draw(&self, rng: &mut Rng) -> (&Practice, f64, u64) {
        let job = &self.jobs[below(rng, self.jobs.len())];
        let factor = draw_factor(&self.recipe, rng);
        (job, factor, below(rng, 1 << 20) as u64)
    }

    /// An unroll from the start of a run or from where it stands later, and the steps of the run until its end.
    fn unroll(&self, update: u64, run: usize) -> (Option<Unroll>, u64) {
        let recipe = &self.recipe;
        let rng = &mut stream(recipe.seed, &[UNROLLS, update, run as u64]);
        let (job, factor, seed) = self.draw(rng);
        let count = recipe.unroll.min(job.task.steps);
        let later = below(rng, job.task.steps - count + 1);
        let first = if unit(rng) < FROM_START { 0 } else { later };
        let (networks, psi) = (&recipe.networks, &self.meta.psi);
        let unroll = exact::unroll(job, networks, psi, factor, seed, first..first + count);
        (unroll, (first + count) as u64)
    }

    fn pair(&self, update: u64, pair: usize, free: &Range<usize>) -> Pair {
        let recipe = &self.recipe;
        let rng = &mut stream(recipe.seed, &[PAIRS, update, pair as u64]);
        let (job, factor, seed) = self.draw(rng);
        let noise: Vec<f64> = free.clone().map(|_| normal(rng)).collect();
        let at = |sign: f64| {
            let mut psi = self.meta.psi.clone();
            let moved = psi[free.clone()].iter_mut().zip(&noise);
            moved.for_each(|(x, e)| *x += sign * recipe.sigma * e);
            self.held.iter().for_each(|&i| psi[i] = 0.0);
            score(job, &recipe.networks, &psi, factor, seed)
        };
        let (plus, minus) = (at(1.0), at(-1.0));
        let steps = 2 * job.task.steps as u64;
        Pair { noise, difference: plus - minus, mean: 0.5 * (plus + minus), steps }
    }

    /// Mean score of the averaged psi on jobs that are not trained on, with all steps as they are, four
    /// times shorter and four times longer.
    pub fn validate(&mut self) -> f64 {
        let (networks, psi) = (&self.recipe.networks, &self.meta.average);
        let runs: Vec<(&Practice, f64)> = [1.0, 0.25, 4.0]
            .into_iter()
            .flat_map(|factor| self.validation.iter().map(move |job| (job, factor)))
            .collect();
        let scores: Vec<f64> =
            runs.par_iter().map(|(job, factor)| score(job, networks, psi, *factor, 1)).collect();
        let score = scores.iter().sum::<f64>() / scores.len() as f64;
        let counters = &mut self.counters;
        if score < counters.best_score {
            (counters.best_score, counters.best_update) = (score, counters.updates);
            counters.best_psi.clone_from(psi);
        }
        score
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &EvolutionRecipe {
        &self.recipe
    }

    /// psi and the meta-optimizer.
    #[must_use]
    pub fn meta(&self) -> &MetaState {
        &self.meta
    }

    /// How far the run is.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Everything needed to go on.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            recipe: self.recipe.to_toml(),
            meta: self.meta.clone(),
            counters: self.counters.clone(),
            slots: Vec::new(),
        }
    }

    /// The averaged psi with the best validation score so far, or as it stands before any, with the
    /// recipe's [`Calibration`]; the score in their record is that without it.
    ///
    /// # Errors
    ///
    /// If a meta-parameter is not finite.
    pub fn weights(&self, commit: &str) -> Result<Weights, WeightsError> {
        let Counters { best_psi, best_score, best_update, updates, instance_steps, .. } =
            &self.counters;
        let evaluated = !best_psi.is_empty();
        let psi = if evaluated { best_psi } else { &self.meta.average };
        let psi = self.recipe.calibration.apply(&self.recipe.networks, psi);
        let record = TrainingRecord {
            recipe: self.recipe.to_toml(),
            seed: self.recipe.seed,
            updates: if evaluated { *best_update } else { *updates },
            instance_steps: *instance_steps,
            validation: if evaluated { *best_score } else { 0.0 },
            commit: commit.to_owned(),
        };
        Weights::new(
            self.recipe.given_networks(),
            psi.into_iter().map(|x| x as f32).collect(),
            record,
        )
    }
}

/// Two runs that differ in the sign of a perturbation.
struct Pair {
    noise: Vec<f64>,
    /// Score with plus less score with minus.
    difference: f64,
    mean: f64,
    steps: u64,
}

/// Score of a run with these meta-parameters, all of whose steps are multiplied by `factor`.
fn score(job: &Practice, networks: &RelativeRnnConfig, psi: &[f64], factor: f64, seed: u64) -> f64 {
    let psi = psi.iter().map(|&x| x as f32).collect();
    let weights = Weights::new(*networks, psi, TrainingRecord::default());
    let optimizer = weights.map_err(BuildError::from).and_then(|weights| {
        let config = LearnedOptimizerConfig::new().with_weights(weights).with_guard(None);
        config.init(&job.task.job.layout())
    });
    match optimizer {
        Ok(mut optimizer) => {
            optimizer.set_lr_multiplier(factor as f32);
            job.score(job.run(seed, &mut optimizer))
        }
        // only meta-parameters that are not finite are refused
        Err(_) => job.score([f64::NAN; 3]),
    }
}

fn draw_factor(recipe: &EvolutionRecipe, rng: &mut Rng) -> f64 {
    let most = recipe.largest_factor.ln();
    let factor = uniform(rng, -most, most).exp();
    if unit(rng) < recipe.factor_probability { factor } else { 1.0 }
}

/// Numbers of practice jobs, and what [`tuned_adamw`] reaches on them; those below [`FIRST_JOB`] are for
/// validation.
fn tuned() -> impl Iterator<Item = (u64, f64)> {
    let pair = |line: &str| {
        let (number, loss) = line.split_once(' ')?;
        Some((number.parse().ok()?, loss.parse().ok()?))
    };
    include_str!("tuned.txt").lines().filter_map(pair)
}

/// Practice jobs of these numbers, as far as there is something to learn from them and it is known what tuned AdamW
/// reaches on them.
///
/// * `without`: parts that their making and scoring do without.
#[must_use]
pub fn practice_jobs(numbers: Range<u64>, without: &[Part]) -> Vec<Practice> {
    let plain = without.contains(&Part::Augmentation);
    let training = without.contains(&Part::HeldOutRows);
    let rows = if training { Rows::Training } else { Rows::Validation };
    let known: Vec<(u64, f64)> = tuned().filter(|(number, _)| numbers.contains(number)).collect();
    let job = |&(number, loss): &(u64, f64)| {
        let task = if plain { plain_practice(number) } else { practice(number) };
        let tuned = if plain || training { tuned_adamw(&task, rows) } else { loss };
        Practice::new(task, rows, tuned)
    };
    let all: Vec<Practice> = known.par_iter().map(job).collect();
    all.into_iter().filter(Practice::teaches).collect()
}

/// Number of the first practice job to train on; those below it are for validation.
pub const FIRST_JOB: u64 = 1000;

/// Practice jobs to train on of which [`tuned`] knows.
const KNOWN_JOBS: u64 = 1215;

/// Most that one pair counts.
const LARGEST_DIFFERENCE: f64 = 0.5;

/// Part of the unrolls that begin where runs begin.
const FROM_START: f64 = 0.25;

/// Streams.
const INITIAL: u64 = 0;
const PAIRS: u64 = 1;
const UNROLLS: u64 = 2;
