//! lopt-meta.

pub mod checkpoint;
pub mod config;
pub mod meta_loss;
pub mod meta_optimizer;
pub mod objective;
pub mod precision;
pub mod slot;
pub mod trainer;
pub mod unroll;
pub mod validation;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{Recipe, RecipeError};
pub use trainer::{TrainError, Trainer, UpdateReport};
