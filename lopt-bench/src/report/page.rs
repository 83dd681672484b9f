//! What all pages share: one file without any other, for a browser on a desk or in a hand.

use crate::contender::LEARNED;
use crate::output::printable;
use crate::report::plot::chart::{Chart, Series};

/// Colours and layout of a page.
pub const CSS: &str = include_str!("race.css");

/// A page of this body.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{CSS}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

/// A drawing for both kinds of screen, of which the page shows one.
pub fn figure(wide: &str, narrow: &str, caption: &str) -> String {
    format!(
        "<figure>\n<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div>\n\
         <figcaption>{caption}</figcaption>\n</figure>\n"
    )
}

/// The names of a chart's lines with their colours.
pub fn legend(chart: &Chart) -> String {
    let name = |Series { name, colour, .. }: &Series| {
        format!("<li>{}{}</li>", swatch(name, *colour), escape(name))
    };
    let names: String = chart.series.iter().rev().map(name).collect();
    format!("<ul class=\"legend\">{names}</ul>\n")
}

/// The colour of a contender beside its name.
pub fn swatch(name: &str, colour: u8) -> String {
    let class = if name.starts_with(LEARNED) { "swatch ours" } else { "swatch" };
    format!("<span class=\"{class}\" style=\"background:var(--c{colour})\"></span>")
}

/// A table that scrolls where the screen is narrow.
///
/// * `head`: texts of the first row; `rows`: the cells of the others, as HTML, each from `<tr>` to its last cell.
pub fn table<'a>(
    head: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = String>,
) -> String {
    let mut html = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    head.into_iter().for_each(|text| html += &format!("<th>{}</th>", escape(text)));
    html += "</tr></thead>\n<tbody>\n";
    rows.into_iter().for_each(|row| html += &format!("{row}</tr>\n"));
    html + "</tbody></table></div>\n"
}

/// What underlines the best of several losses.
pub fn best_class(own: Option<f64>, best: Option<f64>) -> &'static str {
    if own.is_some() && own == best { " class=\"best\"" } else { "" }
}

/// Text that is safe between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
