//! The update of Adam (Kingma & Ba 2015, algorithm 1), to which the guard falls back; optimizers made of it,
//! and others designed by hand, are in the crate `lopt-baselines`.
//!
//! ```text
//! m <- beta1 m + (1 - beta1) g
//! v <- beta2 v + (1 - beta2) g^2
//! theta <- theta - lr (m / (1 - beta1^n)) / (sqrt(v / (1 - beta2^n)) + eps)
//! ```
//!
//! at step `n = 1, 2, ...`. All computing is in `f32`, as in the usual frameworks. A gradient above 1.8e19,
//! whose square is beyond `f32`, makes the mean square of its parameter infinite: that parameter rests from
//! then on.

/// Step count and step size of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Number of this step, the first being 1.
    pub number: u64,
    /// Learning rate times the schedule's multiplier.
    pub learning_rate: f64,
}

/// The numbers of the update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Decay of the average, in `[0, 1)`.
    pub beta1: f64,
    /// Decay of the mean square, in `[0, 1)`.
    pub beta2: f64,
    /// What is added to the root: positive, and a normal number of `f32`.
    pub epsilon: f64,
}

impl AdamStep {
    /// `beta1 = 0.9`, `beta2 = 0.999`, `eps = 1e-8`.
    pub const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

    /// What one parameter moves by, given its averages.
    pub(crate) fn step_of(&self, pace: Pace, m: f32, v: f32) -> f32 {
        let rate = pace.learning_rate / correction(self.beta1, pace.number);
        let inflate = 1.0 / correction(self.beta2, pace.number);
        rate as f32 * m / ((v * inflate as f32).sqrt() + self.epsilon as f32)
    }

    /// One step with the given factor of the parameters before it; `[m, v]`: as long as `params`.
    pub fn update(
        &self,
        pace: Pace,
        shrink: f64,
        params: &mut [f32],
        grads: &[f32],
        [m, v]: [&mut [f32]; 2],
    ) {
        let (keep1, blend1) = (self.beta1 as f32, (1.0 - self.beta1) as f32);
        let (keep2, blend2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        let rate = (pace.learning_rate / correction(self.beta1, pace.number)) as f32;
        let inflate = (1.0 / correction(self.beta2, pace.number)) as f32;
        let (epsilon, shrink) = (self.epsilon as f32, shrink as f32);
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            *m = keep1 * *m + blend1 * g;
            *v = kept(keep2, *v) + blend2 * (g * g);
            *p = shrink * *p - rate * *m / ((*v * inflate).sqrt() + epsilon);
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
