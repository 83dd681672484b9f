//! x
mod attended;
mod config;
mod diagnostics;
mod error;
mod gather;
mod optimizer;
mod roster;
mod saved;
mod scatter;

pub use attended::Attended;
pub use config::LearnedOptimizerConfig;
pub use error::Error;
pub use lopt_core::{
    BuildError, GuardConfig, GuardEvent, ParameterGroup, Schedule, StateError, StepError, Weights,
};
pub use optimizer::LearnedOptimizer;
