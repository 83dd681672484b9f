//! Settings as they are written in JSON, TOML or a burn `Config`.

use super::{BuildError, Clipping, LearnedOptimizerConfig, ParameterGroup};
use crate::files::weights::{EMBEDDED, OptimizerConfig, TrainingRecord, Weights, WeightsError};
use crate::guard::GuardConfig;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// The fields of a [`LearnedOptimizerConfig`] before they are checked.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    weights: Option<WrittenWeights>,
    initial_rate: Option<f32>,
    averaging: Option<f32>,
    compact_state: bool,
    groups: Vec<ParameterGroup>,
    weight_decay: f32,
    clipping: Clipping,
    schedule: Schedule,
    guard: Option<GuardConfig>,
}

/// Weights by the name that embedded ones have, or as a whole.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "there is one, while settings are read or written")]
enum WrittenWeights {
    Name(String),
    Whole { config: OptimizerConfig, psi: Vec<f32>, record: TrainingRecord },
}

impl Default for Written {
    fn default() -> Self {
        LearnedOptimizerConfig::default().into()
    }
}

impl From<LearnedOptimizerConfig> for Written {
    fn from(config: LearnedOptimizerConfig) -> Self {
        let LearnedOptimizerConfig {
            weights,
            initial_rate,
            averaging,
            compact_state,
            groups,
            weight_decay,
            clipping,
            schedule,
            guard,
        } = config;
        Self {
            weights: weights.map(WrittenWeights::from),
            initial_rate,
            averaging,
            compact_state,
            groups,
            weight_decay,
            clipping,
            schedule,
            guard,
        }
    }
}

impl TryFrom<Written> for LearnedOptimizerConfig {
    type Error = BuildError;

    fn try_from(written: Written) -> Result<Self, BuildError> {
        let config = Self {
            weights: written.weights.map(Weights::try_from).transpose()?,
            initial_rate: written.initial_rate,
            averaging: written.averaging,
            compact_state: written.compact_state,
            groups: written.groups,
            weight_decay: written.weight_decay,
            clipping: written.clipping,
            schedule: written.schedule,
            guard: written.guard,
        };
        config.validate()?;
        Ok(config)
    }
}

impl From<Weights> for WrittenWeights {
    fn from(weights: Weights) -> Self {
        let same = |name: &&&str| Weights::embedded(name).is_ok_and(|known| known == weights);
        if let Some(name) = EMBEDDED.iter().find(same) {
            return Self::Name((*name).to_owned());
        }
        let (config, psi, record) = weights.into_parts();
        Self::Whole { config, psi, record }
    }
}

impl TryFrom<WrittenWeights> for Weights {
    type Error = WeightsError;

    fn try_from(written: WrittenWeights) -> Result<Self, WeightsError> {
        match written {
            WrittenWeights::Name(name) => Self::embedded(&name),
            WrittenWeights::Whole { config, psi, record } => Self::new(config, psi, record),
        }
    }
}
