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
//! let params = optimizer.upload(&vec![0.5; layout.len()])?;
//! let grads = optimizer.upload(&vec![0.1; layout.len()])?;
//! optimizer.step(&params, &grads, &[])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In a relative RNN data flows **gradient -> `presence` -> `element_pass` -> `upper_pass`**, in a hierarchical
//! RNN **gradient -> `parameter_pass` -> `upper_pass` -> `move_pass`**, each one launch. The state goes back and
//! forth between CPU and device ([`DeviceLearnedOptimizer::go_on_from`], [`DeviceLearnedOptimizer::to_host`]).

mod copy;
mod error;
mod functions;
mod hierarchical;
pub(crate) mod memory;
mod relative;
mod rnn;
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
pub(crate) use rnn::{DeviceRnn, on_device};
pub use runtime::Runtime;
