//! The coordinatewise LSTM optimizer of Andrychowicz et al. 2016, "Learning to learn by gradient
//! descent by gradient descent" (arXiv 1606.04474), which the paper's figure 2 compares with, and its
//! meta-training, as published.
//!
//! Every coordinate has the same small network and a state of its own:
//!
//! ```text
//! x = (max(ln(|g| + eps) / 5, -1), clamp(e^5 g, -1, 1))      eps: that of f32
//! h0 = LSTM(x), h1 = LSTM(h0), 20 units each
//! theta <- theta + 0.01 (h1 w + b)
//! ```
//!
//! as in the code the authors published (google-deepmind/learning-to-learn, networks.py). 5141
//! meta-parameters, 80 numbers of state per coordinate.
//!
//! A training run trains one fresh instance of the problem; every unroll of it is followed by an update of
//! psi. The meta-loss is the plain sum of the losses met, no logarithm, and gradients count as
//! constants: `L = f(theta_0) + ... + f(theta_U)`, so what step `t` moves by has the adjoint
//! `g_{t+1} + ... + g_U`, and the rest is the way back through the LSTM.
//!
//! ```
//! use lopt_core::{Layout, Optimizer};
//! use lopt_meta::l2l::{L2l, L2lConfig, train};
//! use lopt_problems::Bowl;
//! use std::sync::Arc;
//!
//! let config = L2lConfig { runs: 3, evaluation_runs: 1, ..L2lConfig::default() };
//! let weights = train(Arc::new(Bowl::new(10.0, 30.0)), &config, |_| {})?;
//! let mut optimizer = L2l::new(&Layout::single(3)?, &weights)?;
//! let mut params = [1.0, 2.0, 3.0];
//! optimizer.step(&mut params, &[0.1, -0.2, 1e-9])?;
//! assert!(params != [1.0, 2.0, 3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The flow of the optimizer: `inputs` -> `lstm` (with its adjoint) -> `coordinates` (a tile through both
//! layers and back) -> [`L2lNetwork`] (a step of all coordinates; the way back through an unroll) ->
//! [`L2l`]. That of training: [`Run`] -> [`Unroll`] -> [`meta_gradient`] -> [`train`]. It shares problems,
//! batches and the meta-optimizer with the trainer of the hierarchical RNN, not its slots: there is one
//! instance at a time, and no second derivative.

mod config;
mod coordinates;
mod inputs;
mod lstm;
mod network;
mod optimizer;
mod psi;
mod run;
mod training;
mod weights;

pub use config::{L2lConfig, L2lTrainError};
pub use network::{L2lNetwork, L2lState, L2lUnroll};
pub use optimizer::L2l;
pub use psi::{L2L_BLOCKS, META_PARAMETERS, initial_psi};
pub use run::{Run, Unroll, meta_gradient};
pub use training::{L2lProgress, train};
pub use weights::{L2lError, L2lWeights};
