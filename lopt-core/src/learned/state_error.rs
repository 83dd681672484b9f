//! Why a state file cannot be used here.

use crate::files::header::HeaderError;
use crate::files::sealed::SealError;
use std::path::PathBuf;

/// Why a state cannot be saved or loaded; the optimizer is then as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file system refused to read.
    #[error("cannot read the state {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system refused to write; an older file is untouched.
    #[error("cannot write the state {path}: {source}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A problem inside a named file.
    #[error("{path}: {source}", path = path.display())]
    In {
        /// Which file.
        path: PathBuf,
        /// What.
        source: Box<Self>,
    },
    /// Not a state, another version, or damaged.
    #[error("not usable as an optimizer state: {0}")]
    Seal(#[from] SealError),
    /// The named part cannot be understood, or has a name that this program does not know.
    #[error("not usable as an optimizer state: {0}")]
    Header(#[from] HeaderError),
    /// The contents do not decode.
    #[error("not usable as an optimizer state: the contents do not decode")]
    Contents,
    /// Larger than a state of this optimizer can be.
    #[error("{size} bytes, a state of this optimizer has {expected} at most")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The most it can have.
        expected: u64,
    },
    /// Saved with other switches or sizes of the networks.
    #[error("saved by an optimizer with `{saved}`, here it is `{here}`")]
    Configuration {
        /// Field and value in the file.
        saved: String,
        /// Field and value here.
        here: String,
    },
    /// Saved with other weights.
    #[error("saved with other weights: their checksum is {saved:016x}, here {here:016x}")]
    Weights {
        /// In the file.
        saved: u64,
        /// Here.
        here: u64,
    },
    /// Saved with another setting that decides what there is to save.
    #[error("saved with {what} {saved}, here it is {here}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// In the file.
        saved: String,
        /// Here.
        here: String,
    },
    /// Saved for a model with another number of tensors.
    #[error("saved for a model of {saved} tensors, here there are {here}")]
    TensorCount {
        /// In the file.
        saved: usize,
        /// Here.
        here: usize,
    },
    /// Saved for a model with another tensor in this place.
    #[error("saved for a model whose tensor {index} is `{saved}`, here it is `{here}`")]
    Tensor {
        /// Place in the layout.
        index: usize,
        /// Name and shape in the file.
        saved: String,
        /// Name and shape here.
        here: String,
    },
    /// Saved with other tensors beside the parameters.
    #[error("saved with the untrained tensors `{saved}`, here they are `{here}`")]
    Untrained {
        /// Names and shapes in the file.
        saved: String,
        /// Names and shapes here.
        here: String,
    },
    /// A tensor beside the parameters that does not have its shape.
    #[error("the untrained tensor `{name}` has {got} values, expected {shape:?}")]
    UntrainedValues {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Number of values.
        got: usize,
    },
    /// The parameters do not fit the layout.
    #[error("expected {expected} parameters, got {got}")]
    Parameters {
        /// Of the layout.
        expected: usize,
        /// Given.
        got: usize,
    },
}
