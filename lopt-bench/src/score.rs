//! From single runs to one line per contender: means over seeds and the choice of a setting.

use crate::contender::Contender;
use crate::measure::{Outcome, Run};
use crate::record::{ContenderRecord, CurvePoint, GridPoint};
use crate::setting::Setting;

/// The record of a contender from the runs of each of its settings.
///
/// * `runs`: one entry per setting, in their order, each with one run per seed.
/// * `checkpoints`: the steps at which every run measured its loss.
///
/// The setting with the least mean final loss is shown; one of which a run diverged is chosen only
/// if all have such a run.
pub fn score(contender: &Contender, runs: &[&[Run]], checkpoints: &[usize]) -> ContenderRecord {
    let finals: Vec<Option<f64>> = runs.iter().map(|runs| mean_final_loss(runs)).collect();
    let rank = |index: usize| finals[index].unwrap_or(f64::INFINITY);
    let best = (0..runs.len()).min_by(|&a, &b| rank(a).total_cmp(&rank(b))).unwrap_or(0);
    let chosen = runs[best];
    let mean = |value: fn(&Run) -> f64| chosen.iter().map(value).sum::<f64>() / chosen.len() as f64;
    let grid = contender.settings.iter().zip(&finals).filter(|_| contender.tuned());
    let point = |(setting, &final_train_loss): (&Setting, &Option<f64>)| {
        setting.rate().map(|rate| GridPoint { rate, final_train_loss })
    };
    ContenderRecord {
        name: contender.name.clone(),
        setting: contender.settings[best].describe_fully(),
        tuned: contender.tuned(),
        final_train_loss: finals[best],
        test_accuracy: mean_accuracy(chosen),
        seconds: mean(|run| run.seconds),
        optimizer_seconds: mean(|run| run.optimizer_seconds),
        diverged: divergence(chosen),
        curve: curve(chosen, checkpoints),
        grid: grid.filter_map(point).collect(),
    }
}

/// Mean over seeds of the loss after the last step; `None` if a run diverged.
fn mean_final_loss(runs: &[Run]) -> Option<f64> {
    let losses: Option<Vec<f64>> = runs.iter().map(Run::final_loss).collect();
    losses.map(|losses| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// Mean over seeds of the accuracy; `None` if a run has none.
fn mean_accuracy(runs: &[Run]) -> Option<f64> {
    let accuracies: Option<Vec<f64>> = runs.iter().map(|run| run.test_accuracy).collect();
    accuracies.map(|all| all.iter().sum::<f64>() / all.len() as f64)
}

/// How many runs diverged, and the story of the first.
fn divergence(runs: &[Run]) -> Option<String> {
    let stories: Vec<String> = runs
        .iter()
        .filter_map(|run| match &run.outcome {
            Outcome::Finished => None,
            Outcome::Diverged { step, reason } => Some(format!("{reason} at step {step}")),
        })
        .collect();
    let first = stories.first()?;
    Some(format!("diverged in {} of {} runs: {first}", stories.len(), runs.len()))
}

/// Mean, least and greatest loss at the checkpoints that all seeds reached.
fn curve(runs: &[Run], checkpoints: &[usize]) -> Vec<CurvePoint> {
    let reached = runs.iter().map(|run| run.losses.len()).min().unwrap_or(0);
    checkpoints[..reached]
        .iter()
        .enumerate()
        .map(|(at, &step)| {
            let losses = || runs.iter().map(|run| run.losses[at]);
            CurvePoint {
                step,
                mean: losses().sum::<f64>() / runs.len() as f64,
                min: losses().fold(f64::INFINITY, f64::min),
                max: losses().fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::grid;
    use crate::setting::Baseline;

    fn run(losses: &[f64], checkpoints: usize) -> Run {
        let outcome = if losses.len() == checkpoints {
            Outcome::Finished
        } else {
            Outcome::Diverged { step: 7, reason: "the loss is NaN".to_owned() }
        };
        let (losses, test_accuracy) = (losses.to_vec(), Some(losses.len() as f64 / 10.0));
        Run { losses, test_accuracy, seconds: 2.0, optimizer_seconds: 1.0, outcome }
    }

    #[test]
    fn the_best_finite_setting_is_shown_with_its_means() {
        let settings = grid(Baseline::Adam)[..3].to_vec();
        let two = Contender { name: "adam-tuned".to_owned(), settings };
        let steps = [0, 1, 10];
        let weak = [run(&[3.0, 2.0, 1.0], 3), run(&[3.0, 2.0, 1.0], 3)];
        let best = [run(&[3.0, 1.0, 0.2], 3), run(&[5.0, 1.0, 0.4], 3)];
        let broken = [run(&[3.0, 0.1, 0.01], 3), run(&[3.0], 3)];
        let record = score(&two, &[&weak, &best, &broken], &steps);
        assert!((record.final_train_loss.unwrap() - 0.3).abs() < 1e-12);
        assert!(record.setting.starts_with("rate 3.2e-5") && record.tuned);
        let point = record.curve[0];
        assert_eq!((point.step, point.mean, point.min, point.max), (0, 4.0, 3.0, 5.0));
        assert_eq!(record.grid[2].final_train_loss, None);
        assert_eq!((record.grid.len(), record.diverged), (3, None));

        let all_broken = score(&two, &[&broken, &broken, &broken], &steps);
        assert_eq!((all_broken.final_train_loss, all_broken.curve.len()), (None, 1));
        let story = "diverged in 1 of 2 runs: the loss is NaN at step 7";
        assert_eq!(all_broken.diverged.as_deref(), Some(story));
    }
}
