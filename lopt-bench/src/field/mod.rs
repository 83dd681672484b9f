//! The field suite: ordinary training jobs, judged by their validation loss.
//!
//! It flows **job -> runs -> scores of a job -> figures of the suite**:
//!
//! * [`run`](mod@run): one contender on one seed, with the processor time of training alone.
//! * [`baselines`]: the contenders designed by hand, kept on disk job by job.
//! * [`learned`]: ours with every factor on its steps, with and without the guard.
//! * [`score`]: what the runs of a job say; [`figures`]: what all jobs say, with intervals.
//! * [`experiment`]: all of it as a record of rows, and read back from one.
//!
//! The jobs are those of [`lopt_problems::field_tasks`]; `docs/evaluation.md` has the definitions.

pub mod baselines;
pub mod experiment;
pub mod figures;
pub mod learned;
pub mod run;
pub mod score;

pub use crate::contender::{COSINE, LEARNED};

/// The learned optimizer with its guard.
pub const GUARDED: &str = "lopt-guarded";

/// AdamW as people start.
pub const ADAMW: &str = "adamw@1e-3";

/// The contenders that need no tuning and no horizon.
pub const RIVALS: [&str; 4] =
    ["schedule-free@2.5e-3", "schedule-free-plus", "prodigy", "muon-rms@1e-3"];

/// Factors on all steps of ours.
pub const FACTORS: [f64; 7] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// The setting of a factor, in words.
pub fn factor_text(factor: f64) -> String {
    format!("steps times {factor}")
}
