//! What an optimizer tells of itself, and the one thing that can be set while it runs.

use crate::optimizer::LearnedOptimizer;

impl LearnedOptimizer {
    /// Multiplies the length of every step from now on, beside schedule and groups.
    ///
    /// # Panics
    ///
    /// If the multiplier is negative or not finite.
    pub fn set_lr_multiplier(&mut self, multiplier: f32) {
        self.core.set_lr_multiplier(multiplier);
    }

    /// Name of every tensor and root mean square of its last step, in units of the parameters: how
    /// far the optimizer thinks it can go.
    #[must_use]
    pub fn effective_step(&self) -> Vec<(&str, f32)> {
        let names = self.core.layout().tensors().iter().map(|tensor| tensor.name.as_str());
        names.zip(self.core.effective_step()).collect()
    }

    /// Steps taken, those that the guard left out not counted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.core.steps()
    }

    /// Whether Adam has taken over.
    #[must_use]
    pub fn has_fallen_back(&self) -> bool {
        self.core.has_fallen_back()
    }

    /// The optimizer inside, for all else there is to read: names and shapes of the tensors that are
    /// trained, in the order of a visit, are its [`layout`](lopt_core::LearnedOptimizer::layout).
    #[must_use]
    pub fn core(&self) -> &lopt_core::LearnedOptimizer {
        &self.core
    }

    /// The true parameters in full precision, `[P]`: the tensors of
    /// [`core().layout()`](Self::core) one after another.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.params
    }
}
