//! How a guard behaves.

use serde::{Deserialize, Serialize};

/// How the guard behaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Factor of the networks' steps where they have been cut, more than 0 and at most 1.
    pub cut: f32,
    /// Adam's learning rate, a positive number.
    pub fallback_rate: f64,
    /// Steps without trouble after which a measure is taken back; every measure doubles it.
    pub quiet: u64,
    /// Without a loss: largest root mean square of the parameters that are trained, in units of what it was at first
    /// or of one, whichever is larger; at least 1, infinite for no limit.
    #[serde(with = "limit")]
    pub most_growth: f64,
}

impl GuardConfig {
    /// Checks ranges.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), GuardError> {
        let cut = f64::from(self.cut);
        let settings = [
            ("cut", cut, cut > 0.0 && cut <= 1.0, "more than 0 and at most 1"),
            (
                "fallback_rate",
                self.fallback_rate,
                self.fallback_rate > 0.0 && self.fallback_rate.is_finite(),
                "a positive number",
            ),
            ("most_growth", self.most_growth, self.most_growth >= 1.0, "at least 1"),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((what, value, _, expected)) => Err(GuardError { what, value, expected }),
            None => Ok(()),
        }
    }
}

/// A setting of a guard that is out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the guard's {what} is {value}, expected {expected}")]
pub struct GuardError {
    /// Which setting.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// What it may be.
    pub expected: &'static str,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { cut: 0.1, fallback_rate: 1e-3, quiet: 500, most_growth: 1000.0 }
    }
}

/// A number or the word `infinite`, as JSON has no infinite numbers.
mod limit {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(limit: &f64, to: S) -> Result<S::Ok, S::Error> {
        if *limit == f64::INFINITY {
            to.serialize_str("infinite")
        } else {
            to.serialize_f64(*limit)
        }
    }

    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Limit {
        Number(f64),
        Word(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Limit::deserialize(from)? {
            Limit::Number(limit) => Ok(limit),
            Limit::Word(word) if word == "infinite" => Ok(f64::INFINITY),
            Limit::Word(word) => {
                Err(D::Error::custom(format!("expected a number or \"infinite\", got {word:?}")))
            }
        }
    }
}
