//! The laws that the fuzz targets try, one function each: bytes in, a panic where the law is broken.
//!
//! `lopt-bench/tests/kept_inputs.rs` includes this file by its path, so that `cargo test` replays
//! `regressions/` through the same functions without libFuzzer.

mod bytes;
pub mod data_sets;
pub mod files;
pub mod programs;
#[path = "../../lopt-core/tests/reference/mod.rs"]
mod reference;
pub mod steps;

/// A law: any bytes will do.
pub type Law = fn(&[u8]);

/// Every law by the name of its target and of its folder in `regressions/`.
pub const LAWS: &[(&str, Law)] = &[
    ("weights_decode", files::weights_decode),
    ("checkpoint_decode", files::checkpoint_decode),
    ("state_decode", files::state_decode),
    ("message_decode", files::message_decode),
    ("recipe_round_trip", files::recipe_round_trip),
    ("record_decode", files::record_decode),
    ("idx_read", data_sets::idx_read),
    ("cifar10_read", data_sets::cifar10_read),
    ("step_levels_agree", steps::step_levels_agree),
    ("step_matches_reference", steps::step_matches_reference),
    ("tape_matches_dual", programs::tape_matches_dual),
];
