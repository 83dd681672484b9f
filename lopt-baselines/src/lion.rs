//! Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2).
//!
//! ```text
//! theta <- (1 - lr lambda) theta - lr sign(beta1 m + (1 - beta1) g)
//! m <- beta2 m + (1 - beta2) g
//! ```
//!
//! Every parameter moves by `lr`, so the paper advises a rate 3 to 10 times smaller than AdamW's and
//! a decay larger by the same factor. The decay follows rate and schedule, as in `optax.lion`; the
//! sign of 0 is 0.

use crate::baseline::{Baseline, Rule, expect_betas, expect_decay};
use lopt_core::adam::Pace;

/// Lion with decoupled weight decay, whose learning rate is 1e-4 by default in the paper; one state vector, the average `m`.
pub type Lion = Baseline<LionRule, 1>;

/// The update of the module's header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionRule {
    beta1: f64,
    beta2: f64,
    weight_decay: f64,
}

/// `beta1 = 0.9`, `beta2 = 0.99`, no decay.
impl Default for LionRule {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl LionRule {
    /// Sets `beta1`, which blends the step, and `beta2`, which keeps the average; 0.95 and 0.98 are
    /// the paper's choice for language models.
    ///
    /// # Panics
    ///
    /// If one is not in `[0, 1)`.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        expect_betas([beta1, beta2]);
        (self.beta1, self.beta2) = (beta1, beta2);
        self
    }

    /// Sets the decay `lambda`.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
        expect_decay(weight_decay);
        self.weight_decay = weight_decay;
        self
    }
}

impl Rule<1> for LionRule {
    const START: [f32; 1] = [0.0];

    fn name(&self) -> &str {
        "lion"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], [m]: &mut [Vec<f32>; 1]) {
        let rate = pace.learning_rate as f32;
        let shrink = (1.0 - pace.learning_rate * self.weight_decay) as f32;
        let (keep1, blend1) = (self.beta1 as f32, (1.0 - self.beta1) as f32);
        let (keep2, blend2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        for ((p, &g), m) in params.iter_mut().zip(grads).zip(m) {
            let blend = keep1 * *m + blend1 * g;
            *p = shrink * *p - rate * sign(blend);
            *m = keep2 * *m + blend2 * g;
        }
    }
}

/// Unlike `signum`, 0 at 0: a parameter without gradient rests.
fn sign(x: f32) -> f32 {
    f32::from(x > 0.0) - f32::from(x < 0.0)
}
