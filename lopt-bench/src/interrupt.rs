//! Ctrl-C and SIGTERM: long runs save before they end.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and SIGTERM only leave a note, once; the second one ends the process at once.
///
/// # Errors
///
/// If the system refuses a handler.
pub fn leave_notes() -> Result<(), CliError> {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(CliError::Failed(format!("cannot wait for Ctrl-C: {error}"))),
    }
}

/// Whether the process has been asked to end.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// What shells expect of a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;
