//! SGD with momentum, classical (Polyak 1964) or Nesterov's (1983, as Sutskever et al. 2013).
//!
//! ```text
//! m <- mu m + g
//! theta <- theta - lr m              classical
//! theta <- theta - lr (g + mu m)     Nesterov, gradient taken at theta itself
//! ```
//!
//! The learning rate stands outside the average, so a schedule acts at once (`torch` and
//! TensorFlow do the same).

use crate::baseline::{Baseline, Rule};
use lopt_core::adam::Pace;

/// SGD with classical or Nesterov momentum; one state vector, the average `m`.
pub type Momentum = Baseline<MomentumRule, 1>;

/// The update of the module's header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentumRule {
    momentum: f64,
    nesterov: bool,
}

impl MomentumRule {
    /// With averaging factor `mu`, usually 0.9.
    ///
    /// # Panics
    ///
    /// If `momentum` is not in `[0, 1)`.
    #[must_use]
    pub fn new(momentum: f64, nesterov: bool) -> Self {
        assert!((0.0..1.0).contains(&momentum), "expected 0 <= momentum < 1, got {momentum}");
        Self { momentum, nesterov }
    }
}

impl Rule<1> for MomentumRule {
    const START: [f32; 1] = [0.0];

    fn name(&self) -> &str {
        if self.nesterov { "nesterov" } else { "momentum" }
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], [m]: &mut [Vec<f32>; 1]) {
        let (rate, mu) = (pace.learning_rate as f32, self.momentum as f32);
        let each = params.iter_mut().zip(grads).zip(m);
        if self.nesterov {
            for ((p, &g), m) in each {
                *m = mu * *m + g;
                *p -= rate * (g + mu * *m);
            }
        } else {
            for ((p, &g), m) in each {
                *m = mu * *m + g;
                *p -= rate * *m;
            }
        }
    }
}
