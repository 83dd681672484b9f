//! What the variables hold: the true parameters, or the point where gradients are taken.

use crate::Error;
use crate::variables::{Variables, same};
use lopt_core::Optimizer as _;

/// Which point is in the variables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Holds {
    /// The answer.
    True,
    /// Where the next gradient is to be taken.
    Attended,
}

/// Variables, the parameters behind them, and how the two relate.
///
/// A tensor that has taken no step yet is *idle*: its variable belongs to whoever writes to it (batch
/// normalisation keeps running statistics in one) and both points are its value.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) variables: Variables,
    /// `[P]`: the true parameters, in full precision.
    pub(crate) params: Vec<f32>,
    /// `[P]`: what was last put into the variables, before rounding.
    shown: Vec<f32>,
    /// `[T]`
    idle: Vec<bool>,
    pub(crate) holds: Holds,
}

/// Of the same variables. The copy does not count as the one whose attended point they hold, so that
/// dropping it changes nothing in them.
impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            variables: self.variables.clone(),
            params: self.params.clone(),
            shown: self.shown.clone(),
            idle: self.idle.clone(),
            holds: Holds::True,
        }
    }
}

impl Model {
    pub(crate) fn new(variables: Variables) -> Result<Self, Error> {
        let (parameters, tensors) = (variables.layout().len(), variables.layout().tensor_count());
        let mut model = Self {
            variables,
            params: vec![0.0; parameters],
            shown: vec![0.0; parameters],
            idle: vec![true; tensors],
            holds: Holds::Attended,
        };
        model.start_from_variables()?;
        Ok(model)
    }

    /// Takes what is in the variables as the parameters of an optimizer before its first step.
    pub(crate) fn start_from_variables(&mut self) -> Result<(), Error> {
        self.look()?;
        self.params.copy_from_slice(&self.shown);
        self.idle.fill(true);
        self.holds = Holds::Attended;
        Ok(())
    }

    /// Takes parameters from elsewhere and puts them into the variables.
    pub(crate) fn start_from(
        &mut self,
        params: Vec<f32>,
        core: &lopt_core::LearnedOptimizer,
    ) -> Result<(), Error> {
        self.look()?;
        self.params = params;
        self.idle.fill(true);
        self.engage(&vec![true; self.idle.len()], core);
        self.put(Holds::True, core)
    }

    /// Puts the true parameters into the variables, whatever is there.
    pub(crate) fn restore(&mut self, core: &lopt_core::LearnedOptimizer) -> Result<(), Error> {
        self.look()?;
        self.put(Holds::True, core)
    }

    /// Notes what is in the variables, whoever put it there.
    fn look(&mut self) -> Result<(), Error> {
        for (t, range) in self.variables.layout().ranges().enumerate() {
            self.variables.read(t, &mut self.shown[range])?;
        }
        Ok(())
    }

    /// Deals with variables that were changed from outside.
    ///
    /// Off the CPU, only idle tensors are looked at: the others would double the transfers.
    pub(crate) fn settle(&mut self, core: &lopt_core::LearnedOptimizer) -> Result<(), Error> {
        // before a first step, and in Adam, the parameters are all there is: no point of its own
        let follows = core.own_steps().iter().all(|&steps| steps == 0) || core.has_fallen_back();
        for (t, range) in self.variables.layout().ranges().enumerate() {
            let free = self.idle[t] || follows;
            let shown = &mut self.shown[range.clone()];
            if !free && !self.variables.var(t).device().is_cpu()
                || !self.variables.differs(t, shown)?
            {
                continue;
            }
            if !free {
                return Err(Error::Changed { name: self.variables.name(t) });
            }
            self.variables.read(t, shown)?;
            self.params[range].copy_from_slice(shown);
        }
        Ok(())
    }

    /// Notes which tensors are no longer idle, after a step of those that have a gradient. Up to then the
    /// optimizer takes their value from the parameters.
    pub(crate) fn engage(&mut self, has_gradient: &[bool], core: &lopt_core::LearnedOptimizer) {
        let (own, adam) = (core.own_steps(), core.has_fallen_back());
        for (t, idle) in self.idle.iter_mut().enumerate() {
            *idle &= !(has_gradient[t] && (own[t] > 0 || adam));
        }
    }

    /// Puts one of the points into the variables, where it is not there yet.
    pub(crate) fn put(
        &mut self,
        holds: Holds,
        core: &lopt_core::LearnedOptimizer,
    ) -> Result<(), Error> {
        let Self { variables, params, shown, idle, .. } = self;
        // whatever stops this half-way, no step is taken from a mixture
        self.holds = Holds::True;
        let attended = core.attended(params);
        for (t, range) in variables.layout().ranges().enumerate() {
            let point = if holds == Holds::True || idle[t] { &params[..] } else { attended };
            let (target, shown) = (&point[range.clone()], &mut shown[range]);
            if !same(target, shown) {
                variables.write(t, target)?;
                shown.copy_from_slice(target);
            }
        }
        self.holds = holds;
        Ok(())
    }
}

/// A forgotten switch at the end of training must not lose the answer.
impl Drop for Model {
    fn drop(&mut self) {
        if self.holds == Holds::True {
            return;
        }
        for (t, range) in self.variables.layout().ranges().enumerate() {
            let (target, shown) = (&self.params[range.clone()], &self.shown[range]);
            // what somebody else has loaded since is theirs; a device that fails cannot be told
            if !same(target, shown) && matches!(self.variables.differs(t, shown), Ok(false)) {
                let _ = self.variables.write(t, target);
            }
        }
    }
}
