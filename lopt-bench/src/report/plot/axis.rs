//! Logarithmic and linear axes: range, tick marks and their labels.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// How values lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// By their logarithms.
    Log,
    /// By themselves.
    Linear,
    /// As parts of a whole, from 0 to 1.
    Share,
}

/// An axis; positions are decimal logarithms, or the values themselves if it is linear.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// How values become positions.
    pub scale: Scale,
    /// Position of the low end.
    pub low: f64,
    /// Position of the high end, above `low`.
    pub high: f64,
    /// Positions of the labelled ticks.
    pub labelled: Vec<f64>,
    /// Positions of the ticks without a label.
    pub minor: Vec<f64>,
}

impl Axis {
    /// An axis that just holds these values, at most about `labels` labels.
    ///
    /// Values that are not finite, or on a logarithmic axis not positive, are passed over; without any the
    /// positions are `0..1`, as those of a share always are.
    pub fn new(
        scale: Scale,
        values: impl IntoIterator<Item = f64>,
        labels: usize,
        margin: f64,
    ) -> Self {
        if scale == Scale::Share {
            let ticks = |count: u32| (0..=count).map(|i| f64::from(i) / f64::from(count)).collect();
            return Self { scale, low: 0.0, high: 1.0, labelled: ticks(4), minor: ticks(20) };
        }
        let place = |x: f64| if scale == Scale::Log { x.log10() } else { x };
        let places = values.into_iter().map(place).filter(|place| place.is_finite());
        let (mut low, mut high) = places
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // A flat curve still needs an axis with some height.
        let flat = if scale == Scale::Log { high - low < 1e-3 } else { high <= low };
        let pad = (margin * (high - low)).max(if flat { 0.05 } else { 0.0 });
        (low, high) = (low - pad, high + pad);
        let (labelled, minor) = match scale {
            Scale::Log => ticks(low, high, labels),
            _ => (even_values(low, high, labels), even_values(low, high, labels)),
        };
        Self { scale, low, high, labelled, minor }
    }

    /// Label of a tick.
    pub fn label(&self, position: f64) -> String {
        match self.scale {
            Scale::Log => tick_label(position),
            Scale::Linear => number_label(position, self.high - self.low),
            Scale::Share => format!("{:.0} %", 100.0 * position),
        }
    }

    /// Position of a value, kept inside the axis; values that are not positive lie at the low end.
    pub fn position(&self, value: f64) -> f64 {
        if self.scale != Scale::Log {
            return value.clamp(self.low, self.high);
        }
        if value > 0.0 { value.log10().clamp(self.low, self.high) } else { self.low }
    }
}

/// How plotters sees the axis: a linear range of positions.
impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let fraction = (value - self.low) / (self.high - self.low);
        start + (fraction * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { self.minor.clone() } else { self.labelled.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// Label of a tick: `100`, `0.02`, `1e-6`; at most four digits.
pub fn tick_label(log: f64) -> String {
    let value = 10_f64.powf(log);
    let exponent = (log + 1e-9).floor() as i32;
    let digits = |value: f64, decimals: i32| {
        let decimals = usize::try_from(decimals).unwrap_or(0);
        let text = format!("{value:.decimals$}");
        if !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if (-3..5).contains(&exponent) {
        digits(value, 3 - exponent)
    } else {
        format!("{}e{exponent}", digits(value / 10_f64.powi(exponent), 3))
    }
}

/// Labelled and minor ticks: whole decades in a wide range, then digits, then even steps.
fn ticks(low: f64, high: f64, labels: usize) -> (Vec<f64>, Vec<f64>) {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let inside = |mantissas: &[f64], every: i32| -> Vec<f64> {
        (first..=last)
            .filter(|exponent| exponent % every == 0)
            .flat_map(|exponent| mantissas.iter().map(move |m| f64::from(exponent) + m.log10()))
            .filter(|&log| (low - 1e-9..=high + 1e-9).contains(&log))
            .collect()
    };
    let fine = inside(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 1);
    if fine.len() < 3 {
        let even = even_values(10_f64.powf(low), 10_f64.powf(high), labels);
        let logs: Vec<f64> = even.into_iter().map(f64::log10).collect();
        return (logs.clone(), logs);
    }
    let choices = [fine.clone(), inside(&[1.0, 2.0, 5.0], 1), inside(&[1.0, 3.0], 1)];
    if let Some(labelled) = choices.into_iter().find(|ticks| ticks.len() <= labels) {
        return (labelled, fine);
    }
    let every = (1..).find(|&every| inside(&[1.0], every).len() <= labels).unwrap_or(1);
    let minor = if last - first <= 6 { fine } else { inside(&[1.0], 1) };
    (inside(&[1.0], every), minor)
}

/// Label of a tick of a linear axis of this extent: as many digits as tell neighbours apart.
fn number_label(value: f64, extent: f64) -> String {
    let decimals = usize::try_from((1.0 - extent.log10()).floor() as i32).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { text }
}

/// The multiples of 1, 2 or 5 times a power of ten between two values.
fn even_values(low: f64, high: f64, labels: usize) -> Vec<f64> {
    let widest = (high - low) / labels.max(2) as f64;
    let decade = 10_f64.powf(widest.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|mantissa| mantissa * decade)
        .into_iter()
        .find(|&step| step >= widest)
        .unwrap_or(10.0 * decade);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|multiple| multiple as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        let axis = Axis::new(Scale::Log, [low, high], count, 0.0);
        axis.labelled.iter().map(|&log| tick_label(log)).collect()
    }

    #[test]
    fn wide_ranges_have_decades() {
        assert_eq!(labels(1.0, 1000.0, 5), ["1", "10", "100", "1000"]);
        assert_eq!(labels(1e-8, 1.0, 5), ["1e-8", "1e-6", "1e-4", "0.01", "1"]);
    }

    #[test]
    fn narrow_ranges_have_more_than_one_label() {
        assert_eq!(labels(0.09, 2.4, 8), ["0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(labels(0.21, 0.58, 8), ["0.3", "0.4", "0.5"]);
        assert_eq!(labels(2.301, 2.311, 5), ["2.302", "2.304", "2.306", "2.308", "2.31"]);
    }

    #[test]
    fn linear_axes_have_even_ticks() {
        let axis = Axis::new(Scale::Linear, [-100.0, 40.0], 5, 0.0);
        let labels: Vec<String> = axis.labelled.iter().map(|&x| axis.label(x)).collect();
        assert_eq!(labels, ["-100", "-50", "0"]);
        let axis = Axis::new(Scale::Linear, [1.51, 1.84], 5, 0.0);
        let labels: Vec<String> = axis.labelled.iter().map(|&x| axis.label(x)).collect();
        assert_eq!(labels, ["1.6", "1.7", "1.8"]);
        let flat = Axis::new(Scale::Linear, [f64::NAN], 5, 0.0);
        assert_eq!((flat.low, flat.high, flat.position(7.0)), (0.0, 1.0, 1.0));
    }

    #[test]
    fn odd_values_do_no_harm() {
        let axis = Axis::new(Scale::Log, [f64::NAN, 0.0, -1.0], 5, 0.1);
        assert!(axis.low < axis.high);
        assert_eq!(axis.position(0.0), axis.low);
        assert_eq!(axis.position(1e9), axis.high);
        let flat = Axis::new(Scale::Log, [2.0, 2.0], 5, 0.1);
        assert!(flat.low < flat.high);
    }
}
