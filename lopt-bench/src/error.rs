//! What can go wrong at the command line, each in one sentence.

use std::io;
use std::path::PathBuf;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The arguments do not make sense; the text is a sentence.
    #[error("{0}")]
    Usage(String),
    /// No problem has this name.
    #[error("no problem is called `{name}`{}", hint(near))]
    UnknownProblem {
        /// What was asked for.
        name: String,
        /// Names that may have been meant, nearest first.
        near: Vec<String>,
    },
    /// A problem could not be made, for instance because its data are missing.
    #[error("{problem}{hint}", problem = .0, hint = data_hint(.0))]
    Problem(#[from] lopt_problems::ProblemError),
    /// Weights could not be read or do not fit.
    #[error("{0}")]
    Weights(String),
    /// A training run cannot start or go on.
    #[error("{0}")]
    Training(String),
    /// The process was asked to end; all is saved.
    #[error("interrupted after update {update}; saved, --resume goes on")]
    Interrupted {
        /// Updates done.
        update: u64,
    },
    /// An experiment cannot start or go on, or its record is damaged; the text is a sentence.
    #[error("{0}")]
    Bench(String),
    /// A measurement cannot start or go on.
    #[error("{0}")]
    Speed(String),
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
    /// Threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(String),
    /// A plot could not be drawn.
    #[error("cannot draw the curves: {0}")]
    Plot(String),
    /// A record could not be written as JSON.
    #[error("cannot write the record: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed or full.
    #[error("cannot print the result: {0}")]
    Print(#[from] io::Error),
}

impl CliError {
    /// 2 for a command that was typed wrongly, 1 for one that failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::UnknownProblem { .. } | Self::Level(_) => 2,
            Self::Interrupted { .. } => crate::interrupt::EXIT_CODE,
            _ => 1,
        }
    }
}

/// The end of the sentence about an unknown problem.
fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return "; `lopt problems` lists them".to_owned();
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

/// How to say where the data are.
fn data_hint(error: &lopt_problems::ProblemError) -> &'static str {
    match error {
        lopt_problems::ProblemError::NeedsData { .. } => "; say where with --data DIR or LOPT_DATA",
        _ => "",
    }
}
