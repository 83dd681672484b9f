//! A training run seen from outside: what is trained, apart from who trains it and what is measured.

/// One seed of something to train: a model with its data, the order of its batches and all else that
/// is random about it, in a fixed order of draws.
///
/// ```text
/// loop { next_batch(); loss_and_gradient(attended point); optimizer step }
/// ```
pub trait Objective: Send {
    /// Draws what the next step depends on: rows, dropout masks, noise, episodes.
    fn next_batch(&mut self);

    /// Loss of the batch at `at`, `[P]`, and its gradient, `[P]`.
    ///
    /// May change what a framework's module in training mode would change, such as the running
    /// statistics of batch normalisation.
    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32;

    /// Replaces the true gradient by what the optimizer gets to see; most objectives change nothing.
    fn corrupt(&mut self, gradient: &mut [f32]) {
        let _ = gradient;
    }

    /// Loss of the batch at `params`, `[P]`, where no gradient is wanted; changes nothing.
    fn batch_loss(&mut self, params: &[f32]) -> f32;

    /// Loss, and where there are classes the accuracy, on the validation rows, as a user would see
    /// them: without dropout, with running statistics. `None` where there is nothing to validate on.
    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let _ = params;
        None
    }
}

/// What a model is worth on rows that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// Mean loss.
    pub loss: f64,
    /// Part of the rows that are classified rightly, for classifiers.
    pub accuracy: Option<f64>,
}
