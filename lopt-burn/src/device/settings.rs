//! What an optimizer on a device tells of itself, and the one thing that can be set while it runs.

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
