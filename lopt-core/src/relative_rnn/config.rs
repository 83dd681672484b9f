//! Sizes of the upper networks, and numbers of the rule that are not learned.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::networks::Networks;
use super::tensor::WARM_UP;
use crate::config::ConfigError;
use crate::rng::Rng;

/// Sizes of the networks of a [`RelativeRnn`](crate::RelativeRnn), and numbers beside them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelativeRnnConfig {
    /// Hidden units of the Tensor RNN.
    pub tensor_hidden: usize,
    /// Hidden units of the Global RNN.
    pub global_hidden: usize,
    /// Steps of the weights and the bias of a single output are `exp(agreement * max(0, cos - 0.3))` times as
    /// long, where cos is the cosine of gradient and mean gradient: gradients that keep their direction ask
    /// for longer steps.
    pub agreement: f64,
    /// Steps until a step of a tensor has its whole length, in a model without matrices.
    pub warm_up: f64,
    /// What each matrix of the model adds to that: a tensor with two axes of more than one element.
    pub warm_up_per_matrix: f64,
    /// Steps in a model of M matrices are `max(1, M / 4)` to the power of this shorter, as what goes through
    /// a deep network is changed by the steps of all its layers.
    pub shorter_with_depth: f64,
    /// What the networks say of the logarithm of the step length counts `max(1, M / 4)` to the power of this
    /// less.
    pub doubt_with_depth: f64,
    /// Share of the exponent of the average of iterates where gradients are noise alone, from 0 to 1: the less,
    /// the more steps the average goes over.
    pub power_in_noise: f64,
    /// Weight decay of a matrix in units of its relative step, where the networks say 1 and gradients are noise.
    pub weight_decay: f64,
}

/// What files mean that lack a number: no agreement, a warm-up of 50 steps, steps of one length whatever the
/// depth, the same exponent whether there is noise or not, and a weight decay of 0.02.
impl Default for RelativeRnnConfig {
    fn default() -> Self {
        Self {
            tensor_hidden: 8,
            global_hidden: 4,
            agreement: 0.0,
            warm_up: WARM_UP,
            warm_up_per_matrix: 0.0,
            shorter_with_depth: 0.0,
            doubt_with_depth: 0.0,
            power_in_noise: 1.0,
            weight_decay: 0.02,
        }
    }
}

impl RelativeRnnConfig {
    /// What the embedded weights `recommended` have.
    #[must_use]
    pub fn recommended() -> Self {
        Self {
            agreement: 8.0,
            warm_up: 40.0,
            warm_up_per_matrix: 12.5,
            shorter_with_depth: 0.5,
            doubt_with_depth: 1.0,
            power_in_noise: 0.25,
            weight_decay: 0.033,
            ..Self::default()
        }
    }

    /// Number of meta-parameters: some 1,000.
    #[must_use]
    pub fn meta_parameters(&self) -> usize {
        Networks::count(self)
    }

    /// Meta-parameters to start at: hidden layers are drawn, the readout is zero, so that steps are
    /// those of `RelativeAdam` of the crate `lopt-baselines`, but for the numbers after the sizes and for vectors
    /// whose gradients are rounding errors.
    #[must_use]
    pub fn initialize(&self, rng: &mut Rng) -> Vec<f64> {
        Networks::initialize(self, rng)
    }

    /// Where the readout is among the meta-parameters.
    #[must_use]
    pub fn readout(&self) -> Range<usize> {
        let count = self.meta_parameters();
        count - Networks::readout_count(self)..count
    }

    /// Whether an optimizer can be built.
    ///
    /// # Errors
    ///
    /// Names the first size that is 0 or above 64, or number that is out of its bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("tensor_hidden", self.tensor_hidden), ("global_hidden", self.global_hidden)];
        for (field, value) in sizes {
            if !(1..=MOST).contains(&value) {
                return Err(ConfigError::Size { field, value, least: 1, most: MOST });
            }
        }
        for (field, value, least, most) in [
            ("agreement", self.agreement, 0.0, f64::MAX),
            ("warm_up", self.warm_up, 1.0, f64::MAX),
            ("warm_up_per_matrix", self.warm_up_per_matrix, 0.0, f64::MAX),
            ("shorter_with_depth", self.shorter_with_depth, 0.0, 2.0),
            ("doubt_with_depth", self.doubt_with_depth, 0.0, 2.0),
            ("power_in_noise", self.power_in_noise, 0.0, 1.0),
            ("weight_decay", self.weight_decay, 0.0, 1.0),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Pace { field, value });
            }
        }
        Ok(())
    }
}

/// Most hidden units.
pub(super) const MOST: usize = 64;
