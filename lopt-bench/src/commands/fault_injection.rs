//! Faults of workers, for tests: killed, hung, NaN for numbers, damaged bytes.

use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use lopt_meta::distributed::protocol::Message;

use crate::error::CliError;

/// What befalls a worker in tests.
pub(super) struct Fault {
    /// The rank that it befalls.
    pub(super) rank: usize,
    kind: Kind,
    /// From which push on.
    pub(super) after: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Kill,
    Hang,
    Nan,
    Garbage,
}

impl Fault {
    /// Reads `RANK:KIND-after=PUSHES`; kinds are kill, hang, nan and garbage.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let parts = || {
            let (rank, rest) = text.split_once(':')?;
            let (kind, after) = rest.split_once("-after=")?;
            let kind = Kind::from_str(kind, false).ok()?;
            Some(Self { rank: rank.parse().ok()?, kind, after: after.parse().ok()? })
        };
        parts().ok_or_else(|| CliError::Usage(format!("no fault is called `{text}`")))
    }

    /// What becomes of a message before it is sent.
    pub(super) fn befall(&self, mut message: Message) -> Message {
        match self.kind {
            Kind::Kill => signal("-KILL"),
            Kind::Hang => signal("-STOP"),
            Kind::Nan => {
                if let Message::Push { contribution, .. } = &mut message {
                    contribution.gradient.iter_mut().step_by(7).for_each(|g| *g = f64::NAN);
                }
            }
            Kind::Garbage => {}
        }
        message
    }

    /// What becomes of its bytes.
    pub(super) fn damage(&self, bytes: Vec<u8>, number: u64) -> Vec<u8> {
        if self.kind == Kind::Garbage { garbage(bytes, number) } else { bytes }
    }
}

/// Damages a message in one of several ways.
fn garbage(mut bytes: Vec<u8>, number: u64) -> Vec<u8> {
    let middle = bytes.len() / 2;
    match number % 4 {
        0 => bytes.truncate(middle),
        1 => bytes[middle] ^= 1,
        2 => bytes.fill(0xff),
        _ => bytes.clear(),
    }
    bytes
}

/// Sends a signal to this process and gives it time to arrive.
fn signal(name: &str) {
    let _ = Command::new("kill").args([name, &std::process::id().to_string()]).status();
    std::thread::sleep(Duration::from_secs(1));
}
