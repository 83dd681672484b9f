//! The hierarchical RNN in `f64`, one lane: what the kernels are checked against.

use crate::buffer::Buffer;
use crate::config::HierarchicalRnnConfig;
use crate::engine::{Engine, Forward, Pace};
use crate::layout::Layout;
use crate::network::Network;
use crate::plan::{Lanes, Plan};
use crate::simd::{Double, Level, Simd};
use crate::state::{State, Work};
use crate::step::{Memory, Moved};
use crate::tile::store_row;

/// The same step in `f64` with one lane: exact, slow, for tests and analysis.
#[derive(Clone, Debug)]
pub struct ExactHierarchicalRnn {
    network: Network<f64>,
    plan: Plan,
    state: State<f64>,
    work: Work<f64>,
    phi: Buffer<f64>,
    steps: u64,
}

impl ExactHierarchicalRnn {
    /// Starts with the given log rates, one per parameter.
    #[must_use]
    pub fn new(
        config: &HierarchicalRnnConfig,
        psi: &[f64],
        layout: &Layout,
        log_rates: &[f64],
    ) -> Self {
        let network = Network::<f64>::new(config, psi);
        let plan = Plan::new(layout, Lanes::Parameters, Double::LANES);
        let mut state = State::new(&network, &plan);
        state.reset(&network, &plan, log_rates, |_| true);
        let work = Work::new(&network, &plan, 1);
        Self { network, plan, state, work, phi: Buffer::zeros(layout.len()), steps: 0 }
    }

    /// One step: `theta` is updated; returns the next attended point (theta without attention).
    pub fn step(&mut self, theta: &mut [f64], grads: &[f64]) -> Vec<f64> {
        let attention = self.network.config.attention;
        if attention && self.steps == 0 {
            self.phi.copy_from_slice(theta);
        }
        let config = &self.network.config;
        let (pace, largest) = ([config.log_pace(self.steps)], [config.log_largest(self.steps)]);
        let clock = [config.clock_reading(self.steps)];
        self.steps += 1;
        let phi = if attention { &mut self.phi[..] } else { &mut [] };
        let call = Forward {
            net: &self.network,
            plan: &self.plan,
            memory: Memory::InPlace(&mut self.state),
            work: &mut self.work,
            grads,
            point: None,
            pace: Pace { log: &pace, log_largest: &largest, clock: &clock },
            moved: Moved { theta, phi, mean: (&mut [], 0.0), tensors: &[] },
        };
        f64::forward(Level::Portable, call);
        if attention { self.phi.to_vec() } else { theta.to_vec() }
    }

    /// One field of the per-parameter state, `[P]`: hidden units first, then averages, mean
    /// squares, log rate, and the gains (one less the decay) of averages and mean squares.
    #[must_use]
    pub fn field(&self, index: usize) -> Vec<f64> {
        let n = self.network.fields().count();
        let rows = self.state.tiles.as_rows::<Double>();
        let mut out = vec![0.0; self.phi.len()];
        for job in &self.plan.jobs {
            for span in self.plan.spans(job) {
                store_row::<Double>(&rows[span.tile * n + index], &mut out[span.scalars]);
            }
        }
        out
    }

    /// Hidden vector of the Tensor RNN of one tensor.
    #[must_use]
    pub fn tensor_hidden(&self, tensor: usize) -> Vec<f64> {
        let n = self.network.config.tensor_hidden;
        let tile = crate::simd::TILE;
        let rows = &self.state.tensor.as_rows::<Double>()[tensor / tile * n..];
        rows[..n].iter().map(|row| row[tensor % tile]).collect()
    }

    /// Hidden vector of the Global RNN.
    #[must_use]
    pub fn global_hidden(&self) -> Vec<f64> {
        self.state.global.as_rows::<Double>().iter().map(|row| row[0]).collect()
    }
}
