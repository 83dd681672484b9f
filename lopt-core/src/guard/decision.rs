//! What the guard decides about one step, as a value that several replicas of a model can share.

/// What the guard decided about one step.
///
/// Replicas that train one model on the same gradients but see different local losses must not each
/// decide for themselves. One of them calls [`decide`](crate::LearnedOptimizer::decide), sends the
/// [`code`](Self::code) to the others, and all of them pass it on in
/// [`Given::decision`](crate::Given::decision).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub(super) action: Action,
    /// Whether the next gradient is to be taken at the snapshot.
    pub(super) look: bool,
    /// Whether the parameters become the snapshot, before anything else happens to them.
    pub(super) keep: bool,
    /// Full steps, full steps after a restore, shorter ones, Adam, from this step on.
    pub(super) caution: u8,
}

/// What happens to the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// They take the step.
    Step,
    /// They stay.
    Skip,
    /// They become the snapshot, and the optimizer begins anew.
    Restore,
}

/// Largest caution: Adam is at work.
pub(super) const ADAM: u8 = 3;

impl Decision {
    /// Goes on, as if there were no guard.
    pub(crate) const STEP: Self = Self::new(Action::Step, 0);

    pub(super) const fn new(action: Action, caution: u8) -> Self {
        Self { action, look: false, keep: false, caution }
    }

    /// Whether the gradient is used.
    #[must_use]
    pub fn takes_step(self) -> bool {
        self.action == Action::Step
    }

    /// The decision as a number below 64.
    #[must_use]
    pub fn code(self) -> u8 {
        let action = match self.action {
            Action::Step => 0,
            Action::Skip => 1,
            Action::Restore => 2,
        };
        action | u8::from(self.look) << 2 | u8::from(self.keep) << 3 | self.caution << 4
    }

    /// The decision of a [`code`](Self::code); `None` if there is none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let action = match code & 3 {
            0 => Action::Step,
            1 => Action::Skip,
            2 => Action::Restore,
            _ => return None,
        };
        let (look, keep, caution) = (code & 4 != 0, code & 8 != 0, code >> 4);
        (caution <= ADAM).then_some(Self { action, look, keep, caution })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_decisions_are_the_same() {
        let decisions: Vec<Decision> = (0..=u8::MAX).filter_map(Decision::from_code).collect();
        assert_eq!(decisions.len(), 3 * 2 * 2 * 4);
        for decision in decisions {
            assert_eq!(Decision::from_code(decision.code()), Some(decision));
        }
        assert_eq!(Decision::STEP.code(), 0);
    }
}
