//! What a user may choose, with defaults that need no choice.

use super::groups::MOST_DECAY;
use super::{Clipping, GroupError, LearnedOptimizer, ParameterGroup};
use crate::files::weights::{Weights, WeightsError};
use crate::guard::{GuardConfig, GuardError};
use crate::hierarchical_rnn::AVERAGING_ETA;
use crate::layout::Layout;
use crate::schedule::{Schedule, ScheduleError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings of a [`LearnedOptimizer`]; the defaults are those of the results in the README, with the
/// guard on.
///
/// ```
/// use lopt_core::{Layout, LearnedOptimizerConfig, ParameterGroup, Schedule, TensorShape};
///
/// let layout = Layout::new(vec![
///     TensorShape::new("encoder.weight", [4, 3]),
///     TensorShape::new("head.weight", [3, 2]),
///     TensorShape::new("head.bias", [2]),
/// ])?;
/// let optimizer = LearnedOptimizerConfig::new()
///     .with_group(ParameterGroup::new("encoder.*").frozen())
///     .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
///     .with_weight_decay(1e-5)
///     .with_clipping_norm(1.0)
///     .with_schedule(Schedule::Cosine { steps: 1000, floor: 0.1 })
///     .init(&layout)?;
/// # let _ = optimizer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// They can be written as JSON and read again: what is left out has its default, a name that does not
/// exist or a value out of range is refused. Embedded weights are written by their name, which stands for
/// those of the version that reads it; other weights as a whole.
///
/// ```
/// # use lopt_core::{LearnedOptimizerConfig, ParameterGroup};
/// let config: LearnedOptimizerConfig = serde_json::from_str(
///     r#"{
///         "weight_decay": 1e-5,
///         "clipping": { "norm": 1.0 },
///         "groups": [{ "pattern": "*.bias", "weight_decay": 0.0 }],
///         "schedule": { "cosine": { "steps": 1000, "floor": 0.1 } }
///     }"#,
/// )?;
/// # let group = ParameterGroup::new("*.bias").with_weight_decay(0.0);
/// # let schedule = lopt_core::Schedule::Cosine { steps: 1000, floor: 0.1 };
/// # let same = LearnedOptimizerConfig::new().with_weight_decay(1e-5).with_clipping_norm(1.0);
/// # assert_eq!(config, same.with_group(group).with_schedule(schedule));
/// let error = serde_json::from_str::<LearnedOptimizerConfig>(r#"{ "weight_decay": 7 }"#).unwrap_err();
/// assert!(error.to_string().starts_with("the weight decay is 7, expected at least 0 and less than 0.005"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct LearnedOptimizerConfig {
    pub(crate) weights: Option<Weights>,
    pub(crate) initial_rate: Option<f32>,
    pub(crate) averaging: Option<f32>,
    pub(crate) compact_state: bool,
    pub(crate) groups: Vec<ParameterGroup>,
    pub(crate) weight_decay: f32,
    pub(crate) clipping: Clipping,
    pub(crate) schedule: Schedule,
    pub(crate) guard: Option<GuardConfig>,
}

impl Serialize for LearnedOptimizerConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for LearnedOptimizerConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(from)?;
        config.validate().map_err(D::Error::custom)?;
        Ok(config)
    }
}

impl Default for LearnedOptimizerConfig {
    fn default() -> Self {
        Self {
            weights: None,
            initial_rate: None,
            averaging: Some(AVERAGING_ETA),
            compact_state: false,
            groups: Vec::new(),
            weight_decay: 0.0,
            clipping: Clipping::default(),
            schedule: Schedule::Constant,
            guard: Some(GuardConfig::default()),
        }
    }
}

impl LearnedOptimizerConfig {
    /// The defaults: embedded weights `recommended`, averaged iterates, guard on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Other weights than the embedded `recommended`.
    #[must_use]
    pub fn with_weights(mut self, weights: Weights) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Initial learning rate of every parameter; the networks change it at once, so that it matters
    /// little. The default comes from the weights.
    #[must_use]
    pub fn with_initial_rate(mut self, rate: f32) -> Self {
        self.initial_rate = Some(rate);
        self
    }

    /// Averages iterates with this eta, or not at all; see
    /// [`HierarchicalRnn::with_averaging`](crate::HierarchicalRnn::with_averaging).
    #[must_use]
    pub fn with_averaging(mut self, eta: Option<f32>) -> Self {
        self.averaging = eta;
        self
    }

    /// Keeps the state in under half of the memory; see
    /// [`HierarchicalRnn::with_compact_state`](crate::HierarchicalRnn::with_compact_state).
    #[must_use]
    pub fn with_compact_state(mut self) -> Self {
        self.compact_state = true;
        self
    }

    /// Adds a group; the first one that matches a tensor counts.
    #[must_use]
    pub fn with_group(mut self, group: ParameterGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// Shrinks every parameter by this fraction at each step, before it is moved: decoupled weight
    /// decay (Loshchilov & Hutter 2019). There is no learning rate to multiply it by, so AdamW with
    /// rate 1e-3 and decay 0.01 has 1e-5 here. Like that rate it follows what the step is multiplied
    /// by: [pace](crate::HierarchicalRnnConfig::log_pace), schedule, multipliers, the guard's cut.
    /// 0.005 and more are refused: they are AdamW's decay, not yet multiplied by a rate.
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f32) -> Self {
        self.weight_decay = decay;
        self
    }

    /// Limits every gradient entry to `-most..=most`.
    #[must_use]
    pub fn with_clipping_value(mut self, most: f32) -> Self {
        self.clipping.value = Some(most);
        self
    }

    /// Limits the norm of the gradients of all tensors together, after entries; tensors that are
    /// frozen or without a gradient do not count.
    #[must_use]
    pub fn with_clipping_norm(mut self, most: f32) -> Self {
        self.clipping.norm = Some(most);
        self
    }

    /// Multiplies the length of each step, by a number from 0 to 1.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Other settings of the guard, or `None` to be without.
    #[must_use]
    pub fn with_guard(mut self, guard: Option<GuardConfig>) -> Self {
        self.guard = guard;
        self
    }

    /// An optimizer for a model of this layout.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or a group matches nothing.
    pub fn init(&self, layout: &Layout) -> Result<LearnedOptimizer, BuildError> {
        self.validate()?;
        LearnedOptimizer::build(self, layout)
    }

    /// Checks all that does not depend on a model.
    pub(super) fn validate(&self) -> Result<(), BuildError> {
        let positive = [
            ("initial rate", self.initial_rate),
            ("averaging eta", self.averaging),
            ("clipping value", self.clipping.value),
            ("clipping norm", self.clipping.norm),
        ];
        for (what, value) in positive {
            if let Some(value) = value.filter(|x| !(*x > 0.0 && x.is_finite())) {
                return Err(BuildError::Value { what, value });
            }
        }
        if !(0.0..MOST_DECAY).contains(&self.weight_decay) {
            return Err(BuildError::WeightDecay { value: self.weight_decay });
        }
        self.schedule.validate()?;
        self.groups.iter().try_for_each(ParameterGroup::validate)?;
        Ok(self.guard.map_or(Ok(()), |guard| guard.validate())?)
    }
}

/// Settings that no optimizer can be built from.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting that has to be positive.
    #[error("the {what} is {value}, expected a positive number")]
    Value {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: f32,
    },
    /// A setting that the weights' optimizer does not have.
    #[error(
        "{what} is a setting of hierarchical RNNs, and the weights are of a relative RNN, such as \
         the default ones"
    )]
    OtherOptimizer {
        /// Which setting.
        what: &'static str,
    },
    /// A weight decay outside [0, 0.005): larger ones are those of AdamW, which are multiplied by its rate.
    #[error(
        "the weight decay is {value}, expected at least 0 and less than {MOST_DECAY}: \
         it is AdamW's decay times its learning rate, such as 0.01 times 1e-3"
    )]
    WeightDecay {
        /// Its value.
        value: f32,
    },
    /// A schedule with numbers out of range.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A guard with numbers out of range.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Groups that do not fit the model.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Weights that cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
