//! Envelope of every file of ours: magic, version, checksum, length, payload; written atomically.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Takes version and payload out, if everything about the envelope is right.
///
/// # Errors
///
/// If magic, length or checksum are not as they should be, or the version is none of `versions`.
pub fn unseal<'a>(
    bytes: &'a [u8],
    magic: &[u8; 8],
    versions: RangeInclusive<u32>,
) -> Result<(u32, &'a [u8]), SealError> {
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
    let (oldest, newest) = versions.into_inner();
    if got > newest {
        return Err(SealError::Newer { newest, got });
    }
    if got < oldest {
        return Err(SealError::Older { oldest, got });
    }
    if word(20) != payload.len() as u64 {
        return Err(SealError::Length { expected: word(20), got: payload.len() as u64 });
    }
    if word(12) != fnv1a(payload) {
        return Err(SealError::Checksum);
    }
    Ok((got, payload))
}

/// Writes to a temporary file beside `path`, syncs it and renames it into place. Any number of
/// threads and processes may do so at a time: the file is then that of one of them.
///
/// # Errors
///
/// If the file system refuses, or `path` is something else than a regular file; what was there is then
/// untouched, and the temporary file is gone.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // renaming would put a file in the place of a device
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(not_regular());
    }
    let (mut file, temporary) = create_beside(path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // the first error is the one to report
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A new file beside `path`, of a name that nobody else has.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        name.push(format!(".{process}-{count}.tmp"));
        let temporary = path.with_file_name(name);
        match File::create_new(&temporary) {
            // a process of the same number, elsewhere or before
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, temporary)),
        }
    }
}

/// Reads a whole file of at most `most` bytes. Devices and pipes, which may never end, are refused.
///
/// # Errors
///
/// If it is larger, no regular file, or the file system refuses.
pub fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    // before it is opened: that waits for a writer if it is a pipe
    if !fs::metadata(path)?.is_file() {
        return Err(not_regular().into());
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= most {
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > most { Err(ReadError::TooLarge { size }) } else { Ok(bytes) }
}

fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is no regular file")
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused, or it is no regular file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// More bytes than were allowed.
    #[error("the file has {size} bytes, which is too many")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
    },
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
    /// A format of the future.
    #[error(
        "the file has format version {got}, and the newest that this program reads is {newest}: it \
         takes a newer program"
    )]
    Newer {
        /// Newest version this program reads.
        newest: u32,
        /// Version of the file.
        got: u32,
    },
    /// A format of the past that is no longer read.
    #[error(
        "the file has format version {got}, and the oldest that this program reads is {oldest}"
    )]
    Older {
        /// Oldest version this program reads.
        oldest: u32,
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
        let unsealed =
            |bytes: &[u8]| unseal(bytes, b"TESTTEST", 3..=3).map(|(_, payload)| payload.to_vec());
        assert_eq!(unsealed(&sealed), Ok(b"some payload".to_vec()));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unsealed(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(unsealed(&sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn many_threads_write_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        // a name that anybody could guess, and a link in its place
        let foreign = folder.path().join("foreign");
        fs::write(&foreign, b"untouched").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&foreign, folder.path().join("state.tmp")).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    (0..50).for_each(|_| write_atomically(path, &[thread; 3000]).unwrap());
                });
            }
        });
        let bytes = read_regular(&path, 3000).unwrap();
        assert!(bytes.len() == 3000 && bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(fs::read(&foreign).unwrap(), b"untouched");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, if cfg!(unix) { 3 } else { 2 });
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        assert!(write_atomically(&path, b"bytes").is_err());
        assert!(write_atomically(&folder.path().join("none/state"), b"bytes").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_regular_files_of_limited_size_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_atomically(file.path(), &[7; 100]).unwrap();
        assert_eq!(read_regular(file.path(), 100).unwrap(), [7; 100]);
        let error = read_regular(file.path(), 99).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { size: 100 }), "{error}");
        #[cfg(target_os = "linux")]
        for device in ["/dev/zero", "/proc/self/fd", "/dev/null"] {
            let error = read_regular(Path::new(device), 100).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file", "{device}");
            assert!(write_atomically(Path::new(device), b"bytes").is_err(), "{device}");
        }
        // its size is said to be 0
        #[cfg(target_os = "linux")]
        assert!(read_regular(Path::new("/proc/self/status"), 10).is_err());
    }
}
