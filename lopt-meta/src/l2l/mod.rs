//! Meta-training of the optimizer of Andrychowicz et al. 2016 ([`lopt_core::l2l`]), as published.
//!
//! A run trains one fresh instance of the problem; every unroll of it is followed by an update of
//! psi. The meta-loss is the plain sum of the losses met, no logarithm, and gradients count as
//! constants: `L = f(theta_0) + ... + f(theta_U)`, so what step `t` moves by has the adjoint
//! `g_{t+1} + ... + g_U`, and the rest is the way back through the LSTM.
//!
//! ```
//! use lopt_meta::l2l::{L2lConfig, train};
//! use lopt_problems::Bowl;
//! use std::sync::Arc;
//!
//! let config = L2lConfig { runs: 3, evaluation_runs: 1, ..L2lConfig::default() };
//! let weights = train(Arc::new(Bowl::new(10.0, 30.0)), &config, |_| {})?;
//! # let _ = weights;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It shares problems, batches and the meta-optimizer with the trainer of the hierarchical RNN, not
//! its slots: there is one instance at a time, and no second derivative.

mod config;
mod run;
mod training;

pub use config::{L2lConfig, L2lTrainError};
pub use run::{Run, Unroll, meta_gradient};
pub use training::{L2lProgress, train};
