//! The state file: parameters and everything the optimizer remembers, so that a run that was stopped
//! at any moment goes on bit for bit.
//!
//! A sealed file (`sealed.rs`): a header with names (`header.rs`); the memory beside vectors in bincode's
//! wire format, preceded by its length; then all vectors as little-endian `f32`. What the vectors must be
//! follows from the optimizer that reads them, so a damaged or foreign file never decides how much
//! memory is taken. Groups, schedule, clipping and weight decay are the caller's and not in the file, as
//! in other optimizers.
//!
//! Tensors that are not trained but change may come last; a file without them has no name for them.
//!
//! A version belongs to what the memory is. Versions 7 and 8 had header and memory in one, without names;
//! up to 9 the guard watched other things.

use super::engine::Counters;
use super::untrained::{self, UntrainedTensor};
use super::{LearnedOptimizer, StateError};
use crate::files::header::{read_header, split_length, with_length, write_header};
use crate::files::positional::{self, Positional};
use crate::files::sealed::{ReadError, fnv1a, read_regular, seal, unseal, write_atomically};
use crate::files::weights::OptimizerConfig;
use crate::guard::{self, EarlierNumbers, GuardNumbers};
use crate::layout::TensorShape;
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAGIC: &[u8; 8] = b"LOPTSTAT";
const VERSION: u32 = 10;
/// Before it, optimizers remembered other things.
const OLDEST: u32 = 7;
/// Envelope and header of a model of very many tensors with long names.
const MOST_BESIDE: u64 = 64 << 20;

/// What the file was saved for, and how long its vectors are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    config: OptimizerConfig,
    fingerprint: u64,
    averaging: Option<f32>,
    compact: bool,
    tensors: Vec<(String, Vec<u64>)>,
    /// Lengths of the vectors: parameters, those of the networks, those of the guard.
    lengths: Vec<u64>,
    /// Names and shapes of what follows these vectors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untrained: Vec<(String, Vec<u64>)>,
}

/// What the optimizer remembers beside vectors; in version 9 with [`EarlierNumbers`].
struct Memory<G = GuardNumbers> {
    taken: u64,
    multiplier: f32,
    counters: Counters,
    guard: Option<G>,
}

crate::positional!(Memory { taken, multiplier, counters, guard });
crate::positional!(Memory<EarlierNumbers> { taken, multiplier, counters, guard });

impl From<Memory<EarlierNumbers>> for Memory {
    fn from(earlier: Memory<EarlierNumbers>) -> Self {
        let Memory { taken, multiplier, counters, guard } = earlier;
        Self { taken, multiplier, counters, guard: guard.map(Into::into) }
    }
}

/// Header, memory and vectors of version 9 and later ones.
fn by_names(payload: &[u8], version: u32) -> Result<(Header, Memory, &[u8]), StateError> {
    let (header, rest) = read_header(payload)?;
    let (memory, floats) = split_length(rest).ok_or(StateError::Contents)?;
    let memory = match version {
        9 => Memory::<EarlierNumbers>::from_positions(memory).map(Into::into),
        _ => Memory::from_positions(memory),
    };
    Ok((header, memory.ok_or(StateError::Contents)?, floats))
}

/// Header, memory and vectors of versions 7 and 8.
fn from_positions(payload: &[u8], version: u32) -> Option<(Header, Memory, &[u8])> {
    let (mut rest, floats) = split_length(payload)?;
    let from = &mut rest;
    let config = match version {
        7 => positional::hierarchical_rnn(from, true, 6)?.into(),
        _ => positional::optimizer(from)?,
    };
    let (fingerprint, averaging, compact) =
        (Positional::take(from)?, Positional::take(from)?, Positional::take(from)?);
    let tensors = Positional::take(from)?;
    let memory = Memory {
        taken: Positional::take(from)?,
        multiplier: Positional::take(from)?,
        counters: match version {
            7 => Counters::hierarchical(from)?,
            _ => Positional::take(from)?,
        },
        guard: <Option<EarlierNumbers> as Positional>::take(from)?.map(Into::into),
    };
    let lengths = Positional::take(from)?;
    let untrained = Vec::new();
    let header = Header { config, fingerprint, averaging, compact, tensors, lengths, untrained };
    from.is_empty().then_some((header, memory, floats))
}

/// Checksum of meta-parameters.
pub(super) fn fingerprint(psi: &[f32]) -> u64 {
    let bytes: Vec<u8> = psi.iter().flat_map(|x| x.to_le_bytes()).collect();
    fnv1a(&bytes)
}

impl LearnedOptimizer {
    /// Writes parameters and state so that a reader finds the old file or the new one, never half of
    /// it.
    ///
    /// * `params`: `[P]`, as the last step left them.
    ///
    /// # Errors
    ///
    /// If the file system refuses or `params` does not fit.
    pub fn save(&self, path: impl AsRef<Path>, params: &[f32]) -> Result<(), StateError> {
        self.save_with(path, params, &[])
    }

    /// As [`save`](Self::save), with tensors of the model that are not trained.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save), and if a tensor has not as many values as its shape says.
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        params: &[f32],
        untrained: &[UntrainedTensor],
    ) -> Result<(), StateError> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes_with(params, untrained)?)
            .map_err(|source| StateError::Write { path: path.to_owned(), source })
    }

    /// Reads what [`save`](Self::save) wrote; returns the parameters, `[P]`. Settings that are not
    /// in the file (groups, schedule, clipping, decay) stay as they are here.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no regular file, is damaged, or was saved for another model, other weights or
    /// other settings; nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<Vec<f32>, StateError> {
        self.load_with(path, &mut [])
    }

    /// As [`load`](Self::load), for tensors with these names and shapes beside the parameters, which get the
    /// values of the file. A file that has none of them, as those of earlier versions, leaves them as they are.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), and if the file has other ones.
    pub fn load_with(
        &mut self,
        path: impl AsRef<Path>,
        untrained: &mut [UntrainedTensor],
    ) -> Result<Vec<f32>, StateError> {
        let path = path.as_ref();
        let within = |e| StateError::In { path: path.to_owned(), source: Box::new(e) };
        let expected = self.most_bytes() + 4 * untrained::count(untrained) as u64;
        let bytes = read_regular(path, expected).map_err(|error| match error {
            ReadError::Io(source) => StateError::Read { path: path.to_owned(), source },
            ReadError::TooLarge { size } => within(StateError::TooLarge { size, expected }),
        })?;
        self.from_bytes_with(&bytes, untrained).map_err(within)
    }

    /// The bytes of a state file.
    ///
    /// # Errors
    ///
    /// If `params` does not fit the layout.
    pub fn to_bytes(&self, params: &[f32]) -> Result<Vec<u8>, StateError> {
        self.to_bytes_with(params, &[])
    }

    /// The bytes of a file of [`save_with`](Self::save_with).
    ///
    /// # Errors
    ///
    /// If `params` does not fit the layout, or a tensor has not as many values as its shape says.
    pub fn to_bytes_with(
        &self,
        params: &[f32],
        untrained: &[UntrainedTensor],
    ) -> Result<Vec<u8>, StateError> {
        untrained.iter().try_for_each(UntrainedTensor::check)?;
        let expected = self.layout().len();
        if params.len() != expected {
            return Err(StateError::Parameters { expected, got: params.len() });
        }
        let (counters, networks) = self.engine.memory();
        let guard = self.guard.as_ref().map(|guard| guard.memory());
        let mut parts = vec![params];
        parts.extend(networks);
        parts.extend(guard.as_ref().map(|(_, parts)| parts).into_iter().flatten());
        let header = Header {
            config: self.engine.config(),
            fingerprint: self.fingerprint,
            averaging: self.engine.averaging(),
            compact: self.compact,
            tensors: self.layout().tensors().iter().map(described).collect(),
            lengths: parts.iter().map(|part| part.len() as u64).collect(),
            untrained: untrained.iter().map(|saved| described(&saved.tensor)).collect(),
        };
        parts.extend(untrained.iter().map(|saved| &saved.values[..]));
        let memory = Memory {
            taken: self.taken,
            multiplier: self.multiplier,
            counters,
            guard: guard.as_ref().map(|(numbers, _)| numbers.clone()),
        };
        let mut payload = write_header(&header)?;
        payload.extend(with_length(&memory.to_positions()));
        for part in parts {
            payload.extend(part.iter().flat_map(|x| x.to_le_bytes()));
        }
        Ok(seal(&payload, MAGIC, VERSION))
    }

    /// Takes what [`to_bytes`](Self::to_bytes) gave; returns the parameters.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    #[allow(clippy::wrong_self_convention, reason = "the optimizer decides what the bytes may be")]
    pub fn from_bytes(&mut self, bytes: &[u8]) -> Result<Vec<f32>, StateError> {
        self.from_bytes_with(bytes, &mut [])
    }

    /// Takes what [`to_bytes_with`](Self::to_bytes_with) gave; returns the parameters.
    ///
    /// # Errors
    ///
    /// As [`load_with`](Self::load_with).
    #[allow(clippy::wrong_self_convention, reason = "the optimizer decides what the bytes may be")]
    pub fn from_bytes_with(
        &mut self,
        bytes: &[u8],
        untrained: &mut [UntrainedTensor],
    ) -> Result<Vec<f32>, StateError> {
        let (version, payload) = unseal(bytes, MAGIC, OLDEST..=VERSION)?;
        let (header, memory, floats) = match version {
            7 | 8 => from_positions(payload, version).ok_or(StateError::Contents)?,
            _ => by_names(payload, version)?,
        };
        let guard_parts = if version < 10 { guard::EARLIER_PARTS } else { guard::PARTS };
        self.compare(&header, memory.guard.is_some())?;
        let untrained = untrained::compare(&header.untrained, untrained)?;
        if !super::is_multiplier(memory.multiplier) {
            return Err(StateError::Contents);
        }
        let networks = self.engine.lengths(&memory.counters)?;
        let lengths = self.expected_lengths(&header, &memory, &networks, guard_parts)?;
        if floats.len() != 4 * (lengths.iter().sum::<usize>() + untrained::count(untrained)) {
            return Err(StateError::Contents);
        }
        let floats_at = |first: usize| {
            floats.as_chunks::<4>().0[first..].iter().map(|&bytes| f32::from_le_bytes(bytes))
        };
        let mut floats = floats_at(0);
        let mut parts = lengths.iter().map(|&n| floats.by_ref().take(n).collect::<Vec<f32>>());
        let params = parts.next().ok_or(StateError::Contents)?;
        let networks: Vec<Vec<f32>> = parts.by_ref().take(networks.len()).collect();
        if let (Some(guard), Some(numbers)) = (&mut self.guard, &memory.guard) {
            let snapshot = parts.next().unwrap_or_default();
            // without the older snapshot
            let mut adam = parts.skip(guard_parts - guard::PARTS);
            let [averages, squares] = std::array::from_fn(|_| adam.next().unwrap_or_default());
            guard.restore_memory(numbers, [snapshot, averages, squares]);
        }
        let values = floats_at(lengths.iter().sum());
        for (value, saved) in untrained.iter_mut().flat_map(|into| &mut into.values).zip(values) {
            *value = saved;
        }
        self.engine.restore(&memory.counters, &networks);
        (self.taken, self.multiplier) = (memory.taken, memory.multiplier);
        let own = self.engine.own_steps().into_iter();
        self.had_gradient = own.map(|steps| steps > 0).collect();
        Ok(params)
    }

    /// No state of this optimizer has more bytes.
    fn most_bytes(&self) -> u64 {
        let networks: usize = self.engine.memory().1.iter().map(|part| part.len()).sum();
        let globals = self.settings.len() * self.engine.global_hidden();
        4 * (networks + globals + 5 * self.layout().len()) as u64 + MOST_BESIDE
    }

    /// What the file was saved for, against what is here.
    fn compare(&self, header: &Header, guarded: bool) -> Result<(), StateError> {
        let here = self.layout().tensors();
        if header.tensors.len() != here.len() {
            let (saved, here) = (header.tensors.len(), here.len());
            return Err(StateError::TensorCount { saved, here });
        }
        for (index, (saved, here)) in header.tensors.iter().zip(here).enumerate() {
            if *saved != described(here) {
                let here = described(here);
                let print = |(name, shape): &(String, Vec<u64>)| format!("{name} {shape:?}");
                let (saved, here) = (print(saved), print(&here));
                return Err(StateError::Tensor { index, saved, here });
            }
        }
        if header.config != self.engine.config() {
            let (saved, here) = first_difference(&header.config, &self.engine.config());
            return Err(StateError::Configuration { saved, here });
        }
        if header.fingerprint != self.fingerprint {
            let (saved, here) = (header.fingerprint, self.fingerprint);
            return Err(StateError::Weights { saved, here });
        }
        let on = |yes: bool| String::from(if yes { "on" } else { "off" });
        let eta = |eta: Option<f32>| eta.map_or_else(|| on(false), |eta| format!("with eta {eta}"));
        let settings = [
            ("averaging", eta(header.averaging), eta(self.engine.averaging())),
            ("a compact state", on(header.compact), on(self.compact)),
            ("the guard", on(guarded), on(self.guard.is_some())),
        ];
        match settings.into_iter().find(|(_, saved, here)| saved != here) {
            Some((what, saved, here)) => Err(StateError::Setting { what, saved, here }),
            None => Ok(()),
        }
    }

    /// Lengths of the vectors, if they are possible ones.
    fn expected_lengths(
        &self,
        header: &Header,
        memory: &Memory,
        networks: &[usize],
        guard_parts: usize,
    ) -> Result<Vec<usize>, StateError> {
        let parameters = self.layout().len();
        let mut lengths = vec![parameters];
        lengths.extend(networks);
        let fixed = lengths.len();
        if memory.guard.is_some() {
            // a guard keeps what it has come to need
            for &given in header.lengths.get(fixed..).unwrap_or_default() {
                lengths.push(if given == 0 { 0 } else { parameters });
            }
            if lengths.len() != fixed + guard_parts {
                return Err(StateError::Contents);
            }
        }
        let same = lengths.iter().map(|&n| n as u64).eq(header.lengths.iter().copied());
        let adam = memory.guard.as_ref().is_some_and(GuardNumbers::has_fallback);
        let has_adam = lengths[fixed..].iter().rev().take(2).all(|&n| n == parameters);
        let begun = memory.guard.as_ref().is_some_and(GuardNumbers::has_begun);
        let has_snapshot = lengths.get(fixed) == Some(&parameters);
        let fits = memory.guard.as_ref().is_none_or(|numbers| numbers.fits(self.settings.len()));
        if !same || !fits || (adam && !has_adam) || (begun && !has_snapshot) {
            return Err(StateError::Contents);
        }
        Ok(lengths)
    }
}

/// Name and shape as they are in the file.
pub(super) fn described(tensor: &TensorShape) -> (String, Vec<u64>) {
    (tensor.name.clone(), tensor.shape.iter().map(|&extent| extent as u64).collect())
}

/// The first field in which two configurations differ, with both values.
fn first_difference(saved: &OptimizerConfig, here: &OptimizerConfig) -> (String, String) {
    let (saved, here) = (format!("{saved:#?}"), format!("{here:#?}"));
    let tidy = |line: &str| line.trim().trim_end_matches(',').to_owned();
    let lines = saved.lines().zip(here.lines());
    let mut different = lines.filter(|(a, b)| a != b);
    different.next().map_or_else(Default::default, |(a, b)| (tidy(a), tidy(b)))
}
