//! What can go wrong at the command line, each in one sentence.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use lopt_core::{BuildError, LayoutError, StepError, WeightsError};
use lopt_meta::{CheckpointError, RecipeError, TrainError};

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The arguments do not make sense; the text is a sentence.
    #[error("{0}")]
    Usage(String),
    /// A problem could not be made, for instance because its data are missing.
    #[error("{problem}{hint}", problem = .0, hint = data_hint(.0))]
    Problem(#[from] lopt_problems::ProblemError),
    /// Something is wrong with weights, a training run, an experiment or a measurement; the text is a
    /// sentence.
    #[error("{0}")]
    Failed(String),
    /// The process was asked to end; all is saved.
    #[error("interrupted after update {update}; saved, continue with --resume")]
    Interrupted {
        /// Updates done.
        update: u64,
    },
    /// A file or folder refuses to be written.
    #[error("cannot write to `{}`: {source}", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The environment asks for instructions that are unknown or missing.
    #[error("{variable}: {0}", variable = lopt_core::simd::LEVEL_VARIABLE)]
    Level(#[source] lopt_core::simd::LevelError),
    /// A file of the cache of baselines is damaged.
    #[error("`{}` holds no baselines: {reason}; remove it to compute them anew", path.display())]
    Baselines {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A record could not be written as JSON.
    #[error("cannot write the record: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed or full.
    #[error("cannot print the result: {0}")]
    Print(#[from] io::Error),
}

impl CliError {
    /// For a cause that says in a sentence what is wrong.
    pub fn failed(cause: impl Display) -> Self {
        Self::Failed(cause.to_string())
    }

    /// 2 for a command that was typed wrongly, 1 for one that failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Level(_) => 2,
            Self::Interrupted { .. } => crate::interrupt::EXIT_CODE,
            _ => 1,
        }
    }
}

/// Errors of the libraries say in a sentence what is wrong.
macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        }
    )*};
}

failures!(
    BuildError,
    LayoutError,
    StepError,
    WeightsError,
    CheckpointError,
    RecipeError,
    TrainError
);

/// How to say where the data are.
fn data_hint(error: &lopt_problems::ProblemError) -> &'static str {
    match error {
        lopt_problems::ProblemError::NeedsData { .. } => "; say where with --data DIR or LOPT_DATA",
        _ => "",
    }
}
