//! Weights: what one needs to *use* a learned optimizer, as a small checked file.
//!
//! A file is the magic `LOPTWGTS`, a format version, a 64-bit FNV-1a checksum, and the contents: which
//! optimizer, its configuration, and the record of the training run that made it, all by name in TOML;
//! then psi as little-endian `f32`. Files of every earlier version are read; before version 7 the
//! configuration had no names, before version 6 there was one optimizer only.

use super::header::{HeaderError, read_header, write_header};
use super::positional::{self, Positional};
use super::sealed::{ReadError, SealError, read_regular, seal, unseal};
use crate::hierarchical_rnn::psi::config::{ConfigError, HierarchicalRnnConfig};
use crate::hierarchical_rnn::psi::meta_params::MetaLayout;
use crate::relative_rnn::RelativeRnnConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"LOPTWGTS";
const VERSION: u32 = 7;
/// No weights file is larger: 100,000 meta-parameters are under half a megabyte.
const MOST_BYTES: u64 = 4 << 20;

/// How weights came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingRecord {
    /// Configuration of the run, as TOML.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// Meta-updates done.
    pub updates: u64,
    /// Inner steps times instances.
    pub instance_steps: u64,
    /// Score on the validation suite by which these weights were chosen (lower is better).
    pub validation: f64,
    /// Source revision of the trainer.
    pub commit: String,
}

crate::positional!(TrainingRecord { recipe, seed, updates, instance_steps, validation, commit });

/// Which learned optimizer, and its sizes and switches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// The paper's: a [`HierarchicalRnn`](crate::HierarchicalRnn).
    HierarchicalRnn(HierarchicalRnnConfig),
    /// The second generation: a [`RelativeRnn`](crate::RelativeRnn).
    RelativeRnn(RelativeRnnConfig),
}

impl OptimizerConfig {
    /// Checks sizes and ranges.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::HierarchicalRnn(config) => config.validate(),
            Self::RelativeRnn(config) => config.validate(),
        }
    }

    /// Number of meta-parameters.
    #[must_use]
    pub fn meta_parameters(&self) -> usize {
        match self {
            Self::HierarchicalRnn(config) => MetaLayout::new(config).len(),
            Self::RelativeRnn(config) => config.meta_parameters(),
        }
    }

    /// The configuration, if it is the paper's optimizer.
    #[must_use]
    pub fn hierarchical_rnn(&self) -> Option<HierarchicalRnnConfig> {
        match self {
            Self::HierarchicalRnn(config) => Some(*config),
            Self::RelativeRnn(_) => None,
        }
    }
}

impl From<HierarchicalRnnConfig> for OptimizerConfig {
    fn from(config: HierarchicalRnnConfig) -> Self {
        Self::HierarchicalRnn(config)
    }
}

impl From<RelativeRnnConfig> for OptimizerConfig {
    fn from(config: RelativeRnnConfig) -> Self {
        Self::RelativeRnn(config)
    }
}

/// Meta-parameters with everything needed to run them: as many as the configuration says, all finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Weights {
    config: OptimizerConfig,
    psi: Vec<f32>,
    record: TrainingRecord,
}

/// Weights in JSON: by the name that embedded ones have, or as a whole.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "there is one, while weights are read or written")]
enum Written {
    Name(String),
    Whole { config: OptimizerConfig, psi: Vec<f32>, record: TrainingRecord },
}

impl From<Weights> for Written {
    fn from(weights: Weights) -> Self {
        let same = |name: &&&str| Weights::embedded(name).is_ok_and(|known| known == weights);
        if let Some(name) = EMBEDDED.iter().find(same) {
            return Self::Name((*name).to_owned());
        }
        let (config, psi, record) = weights.into_parts();
        Self::Whole { config, psi, record }
    }
}

impl TryFrom<Written> for Weights {
    type Error = WeightsError;

    fn try_from(written: Written) -> Result<Self, WeightsError> {
        match written {
            Written::Name(name) => Self::embedded(&name),
            Written::Whole { config, psi, record } => Self::new(config, psi, record),
        }
    }
}

/// What a file says by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    config: OptimizerConfig,
    #[serde(default)]
    record: TrainingRecord,
}

/// Names of the weights inside this crate: `recommended` for use; for comparison `hierarchical-rnn`, a
/// network for every parameter trained on many kinds of problems, and `paper`, the paper's optimizer,
/// trained on the paper's list alone, which has no neural network.
pub const EMBEDDED: &[&str] = &["recommended", "hierarchical-rnn", "paper"];

impl Weights {
    /// Weights of an optimizer.
    ///
    /// * `psi`: one number per meta-parameter; of a [`HierarchicalRnn`](crate::HierarchicalRnn) in the
    ///   order of [`MetaLayout`].
    /// * `record`: where they come from.
    ///
    /// # Errors
    ///
    /// If the configuration is out of range, there is not one number per meta-parameter, or one is
    /// not finite.
    pub fn new(
        config: impl Into<OptimizerConfig>,
        psi: Vec<f32>,
        record: TrainingRecord,
    ) -> Result<Self, WeightsError> {
        let config = config.into();
        config.validate()?;
        let (expected, got) = (config.meta_parameters(), psi.len());
        if got != expected {
            return Err(WeightsError::Count { expected, got });
        }
        match psi.iter().position(|x| !x.is_finite()) {
            Some(index) => Err(WeightsError::NonFinite { index }),
            None => Ok(Self { config, psi, record }),
        }
    }

    /// Weights that are part of this crate.
    ///
    /// # Errors
    ///
    /// If there are none of that name.
    pub fn embedded(name: &str) -> Result<Self, WeightsError> {
        match name {
            "recommended" => Self::from_bytes(include_bytes!("../../weights/recommended.lopt")),
            "hierarchical-rnn" => {
                Self::from_bytes(include_bytes!("../../weights/hierarchical-rnn.lopt"))
            }
            "paper" => Self::from_bytes(include_bytes!("../../weights/paper.lopt")),
            _ => Err(WeightsError::UnknownName(name.to_owned())),
        }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no regular file, is not a weights file, is damaged, or holds weights no
    /// optimizer can use.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = || path.to_owned();
        let bytes = read_regular(path, MOST_BYTES).map_err(|error| match error {
            ReadError::Io(source) => WeightsError::Read { path: file(), source },
            ReadError::TooLarge { size } => WeightsError::TooLarge { path: file(), size },
        })?;
        Self::from_bytes(&bytes)
    }

    /// Writes a file so that a reader finds the old one or the new one, never half of it.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), WeightsError> {
        super::sealed::write_atomically(path, &self.to_bytes()?)
            .map_err(|source| WeightsError::Write { path: path.to_owned(), source })
    }

    /// Decodes and checks the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (version, payload) = unseal(bytes, MAGIC, 1..=VERSION)?;
        if version < VERSION {
            return Self::from_positions(payload, version);
        }
        let (Header { config, record }, floats) = read_header(payload)?;
        let (floats, rest) = floats.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(WeightsError::Contents);
        }
        Self::new(config, floats.iter().map(|&x| f32::from_le_bytes(x)).collect(), record)
    }

    /// Decodes files without names.
    fn from_positions(payload: &[u8], version: u32) -> Result<Self, WeightsError> {
        // two versions got a field each that files before did not have
        let paces: &[usize] = match version {
            1 | 2 => &[0],
            3 => &[3, 2],
            4 => &[5, 4],
            _ => &[6],
        };
        let decoded = paces.iter().find_map(|&paces| {
            let from = &mut &*payload;
            let config = match version {
                6 => positional::optimizer(from)?,
                _ => positional::hierarchical_rnn(from, version > 1, paces)?.into(),
            };
            let parts = (config, Positional::take(from)?, Positional::take(from)?);
            from.is_empty().then_some(parts)
        });
        let (config, psi, record) = decoded.ok_or(WeightsError::Contents)?;
        Self::new(config, psi, record)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// If the record cannot be written as TOML.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let mut payload =
            write_header(&Header { config: self.config, record: self.record.clone() })?;
        payload.extend(self.psi.iter().flat_map(|x| x.to_le_bytes()));
        Ok(seal(&payload, MAGIC, VERSION))
    }

    /// Which optimizer, and its sizes and switches.
    #[must_use]
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// psi.
    #[must_use]
    pub fn psi(&self) -> &[f32] {
        &self.psi
    }

    /// Where they come from.
    #[must_use]
    pub fn record(&self) -> &TrainingRecord {
        &self.record
    }

    /// What [`new`](Self::new) takes, to change it.
    #[must_use]
    pub fn into_parts(self) -> (OptimizerConfig, Vec<f32>, TrainingRecord) {
        (self.config, self.psi, self.record)
    }

    /// Configuration of the paper's optimizer.
    ///
    /// # Errors
    ///
    /// If the weights are of the other one.
    pub fn hierarchical_rnn(&self) -> Result<HierarchicalRnnConfig, WeightsError> {
        self.config.hierarchical_rnn().ok_or(WeightsError::OtherOptimizer)
    }

    /// psi in double precision.
    #[must_use]
    pub fn psi_f64(&self) -> Vec<f64> {
        self.psi.iter().map(|&x| f64::from(x)).collect()
    }
}

/// Why weights cannot be used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// No embedded weights of that name.
    #[error("no embedded weights named {0:?}, there are: {list}", list = EMBEDDED.join(", "))]
    UnknownName(String),
    /// The file system refused to read.
    #[error("cannot read weights {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write weights {path}: {source}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Far too large to be weights.
    #[error("{path} has {size} bytes, too many for a weights file", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Not a weights file, another version, or damaged.
    #[error("not usable as weights: {0}")]
    Seal(#[from] SealError),
    /// The named part cannot be understood, or has a name that this program does not know.
    #[error("not usable as weights: {0}")]
    Header(#[from] HeaderError),
    /// The contents do not decode.
    #[error("not usable as weights: the contents do not decode")]
    Contents,
    /// Weights of a [`RelativeRnn`](crate::RelativeRnn) where only those of a
    /// [`HierarchicalRnn`](crate::HierarchicalRnn) will do.
    #[error("these weights are of a relative RNN, expected those of a hierarchical RNN")]
    OtherOptimizer,
    /// The configuration is out of range.
    #[error("weights for an impossible optimizer: {0}")]
    Config(#[from] ConfigError),
    /// Wrong number of meta-parameters.
    #[error("weights hold {got} meta-parameters, their configuration needs {expected}")]
    Count {
        /// Needed.
        expected: usize,
        /// Found.
        got: usize,
    },
    /// A meta-parameter is infinite or not a number.
    #[error("meta-parameter {index} of the weights is not finite")]
    NonFinite {
        /// Index into psi.
        index: usize,
    },
}
