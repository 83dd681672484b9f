//! `lopt speed --overhead`: what the learned step costs beside the gradient, by batch size.
//!
//! Section 5.6 of Wichrowska et al. 2017: the step costs the same for every batch, the gradient
//! grows with it, so the overhead falls. Flow: **[`tasks`] -> [`curve`] -> [`fit`] -> [`report`]**.
//!
//! Everything runs on one thread, and its CPU time is taken: the wall clock of an idle core.

pub mod curve;
pub mod fit;
pub mod report;
pub mod tasks;
