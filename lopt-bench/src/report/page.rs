//! What all pages share: one file without any other, for a browser on a desk or in a hand.

use std::fmt::{Arguments, Write as _};

use crate::contender::LEARNED;
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
    let mut html = String::from("<ul class=\"legend\">");
    for Series { name, colour, .. } in chart.series.iter().rev() {
        push(&mut html, format_args!("<li>{}{}</li>", swatch(name, *colour), escape(name)));
    }
    html.push_str("</ul>\n");
    html
}

/// The colour of a contender beside its name.
pub fn swatch(name: &str, colour: u8) -> String {
    let class = if name.starts_with(LEARNED) { "swatch ours" } else { "swatch" };
    format!("<span class=\"{class}\" style=\"background:var(--c{colour})\"></span>")
}

/// Appends; writing to a string cannot fail.
pub fn push(html: &mut String, text: Arguments<'_>) {
    let _ = html.write_fmt(text);
}

/// Text that is safe between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
