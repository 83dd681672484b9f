//! The step on a device against the step on the CPU, on whatever device wgpu finds (in CI: Mesa's
//! lavapipe, which is the CPU again).

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures of docs/gpu.md")]

mod agreement;
mod drift;
mod pair;
#[path = "../reference/mod.rs"]
mod reference;
mod relative;
mod settings;
mod state;
