//! Who takes part in a race, and which settings each of them may choose from.
//!
//! The learned optimizer and `adam-1e-3` have one setting; the others get nine learning rates
//! and are shown with the best, judged by the very number that the race is about. That favours
//! them, on purpose.

use lopt_core::baselines::{Adam, Momentum, RmsProp};
use lopt_core::{Layout, Optimizer};

use crate::error::CliError;
use crate::learned::LearnedSource;
use crate::report::number::rate_text;
use crate::suggest::near_names;

/// Name of the learned optimizer in every race.
pub const LEARNED: &str = "lopt";

/// One optimizer with all its hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// The learned optimizer; has none.
    Learned,
    /// Adam with the usual betas and epsilon.
    Adam {
        /// Learning rate.
        rate: f64,
    },
    /// RMSProp as in TensorFlow.
    RmsProp {
        /// Learning rate.
        rate: f64,
    },
    /// SGD with classical momentum 0.9.
    SgdMomentum {
        /// Learning rate.
        rate: f64,
    },
}

impl Setting {
    /// Learning rate, where there is one.
    pub fn rate(self) -> Option<f64> {
        match self {
            Self::Learned => None,
            Self::Adam { rate } | Self::RmsProp { rate } | Self::SgdMomentum { rate } => Some(rate),
        }
    }

    /// All hyper-parameters in words, the one that varies first.
    pub fn describe(self, learned: &LearnedSource) -> String {
        match self {
            Self::Learned => learned.describe(),
            Self::Adam { rate } => {
                format!("rate {}, beta1 0.9, beta2 0.999, epsilon 1e-8", rate_text(rate))
            }
            Self::RmsProp { rate } => {
                format!("rate {}, decay 0.9, epsilon 1e-10 in the root", rate_text(rate))
            }
            Self::SgdMomentum { rate } => format!("rate {}, momentum 0.9", rate_text(rate)),
        }
    }

    /// A fresh optimizer.
    ///
    /// # Errors
    ///
    /// If the learned optimizer cannot be built.
    pub fn build(
        self,
        layout: &Layout,
        learned: &LearnedSource,
    ) -> Result<Box<dyn Optimizer>, CliError> {
        Ok(match self {
            Self::Learned => learned.build(layout, None)?,
            Self::Adam { rate } => Box::new(Adam::new(layout, rate)),
            Self::RmsProp { rate } => Box::new(RmsProp::new(layout, rate)),
            Self::SgdMomentum { rate } => Box::new(Momentum::new(layout, rate, MOMENTUM, false)),
        })
    }
}

/// A name in the race with the settings it may choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Name in table and record.
    pub name: &'static str,
    /// One setting, or a grid from which the best is taken.
    pub settings: Vec<Setting>,
}

impl Contender {
    /// Whether the setting is chosen by its result.
    pub fn tuned(&self) -> bool {
        self.settings.len() > 1
    }
}

/// The five contenders of every race, in the order of the table.
pub fn all() -> Vec<Contender> {
    let grid = |first: f64, setting: fn(f64) -> Setting| {
        half_decades(first).into_iter().map(setting).collect()
    };
    let adam = |rate| Setting::Adam { rate };
    vec![
        Contender { name: LEARNED, settings: vec![Setting::Learned] },
        Contender { name: "adam-1e-3", settings: vec![adam(1e-3)] },
        Contender { name: "adam-tuned", settings: grid(1e-5, adam) },
        Contender { name: "rmsprop", settings: grid(1e-5, |rate| Setting::RmsProp { rate }) },
        Contender {
            name: "sgd-momentum",
            settings: grid(1e-4, |rate| Setting::SgdMomentum { rate }),
        },
    ]
}

/// The contenders of these names; all of them for an empty list.
///
/// # Errors
///
/// If there is no contender of a name.
pub fn only(names: &[String]) -> Result<Vec<Contender>, CliError> {
    let all = all();
    for name in names {
        if !all.iter().any(|contender| contender.name == name) {
            let known: Vec<&str> = all.iter().map(|contender| contender.name).collect();
            let near = near_names(name, known.iter().copied());
            let meant = if near.is_empty() { known.join(", ") } else { near.join(" or ") };
            return Err(CliError::Usage(format!(
                "no contender is called `{name}`; did you mean {meant}?"
            )));
        }
    }
    let chosen = |contender: &Contender| names.iter().any(|name| name == contender.name);
    Ok(all.into_iter().filter(|contender| names.is_empty() || chosen(contender)).collect())
}

/// Nine rates from `first` in steps of half a decade: `1e-5, 3.2e-5, ... 1e-1`.
fn half_decades(first: f64) -> Vec<f64> {
    let start = (2.0 * first.log10()).round() as i32;
    // Whole decades are parsed, so that the grid's 1e-3 is the number 1e-3.
    let whole = |exponent: i32| format!("1e{exponent}").parse::<f64>().unwrap_or(f64::NAN);
    (start..start + 9)
        .map(|half| match half % 2 {
            0 => whole(half / 2),
            _ => 10_f64.powf(f64::from(half) / 2.0),
        })
        .collect()
}

/// Averaging factor of `sgd-momentum`.
const MOMENTUM: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_holds_the_default_rate_exactly() {
        let grid = half_decades(1e-5);
        assert_eq!(grid.len(), 9);
        assert_eq!((grid[0], grid[4], grid[8]), (1e-5, 1e-3, 1e-1));
        assert!((grid[1] / 10_f64.powf(-4.5) - 1.0).abs() < 1e-12);
        assert_eq!(half_decades(1e-4)[8], 1.0);
    }

    #[test]
    fn names_are_those_of_the_record() {
        let names: Vec<&str> = all().iter().map(|contender| contender.name).collect();
        assert_eq!(names, ["lopt", "adam-1e-3", "adam-tuned", "rmsprop", "sgd-momentum"]);
        let tuned: Vec<bool> = all().iter().map(Contender::tuned).collect();
        assert_eq!(tuned, [false, false, true, true, true]);
    }

    #[test]
    fn a_choice_keeps_the_order_and_refuses_strangers() {
        let pick = |names: &[&str]| only(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        let names: Vec<&str> =
            pick(&["rmsprop", "lopt"]).unwrap().iter().map(|contender| contender.name).collect();
        assert_eq!(names, ["lopt", "rmsprop"]);
        let error = pick(&["adam-tune"]).unwrap_err().to_string();
        assert_eq!(error, "no contender is called `adam-tune`; did you mean adam-tuned?");
    }
}
