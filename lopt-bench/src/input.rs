//! Files from outside.

use std::io;
use std::path::Path;

use crate::error::CliError;

/// The text of a file.
///
/// # Errors
///
/// If it cannot be read, or is no text.
pub fn read_text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|source| CliError::NotReadable { path: path.to_owned(), source })
}

/// The text of a file; `None` if there is none.
///
/// # Errors
///
/// If it cannot be read, or is no text.
pub fn read_text_if_there(path: &Path) -> Result<Option<String>, CliError> {
    match read_text(path) {
        Err(CliError::NotReadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}
