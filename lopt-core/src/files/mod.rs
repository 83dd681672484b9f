//! What is written to disk: weights files, and what every file has in common.

pub mod header;
pub(crate) mod positional;
pub mod sealed;
pub mod weights;
