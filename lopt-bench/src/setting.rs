//! One optimizer with all its hyper-parameters: what a run is made with.

use std::sync::Arc;

use lopt_core::{GuardConfig, Layout, LearnedOptimizerConfig, Optimizer, Weights};
use lopt_meta::l2l::{L2l, L2lWeights};

use crate::baseline::{Baseline, RateSchedule};
use crate::error::CliError;
use crate::report::number::rate_text;

/// One optimizer with all its hyper-parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A learned optimizer.
    Learned(Learned),
    /// One designed by hand.
    Baseline {
        /// Which.
        kind: Baseline,
        /// Learning rate; `None` for those that are meant to be used without a choice.
        rate: Option<f64>,
        /// What becomes of the rate over the run.
        schedule: RateSchedule,
    },
}

/// A learned optimizer and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Name or file of the weights.
    pub label: String,
    /// The weights.
    pub weights: LearnedWeights,
    /// Initial rate; `None` for that of the weights.
    pub rate: Option<f64>,
    /// Whether the guard is on.
    pub guard: bool,
}

/// Weights of a learned optimizer.
#[derive(Debug, Clone, PartialEq)]
pub enum LearnedWeights {
    /// Of a relative or a hierarchical RNN.
    Lopt(Arc<Weights>),
    /// Of the coordinatewise LSTM.
    L2l(Arc<L2lWeights>),
}

impl Setting {
    /// A baseline at a constant rate.
    pub fn constant(kind: Baseline, rate: f64) -> Self {
        Self::Baseline { kind, rate: Some(rate), schedule: RateSchedule::Constant }
    }

    /// The same with a factor on all steps, where there is one: on the rate, or on what stands for it.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let mut setting = self.clone();
        if let Self::Baseline { rate, .. } = &mut setting {
            *rate = Some(rate.unwrap_or(1.0) * factor);
        }
        setting
    }

    /// The learning rate, or the initial one of a learned optimizer, where it is given.
    pub fn rate(&self) -> Option<f64> {
        match self {
            Self::Learned(learned) => learned.rate,
            Self::Baseline { rate, .. } => *rate,
        }
    }

    /// All that distinguishes it from others with the same name, the rate first.
    pub fn describe(&self) -> String {
        match self {
            Self::Learned(learned) => learned.describe(),
            Self::Baseline { rate: None, .. } => "nothing to tune".to_owned(),
            Self::Baseline { rate: Some(rate), schedule, .. } => {
                format!("rate {}{}", rate_text(*rate), schedule.words())
            }
        }
    }

    /// The same with what others share with it: the weights, or the constants of a baseline.
    pub fn describe_fully(&self) -> String {
        match self {
            Self::Learned(learned) => format!("weights {}, {}", learned.label, self.describe()),
            Self::Baseline { kind, .. } => format!("{}, {}", self.describe(), kind.constants()),
        }
    }

    /// A fresh optimizer for a run of so many steps.
    ///
    /// # Errors
    ///
    /// If the weights do not fit, or the initial rate of a learned optimizer is no rate.
    pub fn build(&self, layout: &Layout, steps: usize) -> Result<Box<dyn Optimizer>, CliError> {
        match self {
            Self::Learned(learned) => learned.build(layout),
            Self::Baseline { kind, rate, schedule } => {
                Ok(kind.build(layout, rate.unwrap_or(1.0), *schedule, steps))
            }
        }
    }
}

impl Learned {
    /// Weights as they are: from their own initial rate, without a guard.
    pub fn new(label: &str, weights: LearnedWeights) -> Self {
        Self { label: label.to_owned(), weights, rate: None, guard: false }
    }

    fn describe(&self) -> String {
        let rate = self.rate.map(|rate| format!("initial rate {}", rate_text(rate)));
        match (rate, self.guard) {
            (Some(rate), false) => rate,
            (Some(rate), true) => rate + ", guarded",
            (None, false) => "nothing to tune".to_owned(),
            (None, true) => "guarded, nothing to tune".to_owned(),
        }
    }

    fn build(&self, layout: &Layout) -> Result<Box<dyn Optimizer>, CliError> {
        let weights = match &self.weights {
            LearnedWeights::Lopt(weights) => weights,
            LearnedWeights::L2l(weights) => {
                return Ok(Box::new(L2l::new(layout, weights).map_err(CliError::failed)?));
            }
        };
        let mut config = LearnedOptimizerConfig::new()
            .with_weights((**weights).clone())
            .with_guard(self.guard.then(GuardConfig::default));
        if let Some(rate) = self.rate {
            config = config.with_initial_rate(rate as f32);
        }
        Ok(Box::new(config.init(layout)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommended() -> Learned {
        let weights = Weights::embedded("recommended").unwrap();
        Learned::new("recommended", LearnedWeights::Lopt(Arc::new(weights)))
    }

    /// Parameters after two steps on constant gradients.
    fn stepped(setting: &Setting, steps: usize) -> Vec<f32> {
        let layout = Layout::single(3).unwrap();
        let mut optimizer = setting.build(&layout, steps).unwrap();
        let mut params = vec![1.0_f32, -2.0, 3.0];
        for _ in 0..2 {
            optimizer.step(&mut params, &[0.5, -0.25, 0.125]).unwrap();
        }
        params
    }

    #[test]
    fn settings_are_told_in_words() {
        let adam =
            |schedule| Setting::Baseline { kind: Baseline::Adam, rate: Some(1e-3), schedule };
        assert_eq!(adam(RateSchedule::Cosine).describe(), "rate 1e-3, cosine");
        assert_eq!(
            adam(RateSchedule::Constant).describe_fully(),
            "rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8"
        );
        let learned = |learned| Setting::Learned(learned).describe();
        assert_eq!(learned(recommended()), "nothing to tune");
        let guarded = Setting::Learned(Learned { guard: true, ..recommended() });
        assert_eq!(guarded.describe_fully(), "weights recommended, guarded, nothing to tune");
        let chosen = Learned { rate: Some(1e-2), ..recommended() };
        assert_eq!(learned(chosen.clone()), "initial rate 1e-2");
        assert_eq!(learned(Learned { guard: true, ..chosen }), "initial rate 1e-2, guarded");
    }

    #[test]
    fn a_guard_with_nothing_to_do_is_the_bare_optimizer() {
        let bare = stepped(&Setting::Learned(recommended()), 2);
        let guarded = Learned { guard: true, ..recommended() };
        let guarded = stepped(&Setting::Learned(guarded), 2);
        assert_eq!(bare, guarded);
        // a relative RNN has no initial rate
        let weights = Weights::embedded("hierarchical-rnn").unwrap();
        let other = Learned::new("other", LearnedWeights::Lopt(Arc::new(weights)));
        let own = stepped(&Setting::Learned(other.clone()), 2);
        let chosen = Setting::Learned(Learned { rate: Some(1.0), ..other });
        assert_ne!(stepped(&chosen, 2), own);
    }
}
