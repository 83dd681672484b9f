#![doc = include_str!("../README.md")]

mod attended;
mod candle_optimizer;
mod error;
mod gradients;
mod optimizer;
mod saved;
mod variables;

pub use error::Error;
pub use lopt_core::{
    BuildError, GuardConfig, GuardEvent, LearnedOptimizerConfig, ParameterGroup, Schedule,
    StateError, StepError, Weights,
};
pub use optimizer::LearnedOptimizer;
pub use variables::NamedVars;
