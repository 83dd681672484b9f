//! One trainer or experiment per folder.

use std::fs::{File, TryLockError};

use crate::error::CliError;
use crate::output::{OutputFolder, append};

/// Held as long as something works in a folder; the system lets go of it however the process ends.
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
        // nothing is written: somebody else's file of that name stays as it is
        let file = append(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(CliError::Failed(format!(
                "another `lopt` works in `{}`",
                folder.path().display()
            ))),
            Err(TryLockError::Error(source)) => Err(not_writable(source)),
        }
    }
}

/// File that is locked.
const LOCK: &str = "lock";
