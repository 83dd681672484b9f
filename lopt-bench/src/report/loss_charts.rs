//! Charts of runs: loss against steps, and final loss against the learning rate.

use crate::contender::LEARNED;
use crate::race::{ContenderRecord, RaceRecord};
use crate::report::plot::chart::{Chart, Series};
use crate::report::table::validated;
use crate::score::CurvePoint;

/// One line of [`loss_chart`]: the mean over seeds with a band from the best to the worst.
pub fn loss_line(name: &str, place: usize, emphasised: bool, curve: &[CurvePoint]) -> Series {
    // Step 0 has no place on a logarithmic axis.
    let points = || curve.iter().filter(|point| point.step > 0);
    let line = points().map(|point| (point.step as f64, point.mean)).collect();
    let mut series = Series::line(name, place, emphasised, line);
    if points().any(|point| point.min < point.max) {
        series.band = points().map(|p| (p.step as f64, p.min, p.max)).collect();
    }
    series
}

/// Loss against steps; `title`: of the vertical axis; `initial`: loss before the first step.
pub fn loss_chart(title: &str, lines: impl Iterator<Item = Series>, initial: Option<f64>) -> Chart {
    Chart { y_cap: initial.map(|loss| 10.0 * loss), ..Chart::new("step", title, lines) }
}

/// Final loss against the learning rate; `initial`: loss before the first step.
pub fn rate_chart(
    x_title: &str,
    lines: impl Iterator<Item = Series>,
    initial: Option<f64>,
) -> Chart {
    let y_cap = initial.map(|loss| 3.0 * loss);
    Chart { y_cap, ..Chart::new(x_title, "final training loss", lines) }
}

/// The losses of a race, on the test set or on the training set.
pub fn race_losses(record: &RaceRecord, validation: bool) -> Chart {
    let curve = |c: &ContenderRecord| {
        if validation { c.validation_curve.clone() } else { c.curve.clone() }
    };
    let line = |(place, c): (usize, &ContenderRecord)| {
        loss_line(&c.name, place, c.name == LEARNED, &curve(c))
    };
    let initial = record.contenders.iter().find_map(|c| Some(curve(c).first()?.mean));
    let title = if validation { "validation loss" } else { "training loss" };
    loss_chart(title, record.contenders.iter().enumerate().map(line), initial)
}

/// Final loss against the learning rate for every tuned contender of a race, and the learned optimizer as
/// a level line. `None` if nobody was tuned.
pub fn race_rates(record: &RaceRecord) -> Option<Chart> {
    let rates = || record.contenders.iter().flat_map(|c| c.grid.iter().map(|point| point.rate));
    let validated = validated(record);
    let low = rates().reduce(f64::min)?;
    let high = rates().reduce(f64::max)?;
    let line = |(place, contender): (usize, &ContenderRecord)| {
        let (name, ours) = (&contender.name, contender.name == LEARNED);
        if contender.tuned {
            let points = contender.grid.iter();
            let line = points.filter_map(|p| {
                let loss = if validated { p.final_validation_loss } else { p.final_train_loss };
                Some((p.rate, loss?))
            });
            let line = Series::line(name, place, ours, line.collect());
            return Some(Series { marked: true, ..line });
        }
        let level = contender.final_loss().filter(|_| ours)?;
        Some(Series::line(name, place, ours, vec![(low, level), (high, level)]))
    };
    let lines = record.contenders.iter().enumerate().filter_map(line);
    let start = record.contenders.iter().find_map(|contender| contender.curve.first());
    Some(rate_chart("learning rate", lines, start.map(|point| point.mean)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verdict::tests::record;

    #[test]
    fn ours_is_drawn_last_and_thickest() {
        let chart = race_losses(&record(), true);
        let last = chart.series.last().unwrap();
        assert!(last.emphasised && last.colour == 0);
        assert_eq!((chart.series.len(), last.line.len(), last.band.len()), (4, 5, 5));
    }

    #[test]
    fn rates_need_a_grid() {
        let chart = race_rates(&record()).unwrap();
        let colours: Vec<u8> = chart.series.iter().map(|series| series.colour).collect();
        assert_eq!(colours, [3, 2, 0]);
        let mut untuned = record();
        untuned.contenders.truncate(2);
        assert_eq!(race_rates(&untuned), None);
    }
}
