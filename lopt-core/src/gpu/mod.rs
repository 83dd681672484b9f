//! The same step on a GPU, for a model that lives there: three launches over all tensors together,
//! nothing read back.
//!
//! ```no_run
//! use lopt_core::gpu::Runtime;
//! use lopt_core::{Layout, LearnedOptimizerConfig};
//!
//! let layout = Layout::single(1_000_000)?;
//! let client = Runtime::Any.client()?;
//! let config = LearnedOptimizerConfig::new().with_guard(None);
//! let mut optimizer = config.init_on_device(&client, &layout)?;
//! let params = optimizer.bare().upload(&vec![0.5; layout.len()])?;
//! let grads = optimizer.bare().upload(&vec![0.1; layout.len()])?;
//! optimizer.step(&params, &grads, &[])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In a relative RNN data flows **gradient -> `presence` -> `element_pass` -> `upper_pass`**, in a hierarchical
//! RNN **gradient -> `parameter_pass` -> `upper_pass` -> `move_pass`**, each one launch. The state goes back and
//! forth between CPU and device ([`DeviceOptimizer::upload_state`], [`DeviceOptimizer::download_state`]).
//! [`DeviceLearnedOptimizer`] has groups, schedules and state files around it.

mod copy;
mod error;
mod functions;
mod hierarchical;
mod memory;
mod optimizer;
mod relative;
mod runtime;
mod tables;

pub use crate::learned::DeviceLearnedOptimizer;
#[doc(hidden)]
pub use copy::{copy, spread};
#[doc(hidden)]
pub use cubecl;
pub use cubecl::client::Client;
pub use cubecl::server::Handle;
pub use error::DeviceError;
pub use optimizer::{DeviceOptimizer, Host, HostMut};
pub use runtime::Runtime;
