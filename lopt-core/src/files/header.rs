//! What has a name in a file: a text in TOML, preceded by its length.
//!
//! A name that the program does not know is an error, as it would change what the rest means. A name
//! that the file lacks is one of a switch that was added later, and has the default that turns it off
//! (`#[serde(default)]`), so that adding a switch makes no file unreadable.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The text with its length before it.
pub(crate) fn write_header<T: Serialize>(names: &T) -> Result<Vec<u8>, HeaderError> {
    let text = toml::to_string(names).map_err(|error| HeaderError(error.to_string()))?;
    Ok(with_length(text.as_bytes()))
}

/// What the text says, and what comes after it.
pub(crate) fn read_header<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), HeaderError> {
    let (text, rest) =
        split_length(bytes).ok_or_else(|| HeaderError("the contents are cut off".to_owned()))?;
    let text = str::from_utf8(text).map_err(|error| HeaderError(error.to_string()))?;
    let names = toml::from_str(text).map_err(|error| HeaderError(printable(error.message())))?;
    Ok((names, rest))
}

/// Bytes with their length before them.
pub(crate) fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut with = (bytes.len() as u64).to_le_bytes().to_vec();
    with.extend_from_slice(bytes);
    with
}

/// Bytes that have their length before them, and what comes after them.
pub(crate) fn split_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// A sentence that quotes a file, without what a terminal would obey.
fn printable(sentence: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    sentence.chars().map(shown).collect()
}

/// The named part of a file cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeaderError(String);
