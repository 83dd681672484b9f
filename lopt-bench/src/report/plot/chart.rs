//! One line chart, drawn by plotters.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::{Axis, Scale};
use super::canvas::{self, Draw, Drawn, Ink, Screen};

/// A line with its band.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Which of the page's colours: `--c0` is 0.
    pub colour: u8,
    /// Drawn thicker than the others.
    pub emphasised: bool,
    /// Whether each point gets a mark.
    pub marked: bool,
    /// `(x, y)` from left to right.
    pub line: Vec<(f64, f64)>,
    /// `(x, low, high)` from left to right; may be empty.
    pub band: Vec<(f64, f64, f64)>,
}

/// A chart as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Title of the horizontal axis.
    pub x_title: String,
    /// Title of the vertical axis.
    pub y_title: String,
    /// The horizontal axis.
    pub x: Scale,
    /// The vertical axis.
    pub y: Scale,
    /// Values above this are drawn at the upper edge.
    pub y_cap: Option<f64>,
    /// Drawn in this order, the last on top.
    pub series: Vec<Series>,
}

impl Series {
    /// A plain line with the colour of this place.
    pub fn line(name: &str, place: usize, emphasised: bool, line: Vec<(f64, f64)>) -> Self {
        let colour = (place % usize::from(canvas::COLOURS)) as u8;
        Self { name: name.to_owned(), colour, emphasised, marked: false, line, band: Vec::new() }
    }
}

impl Chart {
    /// A chart on logarithmic axes; the first line is drawn on top.
    pub fn new(x_title: &str, y_title: &str, lines: impl Iterator<Item = Series>) -> Self {
        let mut series: Vec<Series> = lines.collect();
        series.reverse();
        let (x_title, y_title) = (x_title.to_owned(), y_title.to_owned());
        Self { x_title, y_title, x: Scale::Log, y: Scale::Log, y_cap: None, series }
    }
}

impl Draw for Chart {
    fn draw<DB: DrawingBackend<ErrorType: 'static>>(
        &self,
        root: &DrawingArea<DB, Shift>,
        ink: &Ink,
        font: u32,
        screen: Screen,
    ) -> Drawn {
        let x_labels = if screen == Screen::Wide { 9 } else { 5 };
        let points = || self.series.iter().flat_map(|series| series.line.iter().copied());
        let bands = || self.series.iter().flat_map(|s| s.band.iter().flat_map(|b| [b.1, b.2]));
        let capped = |y: f64| self.y_cap.map_or(y, |cap| y.min(cap));
        let x_axis = Axis::new(self.x, points().map(|(x, _)| x), x_labels, 0.0);
        let y_axis =
            Axis::new(self.y, points().map(|(_, y)| y).chain(bands()).map(capped), 8, 0.04);

        let mut context = ChartBuilder::on(root)
            .margin_top(font)
            .margin_left(font / 2)
            .margin_right(font + font / 2)
            .x_label_area_size(3 * font)
            .y_label_area_size(4 * font)
            .build_cartesian_2d(x_axis.clone(), y_axis.clone())?;
        let text = ("sans-serif", font).into_font().color(&ink.muted);
        context
            .configure_mesh()
            .axis_style(ink.muted.stroke_width(2))
            .bold_line_style(ink.grid.stroke_width(2))
            .light_line_style(ink.faint.stroke_width(1))
            .label_style(text.clone())
            .axis_desc_style(text)
            .x_desc(self.x_title.as_str())
            .y_desc(self.y_title.as_str())
            .x_label_formatter(&|at| x_axis.label(*at))
            .y_label_formatter(&|at| y_axis.label(*at))
            .draw()?;

        let place = |(x, y): (f64, f64)| (x_axis.position(x), y_axis.position(y));
        for series in &self.series {
            let colour = ink.colour(series.colour);
            let low = series.band.iter().map(|&(x, low, _)| place((x, low)));
            let high = series.band.iter().rev().map(|&(x, _, high)| place((x, high)));
            let outline: Vec<(f64, f64)> = low.chain(high).collect();
            if outline.len() > 3 {
                context.draw_series([Polygon::new(outline, colour.mix(0.14).filled())])?;
            }
        }
        for series in &self.series {
            let colour = ink.colour(series.colour);
            let width = if series.emphasised { 7 } else { 4 };
            let line: Vec<(f64, f64)> = series.line.iter().copied().map(place).collect();
            if series.marked {
                let radius = 2 * width as i32;
                let marks = line.iter().map(|&at| Circle::new(at, radius, colour.filled()));
                context.draw_series(marks)?;
            }
            context.draw_series([PathElement::new(line, colour.stroke_width(width))])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = vec![(1.0, 2.3), (10.0, 0.8), (100.0, 0.05)];
        let band = line.iter().map(|&(x, y)| (x, 0.9 * y, 1.1 * y)).collect();
        let first = Series { band, marked: true, ..Series::line("a", 1, false, line) };
        let line = vec![(1.0, 2.3), (10.0, f64::INFINITY), (100.0, 0.0)];
        let second = Series::line("b", 0, true, line);
        let lines = [second, first].into_iter();
        Chart { y_cap: Some(10.0), ..Chart::new("step", "loss", lines) }
    }

    #[test]
    fn colours_are_left_to_the_page() {
        for screen in [Screen::Wide, Screen::Narrow] {
            let svg = chart().svg(screen).unwrap();
            assert!(svg.starts_with("<svg role=\"img\" viewBox=\"0 0 "), "{}", &svg[..200]);
            assert!(svg.contains("var(--c0)") && svg.contains("var(--c1)"));
            assert!(svg.contains("var(--grid)") && !svg.contains("#FE"));
            assert!(svg.contains("<polygon") && svg.contains("<polyline"));
        }
    }

    #[test]
    fn pictures_are_png_files_with_something_in_them() {
        let png = chart().png(Screen::Wide).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{}", png.len());
        let share = Chart { y: Scale::Share, ..chart() };
        assert!(share.svg(Screen::Wide).unwrap().contains("50 %"));
    }

    #[test]
    fn no_point_at_all_is_still_a_chart() {
        let empty = Chart { series: vec![], ..chart() };
        assert!(empty.svg(Screen::Wide).unwrap().contains("</svg>"));
    }
}
