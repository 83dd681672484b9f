//! One step of the optimizer for users: gradient -> clipping -> guard -> decay -> networks.

use super::{Given, LearnedOptimizer};
use crate::guard::{Decision, Guard};
use crate::optimizer::{Optimizer, StepError, check_lengths, check_norms, check_present};
use crate::tensor_step::TensorStep;

impl LearnedOptimizer {
    /// One step; returns the loss. The way in which the attended point cannot be forgotten, and that of
    /// tensors which had no gradient yet is where the parameters are, whoever wrote to them.
    ///
    /// * `loss_and_gradient`: is given that point, `[P]`, and returns the loss there and its gradient,
    ///   `[P]`, the tensors of the layout one after another.
    ///
    /// ```
    /// # use lopt_core::{Layout, LearnedOptimizer};
    /// let mut optimizer = LearnedOptimizer::pretrained(&Layout::single(2)?)?;
    /// let mut params = [1.0_f32, -2.0];
    /// for _ in 0..100 {
    ///     optimizer.minimize(&mut params, |at| {
    ///         let loss = at[0] * at[0] + at[1] * at[1];
    ///         (loss, [2.0 * at[0], 2.0 * at[1]])
    ///     })?;
    /// }
    /// assert!(params.iter().all(|x| x.abs() < 0.1), "{params:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`step_with_loss`](Self::step_with_loss).
    pub fn minimize<G: AsRef<[f32]>>(
        &mut self,
        params: &mut [f32],
        loss_and_gradient: impl FnOnce(&[f32]) -> (f32, G),
    ) -> Result<f32, StepError> {
        self.engine.follow(params);
        let (loss, gradient) = loss_and_gradient(self.attended(params));
        self.step_with_loss(params, gradient.as_ref(), loss)?;
        Ok(loss)
    }

    /// [`step`](Optimizer::step) with the loss at the point where the gradient was taken.
    ///
    /// # Errors
    ///
    /// If a length does not fit the layout, or, without a guard, a gradient is not finite or longer
    /// than [`LARGEST_GRADIENT_NORM`](crate::optimizer::LARGEST_GRADIENT_NORM).
    pub fn step_with_loss(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        loss: f32,
    ) -> Result<(), StepError> {
        self.notice_attention(params);
        self.step_given(params, grads, Given { loss: Some(loss), ..Given::default() })
    }

    /// [`step`](Optimizer::step) with all that is known of the gradient.
    ///
    /// # Errors
    ///
    /// As [`step_with_loss`](Self::step_with_loss), and if `has_gradient` does not fit the layout.
    pub fn step_given(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        given: Given<'_>,
    ) -> Result<(), StepError> {
        let loss = self.observed.take().or(given.loss);
        self.check_given(params, grads, given)?;
        let usable = self.check_and_clip(grads, given);
        let decision = match (&self.guard, given.decision) {
            (None, _) => usable.map(|()| Decision::STEP)?,
            (Some(_), Some(shared)) if !shared.takes_step() => shared,
            (Some(_), Some(shared)) => usable.map(|()| shared)?,
            (Some(_), None) => self.judge(params, grads, usable, Given { loss, ..given }),
        };
        if self.acted(decision, params, given) {
            self.engine.reset();
        }
        if !decision.takes_step() {
            return Ok(());
        }
        self.note_gradients(grads, given);
        self.prepare(given);
        self.decay(params);
        let grads = if self.clipping.is_off() { grads } else { &self.clipped };
        self.taken += 1;
        if let Some(adam) = self.guard.as_mut().and_then(Guard::fallback_mut) {
            adam.step(self.engine.layout(), &self.tensors, params, grads);
            return Ok(());
        }
        let alike = self.tensors.iter().all(|tensor| *tensor == TensorStep::whole());
        let tensors = if alike { &[][..] } else { &self.tensors };
        self.engine.advance(params, grads, tensors, loss);
        if !alike {
            self.engine.follow(params);
        }
        Ok(())
    }

    /// Warns if nobody asks where gradients are to be taken. Not in
    /// [`step_given`](Self::step_given): of several replicas one may ask for all.
    pub(super) fn notice_attention(&mut self, params: &[f32]) {
        let elsewhere = !std::ptr::eq(self.point(params), params);
        self.warnings.before_step(elsewhere);
    }

    /// Where the next gradient is to be taken.
    pub(super) fn point<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        match self.guard.as_ref().and_then(Guard::looks_at) {
            Some(snapshot) => snapshot,
            None if self.has_fallen_back() => params,
            None => self.engine.attended(params),
        }
    }

    pub(super) fn check_given(
        &self,
        params: &[f32],
        grads: &[f32],
        given: Given<'_>,
    ) -> Result<(), StepError> {
        check_lengths(self.engine.layout(), params, grads)?;
        let (expected, got) = (self.settings.len(), given.has_gradient.len());
        if got != 0 && got != expected {
            let (what, tensors) = ("has_gradient", self.engine.layout().to_string());
            return Err(StepError::LengthMismatch { what, expected, tensors, got });
        }
        Ok(())
    }

    /// Whether a step can be taken with these gradients, which are then in `clipped` if they are to
    /// be limited. What is long only before that does no harm; frozen tensors are not looked at.
    pub(super) fn check_and_clip(
        &mut self,
        grads: &[f32],
        given: Given<'_>,
    ) -> Result<(), StepError> {
        let layout = self.engine.layout();
        let counts = |t: usize| !self.settings[t].frozen && given.has(t);
        check_present(layout, grads, counts)?;
        if self.clipping.is_off() {
            return check_norms(layout, grads, counts);
        }
        self.clipping.apply(layout, grads, counts, &mut self.clipped);
        check_norms(layout, &self.clipped, counts)
    }

    /// Notes which tensors have a gradient that is not zero, for the first time, and tells which never had.
    fn note_gradients(&mut self, grads: &[f32], given: Given<'_>) {
        let ranges = self.engine.layout().ranges();
        let tensors = ranges.zip(&mut self.had_gradient).enumerate();
        for (t, (range, had)) in tensors.filter(|(_, (_, had))| !**had) {
            *had = given.has(t) && grads[range].iter().any(|&g| g != 0.0);
        }
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.after_step(|| self.without_gradient());
        self.warnings = warnings;
    }

    /// How every tensor takes part in the next step.
    fn prepare(&mut self, given: Given<'_>) {
        let all = self.lr_multiplier();
        self.tensors.clear();
        self.tensors.extend(self.settings.iter().enumerate().map(|(t, own)| TensorStep {
            multiplier: all * own.multiplier,
            held: own.frozen || !given.has(t),
        }));
    }

    /// Shrinks what is to be shrunk, in proportion to the factors of the step.
    fn decay(&mut self, params: &mut [f32]) {
        if self.settings.iter().all(|own| own.weight_decay == 0.0) {
            return;
        }
        let has_fallen_back = self.has_fallen_back();
        for (t, (own, how)) in self.settings.iter().zip(&self.tensors).enumerate() {
            if own.weight_decay == 0.0 || how.held {
                continue;
            }
            // the Adam that took over has no pace
            let (pace, theta) = match has_fallen_back {
                true => (1.0, &mut params[self.engine.layout().range(t)]),
                false => (self.engine.pace(t), self.engine.iterate_mut(params, t)),
            };
            let keep = (1.0 - pace * how.multiplier * own.weight_decay).max(0.0);
            theta.iter_mut().for_each(|x| *x *= keep);
        }
    }
}
