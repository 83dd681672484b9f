//! Why a problem cannot be made.

use crate::data::DataError;
use crate::registry::Ensemble;

/// A problem that does not exist, or whose data are not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// No problem has this name.
    #[error("there is no problem `{name}`; names() lists them all")]
    UnknownProblem {
        /// The name.
        name: String,
    },
    /// No ensemble has this name.
    #[error("expected {}, got `{name}`", Ensemble::ALL.map(|known| known.1).join(" or "))]
    UnknownEnsemble {
        /// The name.
        name: String,
    },
    /// No suite has this name.
    #[error("expected quick, validation or test, got `{name}`")]
    UnknownSuite {
        /// The name.
        name: String,
    },
    /// The problem reads files, but no folder was given.
    #[error("problem `{name}` needs the folder of the {data} files, got none")]
    NeedsData {
        /// The problem.
        name: String,
        /// Which files.
        data: &'static str,
    },
    /// The files are there, but cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
}
