//! Output folders, files and lines, each written in full or not at all.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use lopt_core::sealed::write_atomically;
use serde::Serialize;

use crate::error::CliError;

/// A folder that could be written to when it was opened.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    path: PathBuf,
}

impl OutputFolder {
    /// Creates the folder if need be, and tries a file in it: before minutes of work, not after.
    ///
    /// # Errors
    ///
    /// If it cannot be created, is not a folder, or cannot be written to.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let refused = |source| CliError::NotWritable { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(refused)?;
        let probe = path.join(format!(".lopt-{}.tmp", std::process::id()));
        File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(refused)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock of the folder: one trainer or experiment works in it at a time. The system lets go of it
    /// when the file is dropped, however the process ends.
    ///
    /// # Errors
    ///
    /// If another process has it, or the folder refuses.
    pub fn lock(&self) -> Result<File, CliError> {
        let path = self.path.join("lock");
        // nothing is written: somebody else's file of that name stays as it is
        let file = append(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::Error(source)) => Err(CliError::NotWritable { path, source }),
            Err(TryLockError::WouldBlock) => {
                Err(CliError::failed(format!("another `lopt` works in `{}`", self.path.display())))
            }
        }
    }

    /// Writes `name` through a temporary file and a rename; returns its path.
    ///
    /// # Errors
    ///
    /// If the disk refuses; an earlier file of that name is then untouched.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, CliError> {
        let path = self.path.join(name);
        if path.file_name() != Some(OsStr::new(name)) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file");
            return Err(CliError::NotWritable { path, source });
        }
        write_file(&path, bytes)?;
        Ok(path)
    }
}

/// Writes a line to standard error, in one piece: `mpirun` would mix pieces with those of others.
/// A closed standard error must not end the work.
pub fn say(line: impl Display) {
    let line = printable(&line.to_string()).replace('\n', "\\n");
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Text in which characters that command a terminal are told by their numbers; ends of lines stay.
pub fn printable(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && c != '\n' {
            true => told.extend(c.escape_default()),
            false => told.push(c),
        }
    }
    told
}

/// A writer of [printable](fn@printable) text: names in files and arguments are somebody else's.
#[derive(Debug)]
pub struct Printable<W>(pub W);

impl<W: io::Write> io::Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Tries to write into the folder of `path`, which it makes if need be: before minutes of work, not
/// after. A device or pipe is left alone.
///
/// # Errors
///
/// If `path` is a folder, or its folder refuses files.
pub fn check_writable(path: &Path) -> Result<(), CliError> {
    if path.is_dir() {
        let source = io::ErrorKind::IsADirectory.into();
        return Err(CliError::NotWritable { path: path.to_owned(), source });
    }
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let path = target(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    OutputFolder::open(folder.unwrap_or(Path::new("."))).map(|_| ())
}

/// Writes a file through a temporary one and a rename. A link is followed; a device or pipe is written
/// to as it is.
///
/// # Errors
///
/// If the disk refuses; an earlier file of that name is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let written = match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            OpenOptions::new().write(true).open(path).and_then(|mut to| to.write_all(bytes))
        }
        _ => write_atomically(&target(path), bytes),
    };
    written.map_err(|source| CliError::NotWritable { path: path.to_owned(), source })
}

/// Where a chain of links leads; it may be a name that is still free.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // as many as Linux follows
    for _ in 0..40 {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    path
}

/// A file to whose end lines are added; made if it is not there.
///
/// # Errors
///
/// If the disk refuses.
pub fn append(path: &Path) -> Result<File, CliError> {
    // opening a pipe would wait for a reader
    let special = fs::metadata(path).is_ok_and(|there| !there.is_file());
    let file = match special {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
        false => OpenOptions::new().create(true).append(true).open(path),
    };
    file.map_err(|source| CliError::NotWritable { path: path.to_owned(), source })
}

/// Writes a record as JSON to the file that was asked for, if one was, and says so.
///
/// # Errors
///
/// If the disk refuses.
pub fn write_json(
    path: Option<&Path>,
    record: &impl Serialize,
    out: &mut dyn io::Write,
) -> Result<(), CliError> {
    let Some(path) = path else { return Ok(()) };
    write_file(path, json_text(record)?.as_bytes())?;
    writeln!(out, "\nwrote {}", path.display())?;
    Ok(())
}

/// A record as JSON for people, with an end of line.
///
/// # Errors
///
/// If it has no such form.
pub fn json_text(record: &impl Serialize) -> Result<String, CliError> {
    let mut text = serde_json::to_string_pretty(record)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(&dir.path().join("a/b")).unwrap();
        folder.write("x.json", b"one").unwrap();
        let path = folder.write("x.json", b"two").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = OutputFolder::open(&file).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("file"), "{error}");
    }
}
