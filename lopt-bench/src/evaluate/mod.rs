//! Scores of a learned optimizer on a suite of tasks, by the definitions of `docs/evaluation.md`.
//!
//! Data flow **tasks -> runs -> comparisons -> figures -> report**:
//!
//! * [`run`]: one optimizer on one task and seed, as a [`curve`] and the losses at its ends.
//! * [`baselines`]: runs of Adam on a task, kept by [`cache`]; [`learned_runs`]: our own.
//! * [`compare`]: ours against theirs, run by run; [`statistics`]: means with intervals.
//! * [`ensemble`]: not a suite, but the problems that weights were trained on.
//! * [`figures`] of the suite; [`record`] and [`task_record`]: all of it as data.

pub mod baselines;
pub mod cache;
pub mod compare;
pub mod curve;
pub mod ensemble;
pub mod figures;
pub mod learned_runs;
pub mod record;
pub mod run;
pub mod statistics;
pub mod task_record;
