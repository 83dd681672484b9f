//! Optimizers designed by hand, to compare learned ones with.
//!
//! | name | type | tuned by |
//! | --- | --- | --- |
//! | `sgd`, `momentum`, `nesterov`, `rmsprop`, `adam`, `adamw` | [`Sgd`], [`Momentum`], [`RmsProp`], [`Adam`], [`AdamW`] | rate |
//! | `nadamw` | [`NAdamW`] | rate, or not at all: [`NAdamWRule::algoperf_default`] |
//! | `lion` | [`Lion`] | rate, a third to a tenth of Adam's |
//! | `muon` | [`Muon`] | two rates, of matrices and of the rest; one with [`Muon::with_rms_matched_rate`] |
//! | `schedule-free` | [`ScheduleFreeAdamW`] | rate, no schedule but a warm-up |
//! | `schedule-free-plus` | [`ScheduleFreePlus`] | a warm-up; needs the loss ([`Optimizer::observe`](lopt_core::Optimizer::observe)), and one whose least value is about 0 |
//! | `prodigy`, `d-adapt-adam` | [`Prodigy`], [`DAdaptAdam`] | nothing |
//! | `relative-adam` | [`RelativeAdam`] | nothing |
//!
//! Those that treat every parameter alike are a small [`Rule`] each, made an
//! optimizer by [`Baseline`]; settings are those of the rule. Six have a
//! shape of their own: [`ScheduleFreeAdamW`] and [`ScheduleFreePlus`] look ahead, the latter with a rate
//! that follows from the loss; [`Prodigy`] and [`DAdaptAdam`] find their rate by sums over all parameters;
//! [`Muon`] works on matrices, [`RelativeAdam`] on tensors by their size. All
//! computing is in `f32`, as in the usual frameworks. A gradient above 1.8e19, whose square is beyond `f32`,
//! makes the mean square of its parameter infinite: where steps are divided by its root, that parameter rests
//! from then on.
//!
//! ```
//! use lopt_baselines::{Lion, LionRule};
//! use lopt_core::{Layout, Optimizer, Schedule};
//!
//! let layout = Layout::single(2)?;
//! let schedule = Schedule::Cosine { steps: 200, floor: 0.0 }.after_warmup(10);
//! let rule = LionRule::default().with_weight_decay(0.01);
//! let mut lion = Lion::with_rule(&layout, 0.1, rule).with_schedule(schedule);
//! let mut params = [3.0, -1.0];
//! for _ in 0..200 {
//!     let grads = params.map(|x| 2.0 * x);
//!     lion.step(&mut params, &grads)?;
//! }
//! assert!(params.iter().all(|x| x.abs() < 1e-2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adam;
mod baseline;
mod d_adapt_adam;
mod lion;
mod momentum;
mod muon;
mod nadamw;
mod orthogonal;
mod prodigy;
mod relative_adam;
mod rmsprop;
mod schedule_free;
mod schedule_free_plus;
mod sgd;

pub use adam::{Adam, AdamRule, AdamW, AdamWRule};
pub use baseline::{Baseline, Rule, expect_betas, expect_decay, expect_epsilon, expect_rate};
pub use d_adapt_adam::DAdaptAdam;
pub use lion::{Lion, LionRule};
pub use lopt_core::adam::{Pace, correction, kept};
pub use momentum::{Momentum, MomentumRule};
pub use muon::Muon;
pub use nadamw::{NAdamW, NAdamWRule};
pub use prodigy::Prodigy;
pub use relative_adam::RelativeAdam;
pub use rmsprop::{RmsProp, RmsPropRule};
pub use schedule_free::ScheduleFreeAdamW;
pub use schedule_free_plus::ScheduleFreePlus;
pub use sgd::{Sgd, SgdRule};
