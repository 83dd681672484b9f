//! Groups of tensors by name, as optimizers have them.

use crate::layout::{Layout, TensorShape};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// Settings of the tensors whose names match a pattern.
///
/// In a pattern `*` stands for any characters and `?` for one. Of several groups that match a tensor
/// the first one counts; a group that matches no tensor is an error when the optimizer is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    pub(crate) pattern: String,
    #[serde(rename = "step_multiplier", default = "one")]
    pub(crate) multiplier: f32,
    #[serde(default)]
    pub(crate) weight_decay: Option<f32>,
    #[serde(default)]
    pub(crate) frozen: bool,
}

fn one() -> f32 {
    1.0
}

impl ParameterGroup {
    /// The tensors of these names, treated like all others until told otherwise.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), multiplier: one(), weight_decay: None, frozen: false }
    }

    /// Steps of these tensors are this many times as long.
    #[must_use]
    pub fn with_step_multiplier(mut self, multiplier: f32) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Weight decay of these tensors in place of the general one.
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f32) -> Self {
        self.weight_decay = Some(decay);
        self
    }

    /// These tensors stay as they are, and their gradients are not looked at.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// Whether a tensor of this name belongs to the group.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        WildMatch::new(&self.pattern).matches(name)
    }

    /// Checks ranges.
    pub(super) fn validate(&self) -> Result<(), GroupError> {
        let Self { pattern, multiplier, weight_decay, .. } = self;
        let (pattern, value) = (pattern.clone(), *multiplier);
        if !(value >= 0.0 && value.is_finite()) {
            return Err(GroupError::Multiplier { pattern, value });
        }
        match weight_decay.filter(|decay| !(0.0..MOST_DECAY).contains(decay)) {
            Some(value) => Err(GroupError::WeightDecay { pattern, value }),
            None => Ok(()),
        }
    }
}

/// Least weight decay that is refused: AdamW's own, for which its learning rate was forgotten.
pub(super) const MOST_DECAY: f32 = 0.005;

/// Settings of one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TensorSettings {
    pub multiplier: f32,
    pub weight_decay: f32,
    pub frozen: bool,
}

/// The settings of every tensor.
pub(crate) fn resolve(
    layout: &Layout,
    groups: &[ParameterGroup],
    weight_decay: f32,
) -> Result<Vec<TensorSettings>, GroupError> {
    let tensors = layout.tensors();
    for group in groups {
        group.validate()?;
        if !tensors.iter().any(|tensor| group.matches(&tensor.name)) {
            let names =
                tensors.iter().map(|tensor| tensor.name.as_str()).take(8).collect::<Vec<_>>();
            let pattern = group.pattern.clone();
            return Err(GroupError::NoMatch { pattern, names: names.join(", ") });
        }
    }
    let settings = |tensor: &TensorShape| match groups.iter().find(|g| g.matches(&tensor.name)) {
        Some(group) => TensorSettings {
            multiplier: group.multiplier,
            weight_decay: group.weight_decay.unwrap_or(weight_decay),
            frozen: group.frozen,
        },
        None => TensorSettings { multiplier: 1.0, weight_decay, frozen: false },
    };
    Ok(tensors.iter().map(settings).collect())
}

/// Groups that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A pattern that no tensor's name matches.
    #[error("no tensor matches the group `{pattern}`; the first tensors are: {names}")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Names of the first tensors.
        names: String,
    },
    /// A step multiplier that is negative or not finite.
    #[error(
        "the step multiplier of group `{pattern}` is {value}, expected a finite number of at least 0"
    )]
    Multiplier {
        /// The pattern.
        pattern: String,
        /// Its value.
        value: f32,
    },
    /// A weight decay outside [0, 0.005).
    #[error(
        "the weight decay of group `{pattern}` is {value}, expected at least 0 and less than {MOST_DECAY}: \
         it is AdamW's decay times its learning rate, such as 0.01 times 1e-3"
    )]
    WeightDecay {
        /// The pattern.
        pattern: String,
        /// Its value.
        value: f32,
    },
}
