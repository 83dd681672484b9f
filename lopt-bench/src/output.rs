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
    let path = fs::canonicalize(path).unwrap_or(path.to_owned());
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
    let in_place = match fs::metadata(path) {
        Ok(there) => !there.is_file(),
        // a link to a name that is still free
        Err(_) => path.is_symlink(),
    };
    let written = match in_place {
        true => fs::write(path, bytes),
        false => write_atomically(&fs::canonicalize(path).unwrap_or(path.to_owned()), bytes),
    };
    written.map_err(|source| CliError::NotWritable { path: path.to_owned(), source })
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

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_stay_what_they_are() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("target"), b"old").unwrap();
        for (link, to) in [("link", "target"), ("dangling", "free")] {
            symlink(path(to), path(link)).unwrap();
            check_writable(&path(link)).unwrap();
            write_file(&path(link), b"new").unwrap();
            assert!(path(link).is_symlink());
            assert_eq!(fs::read(path(to)).unwrap(), b"new");
        }
        let pipe = path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        check_writable(&pipe).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_file(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        // nobody reads it any more
        let error = append(&pipe).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
        let folder = OutputFolder::open(dir.path()).unwrap();
        for name in ["../out", "a/b", ".."] {
            assert!(folder.write(name, b"").is_err(), "{name}");
        }
    }

    #[test]
    fn a_lock_is_held_once_and_leaves_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(dir.path()).unwrap();
        fs::write(dir.path().join("lock"), b"mine").unwrap();
        let held = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains("another `lopt` works in"), "{error}");
        drop(held);
        drop(folder.lock().unwrap());
        assert_eq!(fs::read(dir.path().join("lock")).unwrap(), b"mine");
    }

    #[test]
    fn nothing_commands_a_terminal() {
        assert_eq!(printable("a\u{1b}[31m\u{9b}b\r\nc"), "a\\u{1b}[31m\\u{9b}b\\r\nc");
        let mut written = Vec::new();
        Printable(&mut written).write_all("é\u{7}".as_bytes()).unwrap();
        assert_eq!(written, "é\\u{7}".as_bytes());
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
