//! Ours against Adam, run by run.

use lopt_problems::Task;

use super::baselines::{SeedBaselines, TaskBaselines, UNTUNED_RATE};
use super::curve::{grid, step_of};
use super::figures::Figures;
use super::learned_runs::{LONGEST, LearnedRun};
use super::run::Mark;
use crate::baseline::RateSchedule::{Constant, Cosine};
use crate::tuning;

/// One run of ours at the end of a multiple of the horizon, compared with the same seed's Adams.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Initial rate; `None` for that of the weights.
    pub rate: Option<f64>,
    /// Multiple of the horizon.
    pub multiple: usize,
    /// Our smoothed loss, `None` if we diverged.
    pub ours: Option<f64>,
    /// What there is to compare.
    pub figures: Figures<f64>,
}

/// The opponents of a task at one multiple of the horizon, by index of the rate.
#[derive(Debug, Clone, Copy)]
pub struct Opponents {
    /// Multiple of the horizon.
    pub multiple: usize,
    /// Best constant rate.
    pub constant: usize,
    /// Best rate of a cosine.
    pub cosine: usize,
    /// Best rate elsewhere.
    pub cross: Option<usize>,
}

impl Opponents {
    /// The tuned ones by their mean over the first `seeds` seeds.
    pub fn new(
        baselines: &TaskBaselines,
        multiple: usize,
        seeds: usize,
        cross: Option<usize>,
    ) -> Self {
        let best = |schedule| {
            tuning::best(baselines.scores(multiple, schedule, seeds)).unwrap_or(UNTUNED_RATE)
        };
        let cross = cross.filter(|_| multiple == 1);
        Self { multiple, constant: best(Constant), cosine: best(Cosine), cross }
    }
}

/// Compares one of our runs at the opponents' multiple.
pub fn compare(
    task: &Task,
    learned: &LearnedRun,
    adam: &SeedBaselines,
    opponents: &Opponents,
) -> Comparison {
    let multiple = opponents.multiple;
    let mark = learned.run.mark(multiple);
    let ours = mark.map(|mark| mark.smoothed);
    let constant = adam.finals(multiple, Constant);
    let cosine = adam.finals(multiple, Cosine);
    let won = |theirs: Option<f64>| Some(f64::from(below(ours, theirs)));
    let steps = multiple * task.steps;
    Comparison {
        rate: learned.rate,
        multiple,
        ours,
        figures: Figures {
            win_rate_vs_adam_1e3: won(constant[UNTUNED_RATE]),
            speedup_iqm_vs_adam_1e3: Some(speedup(task.steps, steps, &adam.untuned_curve, ours)),
            win_rate_vs_cross_family_adam: opponents.cross.and_then(|rate| won(constant[rate])),
            win_rate_vs_tuned_adam: won(constant[opponents.constant]),
            win_rate_vs_tuned_cosine_adam: won(cosine[opponents.cosine]),
            speedup_iqm_vs_tuned_adam: Some(speedup(task.steps, steps, &adam.best_curve, ours)),
            final_loss_ratio_iqm_vs_tuned_adam: Some(ratio(ours, constant[opponents.constant])),
            failure_rate: Some(f64::from(failed(mark, learned.initial))),
        },
    }
}

/// Whether the loss went on falling from 5 to 25 horizons, 1 or 0 for each of the runs that were to go there.
pub fn still_falling(runs: &[LearnedRun]) -> Vec<f64> {
    let falls = |learned: &LearnedRun| match (learned.run.mark(5), learned.run.mark(LONGEST)) {
        // What is solved to single precision cannot fall.
        (Some(middle), Some(end)) => {
            end.exact < middle.exact || end.exact <= SOLVED * learned.initial
        }
        _ => false,
    };
    let long = runs.iter().filter(|learned| learned.long);
    long.map(|learned| f64::from(falls(learned))).collect()
}

/// Diverged, or above the start.
fn failed(mark: Option<Mark>, initial: f64) -> bool {
    mark.is_none_or(|mark| mark.exact > initial)
}

/// A run that diverged is below nobody, and everybody is below it.
fn below(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(ours), Some(theirs)) => ours < theirs,
    }
}

/// Steps that Adam needs to reach `ours`, divided by our `steps`; 0 if we diverged.
///
/// An Adam that never gets there counts with the steps of its longest run, so that the figure is a
/// lower bound.
fn speedup(horizon: usize, steps: usize, curve: &[f64], ours: Option<f64>) -> f64 {
    let Some(ours) = ours else { return 0.0 };
    let places = grid(horizon, 25 * horizon);
    let censored = curve.len().checked_sub(1).and_then(|last| places.get(last)).copied();
    let theirs = step_of(&places, curve, ours).unwrap_or(censored.unwrap_or(0) as f64);
    theirs / steps as f64
}

/// Theirs divided by ours, within limits; 0 if we diverged.
fn ratio(ours: Option<f64>, theirs: Option<f64>) -> f64 {
    match (ours, theirs) {
        (None, _) => 0.0,
        (Some(_), None) => MOST,
        (Some(ours), Some(theirs)) if ours == theirs => 1.0,
        (Some(ours), Some(theirs)) => (theirs / ours).clamp(MOST.recip(), MOST),
    }
}

/// Part of the initial loss that counts as solved.
const SOLVED: f64 = 1e-7;

/// Bounds a ratio of losses.
const MOST: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speedups_are_ratios_of_steps() {
        // The grid begins 1, 2, 3, 4, 5, 6 ...; Adam halves its loss from step to step.
        let curve: Vec<f64> = (0..6).map(|i| 0.5_f64.powi(i)).collect();
        assert_eq!(speedup(3, 3, &curve, Some(0.25)), 1.0);
        assert_eq!(speedup(3, 3, &curve, Some(2.0)), 1.0 / 3.0);
        assert_eq!(speedup(3, 3, &curve, Some(1e-9)), 2.0, "censored at six steps");
        assert_eq!(speedup(3, 3, &curve, None), 0.0);
        assert!(
            (speedup(3, 3, &curve, Some(0.5_f64.powf(3.5))) * 3.0 - 20_f64.sqrt()).abs() < 1e-9
        );
    }

    #[test]
    fn divergence_loses() {
        assert!(below(Some(1.0), None) && !below(None, Some(1.0)) && !below(None, None));
        assert!(!below(Some(1.0), Some(1.0)) && below(Some(0.9), Some(1.0)));
        assert_eq!(ratio(None, Some(1.0)), 0.0);
        assert_eq!(ratio(Some(2.0), Some(1.0)), 0.5);
        assert_eq!(ratio(Some(1.0), None), MOST);
        assert_eq!(ratio(Some(0.0), Some(0.0)), 1.0);
    }

    #[test]
    fn failure_is_divergence_or_no_progress() {
        let mark = |exact| Some(Mark { multiple: 1, smoothed: 1.0, exact });
        assert!(failed(None, 2.0) && failed(mark(2.1), 2.0));
        assert!(!failed(mark(2.0), 2.0) && !failed(mark(0.1), 2.0));
    }
}
