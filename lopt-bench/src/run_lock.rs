//! One trainer per folder.

use std::fs::{File, TryLockError};

use crate::error::CliError;
use crate::output::OutputFolder;

/// Held as long as a trainer works in a folder; the system lets go of it however the process ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    ///
    /// If another process has it, or the folder cannot be written to.
    pub fn take(folder: &OutputFolder) -> Result<Self, CliError> {
        let path = folder.path().join(LOCK);
        let not_writable = |source| CliError::NotWritable { path: path.clone(), source };
        let file = File::create(&path).map_err(not_writable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(CliError::Failed(format!(
                "another `lopt train` works in `{}`",
                folder.path().display()
            ))),
            Err(TryLockError::Error(source)) => Err(not_writable(source)),
        }
    }
}

/// File that is locked.
const LOCK: &str = "lock";
