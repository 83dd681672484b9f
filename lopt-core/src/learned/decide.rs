//! The guard's decision about a step, for one model or for all replicas of it.

use super::{Given, LearnedOptimizer};
use crate::guard::{Decision, Shown};
use crate::optimizer::StepError;

impl LearnedOptimizer {
    /// What the guard makes of the next step, for replicas of one model that see different losses: one
    /// of them decides, always the same, and all of them, this one as well, take the step with the same
    /// gradients and the decision in [`Given::decision`]. Its loss is then for the networks alone, and has
    /// to be the same everywhere, or `None`. Without a guard: to take the step.
    ///
    /// ```
    /// use lopt_core::{Decision, Given, Layout, LearnedOptimizer, Optimizer};
    ///
    /// let layout = Layout::single(2)?;
    /// let mut replicas = [0, 1].map(|_| LearnedOptimizer::pretrained(&layout).unwrap());
    /// let mut params = [[1.0_f32, -2.0]; 2];
    /// for _ in 0..10 {
    ///     let grads = replicas[0].attended(&params[0]).to_vec(); // the mean of all replicas
    ///     let local = Given { loss: Some(0.7), ..Given::default() };
    ///     let code = replicas[0].decide(&params[0], &grads, local)?.code(); // sent to the others
    ///     for (replica, params) in replicas.iter_mut().zip(&mut params) {
    ///         let decision = Decision::from_code(code);
    ///         replica.step_given(params, &grads, Given { decision, ..Given::default() })?;
    ///     }
    /// }
    /// assert_eq!(params[0], params[1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`step_given`](Self::step_given).
    pub fn decide(
        &mut self,
        params: &[f32],
        grads: &[f32],
        given: Given<'_>,
    ) -> Result<Decision, StepError> {
        let loss = self.observed.take().or(given.loss);
        self.check_given(params, grads, given)?;
        let usable = self.check_and_clip(grads, given);
        if self.guard.is_none() {
            return usable.map(|()| Decision::STEP);
        }
        Ok(self.judge(params, grads, usable, Given { loss, ..given }))
    }

    /// Asks the guard, and tells what it finds.
    pub(super) fn judge(
        &mut self,
        params: &[f32],
        grads: &[f32],
        gradient: Result<(), StepError>,
        given: Given<'_>,
    ) -> Decision {
        let counts = |t: usize| !self.settings[t].frozen && given.has(t);
        let Some(guard) = &mut self.guard else { return Decision::STEP };
        guard.begin(self.engine.layout(), params, counts);
        let decision = guard.judge(&Shown {
            layout: self.engine.layout(),
            params,
            attended: self.engine.attended(params),
            counts: &counts,
            grads,
            gradient: gradient.map_err(|error| error.to_string()),
            loss: given.loss,
        });
        self.listener.tell(guard.take_events());
        decision
    }

    /// Lets the guard act. Returns whether the networks have to begin anew.
    pub(super) fn acted(
        &mut self,
        decision: Decision,
        params: &mut [f32],
        given: Given<'_>,
    ) -> bool {
        let counts = |t: usize| !self.settings[t].frozen && given.has(t);
        let Some(guard) = &mut self.guard else { return false };
        guard.begin(self.engine.layout(), params, counts);
        guard.apply(decision, self.engine.layout(), params)
    }
}
