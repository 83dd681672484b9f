//! Files from outside.

use std::io;
use std::path::Path;

use lopt_core::sealed::{ReadError, read_regular};

use crate::error::CliError;

/// The bytes of a regular file, of at most 256 MiB. Devices and pipes, which may never end, are refused.
///
/// # Errors
///
/// If it cannot be read, or is something else.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    read_regular(path, MOST_BYTES).map_err(|error| {
        let source = match error {
            ReadError::Io(source) => source,
            ReadError::TooLarge { .. } => io::Error::other(error),
        };
        CliError::NotReadable { path: path.to_owned(), source }
    })
}

/// The text of such a file.
///
/// # Errors
///
/// If it cannot be read, or is no text.
pub fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, error.utf8_error());
        CliError::NotReadable { path: path.to_owned(), source }
    })
}

/// A full record has a few MiB.
const MOST_BYTES: u64 = 256 << 20;

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
