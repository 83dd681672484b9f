//! Meta-training: learning the optimizers of `lopt-core`, the hierarchical RNN by exact gradients
//! through unrolled training runs, the relative RNN by evolution strategies on whole
//! runs, or by exact gradients of some steps of them ([`evolution`]).
//!
//! For the hierarchical RNN, a [`Recipe`] says everything that decides a run. A [`Trainer`] keeps slots: one
//! problem each, 16 instances side by side in SIMD lanes, somewhere in their lives. Each update
//! unrolls some slots, differentiates the log relative loss through every step, second derivatives
//! included, averages over the instances and moves psi.
//!
//! ```
//! use lopt_core::simd::Level;
//! use lopt_meta::{Recipe, Trainer};
//!
//! let mut recipe = Recipe::parse(include_str!("../recipes/quadratic20.toml"))?;
//! recipe.problems.names = vec!["bowl-5".to_owned()];
//! let mut trainer = Trainer::new(recipe, Level::detect())?;
//! let first = trainer.update().meta_loss;
//! for _ in 0..60 {
//!     trainer.update();
//! }
//! assert!(trainer.update().meta_loss < first - 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The flow, file by file: [`config`] -> [`slot`] (problem, instances, state) -> [`objective`] (loss,
//! gradient, Hessian-vector product) -> [`unroll`] with [`meta_loss`] -> [`meta_optimizer`] ->
//! [`learner`] -> [`trainer`] -> [`checkpoint`]; [`validation`] chooses. [`distributed`] does the same with
//! many processes. `docs/meta-training.md` has the derivation.

mod adjoint;
pub mod checkpoint;
pub mod config;
mod crew;
pub mod distributed;
pub mod evolution;
mod iterate_mean;
pub mod l2l;
pub mod learner;
pub mod meta_loss;
pub mod meta_optimizer;
pub mod objective;
mod pending;
mod perturbation;
pub mod precision;
pub mod slot;
mod trace;
pub mod trainer;
pub mod unroll;
pub mod validation;
mod way_back;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{Recipe, RecipeError};
pub use evolution::{EvolutionRecipe, EvolutionTrainer};
pub use learner::{Contribution, Learner};
pub use trainer::{TrainError, Trainer, UpdateReport};
