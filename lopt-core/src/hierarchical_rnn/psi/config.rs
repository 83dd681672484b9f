//! Which optimizer: sizes and named switches of the hierarchical RNN.
//!
//! Three constructors are fixed points of the literature. `paper()` follows equations (1) to (14)
//! of Wichrowska et al. 2017, `released()` what the code published with it does (quirks included),
//! `appendix_d()` the changes of its appendix D. `recommended()` is what our own weights use.

use crate::hierarchical_rnn::stages::scale::LARGEST_LOG_STEP;
use serde::{Deserialize, Serialize};

/// How the raw direction `d` of a tensor becomes a direction of standard length (eq. 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// `d`, as in appendix D (eq. 18).
    None,
    /// `d / sqrt(mean(d^2) + 1e-16)`.
    Rms,
    /// `d / (norm(d) / N_t)`, equation (5) to the letter: its RMS is `sqrt(N_t)`.
    MeanNorm,
}

/// Where the learned scalar `c` separates parameter step and attended step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOffset {
    /// Both steps use the same rate (eq. 18, 19).
    None,
    /// The parameter step uses `exp(l + c)`, the attended step `exp(l)` (released code).
    Parameter,
    /// The parameter step uses `exp(l)`, the attended step `exp(l + c)` (eq. 9).
    Attention,
}

/// Reference of the relative log learning rate input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelativeRate {
    /// The input is left out.
    Off,
    /// Mean over the elements of the same tensor.
    Tensor,
    /// Mean over every element of every tensor.
    Problem,
}

/// What the Global RNN reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GlobalInput {
    /// Mean of all Tensor RNN states (the paper).
    MeanOfTensors,
    /// State of the last tensor only (a slip in the released code).
    LastTensor,
}

/// Sizes and switches of a [`HierarchicalRnn`](crate::HierarchicalRnn).
///
/// Files hold it by name. A switch that is added has a default for files without it
/// (`#[serde(default)]`), which must be what optimizers did before there was one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HierarchicalRnnConfig {
    /// Hidden units of the Parameter RNN (4 to 32).
    pub parameter_hidden: usize,
    /// Hidden units of the Tensor RNN.
    pub tensor_hidden: usize,
    /// Hidden units of the Global RNN.
    pub global_hidden: usize,
    /// Number of timescales S of the gradient averages; 1 means no averaging.
    pub timescales: usize,
    /// Take gradients at a look-ahead point chosen by the network.
    pub attention: bool,
    /// Feed products of scaled gradients of neighbouring timescales.
    pub gradient_products: bool,
    /// Squash scaled gradients by `asinh`.
    pub asinh: bool,
    /// Mean-square decay of scale `s` is `b^(2^-s)` rather than `b` for all.
    pub rms_decay_per_scale: bool,
    /// Divide by the mean square of the next shorter scale (eq. 17).
    pub previous_scale: bool,
    /// Normalisation of the direction.
    pub normalization: Normalization,
    /// Role of the scalar `c`.
    pub step_offset: StepOffset,
    /// Reference of the relative log rate.
    pub relative_rate: RelativeRate,
    /// Input of the Global RNN.
    pub global_input: GlobalInput,
    /// Decays come from the network; otherwise mean squares use 0.93 and averages 0.89.
    pub learnable_decay: bool,
    /// The decay of the gradient averages comes from the network; otherwise it is 0.89.
    pub learnable_gradient_decay: bool,
    /// Learned step length; otherwise the direction is the step.
    pub dynamic_output_scale: bool,
    /// The readout of the log rate starts at zero.
    pub zero_init_rate: bool,
    /// Feed relative log mean squares.
    pub log_mean_squares: bool,
    /// Feed an indicator of extreme log rates.
    pub extreme_indicator: bool,
    /// Feed `log rate - log 1e-3`.
    pub rate_shortcut: bool,
    /// Feed the log rate relative to the size of the tensor's parameters (`scale.rs`).
    #[serde(default)]
    pub parameter_scale: bool,
    /// Add `sum_s v_s m_s` to the direction.
    pub gradient_shortcut: bool,
    /// Initial hidden states are meta-parameters; otherwise zero.
    pub learnable_initial_state: bool,
    /// Log rates are clipped to `[-max_log_rate, max_log_rate]`, with a straight-through gradient.
    pub max_log_rate: f64,
    /// Range of initial rates: half of the log is drawn per element, half per tensor.
    pub initial_rate: (f64, f64),
    /// Steps over which learned step lengths rise linearly to their full size; 0: at once.
    #[serde(default)]
    pub warmup: f64,
    /// Learned step lengths are divided by `1 + n / decay` after n steps; 0: never.
    #[serde(default)]
    pub decay: f64,
    /// With `parameter_scale`, the largest step falls as `1 / (1 + n / largest_decay)`; 0: never.
    #[serde(default)]
    pub largest_decay: f64,
    /// The Global RNN reads `n / (n + clock)` after n steps, beside the tensors; 0: it does not.
    #[serde(default)]
    pub clock: f64,
    /// With `parameter_scale`, tensors of more than `wide_from` elements count as less wide than
    /// `N^(1/4)` says (`log_width`); 0: none does.
    #[serde(default)]
    pub wide_from: f64,
    /// Learned steps of a tensor whose gradient has an RMS of r are multiplied by
    /// `(r^2 / (r^2 + least_gradient^2))^2`: gradients far below it are rounding errors; 0: none is.
    #[serde(default)]
    pub least_gradient: f64,
}

impl HierarchicalRnnConfig {
    /// The defaults of the published code: 12 inputs, 8349 meta-parameters, 21 floats of state.
    #[must_use]
    pub fn released() -> Self {
        Self {
            parameter_hidden: 10,
            tensor_hidden: 20,
            global_hidden: 20,
            timescales: 4,
            attention: false,
            gradient_products: true,
            asinh: true,
            rms_decay_per_scale: false,
            previous_scale: false,
            normalization: Normalization::Rms,
            step_offset: StepOffset::Parameter,
            relative_rate: RelativeRate::Problem,
            global_input: GlobalInput::LastTensor,
            learnable_decay: true,
            learnable_gradient_decay: true,
            dynamic_output_scale: true,
            zero_init_rate: true,
            log_mean_squares: true,
            extreme_indicator: false,
            rate_shortcut: false,
            parameter_scale: false,
            gradient_shortcut: true,
            learnable_initial_state: true,
            max_log_rate: 33.0,
            initial_rate: (1e-6, 1e-2),
            warmup: 0.0,
            decay: 0.0,
            largest_decay: 0.0,
            clock: 0.0,
            wide_from: 0.0,
            least_gradient: 0.0,
        }
    }

    /// Equations (1) to (14): 9 inputs, attention, 8093 meta-parameters, 22 floats of state.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            attention: true,
            gradient_products: false,
            asinh: false,
            rms_decay_per_scale: true,
            global_input: GlobalInput::MeanOfTensors,
            ..Self::released()
        }
    }

    /// `paper()` with equations (17) to (19): previous-scale normalisation, unnormalised steps.
    #[must_use]
    pub fn appendix_d() -> Self {
        Self {
            previous_scale: true,
            normalization: Normalization::None,
            step_offset: StepOffset::None,
            ..Self::paper()
        }
    }

    /// The configuration of our weights `hierarchical-rnn`: no second point to hold, squashed inputs
    /// scaled by the next shorter timescale, log rates kept within nine decades either way of one,
    /// steps that rise over the first 20 and fall slowly with time, the largest step sooner, a clock,
    /// and wide tensors.
    #[must_use]
    pub fn recommended() -> Self {
        Self {
            attention: false,
            gradient_products: false,
            asinh: true,
            rms_decay_per_scale: true,
            previous_scale: true,
            global_input: GlobalInput::MeanOfTensors,
            parameter_scale: true,
            max_log_rate: 16.0,
            initial_rate: (1e-3, 1e-3),
            warmup: 20.0,
            decay: 2000.0,
            largest_decay: 300.0,
            clock: 2000.0,
            wide_from: 100.0,
            least_gradient: 3e-8,
            ..Self::released()
        }
    }

    /// This network with the initial rate and the pace of `other`: warm-up, falls, width and fading,
    /// all of which act on steps from outside, so that meta-parameters serve with either.
    #[must_use]
    pub fn paced_as(self, other: &Self) -> Self {
        Self {
            initial_rate: other.initial_rate,
            warmup: other.warmup,
            decay: other.decay,
            largest_decay: other.largest_decay,
            wide_from: other.wide_from,
            least_gradient: other.least_gradient,
            ..self
        }
    }

    /// Number F of inputs of the Parameter RNN, in the order of `features.rs`.
    #[must_use]
    pub fn features(&self) -> usize {
        let s = self.timescales;
        s + if self.gradient_products { s - 1 } else { 0 }
            + if self.log_mean_squares { s } else { 0 }
            + usize::from(self.relative_rate != RelativeRate::Off)
            + usize::from(self.extreme_indicator)
            + usize::from(self.rate_shortcut)
            + usize::from(self.parameter_scale)
    }

    /// Number of inputs of the Global RNN: a tensor's hidden vector, and the clock after it.
    #[must_use]
    pub fn global_inputs(&self) -> usize {
        self.tensor_hidden + usize::from(self.clock > 0.0)
    }

    /// Mean squares kept per parameter: one more than timescales with `previous_scale`.
    #[must_use]
    pub fn mean_squares(&self) -> usize {
        self.timescales + usize::from(self.previous_scale)
    }

    /// Whether the decay of the gradient averages is read from the network.
    #[must_use]
    pub fn learns_gradient_decay(&self) -> bool {
        self.learnable_decay && self.learnable_gradient_decay
    }

    /// Logarithm of the factor of learned step lengths after `n` steps; the networks do not see it.
    #[must_use]
    pub fn log_pace(&self, n: u64) -> f64 {
        let n = n as f64;
        let rising = if n + 1.0 < self.warmup { ((n + 1.0) / self.warmup).ln() } else { 0.0 };
        rising - log_fall(n, self.decay)
    }

    /// Logarithm of the largest step after `n` steps, relative to the size of the parameters. Log rates
    /// above it are cut off with a straight-through gradient, before the pace: where gradients are
    /// mostly noise, a network that sees small steps do no harm raises its rates, whatever the pace.
    #[must_use]
    pub fn log_largest(&self, n: u64) -> f64 {
        LARGEST_LOG_STEP - log_fall(n as f64, self.largest_decay)
    }

    /// What the clock reads after `n` steps: from 0 to 1, whatever the horizon; 0 without a clock.
    #[must_use]
    pub fn clock_reading(&self, n: u64) -> f64 {
        let n = n as f64;
        if self.clock > 0.0 { n / (n + self.clock) } else { 0.0 }
    }

    /// Logarithm of what the size of `N` parameters is divided by: `N^(1/4)`, and from
    /// W = `wide_from` elements on `W^(1/8) N^(1/8)`.
    #[must_use]
    pub fn log_width(&self, elements: f64) -> f64 {
        let log = elements.ln();
        log.min(0.5 * (log + self.log_wide_from())) / 4.0
    }

    /// Logarithm of `wide_from`; without one, that of a tensor larger than any.
    pub(crate) fn log_wide_from(&self) -> f64 {
        if self.wide_from > 0.0 { self.wide_from.ln() } else { 1e3 }
    }

    /// Whether steps fade with the gradient.
    pub fn fades(&self) -> bool {
        self.dynamic_output_scale && self.least_gradient > 0.0
    }

    /// Floats of state per parameter beside the parameter itself (spec: 21, with attention 22).
    #[must_use]
    pub fn state_floats(&self) -> usize {
        self.parameter_hidden
            + 3
            + self.timescales
            + self.mean_squares()
            + usize::from(self.attention)
    }

    /// Checks sizes and ranges.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("parameter_hidden", self.parameter_hidden, 4, 32),
            ("tensor_hidden", self.tensor_hidden, 4, 64),
            ("global_hidden", self.global_hidden, 4, 64),
            ("timescales", self.timescales, 1, 8),
        ];
        for (field, value, least, most) in sizes {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Size { field, value, least, most });
            }
        }
        let (low, high) = self.initial_rate;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return Err(ConfigError::InitialRate { low, high });
        }
        for (field, value) in [
            ("warmup", self.warmup),
            ("decay", self.decay),
            ("largest_decay", self.largest_decay),
            ("clock", self.clock),
            ("wide_from", self.wide_from),
            ("least_gradient", self.least_gradient),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(ConfigError::Pace { field, value });
            }
        }
        if !(self.max_log_rate > 0.0 && self.max_log_rate <= 80.0) {
            return Err(ConfigError::MaxLogRate { value: self.max_log_rate });
        }
        Ok(())
    }
}

/// `ln(1 + n / decay)`, or zero if there is no decay.
fn log_fall(n: f64, decay: f64) -> f64 {
    if decay > 0.0 { (n / decay).ln_1p() } else { 0.0 }
}

/// A configuration that no optimizer can be built from.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A size outside its range.
    #[error("{field} is {value}, expected {least} to {most}")]
    Size {
        /// Name of the field.
        field: &'static str,
        /// Value given.
        value: usize,
        /// Smallest allowed.
        least: usize,
        /// Largest allowed.
        most: usize,
    },
    /// Initial rates that are not a positive, ordered range.
    #[error("initial_rate is ({low}, {high}), expected 0 < low <= high")]
    InitialRate {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A number of steps or elements, or a size, that is negative or not finite.
    #[error("{field} is {value}, expected a number, 0 for none")]
    Pace {
        /// Name of the field.
        field: &'static str,
        /// Value given.
        value: f64,
    },
    /// A clip outside (0, 80].
    #[error("max_log_rate is {value}, expected more than 0 and at most 80")]
    MaxLogRate {
        /// Value given.
        value: f64,
    },
}
