//! What processes say to each other, as bytes. Decoding never panics, whatever the bytes are.
//!
//! Six little-endian words, magic, kind, version of psi, number, length of the body and checksum,
//! then the body. An asynchronous run sends psi and gradients in `f32`, 4 bytes per scalar; a
//! synchronous one in `f64`, so that nothing is rounded.

use crate::checkpoint::{Checkpoint, SlotState};
use crate::learner::Contribution;
use crate::unroll::UnrollOutcome;
use lopt_core::positional::Positional;

/// First word of every message; its last byte is the version of the protocol.
const MAGIC: u64 = u64::from_le_bytes(*b"LOPTMSG\x01");
/// Words before the body.
const HEADER: usize = 6;
/// Words before the gradient of a push.
const PUSH_HEADER: usize = 4;

/// Something one process says to another.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A worker is ready.
    Hello,
    /// The root says what the run is.
    Start(Box<Start>),
    /// The root's newest psi, asynchronous.
    Psi {
        /// Updates that led to it.
        version: u64,
        /// psi.
        psi: Vec<f32>,
    },
    /// What a worker's unrolls contribute.
    Push {
        /// Version of psi they were made with.
        version: u64,
        /// How many pushes this worker made before.
        number: u64,
        /// The contribution; its gradient travels as `f32`.
        contribution: Contribution,
    },
    /// The root asks for the unrolls of an update, synchronous.
    Work {
        /// Which update.
        update: u64,
        /// psi.
        psi: Vec<f64>,
    },
    /// The answer.
    Outcomes {
        /// Which update.
        update: u64,
        /// Ids of slots and what came of them.
        outcomes: Vec<(u64, UnrollOutcome)>,
    },
    /// The root asks for the states of slots.
    Save,
    /// The answer, in the order of their ids.
    Slots(Vec<SlotState>),
    /// The root has no more work.
    Stop,
    /// A worker leaves.
    Bye,
}

/// What a process must know to unroll.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Ids of the slots that are its own.
    pub ids: Vec<u64>,
    /// The run so far, with the states of these slots or without any.
    pub run: Checkpoint,
}

lopt_core::positional!(Start { ids, run });

impl Message {
    /// Name of its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Start(_) => "start",
            Self::Psi { .. } => "psi",
            Self::Push { .. } => "push",
            Self::Work { .. } => "work",
            Self::Outcomes { .. } => "outcomes",
            Self::Save => "save",
            Self::Slots(_) => "slots",
            Self::Stop => "stop",
            Self::Bye => "bye",
        }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, version, number, body) = match self {
            Self::Hello => (1, 0, 0, Vec::new()),
            Self::Start(start) => (2, 0, 0, start.to_positions()),
            Self::Psi { version, psi } => (3, *version, 0, floats(psi.iter().copied())),
            Self::Push { version, number, contribution } => {
                (4, *version, *number, push_body(contribution))
            }
            Self::Work { update, psi } => (5, *update, 0, psi.to_positions()),
            Self::Outcomes { update, outcomes } => (6, *update, 0, outcomes.to_positions()),
            Self::Save => (7, 0, 0, Vec::new()),
            Self::Slots(slots) => (8, 0, 0, slots.to_positions()),
            Self::Stop => (9, 0, 0, Vec::new()),
            Self::Bye => (10, 0, 0, Vec::new()),
        };
        let header = [MAGIC, kind, version, number, body.len() as u64];
        let mut bytes = Vec::with_capacity(8 * HEADER + body.len());
        bytes.extend(header.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(checksum(&header, &body).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    ///
    /// If they are no message, or a damaged one.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let (words, body) = split_words::<HEADER>(bytes).ok_or(ProtocolError::Short)?;
        let [magic, kind, version, number, length, sum] = words;
        if magic != MAGIC {
            return Err(ProtocolError::Magic);
        }
        if length != body.len() as u64 {
            return Err(ProtocolError::Length { expected: length, got: body.len() as u64 });
        }
        if sum != checksum(&words[..5], body) {
            return Err(ProtocolError::Checksum);
        }
        let empty = |message| body.is_empty().then_some(message);
        let message = match kind {
            1 => empty(Self::Hello),
            2 => Positional::from_positions(body).map(|start| Self::Start(Box::new(start))),
            3 => Some(Self::Psi { version, psi: read_floats(body)?.collect() }),
            4 => Some(Self::Push { version, number, contribution: read_push(body)? }),
            5 => Positional::from_positions(body).map(|psi| Self::Work { update: version, psi }),
            6 => Positional::from_positions(body)
                .map(|outcomes| Self::Outcomes { update: version, outcomes }),
            7 => empty(Self::Save),
            8 => Positional::from_positions(body).map(Self::Slots),
            9 => empty(Self::Stop),
            10 => empty(Self::Bye),
            kind => return Err(ProtocolError::Kind { kind }),
        };
        message.ok_or(ProtocolError::Body)
    }
}

fn push_body(contribution: &Contribution) -> Vec<u8> {
    let Contribution { gradient, used, meta_loss, instance_steps, diverged } = contribution;
    let words = [*used as u64, meta_loss.to_bits(), *instance_steps, *diverged as u64];
    let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    body.extend(floats(gradient.iter().map(|&g| g as f32)));
    body
}

fn read_push(body: &[u8]) -> Result<Contribution, ProtocolError> {
    let (words, gradient) = split_words::<PUSH_HEADER>(body).ok_or(ProtocolError::Body)?;
    let [used, meta_loss, instance_steps, diverged] = words;
    let count = |word| u32::try_from(word).map(|n| n as usize).map_err(|_| ProtocolError::Body);
    Ok(Contribution {
        gradient: read_floats(gradient)?.map(f64::from).collect(),
        used: count(used)?,
        meta_loss: f64::from_bits(meta_loss),
        instance_steps,
        diverged: count(diverged)?,
    })
}

fn floats(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

fn read_floats(body: &[u8]) -> Result<impl Iterator<Item = f32>, ProtocolError> {
    let (floats, rest) = body.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ProtocolError::Body);
    }
    Ok(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)))
}

fn split_words<const N: usize>(bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let (words, rest) = bytes.split_at_checked(8 * N)?;
    let mut out = [0; N];
    for (word, &bytes) in out.iter_mut().zip(words.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(bytes);
    }
    Some((out, rest))
}

/// FNV-1a by words rather than bytes, as the root hashes every push. A change within one word is
/// always found.
fn checksum(header: &[u64], body: &[u8]) -> u64 {
    let step = |h: u64, word: u64| (h ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    let (words, rest) = body.as_chunks::<8>();
    let h = header.iter().fold(0xcbf2_9ce4_8422_2325, |h, &word| step(h, word));
    let h = words.iter().fold(h, |h, &bytes| step(h, u64::from_le_bytes(bytes)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    step(h, u64::from_le_bytes(last))
}

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Not even a header.
    #[error("too short for a message")]
    Short,
    /// Something else, or another version of the program.
    #[error("not a message of this version")]
    Magic,
    /// Cut off or padded.
    #[error("{got} bytes of contents, the header announces {expected}")]
    Length {
        /// Announced.
        expected: u64,
        /// Found.
        got: u64,
    },
    /// Damaged.
    #[error("the checksum does not match")]
    Checksum,
    /// A kind of message that does not exist.
    #[error("unknown kind of message {kind}")]
    Kind {
        /// Its number.
        kind: u64,
    },
    /// The contents are not those of its kind.
    #[error("the contents do not decode")]
    Body,
    /// A message of a kind that the receiver has no use for.
    #[error("a {kind} message makes no sense here")]
    Misplaced {
        /// Its kind.
        kind: &'static str,
    },
    /// A gradient of another psi.
    #[error("a gradient of {got} numbers for a psi of {expected}")]
    Size {
        /// Length of psi.
        expected: usize,
        /// Length of the gradient.
        got: usize,
    },
    /// A version of psi that does not exist yet.
    #[error("made with psi {got}, the newest is {newest}")]
    Future {
        /// Version named.
        got: u64,
        /// Newest version.
        newest: u64,
    },
}
