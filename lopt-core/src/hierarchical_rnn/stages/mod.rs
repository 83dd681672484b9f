//! The stages of a step, in the order of the data flow: `scale`, `accumulators`, `features`, `gru`, `readout`,
//! `fade`, `update`, and last `upper`, the Tensor and Global RNN.

pub mod accumulators;
pub(super) mod fade;
pub mod features;
pub mod gru;
pub mod readout;
pub mod scale;
pub mod update;
pub(super) mod upper;
