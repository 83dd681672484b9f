//! Several small charts in one drawing, each with a title.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{Draw, Drawn, Ink, Screen};
use super::chart::Chart;

/// Small charts, filled in row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    /// Each with its title.
    pub charts: Vec<(String, Chart)>,
}

/// Charts in a row.
const COLUMNS: usize = 3;

impl Draw for Panels {
    fn draw<DB: DrawingBackend<ErrorType: 'static>>(
        &self,
        root: &DrawingArea<DB, Shift>,
        ink: &Ink,
        font: u32,
        screen: Screen,
    ) -> Drawn {
        let rows = self.charts.len().div_ceil(COLUMNS).max(1);
        let areas = root.split_evenly((rows, COLUMNS));
        for (area, (title, chart)) in areas.iter().zip(&self.charts) {
            let style = ("sans-serif", font + font / 4).into_font().color(&ink.muted);
            let area = area.titled(title, style)?;
            chart.draw(&area, ink, font, screen)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::axis::Scale;
    use crate::report::plot::chart::Series;

    #[test]
    fn every_chart_has_its_title() {
        let line = vec![(0.0, -2.0), (100.0, 3.0)];
        let lines = [Series::line("a", 1, true, line)].into_iter();
        let scale = Scale::Linear;
        let chart = Chart { x: scale, y: scale, ..Chart::new("step", "", lines) };
        let charts = (0..4).map(|i| (format!("job {i}"), chart.clone())).collect();
        let panels = Panels { charts };
        let svg = panels.svg(Screen::Panels).unwrap();
        assert_eq!(svg.matches("job ").count(), 4);
        assert!(svg.matches("<polyline").count() >= 4);
        assert!(panels.png(Screen::Panels).unwrap().starts_with(b"\x89PNG"));
    }
}
