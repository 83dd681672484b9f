//! The result in one or two sentences.

use crate::contender::LEARNED;
use crate::race::{ContenderRecord, RaceRecord};
use crate::report::number::loss_text;
use crate::report::table::validated;

/// Where the learned optimizer ended, and how far from each of the others.
///
/// Empty if it did not take part.
pub fn verdict(record: &RaceRecord) -> String {
    let Some(ours) = record.contender(LEARNED) else { return String::new() };
    let steps = record.steps;
    let Some(loss) = ours.final_loss() else {
        let reason = ours.diverged.as_deref().unwrap_or("its loss is not finite");
        return format!("{LEARNED} diverged: {reason}.");
    };
    let others = record.contenders.iter().filter(|other| other.name != LEARNED);
    let comparisons: Vec<String> = others.map(|other| comparison(loss, other)).collect();
    let colon = if comparisons.is_empty() { "" } else { ": " };
    let what = if validated(record) { "a validation loss" } else { "a training loss" };
    format!(
        "After {steps} steps {LEARNED}, with nothing tuned, has {what} of {}{colon}{}.",
        loss_text(loss),
        comparisons.join(", ")
    )
}

/// `12% below adam-tuned`, `3.1 times below adam-1e-3`.
fn comparison(ours: f64, other: &ContenderRecord) -> String {
    let name = &other.name;
    let Some(theirs) = other.final_loss() else { return format!("{name} diverged") };
    let ratio = ours / theirs;
    if !ratio.is_finite() || ratio <= 0.0 {
        return format!("{name} is at {}", loss_text(theirs));
    }
    let (factor, side) = if ratio < 1.0 { (1.0 / ratio, "below") } else { (ratio, "above") };
    match factor {
        f if f < 1.005 => format!("equal to {name}"),
        f if f < 2.0 && side == "below" => format!("{:.0}% below {name}", 100.0 * (1.0 - ratio)),
        f if f < 2.0 => format!("{:.0}% above {name}", 100.0 * (f - 1.0)),
        f if f < 10.0 => format!("{f:.1} times {side} {name}"),
        f => format!("{f:.0} times {side} {name}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::race::GridPoint;
    use crate::score::CurvePoint;

    /// A contender whose loss falls like a power of the step.
    pub(crate) fn contender(name: &str, tuned: bool, last: Option<f64>) -> ContenderRecord {
        let curve = [1, 3, 10, 30, 100].map(|step| {
            let mean = 2.3 * (last.unwrap_or(5.0) / 2.3).powf((step as f64).log10() / 2.0);
            CurvePoint { step, mean, min: 0.9 * mean, max: 1.2 * mean }
        });
        let grid = [1e-3, 1e-2].map(|rate| GridPoint {
            rate,
            final_train_loss: last,
            final_validation_loss: last.map(|loss| 2.0 * loss),
        });
        ContenderRecord {
            name: name.to_owned(),
            setting: "rate 1e-3".to_owned(),
            tuned,
            final_train_loss: last,
            final_validation_loss: last.map(|loss| 2.0 * loss),
            test_accuracy: Some(0.9),
            seconds: 1.5,
            optimizer_seconds: 0.5,
            diverged: last.is_none().then(|| "1 of 2 runs: <loss> at step 3".to_owned()),
            curve: curve.to_vec(),
            validation_curve: curve
                .map(|p| CurvePoint { mean: 2.0 * p.mean, min: 2.0 * p.min, max: 2.0 * p.max, ..p })
                .to_vec(),
            grid: if tuned { grid.to_vec() } else { Vec::new() },
        }
    }

    /// Ours, one better, one much worse and one diverged.
    pub(crate) fn record() -> RaceRecord {
        let contenders = vec![
            contender(LEARNED, false, Some(0.11)),
            contender("adam-1e-3", false, Some(0.44)),
            contender("adam-tuned", true, Some(0.10)),
            contender("sgd-momentum", true, None),
        ];
        RaceRecord { problem: "toy".to_owned(), steps: 100, seeds: 2, contenders }
    }

    #[test]
    fn better_worse_and_diverged() {
        let expected = "After 100 steps lopt, with nothing tuned, has a validation loss of 0.2200: \
                        4.0 times below adam-1e-3, 10% above adam-tuned, sgd-momentum diverged.";
        assert_eq!(verdict(&record()), expected);
    }

    #[test]
    fn our_own_divergence_is_not_hidden() {
        let mut record = record();
        record.contenders[0] = contender(LEARNED, false, None);
        assert!(verdict(&record).starts_with("lopt diverged: 1 of 2 runs"));
    }
}
