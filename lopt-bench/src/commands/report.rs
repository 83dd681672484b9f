//! `lopt report`.

use std::io::Write;
use std::path::Path;

use crate::error::CliError;
use crate::experiment::definition;
use crate::experiment::findings::Findings;
use crate::experiment::log::RECORDS;
use crate::output::OutputFolder;
use crate::report::bench;

/// Reads all records of a folder, writes the page and its plots.
pub(super) fn run(records: &Path, page: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    let mut found = Vec::new();
    for definition in definition::all()? {
        let folder = records.join(&definition.name);
        if folder.join(RECORDS).exists() {
            found.push(Findings::read(&folder, &definition)?);
        }
    }
    if found.is_empty() {
        let folder = records.display();
        let sentence = format!(
            "there is no record in `{folder}`; `lopt bench all --quick --out {folder}` makes some"
        );
        return Err(CliError::Failed(sentence));
    }
    let folder = OutputFolder::open(page)?;
    let page = bench::write(&found, &folder)?;
    writeln!(out, "wrote {} from {} experiments", page.display(), found.len())?;
    Ok(())
}
