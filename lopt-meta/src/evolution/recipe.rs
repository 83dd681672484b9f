//! What decides a run of evolution strategies.

use lopt_core::RelativeRnnConfig;
use lopt_core::relative_rnn::{GLOBAL_INPUTS, INPUTS, OUTPUTS};
use serde::{Deserialize, Serialize};

use crate::config::{MetaOptimizerConfig, RecipeError, one_line, within};

/// The recipe of the embedded weights `recommended`, as TOML.
pub const RECOMMENDED: &str = include_str!("../../recipes/recommended.toml");

/// A recipe for a relative RNN, read from TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvolutionRecipe {
    /// `relative-rnn`.
    pub optimizer: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Number of meta-updates.
    pub updates: u64,
    /// The networks in training.
    pub networks: RelativeRnnConfig,
    /// Practice jobs to train on.
    pub jobs: u64,
    /// Runs in pairs per update: one at psi plus a perturbation, one at psi minus it.
    pub pairs: usize,
    /// Standard deviation of a perturbation.
    pub sigma: f64,
    /// Weight of half the squared length of the readout in the meta-loss: keeps what is learned near the
    /// hand-designed optimizer unless it pays.
    pub pull: f64,
    /// Updates in which only the readout is perturbed, whose meta-parameters are zero at the start.
    pub readout_first: u64,
    /// Probability that all steps of a pair are multiplied by a factor, which the optimizer has to make
    /// up for.
    pub factor_probability: f64,
    /// The factor is log-uniform between its inverse and this.
    pub largest_factor: f64,
    /// How the gradient of the meta-loss is estimated.
    #[serde(default, skip_serializing_if = "Estimator::is_evolution")]
    pub estimator: Estimator,
    /// Steps of an unroll, where gradients are exact; runs that are shorter are unrolled as a whole.
    #[serde(default = "usual_unroll", skip_serializing_if = "is_usual_unroll")]
    pub unroll: usize,
    /// How psi moves.
    pub meta_optimizer: MetaOptimizerConfig,
    /// Updates between checkpoints.
    pub checkpoint_every: u64,
    /// Updates between evaluations on practice jobs that are not trained on; 0 for never.
    pub validate_every: u64,
    /// What is changed in weights that are given out, not in training.
    #[serde(default)]
    pub calibration: Calibration,
    /// What is taken away, for ablations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Part>,
}

/// How the gradient of the meta-loss is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// By pairs of whole runs, at psi plus and minus a perturbation.
    #[default]
    Evolution,
    /// By differentiating the score after some steps of a run, of one run in place of every pair.
    Exact,
    /// Both, each meta-parameter's weighted by the inverse of their variances over the runs of an update
    /// (Metz et al. 2019, "Understanding and correcting pathologies in the training of learned optimizers").
    Mix,
}

impl Estimator {
    /// Whether runs are compared in pairs.
    pub(super) fn has_pairs(self) -> bool {
        self != Self::Exact
    }

    /// Whether runs are differentiated.
    pub(super) fn has_unrolls(self) -> bool {
        self != Self::Evolution
    }

    /// Whether it is that of recipes that do not name one.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_evolution(&self) -> bool {
        *self == Self::Evolution
    }
}

fn usual_unroll() -> usize {
    UNROLL
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_unroll(steps: &usize) -> bool {
    *steps == UNROLL
}

/// Steps of an unroll in recipes that do not name them.
const UNROLL: usize = 50;

/// A part of the optimizer or of its training that a run can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What the networks see of gradients and steps.
    Signals,
    /// What they see of the loss.
    Loss,
    /// Memory: rates are linear in what is seen of a tensor.
    Recurrence,
    /// Units and starts that are drawn for every practice job.
    Augmentation,
    /// Rows that are not trained on: without them the losses of batches are scored.
    HeldOutRows,
}

impl Part {
    /// The meta-parameters that stay zero without it.
    pub(super) fn weights(self, networks: &RelativeRnnConfig) -> Vec<usize> {
        let (h, g) = (networks.tensor_hidden, networks.global_hidden);
        let of_inputs = INPUTS + g;
        let readout = networks.readout().step_by(h + 1 + INPUTS);
        match self {
            Self::Signals => {
                let rows = (0..3 * h).map(|row| row * of_inputs);
                let rows = rows.chain(readout.map(|row| row + h + 1));
                rows.flat_map(|row| SIGNALS.map(|input| row + input)).collect()
            }
            Self::Loss => {
                let tensor_rnn = 3 * h * (of_inputs + h + 1);
                let rows = (0..3 * g).map(|row| tensor_rnn + row * (h + GLOBAL_INPUTS));
                rows.flat_map(|row| (h..h + 3).map(move |column| row + column)).collect()
            }
            Self::Recurrence => readout.flat_map(|row| row..row + h).collect(),
            Self::Augmentation | Self::HeldOutRows => Vec::new(),
        }
    }
}

/// Inputs of the Tensor RNN that tell of gradients and steps, not of the tensor's shape and clock
/// (`tensor.rs` of the relative RNN).
const SIGNALS: [usize; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 12];

/// A linear change of the readout, and other numbers beside the networks, chosen on jobs that are larger than practice
/// jobs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor of everything that is read out: 0 for the hand-designed optimizer, 1 for what was learned.
    pub readout: f64,
    /// Then added to what is read out for the logarithm of the step length.
    pub length: f64,
    /// Added to what is read out for the weight decay.
    pub weight_decay: f64,
    /// The networks that are given out, of the sizes of those in training; by default these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<RelativeRnnConfig>,
}

impl Default for Calibration {
    /// Changes nothing.
    fn default() -> Self {
        Self { readout: 1.0, length: 0.0, weight_decay: 0.0, networks: None }
    }
}

impl Calibration {
    /// `psi` with this change.
    pub(super) fn apply(&self, networks: &RelativeRnnConfig, psi: &[f64]) -> Vec<f64> {
        let mut psi = psi.to_vec();
        let readout = &mut psi[networks.readout()];
        readout.iter_mut().for_each(|x| *x *= self.readout);
        // a row for each output, of the state, constant, of the inputs: the length first, the weight decay last
        let (row, constant) = (readout.len() / OUTPUTS, networks.tensor_hidden);
        readout[constant] += self.length;
        readout[(OUTPUTS - 1) * row + constant] += self.weight_decay;
        psi
    }
}

impl EvolutionRecipe {
    /// Whether a recipe is one of these.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        let table = text.parse::<toml::Table>().unwrap_or_default();
        table.get("optimizer").and_then(toml::Value::as_str) == Some(OPTIMIZER)
    }

    /// Reads and checks a recipe.
    ///
    /// # Errors
    ///
    /// If it does not parse or a number is out of range.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|e| RecipeError::Syntax(one_line(&e)))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML.
    ///
    /// # Panics
    ///
    /// Never: all fields have a form in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is a table of numbers and names")
    }

    /// The networks of weights that are given out.
    pub(super) fn given_networks(&self) -> RelativeRnnConfig {
        self.calibration.networks.unwrap_or(self.networks)
    }

    fn check(&self) -> Result<(), RecipeError> {
        if self.optimizer != OPTIMIZER {
            return Err(RecipeError::Optimizer(self.optimizer.clone()));
        }
        for networks in [self.networks, self.given_networks()] {
            networks.validate().map_err(|e| RecipeError::Switches(e.to_string()))?;
        }
        let sizes = |of: RelativeRnnConfig| [of.tensor_hidden, of.global_hidden];
        if sizes(self.networks) != sizes(self.given_networks()) {
            return Err(RecipeError::OtherSizes);
        }
        for (name, value, least, most) in [
            ("updates", self.updates as f64, 1.0, 1e12),
            ("jobs", self.jobs as f64, 1.0, super::KNOWN_JOBS as f64),
            ("pairs", self.pairs as f64, 1.0, 1e5),
            ("sigma", self.sigma, 1e-6, 10.0),
            ("pull", self.pull, 0.0, 1e3),
            ("factor_probability", self.factor_probability, 0.0, 1.0),
            ("largest_factor", self.largest_factor, 1.0, 1e3),
            ("unroll", self.unroll as f64, 1.0, 1e4),
            ("calibration.readout", self.calibration.readout, 0.0, 1.0),
            ("calibration.length", self.calibration.length, -2.0, 2.0),
            ("calibration.weight_decay", self.calibration.weight_decay, -4.0, 4.0),
            ("checkpoint_every", self.checkpoint_every as f64, 1.0, f64::MAX),
        ] {
            within(name, value, least, most)?;
        }
        if self.estimator.has_unrolls() && self.without.contains(&Part::HeldOutRows) {
            return Err(RecipeError::Rows);
        }
        self.meta_optimizer.check()
    }
}

/// Name of the optimizer in recipes.
const OPTIMIZER: &str = "relative-rnn";
