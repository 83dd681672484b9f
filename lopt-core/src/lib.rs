//! A pretrained learned optimizer: a small hierarchical recurrent network that trains your model in
//! place of Adam, with no learning rate to tune.
//!
//! It implements "Learned Optimizers that Scale and Generalize" (Wichrowska et al., ICML 2017). The
//! weights are inside this crate: no download, no Python, no system package.
//!
//! ```
//! use lopt_core::{Layout, LearnedOptimizer, TensorShape};
//!
//! // a model with a matrix and a bias; the loss is |W x + b - y|^2 for one fixed x, y
//! let layout = Layout::new(vec![TensorShape::new("W", [2, 3]), TensorShape::new("b", [2])])?;
//! let (x, y) = ([1.0_f32, -2.0, 0.5], [0.3_f32, -0.7]);
//! let residual = |p: &[f32], i: usize| {
//!     p[3 * i] * x[0] + p[3 * i + 1] * x[1] + p[3 * i + 2] * x[2] + p[6 + i] - y[i]
//! };
//!
//! let mut optimizer = LearnedOptimizer::pretrained(&layout)?;
//! let mut params = vec![0.5_f32; layout.len()];
//! for _ in 0..200 {
//!     // loss and gradient are taken where the optimizer looks, which is not at `params`
//!     optimizer.minimize(&mut params, |at| {
//!         let (mut loss, mut grads) = (0.0, vec![0.0; layout.len()]);
//!         for i in 0..2 {
//!             let r = residual(at, i);
//!             loss += r * r;
//!             (0..3).for_each(|j| grads[3 * i + j] = 2.0 * r * x[j]);
//!             grads[6 + i] = 2.0 * r;
//!         }
//!         (loss, grads)
//!     })?;
//! }
//! let loss: f32 = (0..2).map(|i| residual(&params, i).powi(2)).sum();
//! assert!(loss < 0.1, "{loss}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In a project of your own, debug builds are some 100 times as slow without these lines of `Cargo.toml`:
//!
//! ```toml
//! [profile.dev.package.lopt-core]
//! opt-level = 3
//! ```
//!
//! # What you have besides
//!
//! [`LearnedOptimizerConfig`] has what users have with AdamW: groups by name, weight decay, clipping,
//! schedules, a smaller state. [`LearnedOptimizer`] watches itself: a run that it has spoilt is taken
//! back, with shorter steps or Adam for as long as they are needed ([`guard`]). It saves itself together with the parameters, so that a
//! run that was killed goes on bit for bit:
//!
//! ```
//! # use lopt_core::{Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, ParameterGroup, TensorShape};
//! # let layout = Layout::new(vec![TensorShape::new("W", [2, 3]), TensorShape::new("b", [2])])?;
//! # let folder = std::env::temp_dir().join(format!("lopt-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("state.lopt");
//! let config = LearnedOptimizerConfig::new()
//!     .with_weight_decay(1e-5)
//!     .with_group(ParameterGroup::new("b").with_weight_decay(0.0));
//! let mut optimizer = config.init(&layout)?;
//! let mut params = vec![0.5_f32; layout.len()];
//! // the loss is for the guard
//! optimizer.step_with_loss(&mut params, &[0.1; 8], 2.5)?;
//! optimizer.save(&file, &params)?;
//!
//! let mut resumed = config.init(&layout)?;
//! let mut again = resumed.load(&file)?;
//! optimizer.step(&mut params, &[0.2; 8])?;
//! resumed.step(&mut again, &[0.2; 8])?;
//! assert_eq!(params, again);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RelativeRnn`] is the bare optimizer inside, without groups and guard; [`HierarchicalRnn`] is the
//! paper's, which other weights are of.
//!
//! # How it works
//!
//! Directions are those of Adam with Nesterov's look-ahead, steps are relative to the size of a tensor. How
//! far to go, how long to remember and how to average is set for every tensor by a small recurrent network
//! that sees whether its steps are too long or too short; a global one reads all tensors and, where it is
//! given, the loss. Nothing that they read has units. The networks are trained on thousands of runs of
//! small jobs. `docs/update-rule.md` in the repository has the equations.
//!
//! # Costs
//!
//! 16 bytes of state per parameter (Adam: 8), 4 more for the guard, and a few hundred per tensor; a step is
//! one pass over the parameters, some two to five times as long as Adam's. A [`HierarchicalRnn`] needs five
//! times the memory, and takes some tens of nanoseconds per parameter. `docs/performance.md` in the
//! repository counts all bytes.
//!
//! # Reading the code
//!
//! Of the relative RNN, [`relative_rnn`] has three stages: one pass over the elements of a tensor, what is
//! seen of it, the networks; `tests/relative_rnn.rs` has the whole rule in plain scalar maths. Of the
//! hierarchical RNN data flows **gradient -> averages -> features -> Parameter, Tensor, Global RNN -> readout
//! -> update**; each stage is a file in `hierarchical_rnn/stages`, strung together in [`step`]; their adjoints
//! are in `lopt-meta`. `tests/reference/mod.rs` has the rule: read it first.

/// The page's program is compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-adamw.md")]
mod coming_from_adamw {}

pub mod adam;
mod files;
pub mod flush;
#[cfg(feature = "cubecl")]
pub mod gpu;
pub mod guard;
pub mod hierarchical_rnn;
pub mod layout;
pub mod learned;
pub mod optimizer;
pub mod relative_rnn;
pub mod rng;
pub mod schedule;
pub mod tensor_step;

#[doc(no_inline)]
pub use config::HierarchicalRnnConfig;
#[doc(hidden)]
pub use files::positional;
pub use files::{header, sealed, weights};
pub use guard::{Decision, GuardConfig, GuardEvent, Reason as GuardReason, Stage as GuardStage};
pub use hierarchical_rnn::HierarchicalRnn;
pub use hierarchical_rnn::memory::state;
pub use hierarchical_rnn::psi::{config, meta_params, network};
#[doc(hidden)]
pub use hierarchical_rnn::stages::{accumulators, features, gru, readout, scale, update};
#[doc(hidden)]
pub use hierarchical_rnn::whole_step::{cohorts, tile_pass};
pub use hierarchical_rnn::whole_step::{engine, plan, record, step};
pub use layout::{Layout, LayoutError, TensorShape};
pub use learned::{
    BuildError, Given, LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup, StateError,
    UntrainedTensor,
};
pub use lopt_simd as simd;
pub use optimizer::{Optimizer, StepError};
pub use relative_rnn::{RelativeRnn, RelativeRnnConfig};
pub use schedule::Schedule;
#[doc(no_inline)]
pub use weights::{Weights, WeightsError};

/// The sentence, as it is what a `main` that returns an error prints.
macro_rules! debug_is_the_sentence {
    ($($error:ty),*) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}
debug_is_the_sentence!(BuildError, LayoutError, StateError, StepError, WeightsError);
