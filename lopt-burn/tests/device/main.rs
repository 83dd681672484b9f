//! The optimizer on a device against the one of the CPU, on whatever device burn finds first (in CI:
//! Mesa's lavapipe, which is the CPU again).

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures of docs/gpu.md")]

mod agreement;
#[path = "../model/mod.rs"]
mod model;
mod on_device;
mod packing;
mod problems;
mod refusals;
mod saved;
