//! Everything that decides a run, in one serializable struct: a recipe.

use crate::evolution::EvolutionRecipe;
use lopt_core::HierarchicalRnnConfig;
use lopt_core::meta_params::MetaLayout;
use serde::{Deserialize, Serialize};

/// The first recipe of the embedded weights `hierarchical-rnn`, as TOML.
pub const HIERARCHICAL_RNN: &str = include_str!("../recipes/hierarchical-rnn.toml");

/// The recipe of the embedded `paper` weights, as TOML.
pub const PAPER: &str = include_str!("../recipes/paper.toml");

/// A recipe for one problem only, which a minute of training shows to work, as TOML.
pub const QUADRATIC20: &str = include_str!("../recipes/quadratic20.toml");

/// A recipe for meta-training, read from TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of everything random.
    pub seed: u64,
    /// Number of meta-updates.
    pub updates: u64,
    /// Named configuration: `paper`, `released`, `appendix-d` or `recommended`.
    pub optimizer: String,
    /// Blocks of psi that stay zero, by their names in `lopt weights inspect`.
    #[serde(default)]
    pub zeroed: Vec<String>,
    /// Switches that differ from it.
    #[serde(default)]
    pub switches: toml::Table,
    /// The problems.
    pub problems: Problems,
    /// How long runs and unrolls are.
    pub lengths: Lengths,
    /// What is random about a run besides its problem.
    pub perturb: Perturb,
    /// What is minimised.
    pub meta_loss: MetaLossConfig,
    /// How psi moves.
    pub meta_optimizer: MetaOptimizerConfig,
    /// Updates between checkpoints.
    pub checkpoint_every: u64,
    /// Updates between evaluations on the validation suite; 0 for never.
    pub validate_every: u64,
}

/// Which problems are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problems {
    /// `paper`, `released`, `wide-paper`, `wide-paper-large`, `recommended`, `broad`, `deep`,
    /// `uncertain`, `large`, `scaled`, or empty to use `names` only.
    pub ensemble: String,
    /// Problems by name, beside the ensemble.
    #[serde(default)]
    pub names: Vec<String>,
    /// Problems with more parameters are left out; 0 keeps all.
    #[serde(default)]
    pub most_parameters: usize,
    /// Groups of 16 instances that live at the same time.
    pub slots: usize,
    /// Groups per meta-update.
    pub groups_per_update: usize,
    /// The meta-loss uses the whole data set rather than the training batch, whose logarithm rewards
    /// networks that are wrong, but certain (`docs/meta-training.md`).
    pub full_batch: bool,
}

/// Lengths of unrolls and lives, in inner steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    /// Shortest unroll; an exponentially distributed number is added.
    pub unroll_base: usize,
    /// Mean of what is added.
    pub unroll_mean: f64,
    /// Longest unroll.
    pub unroll_most: usize,
    /// Mean life of a run at the beginning of meta-training.
    pub life_start: f64,
    /// Mean life at the end; in between it grows geometrically.
    pub life_end: f64,
    /// Share of the slots whose runs are short: without them hardly one unroll is the first of its run.
    #[serde(default)]
    pub short_share: f64,
    /// Mean life of short runs, from the beginning to the end of meta-training.
    #[serde(default)]
    pub short_life: f64,
}

impl Lengths {
    /// Mean life of the runs of slot `id`. `progress`: how far meta-training is, 0 to 1.
    #[must_use]
    pub fn mean_life(&self, id: u64, progress: f64) -> f64 {
        // spread evenly over the slots, as a meta-update takes neighbours
        let short =
            ((id + 1) as f64 * self.short_share).floor() > (id as f64 * self.short_share).floor();
        if short {
            return self.short_life;
        }
        self.life_start * (self.life_end / self.life_start).powf(progress)
    }

    /// Length of an unroll, from a number drawn uniformly from [0, 1).
    #[must_use]
    pub fn unroll(&self, uniform: f64) -> usize {
        let more = -self.unroll_mean * (1.0 - uniform).ln();
        (self.unroll_base + more as usize).min(self.unroll_most.max(1))
    }
}

/// Randomisation of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturb {
    /// Probability that a lane is rescaled, `f(theta / k)`.
    pub rescale_probability: f64,
    /// `k` is log-uniform in this range.
    pub rescale: (f64, f64),
    /// Probability that a lane's parameters are noised (eq. 15, 16).
    pub noise_probability: f64,
    /// Scale of the noise, log-uniform, times the lane's `k`.
    pub noise: (f64, f64),
    /// Initial rates, log-uniform per lane.
    pub initial_rate: (f64, f64),
    /// Standard deviation of log initial rates within a lane, over tensors and over elements.
    pub rate_spread: f64,
}

/// The meta-loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaLossConfig {
    /// `log(f/f0 + eps)` or, if set, `log((f + eps) / (f0 + eps))`.
    pub numerator_epsilon: bool,
    /// `eps`.
    pub epsilon: f64,
    /// Whether the meta-loss is the logarithm of the relative loss (eq. 14) or that loss itself.
    #[serde(default = "log_by_default")]
    pub log: bool,
    /// The meta-loss is that of the mean of the unroll's iterates with this eta, as pretrained weights
    /// hand out that of the whole run (8); 0 for that of the iterates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub averaging: f64,
    /// Share of the weight that rises linearly over the unroll; the rest is uniform.
    pub ramp: f64,
    /// A lane whose loss exceeds this multiple of `f0` is parked until the unroll ends.
    pub parked_above: f64,
    /// A lane that is parked pays the loss at which it left for all the steps it does not run.
    #[serde(default)]
    pub parked_pays: bool,
    /// Full second derivatives; otherwise gradients are constants.
    pub second_derivatives: bool,
    /// Limit of a lane's adjoint at every step of the way back; 0 for none.
    pub adjoint_limit: f64,
    /// Limit of the norm of an instance's meta-gradient; 0 for none.
    pub instance_limit: f64,
    /// The same for instances that blew up during the unroll or had a meta-loss above zero, where it
    /// is to be another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_limit: Option<f64>,
}

/// The meta-optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaOptimizerConfig {
    /// `adam` or `rmsprop`.
    pub kind: String,
    /// Learning rate at the start.
    pub rate: f64,
    /// Learning rate at the end, reached along a cosine.
    pub final_rate: f64,
    /// Updates of linear warm-up.
    pub warmup: u64,
    /// Decay of the first moment (Adam).
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Limit of the norm of the meta-gradient; 0 for none.
    pub limit: f64,
    /// Decay of the moving average of psi that is evaluated and shipped.
    pub average: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn log_by_default() -> bool {
    true
}

impl Recipe {
    /// Parses and checks a recipe.
    ///
    /// # Errors
    ///
    /// If the text is not TOML of this shape or a value makes no sense.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        if EvolutionRecipe::is_meant_by(text) {
            return Err(RecipeError::Evolution);
        }
        let recipe: Self = toml::from_str(text).map_err(|e| RecipeError::Syntax(one_line(&e)))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML that [`parse`](Self::parse) reads back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// The optimizer's configuration: the named one with the switches laid over.
    ///
    /// # Errors
    ///
    /// If the name or a switch is unknown, or the result is out of range.
    pub fn optimizer_config(&self) -> Result<HierarchicalRnnConfig, RecipeError> {
        let mut table = as_table(named_config(&self.optimizer)?)?;
        table.extend(self.switches.clone());
        let config: HierarchicalRnnConfig =
            table.try_into().map_err(|e| RecipeError::Switches(one_line(&e)))?;
        config.validate().map_err(|e| RecipeError::Switches(e.to_string()))?;
        Ok(config)
    }

    /// The recipe in words that keep their meaning: `recommended` is what it is today, and becomes
    /// `released`, which stays, with switches for all that differs.
    ///
    /// # Errors
    ///
    /// As [`optimizer_config`](Self::optimizer_config).
    pub fn pinned(mut self) -> Result<Self, RecipeError> {
        if self.optimizer == "recommended" {
            self.switches = as_table(self.optimizer_config()?)?;
            let stays = as_table(HierarchicalRnnConfig::released())?;
            self.switches.retain(|name, value| stays.get(name) != Some(value));
            "released".clone_into(&mut self.optimizer);
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), RecipeError> {
        let blocks = MetaLayout::new(&self.optimizer_config()?).blocks;
        if let Some(name) = self.zeroed.iter().find(|name| !blocks.iter().any(|b| b.name == **name))
        {
            return Err(RecipeError::Block(name.clone()));
        }
        let Self { problems, lengths, perturb, meta_loss, meta_optimizer, .. } = self;
        for (name, (low, high)) in [
            ("perturb.rescale", perturb.rescale),
            ("perturb.noise", perturb.noise),
            ("perturb.initial_rate", perturb.initial_rate),
        ] {
            // what is drawn from it is an f32
            if !(low >= TINY && low <= high && high <= HUGE) {
                return Err(RecipeError::Range { name, low, high });
            }
        }
        // without a share of short runs their life is not read
        let short_life = if lengths.short_share > 0.0 { lengths.short_life } else { 1.0 };
        for (name, value, least, most) in [
            ("updates", self.updates as f64, 1.0, LONG),
            ("checkpoint_every", self.checkpoint_every as f64, 1.0, f64::MAX),
            ("problems.slots", problems.slots as f64, 1.0, 4096.0),
            ("problems.groups_per_update", problems.groups_per_update as f64, 1.0, 4096.0),
            ("lengths.unroll_base", lengths.unroll_base as f64, 1.0, 1e6),
            ("lengths.unroll_mean", lengths.unroll_mean, 0.0, 1e6),
            ("lengths.unroll_most", lengths.unroll_most as f64, 0.0, 1e6),
            ("lengths.life_start", lengths.life_start, TINY, LONG),
            ("lengths.life_end", lengths.life_end, TINY, LONG),
            ("lengths.short_share", lengths.short_share, 0.0, 1.0),
            ("lengths.short_life", short_life, TINY, LONG),
            ("perturb.rescale_probability", perturb.rescale_probability, 0.0, 1.0),
            ("perturb.noise_probability", perturb.noise_probability, 0.0, 1.0),
            ("perturb.rate_spread", perturb.rate_spread, 0.0, 10.0),
            ("meta_loss.epsilon", meta_loss.epsilon, 0.0, 1.0),
            ("meta_loss.averaging", meta_loss.averaging, 0.0, 1e6),
            ("meta_loss.ramp", meta_loss.ramp, 0.0, 1.0),
            ("meta_loss.parked_above", meta_loss.parked_above, 1.0, f64::MAX),
            ("meta_loss.adjoint_limit", meta_loss.adjoint_limit, 0.0, f64::MAX),
            ("meta_loss.instance_limit", meta_loss.instance_limit, 0.0, f64::MAX),
            ("meta_loss.lost_limit", meta_loss.lost_limit.unwrap_or(0.0), 0.0, f64::MAX),
        ] {
            within(name, value, least, most)?;
        }
        if self.problems.slots < self.problems.groups_per_update {
            return Err(RecipeError::Slots {
                slots: self.problems.slots,
                groups: self.problems.groups_per_update,
            });
        }
        meta_optimizer.check()
    }
}

impl MetaOptimizerConfig {
    /// Whether psi can be moved so.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        for (name, value, least, most) in [
            ("meta_optimizer.rate", self.rate, 0.0, 1.0),
            ("meta_optimizer.final_rate", self.final_rate, 0.0, 1.0),
            ("meta_optimizer.beta1", self.beta1, 0.0, ALMOST_ONE),
            ("meta_optimizer.beta2", self.beta2, 0.0, ALMOST_ONE),
            ("meta_optimizer.limit", self.limit, 0.0, f64::MAX),
            ("meta_optimizer.average", self.average, 0.0, 1.0),
        ] {
            within(name, value, least, most)?;
        }
        if !["adam", "rmsprop"].contains(&self.kind.as_str()) {
            return Err(RecipeError::MetaOptimizer(self.kind.clone()));
        }
        Ok(())
    }
}

/// Refuses a number outside bounds; NaN is within none.
pub(crate) fn within(
    name: &'static str,
    value: f64,
    least: f64,
    most: f64,
) -> Result<(), RecipeError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(RecipeError::Bounds { name, value, least, most })
}

/// The configuration that recipes call by this name.
///
/// # Errors
///
/// If there is none.
pub fn named_config(name: &str) -> Result<HierarchicalRnnConfig, RecipeError> {
    match name {
        "paper" => Ok(HierarchicalRnnConfig::paper()),
        "released" => Ok(HierarchicalRnnConfig::released()),
        "appendix-d" => Ok(HierarchicalRnnConfig::appendix_d()),
        "recommended" => Ok(HierarchicalRnnConfig::recommended()),
        other => Err(RecipeError::Optimizer(other.to_owned())),
    }
}

fn as_table(config: HierarchicalRnnConfig) -> Result<toml::Table, RecipeError> {
    toml::Table::try_from(config).map_err(|e| RecipeError::Switches(one_line(&e)))
}

/// What a parser says, with the line it quotes cut short.
pub(crate) fn one_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let short = |line: &str| match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    };
    lines.map(short).collect::<Vec<_>>().join(" ")
}

/// Characters that are shown of a line.
const LONGEST_LINE: usize = 200;

/// Least and most of what is drawn on a logarithmic scale and becomes an `f32`.
const TINY: f64 = 1e-20;
const HUGE: f64 = 1e20;

/// More steps or updates than anybody waits for.
const LONG: f64 = 1e12;

/// A decay of one would never take anything in.
const ALMOST_ONE: f64 = 1.0 - 1e-9;

/// A recipe that cannot be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Not TOML of the right shape.
    #[error("the recipe does not parse: {0}")]
    Syntax(String),
    /// Unknown optimizer.
    #[error("unknown optimizer {0:?}, expected paper, released, appendix-d or recommended")]
    Optimizer(String),
    /// A recipe for a relative RNN where one for a hierarchical RNN is needed.
    #[error("the recipe is for a relative RNN, which is trained by other means, in one process")]
    Evolution,
    /// Exact gradients of losses of batches.
    #[error("exact gradients are of losses on held-out rows, which the recipe does without")]
    Rows,
    /// Weights or a checkpoint of another optimizer.
    #[error("the recipe is for another optimizer than these weights")]
    OtherOptimizer,
    /// A calibration for networks of other sizes.
    #[error("calibration.networks has other sizes than networks, expected the same")]
    OtherSizes,
    /// Unknown or impossible switches.
    #[error("the recipe's switches make no optimizer: {0}")]
    Switches(String),
    /// Unknown block of psi.
    #[error("zeroed: the optimizer has no meta-parameters called {0:?}")]
    Block(String),
    /// Unknown meta-optimizer.
    #[error("unknown meta-optimizer {0:?}, expected adam or rmsprop")]
    MetaOptimizer(String),
    /// A range that is not positive and ordered.
    #[error("{name} is ({low:?}, {high:?}), expected {TINY:?} <= low <= high <= {HUGE:?}")]
    Range {
        /// Field.
        name: &'static str,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A number that is NaN or out of bounds.
    #[error("{name} is {value:?}, expected a number from {least:?} to {most:?}")]
    Bounds {
        /// Field.
        name: &'static str,
        /// Value.
        value: f64,
        /// Least that makes sense.
        least: f64,
        /// Most that makes sense.
        most: f64,
    },
    /// Fewer slots than one update needs.
    #[error("problems.slots is {slots}, fewer than groups_per_update = {groups}")]
    Slots {
        /// Slots.
        slots: usize,
        /// Groups per update.
        groups: usize,
    },
    /// No problem is left.
    #[error("the recipe selects no problem")]
    NoProblems,
    /// A problem name that does not exist.
    #[error("{0}")]
    Problem(String),
}
