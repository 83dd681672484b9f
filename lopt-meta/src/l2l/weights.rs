//! Weights of the L2L optimizer as a small checked file.
//!
//! The magic `LOPTL2LW`, a format version, a checksum and the payload in bincode's wire format: psi
//! as `f32` and the record of the run that made it, as in [`lopt_core::weights`].

use super::psi::META_PARAMETERS;
use lopt_core::positional::Positional;
use lopt_core::sealed::{ReadError, SealError, read_regular, seal, unseal, write_atomically};
use lopt_core::weights::TrainingRecord;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"LOPTL2LW";
const VERSION: u32 = 1;
/// 5141 numbers and a record are far below.
const MOST_BYTES: u64 = 1 << 20;

/// Meta-parameters of an [`L2l`](super::L2l), all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct L2lWeights {
    psi: Vec<f32>,
    /// Where they come from.
    pub record: TrainingRecord,
}

lopt_core::positional!(L2lWeights { psi, record });

impl L2lWeights {
    /// Weights of these meta-parameters, `[META_PARAMETERS]`, rounded to `f32`.
    ///
    /// # Errors
    ///
    /// If there are too few or too many, or one is not finite in `f32`.
    pub fn new(psi: &[f64], record: TrainingRecord) -> Result<Self, L2lError> {
        let weights = Self { psi: psi.iter().map(|&x| x as f32).collect(), record };
        check(&weights.psi())?;
        Ok(weights)
    }

    /// psi in double precision, `[META_PARAMETERS]`.
    #[must_use]
    pub fn psi(&self) -> Vec<f64> {
        self.psi.iter().map(|&x| f64::from(x)).collect()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is not a file of this kind, is damaged, or holds no usable weights.
    pub fn read(path: &Path) -> Result<Self, L2lError> {
        let file = || path.to_owned();
        let bytes = read_regular(path, MOST_BYTES).map_err(|error| match error {
            ReadError::Io(source) => L2lError::Read { path: file(), source },
            ReadError::TooLarge { size } => L2lError::TooLarge { path: file(), size },
        })?;
        Self::from_bytes(&bytes)
    }

    /// Writes a file so that a reader finds the old one or the new one, never half of it.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), L2lError> {
        write_atomically(path, &self.to_bytes())
            .map_err(|source| L2lError::Write { path: path.to_owned(), source })
    }

    /// Decodes and checks the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, L2lError> {
        let (_, payload) = unseal(bytes, MAGIC, VERSION..=VERSION)?;
        let weights = Self::from_positions(payload).ok_or(L2lError::Payload)?;
        check(&weights.psi())?;
        Ok(weights)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal(&self.to_positions(), MAGIC, VERSION)
    }
}

/// Whether these are usable meta-parameters.
pub(super) fn check(psi: &[f64]) -> Result<(), L2lError> {
    if psi.len() != META_PARAMETERS {
        return Err(L2lError::Count { expected: META_PARAMETERS, got: psi.len() });
    }
    match psi.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(L2lError::NonFinite { index }),
        None => Ok(()),
    }
}

/// Why weights or an unroll cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum L2lError {
    /// The file system refused to read.
    #[error("cannot read L2L weights {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write L2L weights {path}: {source}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Far too large to be weights.
    #[error("{path} has {size} bytes, too many for L2L weights", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Not a file of this kind, another version, or damaged.
    #[error("not usable as L2L weights: {0}")]
    Seal(#[from] SealError),
    /// The payload does not decode.
    #[error("not usable as L2L weights: the contents do not decode")]
    Payload,
    /// Wrong number of meta-parameters.
    #[error("L2L weights have {expected} meta-parameters, not {got}")]
    Count {
        /// Needed.
        expected: usize,
        /// Found.
        got: usize,
    },
    /// A meta-parameter is infinite or not a number.
    #[error("meta-parameter {index} of the L2L weights is not finite")]
    NonFinite {
        /// Index into psi.
        index: usize,
    },
    /// An unroll with a step that has no adjoint, or the reverse.
    #[error("an unroll of {gradients} gradients and {adjoints} adjoints")]
    Steps {
        /// Number of gradients.
        gradients: usize,
        /// Number of adjoints.
        adjoints: usize,
    },
    /// A gradient or adjoint of another problem.
    #[error("a gradient or adjoint of {got} values where the state has {expected} coordinates")]
    Coordinates {
        /// Coordinates of the state.
        expected: usize,
        /// Values found.
        got: usize,
    },
}
