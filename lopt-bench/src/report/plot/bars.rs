//! Horizontal bars with their names and values, drawn by plotters.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Draw, Drawn, Ink, Screen};
use crate::report::number::loss_text;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// Low and high end of its interval, if it has one.
    pub interval: Option<(f64, f64)>,
    /// Which of the page's colours.
    pub colour: u8,
}

/// A chart of bars, the first on top: from 0, or, with a line, from there on a logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// The bars.
    pub bars: Vec<Bar>,
    /// For ratios: where the bars begin, usually 1.
    pub line: Option<f64>,
}

impl Draw for BarChart {
    fn draw<DB: DrawingBackend<ErrorType: 'static>>(
        &self,
        root: &DrawingArea<DB, Shift>,
        ink: &Ink,
        font: u32,
        _: Screen,
    ) -> Drawn {
        let (width, height) = root.dim_in_pixel();
        let font = font.min((height * 7 / 10) / (self.bars.len() as u32).max(1)).max(12);
        let (width, height, size) = (f64::from(width), f64::from(height), f64::from(font));
        let longest = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
        // Letters are about half as wide as high.
        let left = (0.55 * size * longest as f64 + size).min(0.5 * width);
        let right = width - 6.0 * size;
        let part = self.part();
        let x = |value: f64| (left + part(value) * (right - left)).round() as i32;
        let base = x(self.line.unwrap_or(0.0));
        let pitch = height / self.bars.len().max(FEW) as f64;
        let text = ("sans-serif", font).into_font().color(&ink.muted);
        let (to_left, to_right) =
            (Pos::new(HPos::Right, VPos::Center), Pos::new(HPos::Left, VPos::Center));
        for (place, bar) in self.bars.iter().enumerate() {
            let middle = ((place as f64 + 0.5) * pitch).round() as i32;
            let half = (0.32 * pitch).round() as i32;
            let colour = ink.colour(bar.colour);
            let (from, to) = (base.min(x(bar.value)), base.max(x(bar.value)));
            let corners = [(from, middle - half), (to, middle + half)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            let mut end = to;
            if let Some((low, high)) = bar.interval {
                let whisker = vec![(x(low), middle), (x(high), middle)];
                root.draw(&PathElement::new(whisker, ink.muted.stroke_width(3)))?;
                end = end.max(x(high));
            }
            let gap = font as i32 / 2;
            let name = Text::new(bar.name.clone(), (left as i32 - gap, middle), text.pos(to_left));
            root.draw(&name)?;
            root.draw(&Text::new(loss_text(bar.value), (end + gap, middle), text.pos(to_right)))?;
        }
        if let Some(line) = self.line {
            let bottom = (pitch * self.bars.len() as f64).round() as i32;
            let across = vec![(x(line), 0), (x(line), bottom)];
            root.draw(&PathElement::new(across, ink.muted.stroke_width(2)))?;
        }
        Ok(())
    }
}

impl BarChart {
    /// Where a value lies on the width, from 0 to 1.
    fn part(&self) -> impl Fn(f64) -> f64 + use<> {
        let intervals = self.bars.iter().filter_map(|bar| bar.interval);
        let ends = intervals.flat_map(|(low, high)| [low, high]);
        let all = || self.bars.iter().map(|bar| bar.value).chain(ends.clone()).chain(self.line);
        let most = all().filter(|x| x.is_finite()).fold(0.0, f64::max);
        let least = all().filter(|&x| x > 0.0).fold(f64::INFINITY, f64::min);
        let ratios = self.line.is_some();
        let (low, high) = if ratios { (least.ln(), most.ln()) } else { (0.0, most) };
        move |value| {
            let at = if ratios { value.ln() } else { value };
            let part = (at - low) / (high - low);
            if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
        }
    }
}

/// Fewer bars than these do not get thicker.
const FEW: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_names_values_and_a_line() {
        let bar = |name: &str, value| Bar {
            name: name.to_owned(),
            value,
            interval: Some((0.9 * value, 1.1 * value)),
            colour: 0,
        };
        let chart = BarChart { bars: vec![bar("small", 0.5), bar("large", 2.0)], line: Some(1.0) };
        let svg = chart.svg(Screen::Wide).unwrap();
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("small") && svg.contains("2.000"), "{svg}");
        assert!(chart.png(Screen::Wide).unwrap().starts_with(b"\x89PNG"));
        let empty = BarChart { bars: vec![], line: None };
        assert!(empty.svg(Screen::Narrow).unwrap().contains("</svg>"));
    }
}
