//! Sizes of the upper networks.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::networks::{Networks, OUTPUTS};
use crate::config::ConfigError;
use crate::rng::Rng;

/// Sizes of a [`RelativeRnn`](crate::RelativeRnn).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelativeRnnConfig {
    /// Hidden units of the Tensor RNN.
    pub tensor_hidden: usize,
    /// Hidden units of the Global RNN.
    pub global_hidden: usize,
    /// Steps of the weights and the bias of a single output are `exp(agreement * max(0, cos - 0.3))` times as
    /// long, where cos is the cosine of gradient and mean gradient: gradients that keep their direction ask
    /// for longer steps.
    #[serde(default, skip_serializing_if = "is_off")]
    pub agreement: f64,
}

impl RelativeRnnConfig {
    /// What the embedded weights `recommended` have.
    #[must_use]
    pub fn recommended() -> Self {
        Self { tensor_hidden: 8, global_hidden: 4, agreement: 8.0 }
    }

    /// Number of meta-parameters: some 1,000.
    #[must_use]
    pub fn meta_parameters(&self) -> usize {
        Networks::count(self)
    }

    /// Meta-parameters to start at: hidden layers are drawn, the readout is zero, so that steps are
    /// those of `RelativeAdam` of the crate `lopt-baselines`, but for [`agreement`](Self::agreement) and for vectors
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

    /// Where the constant of the step length's logarithm is in the readout.
    #[must_use]
    pub fn constant_of_length(&self) -> usize {
        self.readout().start + self.tensor_hidden
    }

    /// Where the constant of the weight decay is in the readout.
    #[must_use]
    pub fn constant_of_weight_decay(&self) -> usize {
        let row = self.readout().len() / OUTPUTS;
        self.readout().end - row + self.tensor_hidden
    }

    /// Whether an optimizer can be built.
    ///
    /// # Errors
    ///
    /// Names the first size that is 0 or above 64, or an agreement that is negative or not finite.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("tensor_hidden", self.tensor_hidden), ("global_hidden", self.global_hidden)];
        match sizes.into_iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            Some((field, value)) => Err(ConfigError::Size { field, value, least: 1, most: MOST }),
            None if !(self.agreement >= 0.0 && self.agreement.is_finite()) => {
                Err(ConfigError::Pace { field: "agreement", value: self.agreement })
            }
            None => Ok(()),
        }
    }
}

/// Whether a switch has the value of files that lack it.
fn is_off(value: &f64) -> bool {
    *value == 0.0
}

/// Most hidden units.
pub(super) const MOST: usize = 64;
