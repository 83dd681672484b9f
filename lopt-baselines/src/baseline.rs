//! What optimizers designed by hand share. Most treat every parameter alike, so each is one small [`Rule`]
//! over flat slices, and [`Baseline`] adds what they share: checks, learning-rate schedule, state.

use lopt_core::adam::Pace;
use lopt_core::layout::Layout;
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::schedule::Schedule;
use std::fmt;

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
    pub(crate) rule: R,
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
