//! The hierarchical RNN in `f64`, one lane: what the kernels are checked against.

#![allow(dead_code, reason = "a test uses what it needs")]

use lopt_core::cohorts::{Cohorts, OtherGlobals};
use lopt_core::engine::{Engine, Forward, Pace};
use lopt_core::network::Network;
use lopt_core::plan::{Lanes, Plan};
use lopt_core::simd::tile::store_row;
use lopt_core::simd::{Buffer, Double, Level, Simd, TILE};
use lopt_core::state::{State, Work};
use lopt_core::step::{Memory, Moved};
use lopt_core::tensor_step::TensorStep;
use lopt_core::{HierarchicalRnnConfig, Layout};

/// The same step in `f64` with one lane: exact, slow, for tests and analysis.
#[derive(Clone, Debug)]
pub(crate) struct ExactHierarchicalRnn {
    network: Network<f64>,
    plan: Plan,
    state: State<f64>,
    work: Work<f64>,
    phi: Buffer<f64>,
    log_rates: Vec<f64>,
    cohorts: Cohorts,
    other_globals: OtherGlobals<f64>,
}

impl ExactHierarchicalRnn {
    /// Starts with the given log rates, one per parameter.
    pub(crate) fn new(
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
        let (phi, log_rates) = (Buffer::zeros(layout.len()), log_rates.to_vec());
        let cohorts = Cohorts::one(layout.tensor_count());
        let other_globals = OtherGlobals::none(config.global_hidden);
        Self { network, plan, state, work, phi, log_rates, cohorts, other_globals }
    }

    /// One step: `theta` is updated; returns the next attended point (theta without attention).
    pub(crate) fn step(&mut self, theta: &mut [f64], grads: &[f64]) -> Vec<f64> {
        self.step_of(theta, grads, &[])
    }

    /// One step in which each tensor takes part as told; an empty list for all alike. Of a tensor
    /// before its first step the attended point is theta.
    pub(crate) fn step_of(
        &mut self,
        theta: &mut [f64],
        grads: &[f64],
        tensors: &[TensorStep<f64>],
    ) -> Vec<f64> {
        for parent in self.cohorts.part(tensors) {
            self.other_globals.push_copy(parent, &self.state.global, Double::LANES);
        }
        for cohort in 0..self.cohorts.count() {
            if self.cohorts.takes_part(cohort) {
                self.step_of_cohort(cohort, theta, grads, tensors);
            }
        }
        let mut attended = theta.to_vec();
        for (t, tensor) in self.plan.tensors.iter().enumerate() {
            if self.network.config.attention && self.cohorts.steps_of(t) > 0 {
                let range = tensor.scalars.clone();
                attended[range.clone()].copy_from_slice(&self.phi[range]);
            }
        }
        attended
    }

    fn step_of_cohort(
        &mut self,
        cohort: usize,
        theta: &mut [f64],
        grads: &[f64],
        tensors: &[TensorStep<f64>],
    ) {
        let (config, steps) = (&self.network.config, self.cohorts.steps(cohort));
        if steps == 0 {
            let belongs = |t: usize| self.cohorts.of(t) == cohort;
            let (net, plan) = (&self.network, &self.plan);
            self.state.reset_mean_rate(net, plan, &self.log_rates, belongs, |_| true);
            for (_, tensor) in plan.tensors.iter().enumerate().filter(|(t, _)| belongs(*t)) {
                let range = tensor.scalars.clone();
                self.phi[range.clone()].copy_from_slice(&theta[range]);
            }
        }
        let (pace, largest) = ([config.log_pace(steps)], [config.log_largest(steps)]);
        let clock = [config.clock_reading(steps)];
        self.other_globals.exchange(cohort, &mut self.state.global, Double::LANES);
        let mut own = Vec::new();
        self.cohorts.steps_in(cohort, tensors, &mut own);
        self.cohorts.count_step(cohort);
        let phi = if config.attention { &mut self.phi[..] } else { &mut [] };
        let call = Forward {
            net: &self.network,
            plan: &self.plan,
            memory: Memory::InPlace(&mut self.state),
            work: &mut self.work,
            grads,
            point: None,
            pace: Pace { log: &pace, log_largest: &largest, clock: &clock },
            moved: Moved { theta, phi, mean: (&mut [], 0.0), tensors: &own },
        };
        f64::forward(Level::Portable, call);
        self.other_globals.exchange(cohort, &mut self.state.global, Double::LANES);
    }

    /// One field of the per-parameter state, `[P]`: hidden units first, then averages, mean
    /// squares, log rate, and the gains (one less the decay) of averages and mean squares.
    pub(crate) fn field(&self, index: usize) -> Vec<f64> {
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
    pub(crate) fn tensor_hidden(&self, tensor: usize) -> Vec<f64> {
        let n = self.network.config.tensor_hidden;
        let rows = &self.state.tensor.as_rows::<Double>()[tensor / TILE * n..];
        rows[..n].iter().map(|row| row[tensor % TILE]).collect()
    }

    /// Hidden vector of the Global RNN.
    pub(crate) fn global_hidden(&self) -> Vec<f64> {
        self.state.global.as_rows::<Double>().iter().map(|row| row[0]).collect()
    }
}
