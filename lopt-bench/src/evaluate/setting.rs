//! The settings of Adam that we compare with.

use lopt_core::baselines::Adam;
use lopt_core::{Layout, Schedule};
use serde::{Deserialize, Serialize};

use crate::report::number::rate_text;

/// What the learning rate does over the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// Stays.
    Constant,
    /// Falls to zero at the end of the run by half a cosine.
    Cosine,
}

/// Adam with the usual betas and epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdamSetting {
    /// What the rate does.
    pub pace: Pace,
    /// Index of the rate in [`rates`].
    pub rate: usize,
}

impl AdamSetting {
    /// A fresh optimizer for a run of `steps` steps.
    pub fn build(self, layout: &Layout, steps: usize) -> Adam {
        let adam = Adam::new(layout, rates()[self.rate]);
        match self.pace {
            Pace::Constant => adam,
            Pace::Cosine => {
                adam.with_schedule(Schedule::Cosine { steps: steps as u64, floor: 0.0 })
            }
        }
    }

    /// The rate as text.
    pub fn describe(self) -> String {
        rate_text(rates()[self.rate])
    }
}

/// The fifteen rates `1e-7, 3.2e-7, ... 1`.
pub fn rates() -> [f64; RATES] {
    std::array::from_fn(|i| {
        let half_decades = i as i32 - 14;
        match half_decades % 2 {
            // Whole decades are parsed, so that 1e-3 is the number 1e-3.
            0 => format!("1e{}", half_decades / 2).parse().unwrap_or(f64::NAN),
            _ => 10_f64.powf(f64::from(half_decades) / 2.0),
        }
    })
}

/// Number of rates.
pub const RATES: usize = 15;

/// Index of the rate 1e-3, which people use untuned.
pub const USUAL_RATE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_half_decades() {
        let rates = rates();
        assert_eq!((rates[0], rates[USUAL_RATE], rates[RATES - 1]), (1e-7, 1e-3, 1.0));
        assert!(rates.windows(2).all(|pair| (pair[1] / pair[0] - 10_f64.sqrt()).abs() < 1e-9));
        assert_eq!(AdamSetting { pace: Pace::Cosine, rate: 7 }.describe(), "3.2e-4");
    }
}
