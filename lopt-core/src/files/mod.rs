//! What is written to disk: weights files, and what every file has in common.

pub mod header;
#[doc(hidden)]
pub mod positional;
pub mod sealed;
pub mod weights;
