//! `lopt problems`.

use std::io::Write;
use std::path::Path;

use crate::error::CliError;
use crate::report::number::count_text;

/// Lists every problem with its sizes.
pub(super) fn run(filter: &str, data: Option<&Path>, out: &mut dyn Write) -> Result<(), CliError> {
    let mut names = lopt_problems::names();
    names.retain(|name| name.contains(filter));
    // Those that people come for stand first.
    names.sort_by_key(|name| !lopt_problems::RACES.contains(&name.as_str()));
    if names.is_empty() {
        return Err(CliError::Usage(format!("no problem has `{filter}` in its name")));
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    writeln!(out, "{:width$}  {:>10}  {:>7}  {:>6}", "problem", "parameters", "tensors", "batch")?;
    for name in &names {
        match lopt_problems::lookup(name, data) {
            Ok(problem) => {
                let layout = problem.layout();
                let batch = problem.batch_size().map_or("-".to_owned(), |batch| batch.to_string());
                let (parameters, tensors) = (count_text(layout.len()), layout.tensor_count());
                writeln!(out, "{name:width$}  {parameters:>10}  {tensors:>7}  {batch:>6}")?;
            }
            // The list stays whole without the data.
            Err(_) => writeln!(out, "{name:width$}  needs data, see --data")?,
        }
    }
    Ok(())
}
