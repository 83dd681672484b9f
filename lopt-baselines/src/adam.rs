//! Adam (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019, algorithm 2).
//!
//! ```text
//! m <- beta1 m + (1 - beta1) g
//! v <- beta2 v + (1 - beta2) g^2
//! theta <- theta - lr (m / (1 - beta1^n)) / (sqrt(v / (1 - beta2^n)) + eps)
//! ```
//!
//! at step `n = 1, 2, ...`. AdamW first shrinks `theta <- (1 - lr lambda) theta`: the decay follows
//! the schedule and the learning rate, as in `torch` and `optax` (the paper's lambda is our
//! `lr lambda`), but not the division by `sqrt(v)`.

use crate::baseline::{Baseline, Rule, expect_betas, expect_decay, expect_epsilon};
use lopt_core::Layout;
use lopt_core::adam::{AdamStep, Pace};

/// Adam with `beta1 = 0.9`, `beta2 = 0.999`, `eps = 1e-8`; two state vectors, the averages `m` and `v`.
pub type Adam = Baseline<AdamRule, 2>;

/// Adam with decoupled weight decay; state as [`Adam`].
pub type AdamW = Baseline<AdamWRule, 2>;

impl Adam {
    /// Sets the decay of the average and of the mean square.
    ///
    /// # Panics
    ///
    /// If one is not in `[0, 1)`.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule = self.rule.with_betas(beta1, beta2);
        self
    }

    /// Sets what is added to the root.
    ///
    /// # Panics
    ///
    /// If it is not a positive normal number of `f32`, 1.2e-38 or more: rounded to 0, it would let 0
    /// be divided by 0.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.rule = self.rule.with_epsilon(epsilon);
        self
    }
}

impl AdamW {
    /// AdamW with this learning rate and decay `lambda` (often 0.01); the rest as [`Adam`].
    ///
    /// # Panics
    ///
    /// If `weight_decay` is negative or not finite.
    pub fn new(layout: &Layout, learning_rate: f64, weight_decay: f64) -> Self {
        expect_decay(weight_decay);
        let rule = AdamWRule { adam: AdamRule::default(), weight_decay };
        Self::with_rule(layout, learning_rate, rule)
    }

    /// Sets the decay of the average and of the mean square.
    ///
    /// # Panics
    ///
    /// If one is not in `[0, 1)`.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.adam = self.rule.adam.with_betas(beta1, beta2);
        self
    }

    /// Sets what is added to the root.
    ///
    /// # Panics
    ///
    /// If it is not a positive normal number of `f32`, 1.2e-38 or more: rounded to 0, it would let 0
    /// be divided by 0.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.rule.adam = self.rule.adam.with_epsilon(epsilon);
        self
    }
}

/// The update of the module's header, without decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRule(AdamStep);

impl AdamRule {
    /// As [`Adam::with_betas`].
    ///
    /// # Panics
    ///
    /// As there.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        expect_betas([beta1, beta2]);
        (self.0.beta1, self.0.beta2) = (beta1, beta2);
        self
    }

    /// As [`Adam::with_epsilon`].
    ///
    /// # Panics
    ///
    /// As there.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        expect_epsilon(epsilon);
        self.0.epsilon = epsilon;
        self
    }

    /// One step with the given factor of the parameters before it; `averages`: `m` and `v`, as long as
    /// `params`.
    pub fn update_decayed(
        &self,
        pace: Pace,
        shrink: f64,
        params: &mut [f32],
        grads: &[f32],
        averages: [&mut [f32]; 2],
    ) {
        self.0.update(pace, shrink, params, grads, averages);
    }
}

fn slices([m, v]: &mut [Vec<f32>; 2]) -> [&mut [f32]; 2] {
    [m, v]
}

impl Default for AdamRule {
    fn default() -> Self {
        Self(AdamStep::DEFAULT)
    }
}

impl Rule<2> for AdamRule {
    const START: [f32; 2] = [0.0, 0.0];

    fn name(&self) -> &str {
        "adam"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], state: &mut [Vec<f32>; 2]) {
        self.update_decayed(pace, 1.0, params, grads, slices(state));
    }
}

/// The update of the module's header, with decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWRule {
    adam: AdamRule,
    weight_decay: f64,
}

impl Rule<2> for AdamWRule {
    const START: [f32; 2] = [0.0, 0.0];

    fn name(&self) -> &str {
        "adamw"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], state: &mut [Vec<f32>; 2]) {
        let shrink = 1.0 - pace.learning_rate * self.weight_decay;
        self.adam.update_decayed(pace, shrink, params, grads, slices(state));
    }
}
