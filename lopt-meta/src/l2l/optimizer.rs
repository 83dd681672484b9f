//! The network behind the one interface of every optimizer.

use super::network::{L2lNetwork, L2lState};
use super::weights::{L2lError, L2lWeights};
use lopt_core::layout::Layout;
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::simd::Level;

/// The optimizer of Andrychowicz et al. 2016, with trained weights; 320 bytes of state per parameter.
///
/// It has no guard and no learning rate: what it does far from the problems it was trained on is
/// what figure 2 is about.
#[derive(Clone, Debug)]
pub struct L2l {
    network: L2lNetwork<f32>,
    layout: Layout,
    state: L2lState<f32>,
}

impl L2l {
    /// For parameters of this layout, at the SIMD level of [`Level::detect`].
    ///
    /// # Errors
    ///
    /// If the weights are not usable.
    pub fn new(layout: &Layout, weights: &L2lWeights) -> Result<Self, L2lError> {
        Self::with_level(layout, weights, Level::detect())
    }

    /// As [`new`](Self::new) at this SIMD level.
    ///
    /// # Errors
    ///
    /// If the weights are not usable.
    pub fn with_level(
        layout: &Layout,
        weights: &L2lWeights,
        level: Level,
    ) -> Result<Self, L2lError> {
        let network = L2lNetwork::new(&weights.psi(), level)?;
        Ok(Self { network, layout: layout.clone(), state: L2lState::new(layout.len()) })
    }
}

impl Optimizer for L2l {
    fn name(&self) -> &str {
        "l2l"
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        self.network.forward(&mut self.state, params, grads);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.state.bytes()
    }

    fn reset(&mut self) {
        self.state.reset();
    }
}
