//! The same step on a GPU, for a model that lives there: three launches over all tensors together,
//! nothing read back.
//!
//! ```no_run
//! use lopt_core::gpu::{DeviceOptimizer, Runtime};
//! use lopt_core::{HierarchicalRnn, Layout};
//!
//! let layout = Layout::single(1_000_000)?;
//! let host = HierarchicalRnn::pretrained(&layout)?;
//! let client = Runtime::Any.client()?;
//! let mut optimizer = DeviceOptimizer::new(&client, &host)?;
//! let params = optimizer.upload(&vec![0.5; layout.len()])?;
//! let grads = optimizer.upload(&vec![0.1; layout.len()])?;
//! optimizer.step(&params, &grads)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Data flows **gradient -> `parameter_pass` -> `upper_pass` -> `move_pass`**, each one launch; the
//! state is that of the CPU path, in the same layout, and goes back and forth
//! ([`DeviceOptimizer::upload_state`], [`DeviceOptimizer::download_state`]). [`DeviceLearnedOptimizer`]
//! has groups, schedules and state files around it; [`Packing`] is for models whose tensors are in
//! buffers of their own.

mod adam;
mod cell;
mod copy;
mod error;
mod functions;
mod inputs;
mod launch;
mod move_pass;
mod optimizer;
mod packing;
mod parameter_pass;
mod runtime;
mod shape;
mod tables;
mod transfer;
mod upper_pass;
mod weights;

pub use crate::learned::DeviceLearnedOptimizer;
pub use adam::DeviceAdam;
pub use copy::{copy, wait};
pub use cubecl::client::Client;
pub use cubecl::server::Handle;
pub use error::DeviceError;
pub use optimizer::DeviceOptimizer;
pub use packing::Packing;
pub use runtime::Runtime;
