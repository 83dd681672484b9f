//! The two charts of a race: loss against steps, and final loss against the learning rate.

use crate::race::{ContenderRecord, RaceRecord};
use crate::report::plot::axis::Scale;
use crate::report::plot::canvas::COLOURS;
use crate::report::plot::chart::{Chart, Series};

/// Training loss against steps, the band from the worst to the best seed.
pub fn loss_curves(record: &RaceRecord) -> Chart {
    let series = |(colour, contender): (usize, &ContenderRecord)| {
        // Step 0 has no place on a logarithmic axis.
        let points = || contender.curve.iter().filter(|point| point.step > 0);
        let band = if record.seeds > 1 {
            points().map(|point| (point.step as f64, point.min, point.max)).collect()
        } else {
            Vec::new()
        };
        Series {
            colour: colour_of(colour),
            emphasised: colour == 0,
            marked: false,
            line: points().map(|point| (point.step as f64, point.mean)).collect(),
            band,
        }
    };
    Chart {
        x_title: "step".to_owned(),
        y_title: "training loss".to_owned(),
        x: Scale::Log,
        y: Scale::Log,
        y_cap: start(record).map(|loss| 10.0 * loss),
        series: record.contenders.iter().enumerate().rev().map(series).collect(),
    }
}

/// Final loss against the learning rate for every tuned contender; the contenders without a grid
/// are level lines. `None` if nobody was tuned.
pub fn rate_curves(record: &RaceRecord) -> Option<Chart> {
    let rates = || record.contenders.iter().flat_map(|c| c.grid.iter().map(|point| point.rate));
    let low = rates().reduce(f64::min)?;
    let high = rates().reduce(f64::max)?;
    let series = |(colour, contender): (usize, &ContenderRecord)| {
        let line = if contender.tuned {
            let points = contender.grid.iter();
            points.filter_map(|p| p.final_train_loss.map(|loss| (p.rate, loss))).collect()
        } else {
            let level = contender.final_train_loss.filter(|_| colour == 0)?;
            vec![(low, level), (high, level)]
        };
        let colour = colour_of(colour);
        Some(Series {
            colour,
            emphasised: colour == 0,
            marked: contender.tuned,
            line,
            band: Vec::new(),
        })
    };
    Some(Chart {
        x_title: "learning rate".to_owned(),
        y_title: "final training loss".to_owned(),
        x: Scale::Log,
        y: Scale::Log,
        y_cap: start(record).map(|loss| 3.0 * loss),
        series: record.contenders.iter().enumerate().rev().filter_map(series).collect(),
    })
}

/// Colour of the contender at this place of the record.
pub fn colour_of(index: usize) -> u8 {
    (index % usize::from(COLOURS)) as u8
}

/// Loss before the first step.
fn start(record: &RaceRecord) -> Option<f64> {
    record.contenders.iter().find_map(|contender| contender.curve.first()).map(|point| point.mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verdict::tests::record;

    #[test]
    fn ours_is_drawn_last_and_thickest() {
        let chart = loss_curves(&record());
        let last = chart.series.last().unwrap();
        assert!(last.emphasised && last.colour == 0);
        assert_eq!((chart.series.len(), last.line.len(), last.band.len()), (4, 5, 5));
    }

    #[test]
    fn rates_need_a_grid() {
        let chart = rate_curves(&record()).unwrap();
        let colours: Vec<u8> = chart.series.iter().map(|series| series.colour).collect();
        assert_eq!(colours, [3, 2, 0]);
        let mut untuned = record();
        untuned.contenders.truncate(2);
        assert_eq!(rate_curves(&untuned), None);
    }
}
