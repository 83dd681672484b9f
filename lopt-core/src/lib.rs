//! lopt-core.

mod accumulators;
pub mod adjoint;
pub mod backward;
pub mod baselines;
pub mod buffer;
mod columns;
pub mod config;
pub mod engine;
mod features;
pub mod flush;
mod gru;
pub mod hierarchical_rnn;
pub mod layout;
pub mod meta_params;
pub mod network;
pub mod optimizer;
pub mod plan;
mod readout;
pub mod record;
pub mod rng;
pub mod schedule;
pub mod sealed;
pub mod simd;
pub mod state;
pub mod step;
mod tile;
mod tile_pass;
mod update;
pub mod weights;

pub use config::HierarchicalRnnConfig;
pub use hierarchical_rnn::HierarchicalRnn;
pub use layout::{Layout, LayoutError, TensorShape};
pub use optimizer::{Optimizer, StepError};
pub use schedule::Schedule;
pub use weights::{Weights, WeightsError};
