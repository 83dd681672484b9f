//! RMSProp (Tieleman & Hinton 2012, Coursera lecture 6.5), with TensorFlow's conventions.
//!
//! ```text
//! v <- rho v + (1 - rho) g^2         v starts at 1, not at 0
//! theta <- theta - lr g / sqrt(v + eps)
//! ```
//!
//! `rho = 0.9` and `eps = 1e-10` inside the root, as in the figures of Wichrowska et al. 2017. The
//! start at 1 makes the first steps short where gradients are small; `torch` starts at 0 and adds
//! its epsilon outside the root.

use crate::baseline::{Baseline, Rule, expect_epsilon};
use lopt_core::adam::{Pace, kept};

/// RMSProp without momentum; one state vector, the mean square `v`.
pub type RmsProp = Baseline<RmsPropRule, 1>;

/// The update of the module's header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsPropRule {
    decay: f64,
    epsilon: f64,
}

/// `rho = 0.9`, `eps = 1e-10`.
impl Default for RmsPropRule {
    fn default() -> Self {
        Self { decay: 0.9, epsilon: 1e-10 }
    }
}

impl RmsPropRule {
    /// Sets `rho`.
    ///
    /// # Panics
    ///
    /// If it is not in `[0, 1]`.
    #[must_use]
    pub fn with_decay(mut self, decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "expected 0 <= decay <= 1, got {decay}");
        self.decay = decay;
        self
    }

    /// Sets `eps`.
    ///
    /// # Panics
    ///
    /// If it is not a positive normal number of `f32`, 1.2e-38 or more: rounded to 0, it would let 0
    /// be divided by 0.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        expect_epsilon(epsilon);
        self.epsilon = epsilon;
        self
    }
}

impl Rule<1> for RmsPropRule {
    const START: [f32; 1] = [1.0];

    fn name(&self) -> &str {
        "rmsprop"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], [v]: &mut [Vec<f32>; 1]) {
        let (rate, epsilon) = (pace.learning_rate as f32, self.epsilon as f32);
        let (keep, blend) = (self.decay as f32, (1.0 - self.decay) as f32);
        for ((p, &g), v) in params.iter_mut().zip(grads).zip(v) {
            *v = kept(keep, *v) + blend * (g * g);
            *p -= rate * g / (*v + epsilon).sqrt();
        }
    }
}
