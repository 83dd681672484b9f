//! What a bare optimizer remembers, for a state file or a device.

pub(super) mod compact;
mod narrow;
pub mod state;

use super::HierarchicalRnn;
#[cfg(feature = "cubecl")]
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::whole_step::cohorts::Cohorts;
#[cfg(feature = "cubecl")]
use crate::hierarchical_rnn::whole_step::plan::Plan;
use compact::CompactTiles;

impl HierarchicalRnn {
    /// Everything that a later run needs beside configuration and weights: counters and floats. Before
    /// the first step the state among them is zeros, as that step makes it.
    pub(crate) fn memory(&self) -> RnnMemory<'_> {
        let [tiles, tensor, global, mean_rate] = self.state.buffers();
        let compact = self.state.compact.as_ref().map(CompactTiles::memory);
        let (tiles, compact_steps) =
            compact.map_or(([tiles, &[]], 0), |(parts, steps)| (parts, steps));
        let parts = [
            tiles[0],
            tiles[1],
            tensor,
            global,
            mean_rate,
            &self.attended,
            &self.inner,
            &self.log_rates,
            self.other_globals.values(),
        ];
        RnnMemory { steps: self.steps, cohorts: &self.cohorts, compact_steps, parts }
    }

    /// Network and geometry, for the twin on a device.
    #[cfg(feature = "cubecl")]
    pub(crate) fn parts(&self) -> (&Network<f32>, &Plan) {
        (&self.network, &self.plan)
    }

    /// Itself, or before the first step a copy whose state is a beginning.
    #[cfg(feature = "cubecl")]
    pub(crate) fn begun(&self) -> std::borrow::Cow<'_, Self> {
        if self.steps > 0 {
            return std::borrow::Cow::Borrowed(self);
        }
        let mut copy = self.clone();
        copy.state.reset(&copy.network, &copy.plan, &copy.log_rates, |_| true);
        std::borrow::Cow::Owned(copy)
    }

    /// Takes what [`memory`](Self::memory) gave; lengths have been compared.
    pub(crate) fn restore(
        &mut self,
        steps: u64,
        cohorts: Cohorts,
        compact_steps: u64,
        parts: &[Vec<f32>],
    ) {
        (self.steps, self.cohorts) = (steps, cohorts);
        let [first, second, tensor, global, mean_rate, attended, inner, log_rates, others] = parts
        else {
            unreachable!("as many parts as `memory` gives")
        };
        self.other_globals.restore(others);
        match &mut self.state.compact {
            Some(compact) => compact.restore(first, second, compact_steps),
            None => self.state.tiles.copy_from_slice(first),
        }
        self.state.tensor.copy_from_slice(tensor);
        self.state.global.copy_from_slice(global);
        self.state.mean_rate.copy_from_slice(mean_rate);
        self.attended.copy_from_slice(attended);
        self.inner.copy_from_slice(inner);
        self.log_rates.copy_from_slice(log_rates);
    }
}

/// What [`HierarchicalRnn::memory`] gives.
#[derive(Debug)]
pub(crate) struct RnnMemory<'a> {
    pub steps: u64,
    pub cohorts: &'a Cohorts,
    /// Steps of the compact state, on which its rounding depends.
    pub compact_steps: u64,
    /// Their lengths are the model's, but for the last, which has as many floats as there are hidden
    /// units of the Global RNN for every cohort beyond the first.
    pub parts: [&'a [f32]; 9],
}
