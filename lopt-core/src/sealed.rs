//! Envelope of every file of ours: magic, version, checksum, length, payload; written atomically.

use std::io::Write;
use std::path::Path;

/// Bytes before the payload: magic, version, checksum, length.
const HEADER: usize = 8 + 4 + 8 + 8;

/// Puts a payload into its envelope.
#[must_use]
pub fn seal(payload: &[u8], magic: &[u8; 8], version: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&fnv1a(payload).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Takes the payload out, if everything about the envelope is right.
///
/// # Errors
///
/// If magic, version, length or checksum are not as they should be.
pub fn unseal<'a>(bytes: &'a [u8], magic: &[u8; 8], version: u32) -> Result<&'a [u8], SealError> {
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
        return Err(SealError::Magic);
    };
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(word)
    };
    if &header[..8] != magic {
        return Err(SealError::Magic);
    }
    // version and checksum overlap in one word each; the version is its low half
    let got = (word(8) & 0xffff_ffff) as u32;
    if got != version {
        return Err(SealError::Version { expected: version, got });
    }
    if word(20) != payload.len() as u64 {
        return Err(SealError::Length { expected: word(20), got: payload.len() as u64 });
    }
    if word(12) != fnv1a(payload) {
        return Err(SealError::Checksum);
    }
    Ok(payload)
}

/// Writes to a temporary file beside `path`, syncs it and renames it into place.
///
/// # Errors
///
/// If the file system refuses; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// 64-bit FNV-1a: guards against damage, not against malice.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// What is wrong with an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Another kind of file.
    #[error("the file does not start as one of this kind")]
    Magic,
    /// Another format version.
    #[error("format version {got}, this program reads version {expected}")]
    Version {
        /// Version of this program.
        expected: u32,
        /// Version of the file.
        got: u32,
    },
    /// Cut off or padded.
    #[error("{got} bytes of contents, the header announces {expected}")]
    Length {
        /// Announced.
        expected: u64,
        /// Found.
        got: u64,
    },
    /// Damaged.
    #[error("the checksum does not match: the file is damaged")]
    Checksum,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let sealed = seal(b"some payload", b"TESTTEST", 3);
        assert_eq!(unseal(&sealed, b"TESTTEST", 3), Ok(&b"some payload"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&damaged, b"TESTTEST", 3).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(unseal(&sealed[..length], b"TESTTEST", 3).is_err(), "length {length}");
        }
    }
}
