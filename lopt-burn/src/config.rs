//! Settings, with burn's `init(&module)`.

use crate::error::Error;
use crate::optimizer::LearnedOptimizer;
use burn::module::Module;
use lopt_core::{GuardConfig, ParameterGroup, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// Settings of a [`LearnedOptimizer`]: those of [`lopt_core::LearnedOptimizerConfig`], which it can
/// be made from, built for a module.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use lopt_burn::{LearnedOptimizerConfig, ParameterGroup, Schedule};
///
/// let model = LinearConfig::new(4, 2).init(&Device::default().autodiff());
/// let optimizer = LearnedOptimizerConfig::new()
///     .with_group(ParameterGroup::new("bias").with_weight_decay(0.0))
///     .with_weight_decay(1e-5)
///     .with_clipping_norm(1.0)
///     .with_schedule(Schedule::Cosine { steps: 1000, floor: 0.1 })
///     .init(&model)?;
/// # let _ = optimizer;
/// # Ok::<(), lopt_burn::Error>(())
/// ```
///
/// They can be a field of a struct with burn's `Config`, and have its `save` and `load` themselves; see
/// [`lopt_core::LearnedOptimizerConfig`] for the names in the file.
///
/// ```
/// use burn::config::Config;
/// use lopt_burn::LearnedOptimizerConfig;
///
/// #[derive(Config, Debug)]
/// struct TrainingConfig {
///     #[config(default = 10)]
///     epochs: usize,
///     #[config(default = "LearnedOptimizerConfig::new()")]
///     optimizer: LearnedOptimizerConfig,
/// }
///
/// let json = br#"{ "epochs": 3, "optimizer": { "weight_decay": 1e-5 } }"#;
/// let config = TrainingConfig::load_binary(json)?;
/// assert_eq!(config.optimizer, LearnedOptimizerConfig::new().with_weight_decay(1e-5));
/// # Ok::<(), burn::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LearnedOptimizerConfig {
    core: lopt_core::LearnedOptimizerConfig,
}

impl burn::config::Config for LearnedOptimizerConfig {}

impl From<lopt_core::LearnedOptimizerConfig> for LearnedOptimizerConfig {
    fn from(core: lopt_core::LearnedOptimizerConfig) -> Self {
        Self { core }
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
    pub fn with_weights(self, weights: Weights) -> Self {
        self.core.with_weights(weights).into()
    }

    /// Initial learning rate of every parameter; the networks change it at once, so that it matters
    /// little. The default comes from the weights.
    #[must_use]
    pub fn with_initial_rate(self, rate: f32) -> Self {
        self.core.with_initial_rate(rate).into()
    }

    /// Averages iterates with this eta, or not at all; see
    /// [`HierarchicalRnn::with_averaging`](lopt_core::HierarchicalRnn::with_averaging).
    #[must_use]
    pub fn with_averaging(self, eta: Option<f32>) -> Self {
        self.core.with_averaging(eta).into()
    }

    /// Keeps the state in under half of the memory; see
    /// [`HierarchicalRnn::with_compact_state`](lopt_core::HierarchicalRnn::with_compact_state).
    #[must_use]
    pub fn with_compact_state(self) -> Self {
        self.core.with_compact_state().into()
    }

    /// Adds a group of parameters by the pattern of their names (`encoder.*`, `*.bias`); the first
    /// one that matches a tensor counts.
    #[must_use]
    pub fn with_group(self, group: ParameterGroup) -> Self {
        self.core.with_group(group).into()
    }

    /// Shrinks every parameter by this fraction at each step. There is no learning rate to multiply
    /// it by, so AdamW with rate 1e-3 and decay 0.01 has 1e-5 here; like that rate it follows what the
    /// step is multiplied by.
    #[must_use]
    pub fn with_weight_decay(self, decay: f32) -> Self {
        self.core.with_weight_decay(decay).into()
    }

    /// Limits every gradient entry to `-most..=most`.
    #[must_use]
    pub fn with_clipping_value(self, most: f32) -> Self {
        self.core.with_clipping_value(most).into()
    }

    /// Limits the norm of the gradients of all tensors together, after entries.
    #[must_use]
    pub fn with_clipping_norm(self, most: f32) -> Self {
        self.core.with_clipping_norm(most).into()
    }

    /// Multiplies the length of each step.
    #[must_use]
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        self.core.with_schedule(schedule).into()
    }

    /// Other settings of the guard, or `None` to be without.
    #[must_use]
    pub fn with_guard(self, guard: Option<GuardConfig>) -> Self {
        self.core.with_guard(guard).into()
    }

    /// An optimizer for this module, of all parameters that require a gradient.
    ///
    /// # Errors
    ///
    /// If a setting is out of range, a group matches nothing, no parameter requires a gradient, or
    /// one is of a type that is not supported.
    pub fn init<M: Module>(&self, module: &M) -> Result<LearnedOptimizer, Error> {
        LearnedOptimizer::build(&self.core, module)
    }

    /// An optimizer that stays on the device of this module, of all parameters that require a
    /// gradient.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init); if the module is not on one device of burn's cubecl backend in F32;
    /// if a setting is on that a device goes without: the guard (default, so call
    /// `with_guard(None)`), weight decay, clipping, compact state.
    #[cfg(feature = "gpu")]
    pub fn init_on_device<M: Module>(
        &self,
        module: &M,
    ) -> Result<crate::device::DeviceOptimizer, Error> {
        crate::device::DeviceOptimizer::build(&self.core, module)
    }
}
