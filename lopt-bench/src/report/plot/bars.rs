//! Horizontal bars with their names and values, drawn by plotters.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Ink, Screen};
use crate::error::CliError;
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

/// A chart of bars, from 0, the first on top.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// The bars.
    pub bars: Vec<Bar>,
    /// A value that gets a line across, such as 1 for ratios.
    pub line: Option<f64>,
}

impl BarChart {
    /// The chart as an `<svg>` element that fills the width it is given.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    pub fn svg(&self, screen: Screen) -> Result<String, CliError> {
        canvas::svg(screen, |root, ink, font| self.draw(root, ink, font))
    }

    /// The chart as a PNG file on white.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    pub fn png(&self) -> Result<Vec<u8>, CliError> {
        canvas::png(|root, ink, font| self.draw(root, ink, font))
    }

    fn draw<DB: DrawingBackend>(
        &self,
        root: &DrawingArea<DB, Shift>,
        ink: &Ink,
        font: u32,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        DB::ErrorType: 'static,
    {
        let (width, height) = root.dim_in_pixel();
        let font = font.min((height * 7 / 10) / (self.bars.len() as u32).max(1)).max(12);
        let (width, height, size) = (f64::from(width), f64::from(height), f64::from(font));
        let longest = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
        // Letters are about half as wide as high.
        let left = (0.55 * size * longest as f64 + size).min(0.5 * width);
        let right = width - 6.0 * size;
        let ends = self.bars.iter().flat_map(|bar| [bar.value, bar.interval.map_or(0.0, |i| i.1)]);
        let most = ends.chain(self.line).filter(|x| x.is_finite()).fold(0.0, f64::max);
        let x = |value: f64| {
            let part = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
            (left + part * (right - left)).round() as i32
        };
        let pitch = height / self.bars.len().max(FEW) as f64;
        let text = ("sans-serif", font).into_font().color(&ink.muted);
        let (to_left, to_right) =
            (Pos::new(HPos::Right, VPos::Center), Pos::new(HPos::Left, VPos::Center));
        for (place, bar) in self.bars.iter().enumerate() {
            let middle = ((place as f64 + 0.5) * pitch).round() as i32;
            let half = (0.32 * pitch).round() as i32;
            let colour = ink.colour(bar.colour);
            let corners = [(x(0.0), middle - half), (x(bar.value), middle + half)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            let mut end = x(bar.value);
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
        assert!(chart.png().unwrap().starts_with(b"\x89PNG"));
        let empty = BarChart { bars: vec![], line: None };
        assert!(empty.svg(Screen::Narrow).unwrap().contains("</svg>"));
    }
}
