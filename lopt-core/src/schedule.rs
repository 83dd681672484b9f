//! Step-size schedules: what a base learning rate is multiplied by at each step.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A multiplier of the learning rate that depends on the number of steps taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// 1 at every step.
    #[default]
    Constant,
    /// `floor + (1 - floor) (1 + cos(pi n / steps)) / 2`, then `floor` from step `steps` on: half a
    /// cosine without restarts (Loshchilov & Hutter 2017, equation 5).
    Cosine {
        /// Step at which the floor is reached.
        steps: u64,
        /// Multiplier at the end, a fraction of the base rate.
        floor: f64,
    },
    /// Half a cosine from `start` up to 1 over the first `warmup` steps, then half a cosine down to
    /// `end` at step `steps`: one cycle (Smith & Topin 2018).
    OneCycle {
        /// Length of the whole cycle.
        steps: u64,
        /// Step with multiplier 1, less than `steps`.
        warmup: u64,
        /// Multiplier of the first step.
        start: f64,
        /// Multiplier from step `steps` on.
        end: f64,
    },
    /// `rate^n`.
    Exponential {
        /// Factor from one step to the next.
        rate: f64,
    },
    /// `(n + 1) / steps` for the first `steps` steps, then another schedule that starts from its
    /// own step 0 (linear warm-up, Goyal et al. 2017, section 2.2).
    Warmup {
        /// Length of the ramp; its last step has multiplier 1.
        steps: u64,
        /// What follows the ramp.
        then: Box<Self>,
    },
}

/// Numbers that no schedule can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A multiplier outside of `[0, 1]`, or not a number.
    #[error("the {what} of the schedule is {value}, expected a number from 0 to 1")]
    Multiplier {
        /// Which multiplier.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A cycle that is not longer than its warm-up.
    #[error("the cycle has a warm-up of {warmup} of its {steps} steps, expected fewer than all")]
    Cycle {
        /// Length of the warm-up.
        warmup: u64,
        /// Length of the whole cycle.
        steps: u64,
    },
}

impl Schedule {
    /// Whether every multiplier is a number from 0 to 1.
    ///
    /// # Errors
    ///
    /// Names the first number that is out of range.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        let within = |what, value: f64| {
            let fits = (0.0..=1.0).contains(&value);
            if fits { Ok(()) } else { Err(ScheduleError::Multiplier { what, value }) }
        };
        match self {
            Self::Constant => Ok(()),
            Self::Cosine { floor, .. } => within("floor", *floor),
            Self::OneCycle { steps, warmup, .. } if warmup >= steps => {
                Err(ScheduleError::Cycle { warmup: *warmup, steps: *steps })
            }
            Self::OneCycle { start, end, .. } => within("start", *start).and(within("end", *end)),
            Self::Exponential { rate } => within("rate", *rate),
            Self::Warmup { then, .. } => then.validate(),
        }
    }

    /// Puts a linear warm-up of `steps` steps before this schedule.
    #[must_use]
    pub fn after_warmup(self, steps: u64) -> Self {
        Self::Warmup { steps, then: Box::new(self) }
    }

    /// The common schedule of a run of `steps` steps: a linear warm-up over the first `warmup` of them,
    /// often 5 %, then half a cosine over the others, which would reach 0 at step `steps`.
    #[must_use]
    pub fn warmup_cosine(steps: u64, warmup: u64) -> Self {
        let cosine = Self::Cosine { steps: steps.saturating_sub(warmup).max(1), floor: 0.0 };
        cosine.after_warmup(warmup)
    }

    /// The factor from one step to the next, if it is exponential, be it after a warm-up.
    pub(crate) fn exponential_rate(&self) -> Option<f64> {
        match self {
            Self::Exponential { rate } => Some(*rate),
            Self::Warmup { then, .. } => then.exponential_rate(),
            _ => None,
        }
    }

    /// The multiplier of step `n`, the first step being 0.
    #[must_use]
    pub fn multiplier(&self, n: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine { steps, floor } => {
                if n >= *steps {
                    return *floor;
                }
                let progress = n as f64 / *steps as f64;
                floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress).cos())
            }
            Self::OneCycle { steps, warmup, start, end } => {
                let part =
                    |n: u64, of: u64| if of == 0 { 1.0 } else { (n as f64 / of as f64).min(1.0) };
                let between = |from: f64, to: f64, part: f64| {
                    to + (from - to) * 0.5 * (1.0 + (PI * part).cos())
                };
                match n.checked_sub(*warmup) {
                    None => between(*start, 1.0, part(n, *warmup)),
                    Some(after) => between(1.0, *end, part(after, steps.saturating_sub(*warmup))),
                }
            }
            Self::Exponential { rate } => rate.powf(n as f64),
            Self::Warmup { steps, then } => match n.checked_sub(*steps) {
                Some(after) => then.multiplier(after),
                None => (n + 1) as f64 / *steps as f64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-15, "{left} {right}");
    }

    #[test]
    fn cosine_passes_its_known_points() {
        let schedule = Schedule::Cosine { steps: 100, floor: 0.1 };
        close(schedule.multiplier(0), 1.0);
        close(schedule.multiplier(50), 0.55);
        close(schedule.multiplier(25), 0.1 + 0.45 * (1.0 + 0.5_f64.sqrt()));
        close(schedule.multiplier(100), 0.1);
        close(schedule.multiplier(u64::MAX), 0.1);
        close(Schedule::Cosine { steps: 0, floor: 0.0 }.multiplier(0), 0.0);
    }

    #[test]
    fn one_cycle_passes_its_known_points() {
        let schedule = Schedule::OneCycle { steps: 100, warmup: 20, start: 0.1, end: 0.01 };
        close(schedule.multiplier(0), 0.1);
        close(schedule.multiplier(10), 0.55);
        close(schedule.multiplier(20), 1.0);
        close(schedule.multiplier(60), 0.505);
        close(schedule.multiplier(100), 0.01);
        close(schedule.multiplier(u64::MAX), 0.01);
        let all_down = Schedule::OneCycle { steps: 10, warmup: 0, start: 0.1, end: 0.0 };
        close(all_down.multiplier(0), 1.0);
    }

    #[test]
    fn exponential_is_a_power() {
        let schedule = Schedule::Exponential { rate: 0.5 };
        close(schedule.multiplier(0), 1.0);
        close(schedule.multiplier(3), 0.125);
    }

    #[test]
    fn numbers_out_of_range_are_found() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1e300] {
            let schedules = [
                Schedule::Cosine { steps: 100, floor: bad },
                Schedule::OneCycle { steps: 100, warmup: 20, start: bad, end: 0.0 },
                Schedule::OneCycle { steps: 100, warmup: 20, start: 0.1, end: bad },
                Schedule::Exponential { rate: bad },
            ];
            for schedule in schedules {
                assert!(schedule.validate().is_err(), "{schedule:?}");
                assert!(schedule.after_warmup(5).validate().is_err());
            }
        }
        let long = Schedule::OneCycle { steps: 20, warmup: 20, start: 0.1, end: 0.0 };
        let error = long.validate().unwrap_err().to_string();
        assert!(error.starts_with("the cycle has a warm-up of 20 of its 20 steps"), "{error}");
        assert_eq!(Schedule::Cosine { steps: 0, floor: 1.0 }.after_warmup(0).validate(), Ok(()));
    }

    #[test]
    fn warmup_ramps_then_hands_over() {
        let schedule = Schedule::Exponential { rate: 0.5 }.after_warmup(4);
        let multipliers: Vec<f64> = (0..7).map(|n| schedule.multiplier(n)).collect();
        assert_eq!(multipliers, [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.25]);
        assert_eq!(Schedule::Constant.after_warmup(0).multiplier(0), 1.0);
    }
    #[test]
    fn warmup_cosine_passes_its_known_points() {
        let schedule = Schedule::warmup_cosine(100, 20);
        assert_eq!(schedule, Schedule::Cosine { steps: 80, floor: 0.0 }.after_warmup(20));
        close(schedule.multiplier(0), 0.05);
        close(schedule.multiplier(9), 0.5);
        close(schedule.multiplier(19), 1.0);
        close(schedule.multiplier(20), 1.0);
        close(schedule.multiplier(40), 0.5 + 0.125_f64.sqrt());
        close(schedule.multiplier(60), 0.5);
        close(schedule.multiplier(80), 0.5 - 0.125_f64.sqrt());
        assert!(schedule.multiplier(99) > 0.0);
        assert_eq!(schedule.multiplier(100), 0.0);
        assert_eq!(schedule.multiplier(u64::MAX), 0.0);
        // a run of nothing but warm-up
        assert_eq!(Schedule::warmup_cosine(4, 4).multiplier(3), 1.0);
        assert_eq!(Schedule::warmup_cosine(4, 4).multiplier(5), 0.0);
    }
}
