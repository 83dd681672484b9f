//! What an optimizer on a device tells of itself, and what it can be told while it runs.

use super::optimizer::DeviceOptimizer;

impl DeviceOptimizer {
    /// Multiplies the length of every step from now on, beside schedule and groups.
    ///
    /// # Panics
    ///
    /// If the multiplier is negative or not finite.
    pub fn set_lr_multiplier(&mut self, multiplier: f32) {
        self.core.set_lr_multiplier(multiplier);
    }

    /// Tells the loss of the next step, an optional input of relative RNNs such as `recommended`. Whoever has
    /// it as a tensor only goes without, as nobody waits for its value.
    pub fn observe(&mut self, loss: f32) {
        self.core.observe(loss);
    }

    /// Factor of the next step of a tensor without settings of its own.
    #[must_use]
    pub fn lr_multiplier(&self) -> f32 {
        self.core.lr_multiplier()
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.core.steps()
    }
}
