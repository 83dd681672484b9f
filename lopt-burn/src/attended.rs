//! The module at the point where the gradient is to be taken.

use std::ops::Deref;

/// A module at the attended point, on loan until [`apply`](crate::LearnedOptimizer::apply).
///
/// It derefs to the module, for forward and backward passes. It is a type of its own so that it
/// cannot be returned, saved or evaluated where the module with the true parameters is meant:
/// methods that consume a module (`save_file`, `into_record`, `to_device`) do not exist here.
#[derive(Clone, Debug)]
#[must_use = "gradients are to be taken here, then given to `apply`"]
pub struct Attended<M> {
    pub(crate) module: M,
    /// Which step it belongs to.
    pub(crate) round: u64,
}

impl<M> Deref for Attended<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.module
    }
}
