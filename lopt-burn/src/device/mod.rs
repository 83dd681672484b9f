//! The optimizer on the device of the model, for burn's cubecl backend (features `wgpu`, `vulkan`,
//! `cuda`).
//!
//! [`DeviceOptimizer`] has the methods of [`LearnedOptimizer`](crate::LearnedOptimizer), two points
//! included. Parameters, gradients and state stay on the device, and a step neither reads from it
//! nor waits for it; a loss that is given back as a tensor is not waited for either.
//!
//! # What a step does there
//!
//! | what | launches | bytes per parameter |
//! | --- | --- | --- |
//! | attended point to tensors of a new module | 1 | 8 |
//! | gradients from burn's tensors to one flat buffer | 1 per 7 tensors | 8 |
//! | the step ([`lopt_core::gpu`]) | 3 | 40, of a hierarchical RNN 212 |
//! | true parameters to tensors of the module | 1 | 8 |
//!
//! A gradient that is not contiguous costs one launch more, the first step a few. burn's tensors are
//! used in place: the kernels read the buffers that the backward pass wrote, and the new tensors are
//! parts of one buffer. When a schedule, a group or a missing gradient changes how long the steps of
//! tensors are, four floats per tensor go up.
//!
//! With burn's operator fusion (on with burn's default features) the tensors are resolved first: what
//! is queued up to there is launched, and the host waits for that, not for the device.
//!
//! # What is not there
//!
//! * The guard, weight decay, clipping and the compact state look at values on the host or have no
//!   kernels: [`init_on_device`](crate::LearnedOptimizerConfig::init_on_device) refuses them. A
//!   gradient that is not finite goes through to the parameters.
//! * The loss, unless [`observe`](DeviceOptimizer::observe) is told it: it is a tensor that nobody waits for.
//! * Parameters of 16 bits, and models spread over devices, are refused.
//!
//! # Changes by others
//!
//! A module that others wrote to is noticed by its buffers, without looking into them: the same
//! values in another buffer (a record that was saved and loaded) count as changed too, and
//! [`sync`](DeviceOptimizer::sync), which looks into them, lets them pass.

mod buffers;
mod optimizer;
#[doc(hidden)]
pub mod packing;
mod reach;
mod saved;
mod settings;

pub use optimizer::DeviceOptimizer;
