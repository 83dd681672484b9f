//! `lopt speed`: how fast everything is, beside what the machine allows.
//!
//! Flow: **[`rows`] (`cases`, [`operations`]) -> [`rounds`] ([`throughput`])
//! -> [`floor`] -> [`record`] ([`machine`]) -> [`report`]**. [`overhead`] is the other question:
//! what the learned step costs beside the gradient, and `device` (feature `gpu`) the step on a GPU. `docs/performance.md` explains the figures.

mod cases;
#[cfg(feature = "gpu")]
pub mod device;
#[cfg(feature = "gpu")]
mod device_adam;
pub mod floor;
pub mod machine;
pub mod operations;
pub mod overhead;
pub mod record;
pub mod report;
pub mod rounds;
pub mod rows;
pub mod throughput;
