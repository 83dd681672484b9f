//! What charts are drawn on: SVG for the page, PNG for everything else.
//!
//! The colours in the SVG are CSS variables of the page (`--muted`, `--grid`, `--c0` and so on), so
//! that one drawing serves light and dark screens. A PNG has those of the light screen.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::error::CliError;
use crate::output::printable;

/// For which screen a chart is drawn; text keeps a readable size on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A desk, about 900 pixels across.
    Wide,
    /// A telephone, about 380 pixels across.
    Narrow,
    /// A desk, for several small charts under one another.
    Panels,
}

/// Number of colours of the page.
pub const COLOURS: u8 = 6;

/// The colours of a drawing.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    /// Text and axes.
    pub muted: RGBColor,
    /// Lines at labelled ticks.
    pub grid: RGBColor,
    /// Lines at the other ticks.
    pub faint: RGBColor,
    series: [RGBColor; COLOURS as usize],
}

const fn series(place: u8) -> RGBColor {
    RGBColor(0xFE, 0x02, place)
}

impl Ink {
    /// Colours that stand for CSS variables; [`svg`] puts the variables in their place.
    const STAND_INS: Self = Self {
        muted: RGBColor(0xFE, 0x01, 0x00),
        grid: RGBColor(0xFE, 0x01, 0x01),
        faint: RGBColor(0xFE, 0x01, 0x02),
        series: [series(0), series(1), series(2), series(3), series(4), series(5)],
    };

    /// Those of the page on a light screen (`race.css`).
    const LIGHT: Self = Self {
        muted: RGBColor(0x5c, 0x66, 0x70),
        grid: RGBColor(0xe1, 0xe6, 0xea),
        faint: RGBColor(0xf2, 0xf4, 0xf6),
        series: [
            RGBColor(0xc8, 0x40, 0x1c),
            RGBColor(0x6a, 0xa9, 0xd8),
            RGBColor(0x14, 0x62, 0x9c),
            RGBColor(0x2b, 0x8a, 0x5e),
            RGBColor(0x8a, 0x5a, 0xa8),
            RGBColor(0x8a, 0x6d, 0x1f),
        ],
    };

    /// The colour of a series.
    pub fn colour(&self, index: u8) -> RGBColor {
        self.series[usize::from(index % COLOURS)]
    }
}

/// What a drawing came to.
pub type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Something that can be drawn.
pub trait Draw {
    /// Draws it on an area with these colours and this size of text.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    fn draw<DB: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<DB, Shift>,
        ink: &Ink,
        font: u32,
        screen: Screen,
    ) -> Drawn;

    /// An `<svg>` element that fills the width it is given.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    fn svg(&self, screen: Screen) -> Result<String, CliError> {
        let (size, font) = size_and_font(screen);
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
            have_font()?;
            self.draw(&area, &Ink::STAND_INS, font, screen).map_err(fault)?;
            area.present().map_err(fault)?;
        }
        // names come from records
        Ok(themed(printable(&text)))
    }

    /// A PNG file on white.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    fn png(&self, screen: Screen) -> Result<Vec<u8>, CliError> {
        let (size, font) = size_and_font(screen);
        let (width, height) = size;
        let mut pixels = vec![255; (3 * width * height) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
            have_font()?;
            area.fill(&WHITE).map_err(fault)?;
            self.draw(&area, &Ink::LIGHT, font, screen).map_err(fault)?;
            area.present().map_err(fault)?;
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut png| png.write_image_data(&pixels));
        written.map_err(fault)?;
        Ok(file)
    }
}

fn fault(error: impl Display) -> CliError {
    CliError::Failed(format!("cannot draw the curves: {error}"))
}

/// Twice the size on the screen: plotters rounds positions to whole units.
fn size_and_font(screen: Screen) -> ((u32, u32), u32) {
    match screen {
        Screen::Wide => ((1840, 920), 32),
        Screen::Narrow => ((760, 740), 31),
        Screen::Panels => ((1840, 1080), 24),
    }
}

/// Pixels have no fonts of their own, and the system's would differ from machine to machine.
fn have_font() -> Result<(), CliError> {
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| fault("the built-in font is damaged"))
}

/// Puts CSS variables for the stand-ins, and lets the page decide the size.
fn themed(mut svg: String) -> String {
    let ink = Ink::STAND_INS;
    for (stand_in, variable) in [(ink.muted, "muted"), (ink.grid, "grid"), (ink.faint, "faint")] {
        svg = svg.replace(&hex(stand_in), &format!("var(--{variable})"));
    }
    for colour in 0..COLOURS {
        svg = svg.replace(&hex(ink.colour(colour)), &format!("var(--c{colour})"));
    }
    match svg.split_once("viewBox") {
        Some((_, body)) => format!("<svg role=\"img\" viewBox{body}"),
        None => svg,
    }
}

/// `#RRGGBB` as plotters writes it.
fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}
