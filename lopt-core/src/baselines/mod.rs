//! Adam and AdamW, and what optimizers designed by hand share; many more are in the
//! crate `lopt-baselines`.
//!
//! Most treat every parameter alike, so each is one small [`Rule`] over flat slices, and
//! [`Baseline`] adds what they share: checks, learning-rate schedule, state.
//!
//! All computing is in `f32`, as in the usual frameworks. A gradient above 1.8e19, whose square is
//! beyond `f32`, makes the mean square of its parameter infinite: where steps are divided by its root,
//! that parameter rests from then on.
//!
//! ```
//! use lopt_core::{Layout, Optimizer, Schedule, baselines::Adam};
//!
//! let layout = Layout::single(2)?;
//! let schedule = Schedule::Cosine { steps: 200, floor: 0.0 }.after_warmup(10);
//! let mut adam = Adam::new(&layout, 0.1).with_schedule(schedule);
//! let mut params = [3.0, -1.0];
//! for _ in 0..200 {
//!     let grads = params.map(|x| 2.0 * x);
//!     adam.step(&mut params, &grads)?;
//! }
//! assert!(params.iter().all(|x| x.abs() < 1e-2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adam;

pub use adam::{Adam, AdamRule, AdamW, AdamWRule};

use crate::layout::Layout;
use crate::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use crate::schedule::Schedule;
use std::fmt;

/// Step count and step size of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Number of this step, the first being 1.
    pub number: u64,
    /// Learning rate times the schedule's multiplier.
    pub learning_rate: f64,
}

/// What tells one baseline from another: `N` numbers of state per parameter and their update.
pub trait Rule<const N: usize>: fmt::Debug + Clone + Send {
    /// Value of each state vector before the first step.
    const START: [f32; N];

    /// Short name for tables and plots.
    fn name(&self) -> &str;

    /// Updates parameters and state in one pass; all slices have the same length `P`.
    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], state: &mut [Vec<f32>; N]);
}

/// A rule with its schedule and its state, ready to step.
#[derive(Clone)]
pub struct Baseline<R, const N: usize> {
    rule: R,
    layout: Layout,
    learning_rate: f64,
    schedule: Schedule,
    steps: u64,
    state: [Vec<f32>; N],
}

/// Short: the state would be megabytes.
impl<R: Rule<N>, const N: usize> fmt::Debug for Baseline<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.describe(self.rule.name(), self.steps, f)
    }
}

impl<R: Rule<N> + Default, const N: usize> Baseline<R, N> {
    /// A baseline with the default settings of its rule.
    ///
    /// # Panics
    ///
    /// If the learning rate is negative or not finite.
    pub fn new(layout: &Layout, learning_rate: f64) -> Self {
        Self::with_rule(layout, learning_rate, R::default())
    }
}

impl<R: Rule<N>, const N: usize> Baseline<R, N> {
    /// A baseline of this rule.
    ///
    /// # Panics
    ///
    /// If the learning rate is negative or not finite.
    pub fn with_rule(layout: &Layout, learning_rate: f64, rule: R) -> Self {
        expect_rate(learning_rate);
        let state = R::START.map(|start| vec![start; layout.len()]);
        let schedule = Schedule::Constant;
        Self { rule, layout: layout.clone(), learning_rate, schedule, steps: 0, state }
    }

    /// Multiplies the learning rate of each step by a schedule.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Number of steps taken since construction or [`reset`](Optimizer::reset).
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state vectors, each `[P]`; with [`steps`](Self::steps) all that a resumed run needs.
    pub fn state(&self) -> [&[f32]; N] {
        std::array::from_fn(|i| self.state[i].as_slice())
    }

    /// Continues from the saved [`steps`](Self::steps) and [`state`](Self::state).
    ///
    /// # Errors
    ///
    /// If a vector does not have `P` values; nothing is changed then.
    pub fn restore(&mut self, steps: u64, state: [&[f32]; N]) -> Result<(), StepError> {
        let expected = self.layout.len();
        if let Some(wrong) = state.iter().find(|vector| vector.len() != expected) {
            let (tensors, got) = (self.layout.to_string(), wrong.len());
            return Err(StepError::LengthMismatch { what: "state", expected, tensors, got });
        }
        for (own, saved) in self.state.iter_mut().zip(state) {
            own.copy_from_slice(saved);
        }
        self.steps = steps;
        Ok(())
    }
}

impl<R: Rule<N>, const N: usize> Optimizer for Baseline<R, N> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        let learning_rate = self.learning_rate * self.schedule.multiplier(self.steps);
        self.steps += 1;
        let pace = Pace { number: self.steps, learning_rate };
        self.rule.update(pace, params, grads, &mut self.state);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.state.iter().map(|vector| size_of_val(vector.as_slice())).sum()
    }

    fn reset(&mut self) {
        self.steps = 0;
        for (vector, start) in self.state.iter_mut().zip(R::START) {
            vector.fill(start);
        }
    }
}

/// `decay` times a mean square: nothing where nothing is kept, even of an infinite one.
#[inline(always)]
#[must_use]
pub fn kept(decay: f32, mean_square: f32) -> f32 {
    if decay == 0.0 { 0.0 } else { decay * mean_square }
}

/// `1 - beta^n` in double precision, without cancellation where `beta^n` is close to 1.
#[must_use]
pub fn correction(beta: f64, n: u64) -> f64 {
    -(n as f64 * beta.ln()).exp_m1()
}

/// Refuses a learning rate that makes no sense.
///
/// # Panics
///
/// If it is negative or not finite.
pub fn expect_rate(learning_rate: f64) {
    assert!(
        learning_rate.is_finite() && learning_rate >= 0.0,
        "expected a finite learning rate of at least 0, got {learning_rate}"
    );
}

/// Refuses a weight decay that makes no sense.
///
/// # Panics
///
/// If it is negative or not finite.
pub fn expect_decay(weight_decay: f64) {
    assert!(
        weight_decay.is_finite() && weight_decay >= 0.0,
        "expected a finite weight decay of at least 0, got {weight_decay}"
    );
}

/// Refuses averaging factors that make no sense.
///
/// # Panics
///
/// If one is not in `[0, 1)`.
pub fn expect_betas<const N: usize>(betas: [f64; N]) {
    for beta in betas {
        assert!((0.0..1.0).contains(&beta), "expected 0 <= beta < 1, got {beta}");
    }
}

/// Refuses what is added to a root if it would be 0 in `f32`.
///
/// # Panics
///
/// If it is not a positive normal number of `f32`.
pub fn expect_epsilon(epsilon: f64) {
    assert!(
        epsilon > 0.0 && (epsilon as f32).is_normal(),
        "expected a positive epsilon that is normal in f32, got {epsilon:e}"
    );
}
