#![doc = include_str!("../README.md")]
//!
//! # Two points
//!
//! The optimizer gives back an average of its iterates and takes gradients elsewhere, as
//! Schedule-Free optimizers do: at the *attended* point. Whoever takes the one for the other gets
//! worse numbers and no error. So there is no switch to forget:
//!
//! * The module that goes into [`step`](LearnedOptimizer::step) and comes out of it holds the true
//!   parameters. The closure sees a copy at the attended point.
//! * A loop that does not fit into a closure calls [`attend`](LearnedOptimizer::attend), which gives
//!   an [`Attended`] module, a type of its own, and [`apply`](LearnedOptimizer::apply), which takes
//!   it back. Gradients of many batches add up in between:
//!
//! ```
//! # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
//! use burn::optim::{GradientsAccumulator, GradientsParams};
//! # use lopt_burn::LearnedOptimizer;
//! # let device = Device::default().autodiff();
//! # let mut model = LinearConfig::new(2, 1).init(&device);
//! # let draw = || Tensor::<2>::random([8, 2], Distribution::Default, &device);
//! # let batches = [draw(), draw()];
//! # let loss_of = |m: &Linear, x: &Tensor<2>| m.forward(x.clone()).square().mean();
//! # let mut optimizer = LearnedOptimizer::pretrained(&model)?;
//! let attended = optimizer.attend(&model)?;
//! let (mut sum, mut accumulator) = (0.0, GradientsAccumulator::new());
//! for batch in &batches {
//!     let loss = loss_of(&attended, batch) / batches.len() as f64;
//!     sum += loss.clone().into_scalar::<f32>();
//!     let grads = GradientsParams::from_grads(loss.backward(), &*attended);
//!     accumulator.accumulate(&*attended, grads);
//! }
//! model = optimizer.apply(model, attended, accumulator.grads(), sum)?;
//! # let _ = model;
//! # Ok::<(), lopt_burn::Error>(())
//! ```
//!
//! Running statistics (batch norm) are shared by both modules, as by all clones in burn, so they
//! arrive; they are of the attended point. If that matters, [`renew_statistics`] before evaluation.
//!
//! A module that others wrote to since the last step (a record loaded, weights clipped) is an error,
//! for all types of parameters: every step compares, which costs one more download of the
//! parameters. [`sync`](LearnedOptimizer::sync) accepts the change and begins anew. Before the first
//! step nothing is remembered, and what is in the module counts.
//!
//! # Parameters
//!
//! Names are the paths of fields: `conv1.weight`, `encoder.layers.0.norm_1.gamma`;
//! [`core().layout()`](LearnedOptimizer::core) lists them. A [`ParameterGroup`] goes by a pattern of them.
//!
//! * All float parameters that require a gradient are trained, of any rank, in F32, F16, BF16 or
//!   Flex32. The optimizer has the true parameters in full precision; the module gets them rounded
//!   and keeps its types, devices and parameter ids.
//! * Frozen ones (`no_grad`, `freeze`) are left out, and those without elements. One that is frozen later stays as it is; one
//!   that is thawed later needs a new optimizer. Integers and booleans are not touched.
//! * Tied ones (one `ParamId` in several places) are one tensor and stay equal. Mind that clones of
//!   a layer are tied in this sense.
//! * One without a gradient in a step keeps its value.
//!
//! # Saving
//!
//! [`save`](LearnedOptimizer::save) writes the trained parameters in full precision, all that the
//! optimizer remembers and running statistics (those of a batch norm) into one checksummed file, and
//! [`load`](LearnedOptimizer::load) goes on from there bit for bit. Frozen parameters and tensors of integers
//! are not in it: save the module's own record beside it if there is any.
//!
//! burn's `OptimizerRecord` is not offered: only burn's own optimizers can make one, its reader takes
//! foreign or cut off contents for absent ones, and it has no place for the full precision
//! parameters. `burn::optim::Optimizer`, which sees one tensor at a time, is not implemented either. With the
//! weights `recommended` it could be: what a step does to a tensor depends on that tensor, its gradient and
//! the Global RNN of the step before, which could be run when a tensor comes for the second time. But the
//! module would hold the attended point, where it would be validated and saved, the guard and a clipping norm
//! could not see all gradients, and the end of a step would be missed where other tensors have gradients in the next one.
//! `LearnedStrategy` (feature `train`) has none of these faults.
//!
//! # Guard
//!
//! It is on by default: a gradient or loss that is not finite leaves the step out. When a run looks
//! lost, some gradients are taken at the best point so far; if that one is better, the model goes back to it,
//! later with steps a tenth as long, in the end with Adam. Quiet times take these measures back. [`on_event`](LearnedOptimizer::on_event),
//! [`has_fallen_back`](LearnedOptimizer::has_fallen_back) and
//! [`core().skipped_steps()`](LearnedOptimizer::core) tell of it, and events go to `tracing`. It
//! needs the loss, so give it to `apply` too.
//!
//! # Cost
//!
//! The step runs on the CPU: some 4 nanoseconds per parameter, and 20 bytes of state, 8 more for
//! parameters and gradients here; with the weights `hierarchical-rnn` tens of nanoseconds and 100 bytes.
//! Going from module to flat vector and back comes on top. From a GPU every step brings
//! gradients and parameters down, in one transaction each, and the attended point and the new
//! parameters up: 16 bytes per parameter in all. With the features `wgpu`, `vulkan` or `cuda` `DeviceOptimizer` does
//! it all there.

mod attended;
mod config;
#[cfg(feature = "gpu")]
pub mod device;
mod diagnostics;
mod error;
mod gather;
mod optimizer;
mod roster;
mod saved;
mod scatter;
mod statistics;
#[cfg(feature = "train")]
mod strategy;

pub use attended::Attended;
pub use config::LearnedOptimizerConfig;
#[cfg(feature = "gpu")]
pub use device::DeviceOptimizer;
pub use error::Error;
pub use lopt_core::{
    BuildError, GuardConfig, GuardEvent, LayoutError, ParameterGroup, Schedule, StateError,
    StepError, Weights,
};
pub use optimizer::LearnedOptimizer;
pub use statistics::renew_statistics;
#[cfg(feature = "train")]
pub use strategy::LearnedStrategy;
