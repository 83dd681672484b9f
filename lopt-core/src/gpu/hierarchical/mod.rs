//! The [`HierarchicalRnn`] on a device: three launches for the step of a cohort.

mod cell;
mod inputs;
mod launch;
mod move_pass;
mod parameter_pass;
mod shape;
mod transfer;
mod upper_pass;
mod weights;

use super::copy::copy;
use super::memory::Memory;
use super::rnn::{DeviceRnn, OTHER_KIND};
use super::tables::{LANES, Model, StepTable, described};
use super::{Client, DeviceError, Handle};
use crate::HierarchicalRnn;
use crate::hierarchical_rnn::psi::config::{HierarchicalRnnConfig, RelativeRate};
use crate::hierarchical_rnn::stages::update::UpdateWeights;
use crate::hierarchical_rnn::whole_step::cohorts::Cohorts;
use crate::hierarchical_rnn::whole_step::plan::Plan;
use crate::learned::engine::Engine;
use crate::tensor_step::{Present, TensorStep};
use launch::{Constant, Part, Work};
use move_pass::Move;
use shape::Shape;
use weights::{UpperAt, of_parameters, of_upper};

/// Its state, weights and buffers.
pub(super) struct DeviceHierarchicalRnn {
    model: Model,
    plan: Plan,
    config: HierarchicalRnnConfig,
    shape: Shape,
    averaging: Option<f32>,
    steps: u64,
    /// How tensors take part in the step of one cohort.
    own: Vec<TensorStep<f32>>,
    cohorts: Cohorts,
    parts: Vec<Part>,
    /// Sum of the initial log rates of every tensor, `[T]`.
    first_rates: Vec<f64>,
    state: DeviceState,
    upper_at: UpperAt,
    update: UpdateWeights<f32>,
    /// Whether `squares` are those of the point where the next gradient is taken.
    squares_known: bool,
    constant: Constant,
    work: Work,
}

/// What is carried from step to step.
#[derive(Debug)]
struct DeviceState {
    /// As on the CPU.
    pub tiles: Memory,
    /// `[tensor][H_T]`.
    pub hidden: Memory,
    /// [`Shape::tensor_row`] floats per tensor.
    pub rows: Memory,
    /// With attention.
    pub phi: Memory,
    /// With averaging: the network's own theta.
    pub inner: Memory,
}

impl DeviceHierarchicalRnn {
    pub(super) fn new(client: &Client, host: &HierarchicalRnn) -> Result<Self, DeviceError> {
        let (net, plan) = host.parts();
        let shape = Shape::new(net);
        let model = Model::new(client, host.layout(), net.fields().count(), shape.shared_bytes())?;
        let host = &*host.begun();
        let (jobs, count) = (model.groups(), plan.tensors.len());
        let scratch = model.chunk_sums(shape.sums) + count * shape.scratch_row();
        let (upper_weights, upper_at) = of_upper(net);
        let state = DeviceState::of(client, host, shape)?;
        let mut optimizer = Self {
            model,
            plan: plan.clone(),
            config: net.config,
            shape,
            averaging: host.averaging(),
            steps: 0,
            own: Vec::with_capacity(count),
            cohorts: Cohorts::one(count),
            parts: Vec::new(),
            first_rates: Vec::new(),
            state,
            upper_at,
            update: net.update,
            squares_known: false,
            constant: Constant {
                weights: Memory::of(client, &of_parameters(net, shape)),
                upper_weights: Memory::of(client, &upper_weights),
                nothing: Memory::zeros(client, 1),
            },
            work: Work {
                out: Memory::zeros(client, plan.tiles * shape.outs * LANES),
                sums: Memory::zeros(client, jobs * shape.sums),
                scratch: Memory::zeros(client, scratch),
                squares: Memory::zeros(client, jobs),
            },
        };
        optimizer.take_cohorts(host);
        Ok(optimizer)
    }

    fn step_cohort(
        &mut self,
        cohort: usize,
        params: &Handle,
        grads: &Handle,
        tensors: &[TensorStep<f32>],
    ) {
        let begins = self.cohorts.steps(cohort) == 0 && self.cohorts.count() > 1;
        self.cohorts.steps_in(cohort, tensors, &mut self.own);
        self.set_table(cohort, begins);
        self.cohorts.count_step(cohort);
        if begins || (self.shape.parameter_scale && !self.squares_known) {
            self.move_points(cohort, params, Move::Beginnings);
        }
        self.parameter_pass(cohort, grads);
        self.upper_pass(cohort, true);
        self.move_points(cohort, params, Move::Parameters);
        self.squares_known = true;
    }

    /// Brings the table of `own` to the device, unless it is there.
    fn set_table(&mut self, cohort: usize, begins: bool) {
        let (whole, plan) = (TensorStep::whole(), &self.plan);
        let own = |t: usize| self.own.get(t).unwrap_or(&whole);
        let present = Present::of(plan, &self.own);
        let sums = self.first_rates.iter().enumerate().filter(|(t, _)| !own(*t).held);
        let mean = sums.map(|(_, sum)| sum).sum::<f64>() / present.parameters;
        let rate = |t: usize| match self.config.relative_rate {
            RelativeRate::Tensor => self.first_rates[t] / plan.tensors[t].elements,
            _ => mean,
        };
        let row = |t: usize| described(own(t), begins, if begins { rate(t) as f32 } else { 0.0 });
        let table: Vec<f32> = (0..plan.tensors.len()).flat_map(row).collect();
        let part = &mut self.parts[cohort];
        part.parameters = present.parameters as f32;
        part.steps.set(&self.model.client, table);
    }

    /// Takes the cohorts of an optimizer of the CPU, and writes the biases of the Parameter RNN.
    fn take_cohorts(&mut self, host: &HierarchicalRnn) {
        let memory = host.memory();
        let [_, _, _, first, _, _, _, log_rates, others] = memory.parts;
        (self.steps, self.cohorts) = (memory.steps, memory.cohorts.clone());
        let units = self.shape.global_hidden;
        let first: Vec<f32> = first.chunks_exact(LANES).map(|row| row[0]).collect();
        let globals = std::iter::once(&first[..]).chain(others.chunks_exact(units));
        let client = &self.model.client;
        let part = |values: &[f32]| Part::with(client, Memory::of(client, values));
        self.parts = globals.map(part).collect();
        let sum =
            |range: std::ops::Range<usize>| log_rates[range].iter().map(|&r| f64::from(r)).sum();
        self.first_rates = self.model.layout.ranges().map(sum).collect();
        self.squares_known = false;
        for cohort in 0..self.cohorts.count() {
            self.cohorts.steps_in(cohort, &[], &mut self.own);
            self.set_table(cohort, false);
            self.upper_pass(cohort, false);
        }
    }

    fn begin(&mut self, params: &Handle) {
        for point in [&self.state.phi, &self.state.inner] {
            let parameters = self.model.layout.len();
            if point.len > 1 || parameters == 1 {
                copy(&self.model.client, params, &point.handle, parameters);
            }
        }
        self.squares_known = false;
    }
}

impl DeviceRnn for DeviceHierarchicalRnn {
    fn model(&self) -> &Model {
        &self.model
    }

    fn floats_moved(&self) -> usize {
        let s = &self.shape;
        let state = 2 * s.fields + 1 + s.outs;
        let points = 2 * (1 + usize::from(self.averaging.is_some())) + usize::from(s.attention);
        // without the squares the old attended point is not read
        let old = usize::from(s.attention);
        state + s.outs + points + old
    }

    fn attended(&self) -> Option<&Handle> {
        match (self.shape.attention, self.averaging) {
            _ if self.steps == 0 => None,
            (true, _) => Some(&self.state.phi.handle),
            (false, Some(_)) => Some(&self.state.inner.handle),
            (false, None) => None,
        }
    }

    /// Three launches over all tensors together, two more at the first step. Tensors whose gradients do
    /// not always come together have three launches of their own, one more in their first step.
    fn step(
        &mut self,
        params: &Handle,
        grads: &Handle,
        tensors: &[TensorStep<f32>],
        _: Option<f32>,
    ) {
        for parent in self.cohorts.part(tensors) {
            let (client, units) = (&self.model.client, self.shape.global_hidden);
            let global = Memory::zeros(client, units);
            copy(client, &self.parts[parent].global.handle, &global.handle, units);
            self.parts.push(Part::with(client, global));
        }
        if !(0..self.cohorts.count()).any(|cohort| self.cohorts.takes_part(cohort)) {
            return;
        }
        if self.steps == 0 {
            self.begin(params);
        }
        self.steps += 1;
        for cohort in 0..self.cohorts.count() {
            if self.cohorts.takes_part(cohort) {
                self.step_cohort(cohort, params, grads, tensors);
            }
        }
    }

    fn params_changed(&mut self) {
        self.squares_known = false;
    }

    fn upload_state(&mut self, host: &Engine) -> Result<(), DeviceError> {
        let Engine::Hierarchical(host) = host else { return Err(OTHER_KIND) };
        self.take_state(host)
    }

    fn download_state(&self, host: &mut Engine) -> Result<(), DeviceError> {
        let Engine::Hierarchical(host) = host else { return Err(OTHER_KIND) };
        self.give_state(host)
    }
}

impl Part {
    /// Without a table.
    fn with(client: &Client, global: Memory) -> Self {
        Self { global, steps: StepTable::empty(client), parameters: 1.0 }
    }
}
