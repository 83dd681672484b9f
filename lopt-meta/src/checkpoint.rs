//! Checkpoints: what one needs to go on *training* an optimizer, bit for bit.
//!
//! One file: recipe, psi with the meta-optimizer's memory, counters, and the numeric state of every
//! slot. Everything random is a function of seed and counters. The previous file is kept beside it.

use crate::config::{Recipe, RecipeError};
use crate::meta_optimizer::MetaState;
use lopt_core::Weights;
use lopt_core::positional::Positional;
use lopt_core::sealed::{ReadError, SealError, read_regular, seal, unseal, write_atomically};
use lopt_core::weights::{TrainingRecord, WeightsError};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"LOPTCKPT";
const VERSION: u32 = 7;
/// They had other slots, which no program can go on with, and are read without them. All versions differ in
/// two bits, so that no single damaged bit makes one of another.
const OLDER_VERSIONS: [u32; 3] = [1, 2, 4];
const MOST_BYTES: u64 = 1 << 30;

/// A training run at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The recipe, as TOML.
    pub recipe: String,
    /// psi and the meta-optimizer.
    pub meta: MetaState,
    /// Counters.
    pub counters: Counters,
    /// The slots in order; none in a light checkpoint, whose runs start anew.
    pub slots: Vec<SlotState>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Meta-updates done, skipped ones included.
    pub updates: u64,
    /// Inner steps times instances.
    pub instance_steps: u64,
    /// Moving average of the meta-loss.
    pub meta_loss: f64,
    /// Best score on the validation suite so far, and the psi that had it.
    pub best_score: f64,
    /// Averaged psi of the best score; empty before the first evaluation.
    pub best_psi: Vec<f64>,
    /// Update at which the best score was measured.
    pub best_update: u64,
}

/// The numeric state of one slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotState {
    /// Which run of the slot.
    pub draw: u64,
    /// Inner steps done.
    pub steps: u64,
    /// Steps after which the run ends.
    pub life: u64,
    /// Value of `steps` at which each lane's run began.
    pub began: Vec<u64>,
    /// Batches taken per lane.
    pub batches: u64,
    /// Meta-training progress at which the run was drawn.
    pub progress: f64,
    /// Flat parameters, attended point, scales, noise.
    pub floats: [Vec<f32>; 4],
    /// Optimizer state: tiles, tensor, global, mean rates.
    pub state: [Vec<f32>; 4],
    /// First losses per lane.
    pub first_loss: Vec<f64>,
    /// Lanes at the start of a run.
    pub fresh: Vec<bool>,
}

lopt_core::positional!(Checkpoint { recipe, meta, counters, slots });
lopt_core::positional!(Counters {
    updates,
    instance_steps,
    meta_loss,
    best_score,
    best_psi,
    best_update,
});
lopt_core::positional!(SlotState {
    draw,
    steps,
    life,
    began,
    batches,
    progress,
    floats,
    state,
    first_loss,
    fresh,
});

impl Checkpoint {
    /// Without the slots: small enough for a repository. A run that goes on from it keeps psi, the
    /// meta-optimizer and its place in the schedule, and starts new inner runs; it is not bit-exact.
    /// The best score is forgotten: the code that goes on may score differently.
    #[must_use]
    pub fn light(mut self) -> Self {
        self.slots.clear();
        self.counters.best_score = f64::INFINITY;
        self.counters.best_psi.clear();
        self.counters.best_update = 0;
        self
    }

    /// The moving average of psi as it stands, as weights of the recipe's optimizer; their record has
    /// no score, as they have not been scored.
    ///
    /// # Errors
    ///
    /// If the recipe does not name an optimizer or psi is not its.
    pub fn averaged(&self) -> Result<Weights, CheckpointError> {
        let recipe = Recipe::parse(&self.recipe)?;
        let record = TrainingRecord {
            recipe: self.recipe.clone(),
            seed: recipe.seed,
            updates: self.counters.updates,
            instance_steps: self.counters.instance_steps,
            ..TrainingRecord::default()
        };
        let psi = self.meta.average.iter().map(|&x| x as f32).collect();
        Ok(Weights::new(recipe.optimizer_config()?, psi, record)?)
    }

    /// Writes `path`, keeping the file it replaces as `path` + `.previous`.
    ///
    /// # Errors
    ///
    /// If the file system refuses; an existing checkpoint is never lost.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let io = |source| CheckpointError::Write { path: path.to_owned(), source };
        if path.exists() {
            let mut previous = path.as_os_str().to_owned();
            previous.push(".previous");
            let old = read_regular(path, MOST_BYTES);
            let old = old.map_err(|error| io(std::io::Error::other(error)))?;
            write_atomically(Path::new(&previous), &old).map_err(io)?;
        }
        write_atomically(path, &seal(&self.to_positions(), MAGIC, VERSION)).map_err(io)
    }

    /// Reads and checks a checkpoint. One of an earlier version is a [`light`](Self::light) one.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is damaged, is no checkpoint, or is one of a newer version.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let file = || path.to_owned();
        let bytes = read_regular(path, MOST_BYTES).map_err(|error| match error {
            ReadError::TooLarge { size } => CheckpointError::TooLarge { path: file(), size },
            ReadError::Io(source) => CheckpointError::Read { path: file(), source },
        })?;
        Self::from_bytes(&bytes)
            .map_err(|e| CheckpointError::In { path: path.to_owned(), source: Box::new(e) })
    }

    /// Decodes the bytes of a file.
    ///
    /// # Errors
    ///
    /// If they are damaged, no checkpoint, or one of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (version, payload) = unseal(bytes, MAGIC, 1..=VERSION)?;
        let checkpoint = match version {
            VERSION => Self::from_positions(payload),
            _ if OLDER_VERSIONS.contains(&version) => Self::without_slots(payload),
            _ => None,
        };
        checkpoint.ok_or(CheckpointError::Payload)
    }

    fn without_slots(mut payload: &[u8]) -> Option<Self> {
        let from = &mut payload;
        let (recipe, meta) = (Positional::take(from)?, Positional::take(from)?);
        let counters = Positional::take(from)?;
        Some(Self { recipe, meta, counters, slots: Vec::new() }.light())
    }
}

/// Why a checkpoint cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refused to read.
    #[error("cannot read checkpoint {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write checkpoint {path}: {source}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Far too large.
    #[error("{path} has {size} bytes, too many for a checkpoint", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// A problem inside a named file.
    #[error("{path}: {source}", path = path.display())]
    In {
        /// Which file.
        path: PathBuf,
        /// What.
        source: Box<Self>,
    },
    /// Not a checkpoint, another version, or damaged.
    #[error("not usable as a checkpoint: {0}")]
    Seal(#[from] SealError),
    /// The payload does not decode.
    #[error("not usable as a checkpoint: the contents do not decode")]
    Payload,
    /// The recipe in it is at fault.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Its meta-parameters make no weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
