//! The optimizers designed by hand, and the learning rates and schedules they are tried with.

use lopt_baselines::{
    Adam, AdamW, DAdaptAdam, Lion, Momentum, MomentumRule, Muon, NAdamWRule, Prodigy, RelativeAdam,
    RmsProp, ScheduleFreeAdamW, ScheduleFreePlus, Sgd,
};
use lopt_core::{Layout, Optimizer, Schedule};
use serde::{Deserialize, Serialize};

/// Optimizers designed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Kingma & Ba 2015.
    Adam,
    /// Loshchilov & Hutter 2019, decay 0.01.
    AdamW,
    /// As in TensorFlow.
    RmsProp,
    /// Plain.
    Sgd,
    /// SGD with classical momentum 0.9.
    Momentum,
    /// SGD with Nesterov's momentum 0.9.
    Nesterov,
    /// Defazio et al. 2024.
    ScheduleFree,
    /// Defazio 2026: the rate follows from the loss.
    ScheduleFreePlus,
    /// Mishchenko & Defazio 2023.
    Prodigy,
    /// Defazio & Mishchenko 2023.
    DAdaptAdam,
    /// Chen et al. 2023.
    Lion,
    /// Jordan et al. 2024.
    Muon,
    /// The same with steps as large as AdamW's (Liu et al. 2025), decay 0.01.
    MuonRms,
    /// Dozat 2016 with decoupled decay, the fixed default of AlgoPerf with its own schedule.
    NAdamW,
    /// Steps relative to the size of each tensor, and an average.
    RelativeAdam,
}

impl Baseline {
    /// Each with its name, the least rate of its grid, and what is not tuned.
    const ALL: [(Self, &'static str, Option<f64>, &'static str); 15] = [
        (Self::Adam, "adam", Some(1e-5), "beta1 0.9, beta2 0.999, epsilon 1e-8"),
        (Self::AdamW, "adamw", Some(1e-5), "beta1 0.9, beta2 0.999, epsilon 1e-8, decay 0.01"),
        (Self::RmsProp, "rmsprop", Some(1e-5), "decay 0.9, epsilon 1e-10 in the root"),
        (Self::Sgd, "sgd", Some(1e-4), "no momentum"),
        (Self::Momentum, "momentum", Some(1e-4), "momentum 0.9"),
        (Self::Nesterov, "nesterov", Some(1e-4), "momentum 0.9"),
        (Self::ScheduleFree, "schedule-free", Some(1e-4), "beta1 0.9, beta2 0.999, epsilon 1e-8"),
        (
            Self::ScheduleFreePlus,
            "schedule-free-plus",
            None,
            "warm-up over 50 steps, average from 100 on",
        ),
        (Self::Prodigy, "prodigy", None, "beta1 0.9, beta2 0.999, epsilon 1e-8"),
        (Self::DAdaptAdam, "d-adapt-adam", None, "beta1 0.9, beta2 0.999, epsilon 1e-8"),
        (Self::Lion, "lion", Some(1e-6), "beta1 0.9, beta2 0.99, no decay"),
        (Self::Muon, "muon", Some(1e-4), "momentum 0.95, Adam(3e-4) for what is no matrix"),
        (
            Self::MuonRms,
            "muon-rms",
            Some(1e-4),
            "momentum 0.95, decay 0.01, AdamW for what is no matrix",
        ),
        (Self::NAdamW, "nadamw", None, "AlgoPerf's fixed setting"),
        (Self::RelativeAdam, "relative-adam", None, "steps of 0.08 of a tensor's size"),
    ];

    /// The names of all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(|known| known.1)
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.1 == name).map(|known| known.0)
    }

    /// The nine rates that it may choose from, half decades; none for those that are meant to be used
    /// without a choice.
    pub fn rates(self) -> Vec<f64> {
        let known = Self::ALL.into_iter().find(|known| known.0 == self);
        known.and_then(|known| known.2).map_or_else(Vec::new, |first| half_decades(first, 9))
    }

    /// What is not tuned, in words.
    pub fn constants(self) -> &'static str {
        Self::ALL.into_iter().find(|known| known.0 == self).map_or("", |known| known.3)
    }

    /// A fresh optimizer for a run of `steps` steps. Those without a choice of rates ignore `rate`, but for
    /// [`RelativeAdam`](Self::RelativeAdam), whose steps it multiplies; [`NAdamW`](Self::NAdamW) has a
    /// schedule of its own.
    pub fn build(
        self,
        layout: &Layout,
        rate: f64,
        schedule: RateSchedule,
        steps: usize,
    ) -> Box<dyn Optimizer> {
        let schedule = schedule.over(steps);
        match self {
            Self::Adam => Box::new(Adam::new(layout, rate).with_schedule(schedule)),
            Self::AdamW => Box::new(AdamW::new(layout, rate, DECAY).with_schedule(schedule)),
            Self::RmsProp => Box::new(RmsProp::new(layout, rate).with_schedule(schedule)),
            Self::Sgd => Box::new(Sgd::new(layout, rate).with_schedule(schedule)),
            Self::Momentum | Self::Nesterov => {
                let nesterov = self == Self::Nesterov;
                let momentum =
                    Momentum::with_rule(layout, rate, MomentumRule::new(MOMENTUM, nesterov));
                Box::new(momentum.with_schedule(schedule))
            }
            Self::ScheduleFree => {
                Box::new(ScheduleFreeAdamW::new(layout, rate).with_schedule(schedule))
            }
            // as the authors advise: without a warm-up it diverges even on quadratics
            Self::ScheduleFreePlus => Box::new(
                ScheduleFreePlus::new(layout)
                    .with_schedule(Schedule::Constant.after_warmup(50))
                    .with_average_warmup(100),
            ),
            Self::Prodigy => Box::new(Prodigy::new(layout).with_schedule(schedule)),
            Self::DAdaptAdam => Box::new(DAdaptAdam::new(layout).with_schedule(schedule)),
            Self::Lion => Box::new(Lion::new(layout, rate).with_schedule(schedule)),
            Self::Muon => Box::new(Muon::new(layout, rate).with_schedule(schedule)),
            Self::MuonRms => {
                let muon = Muon::new(layout, rate).with_rms_matched_rate();
                Box::new(muon.with_weight_decay(DECAY).with_schedule(schedule))
            }
            Self::NAdamW => Box::new(NAdamWRule::algoperf_default(layout, steps as u64)),
            Self::RelativeAdam => Box::new(RelativeAdam::new(layout).with_multiplier(rate)),
        }
    }
}

/// What becomes of a learning rate over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateSchedule {
    /// Stays.
    Constant,
    /// Falls to zero at the end of the run by half a cosine.
    Cosine,
    /// The same after a linear rise over the first twentieth of the steps.
    WarmupCosine,
}

impl RateSchedule {
    /// What `describe` says of it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Constant => "",
            Self::Cosine => ", cosine",
            Self::WarmupCosine => ", warm-up and cosine",
        }
    }

    /// The schedule of a run of so many steps.
    pub fn over(self, steps: usize) -> Schedule {
        let steps = steps as u64;
        match self {
            Self::Constant => Schedule::Constant,
            Self::Cosine => Schedule::Cosine { steps, floor: 0.0 },
            Self::WarmupCosine => Schedule::warmup_cosine(steps, steps / 20),
        }
    }
}

/// So many rates from `first`, a power of ten, in steps of half a decade: `1e-5, 3.2e-5, 1e-4, ...`.
pub fn half_decades(first: f64, count: usize) -> Vec<f64> {
    let start = 2 * first.log10().round() as i32;
    let rate = |half: i32| match half % 2 {
        // Whole decades are parsed, so that the grid's 1e-3 is the number 1e-3.
        0 => format!("1e{}", half / 2).parse().unwrap_or(f64::NAN),
        _ => 10_f64.powf(f64::from(half) / 2.0),
    };
    (start..).take(count).map(rate).collect()
}

/// Decoupled weight decay of AdamW and Muon, which nobody tunes here.
const DECAY: f64 = 0.01;

/// Averaging factor of the momentum optimizers.
const MOMENTUM: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_hold_whole_decades_exactly() {
        let grid = half_decades(1e-5, 9);
        assert_eq!(grid.len(), 9);
        assert_eq!((grid[0], grid[4], grid[8]), (1e-5, 1e-3, 1e-1));
        assert!((grid[1] / 10_f64.powf(-4.5) - 1.0).abs() < 1e-12);
        assert_eq!(half_decades(1e-4, 9)[8], 1.0);
        let wide = half_decades(1e-7, 15);
        assert_eq!((wide[0], wide[8], wide[14]), (1e-7, 1e-3, 1.0));
        assert!(wide.windows(2).all(|pair| (pair[1] / pair[0] - 10_f64.sqrt()).abs() < 1e-9));
    }

    #[test]
    fn schedules_bend_the_rate() {
        let moved = |schedule| {
            let layout = Layout::single(1).unwrap();
            let mut sgd = Baseline::Sgd.build(&layout, 1.0, schedule, 40);
            let mut params = [1.0];
            (0..2).for_each(|_| sgd.step(&mut params, &[0.5]).unwrap());
            1.0 - params[0]
        };
        let cosine = 0.5 * (1.0 + (std::f32::consts::PI / 40.0).cos());
        assert_eq!(moved(RateSchedule::Constant), 1.0);
        assert!((moved(RateSchedule::Cosine) - 0.5 * (1.0 + cosine)).abs() < 1e-6);
        // two steps of warm-up, half and whole
        assert_eq!(moved(RateSchedule::WarmupCosine), 0.75);
    }
}
