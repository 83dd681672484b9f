//! The coordinatewise LSTM optimizer of Andrychowicz et al. 2016, "Learning to learn by gradient
//! descent by gradient descent" (arXiv 1606.04474), which the paper's figure 2 compares with.
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
//! meta-parameters, 80 numbers of state per coordinate. Weights are made by `lopt_meta::l2l`.
//!
//! ```
//! use lopt_core::l2l::{L2l, L2lWeights, initial_psi};
//! use lopt_core::weights::TrainingRecord;
//! use lopt_core::{Layout, Optimizer, rng::stream};
//!
//! let weights = L2lWeights::new(&initial_psi(&mut stream(1, &[])), TrainingRecord::default())?;
//! let mut optimizer = L2l::new(&Layout::single(3)?, &weights)?;
//! let mut params = [1.0, 2.0, 3.0];
//! optimizer.step(&mut params, &[0.1, -0.2, 1e-9])?;
//! assert!(params != [1.0, 2.0, 3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The flow: `inputs` -> `lstm` (with its adjoint) -> `coordinates` (a tile through both layers and
//! back) -> [`L2lNetwork`] (a step of all coordinates; the way back through an unroll) -> [`L2l`].

mod coordinates;
mod inputs;
mod lstm;
mod network;
mod optimizer;
mod psi;
mod weights;

pub use network::{L2lNetwork, L2lState, L2lUnroll};
pub use optimizer::L2l;
pub use psi::{L2L_BLOCKS, META_PARAMETERS, initial_psi};
pub use weights::{L2lError, L2lWeights};
