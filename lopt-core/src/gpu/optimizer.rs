//! The optimizer whose state and steps stay on a device.

use super::copy::copy;
use super::launch::{Constant, Memory, Part, Scalars, Work};
use super::move_pass::Move;
use super::shape::{LANES, STEP, Shape, UPPER_THREADS};
use super::tables::{CHUNK, JOB, Tables};
use super::weights::{UpperAt, of_parameters, of_upper};
use super::{Client, DeviceError, Handle};
use crate::HierarchicalRnn;
use crate::hierarchical_rnn::psi::config::{HierarchicalRnnConfig, RelativeRate};
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::whole_step::cohorts::Cohorts;
use crate::hierarchical_rnn::whole_step::plan::Plan;
use crate::layout::Layout;
use crate::tensor_step::{Present, TensorStep};

/// The [`HierarchicalRnn`] on a device: parameters, gradients and state never leave it.
///
/// As there, the gradient is to be taken at [`attended`](Self::attended). Nothing is read back in a
/// step, so a gradient that is not finite, or has a norm above 2^63, whose square leaves single
/// precision, is not refused: it makes parameters NaN. Whoever cannot exclude that must look first.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceOptimizer {
    pub(super) client: Client,
    pub(super) layout: Layout,
    plan: Plan,
    pub(super) config: HierarchicalRnnConfig,
    pub(super) shape: Shape,
    pub(super) averaging: Option<f32>,
    pub(super) steps: u64,
    /// How tensors take part from now on, or empty; the same in the step of one cohort.
    tensors: Vec<TensorStep<f32>>,
    own: Vec<TensorStep<f32>>,
    pub(super) cohorts: Cohorts,
    pub(super) parts: Vec<Part>,
    /// Sum of the initial log rates of every tensor, `[T]`.
    pub(super) first_rates: Vec<f64>,
    pub(super) state: DeviceState,
    pub(super) upper_at: UpperAt,
    pub(super) groups: u32,
    pub(super) scalars: Scalars,
    /// Whether `squares` are those of the point where the next gradient is taken.
    pub(super) squares_known: bool,
    pub(super) constant: Constant,
    pub(super) work: Work,
}

/// What is carried from step to step.
#[derive(Debug)]
pub(super) struct DeviceState {
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

impl DeviceOptimizer {
    /// Continues on a device where an optimizer of the CPU is.
    ///
    /// # Errors
    ///
    /// If the device cannot hold it, or its state is compact.
    pub fn new(client: &Client, host: &HierarchicalRnn) -> Result<Self, DeviceError> {
        let (net, plan) = host.parts();
        let shape = Shape::new(net);
        check_device(client, plan, net, shape)?;
        let host = &*host.begun();
        let tables = Tables::new(plan)?;
        let (jobs, chunks) = (tables.jobs.len() / JOB, tables.chunks.len() / CHUNK);
        let count = plan.tensors.len();
        let (upper_weights, upper_at) = of_upper(net);
        let state = DeviceState::of(client, host, shape)?;
        let update = &net.update;
        let mut optimizer = Self {
            layout: host.layout().clone(),
            plan: plan.clone(),
            config: net.config,
            shape,
            averaging: host.averaging(),
            steps: 0,
            tensors: Vec::new(),
            own: Vec::with_capacity(count),
            cohorts: Cohorts::one(count),
            parts: Vec::new(),
            first_rates: Vec::new(),
            state,
            upper_at,
            groups: jobs as u32,
            scalars: Scalars {
                momentum: update.momentum,
                offset: update.offset,
                attended_offset: update.attended_offset,
                max_log_rate: update.max_log_rate as f32,
            },
            squares_known: false,
            constant: Constant {
                jobs: Memory::of(client, &tables.jobs),
                tensors: Memory::of(client, &tables.tensors),
                chunks: Memory::of(client, &tables.chunks),
                weights: Memory::of(client, &of_parameters(net, shape)),
                upper_weights: Memory::of(client, &upper_weights),
                nothing: Memory::zeros(client, 1),
            },
            work: Work {
                out: Memory::zeros(client, plan.tiles * shape.outs * LANES),
                sums: Memory::zeros(client, jobs * shape.sums),
                scratch: Memory::zeros(client, chunks * shape.sums + count * shape.scratch_row()),
                squares: Memory::zeros(client, jobs),
            },
            client: client.clone(),
        };
        optimizer.take_cohorts(host);
        Ok(optimizer)
    }

    /// Moves the parameters, by gradients taken at [`attended`](Self::attended): three launches over
    /// all tensors together, two more at the first step. Tensors whose gradients do not always come
    /// together have three launches of their own, one more in their first step. Both buffers are flat,
    /// the tensors of the layout one after another.
    ///
    /// # Errors
    ///
    /// If a buffer does not have one value per parameter.
    pub fn step(&mut self, params: &Handle, grads: &Handle) -> Result<(), DeviceError> {
        self.check(params, "params")?;
        self.check(grads, "grads")?;
        for parent in self.cohorts.part(&self.tensors) {
            let global = Memory::zeros(&self.client, self.shape.global_hidden);
            let from = &self.parts[parent].global;
            copy(&self.client, &from.handle, &global.handle, self.shape.global_hidden);
            self.parts.push(Part::with(&self.client, global));
        }
        if !(0..self.cohorts.count()).any(|cohort| self.cohorts.takes_part(cohort)) {
            return Ok(());
        }
        if self.steps == 0 {
            self.begin(params);
        }
        self.steps += 1;
        for cohort in 0..self.cohorts.count() {
            if self.cohorts.takes_part(cohort) {
                self.step_cohort(cohort, params, grads);
            }
        }
        Ok(())
    }

    fn step_cohort(&mut self, cohort: usize, params: &Handle, grads: &Handle) {
        let begins = self.cohorts.steps(cohort) == 0 && self.cohorts.count() > 1;
        self.cohorts.steps_in(cohort, &self.tensors, &mut self.own);
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
        let float = |yes: bool| f32::from(u8::from(yes));
        let row = |t: usize| {
            let rate = if begins { rate(t) as f32 } else { 0.0 };
            [own(t).multiplier, float(own(t).held), float(begins && !own(t).held), rate]
        };
        let table: Vec<f32> = (0..plan.tensors.len()).flat_map(row).collect();
        let part = &mut self.parts[cohort];
        part.parameters = present.parameters as f32;
        if part.table != table {
            part.steps = Memory::of(&self.client, &table);
            part.table = table;
        }
    }

    /// Takes the cohorts of an optimizer of the CPU, and writes the biases of the Parameter RNN.
    pub(super) fn take_cohorts(&mut self, host: &HierarchicalRnn) {
        let memory = host.memory();
        let [_, _, _, first, _, _, _, log_rates, others] = memory.parts;
        (self.steps, self.cohorts) = (memory.steps, memory.cohorts.clone());
        let units = self.shape.global_hidden;
        let first: Vec<f32> = first.chunks_exact(LANES).map(|row| row[0]).collect();
        let globals = std::iter::once(&first[..]).chain(others.chunks_exact(units));
        let part = |values: &[f32]| Part::with(&self.client, Memory::of(&self.client, values));
        self.parts = globals.map(part).collect();
        let sum =
            |range: std::ops::Range<usize>| log_rates[range].iter().map(|&r| f64::from(r)).sum();
        self.first_rates = self.layout.ranges().map(sum).collect();
        self.squares_known = false;
        for cohort in 0..self.cohorts.count() {
            self.cohorts.steps_in(cohort, &[], &mut self.own);
            self.set_table(cohort, false);
            self.upper_pass(cohort, false);
        }
    }

    /// Where the next gradient must be taken; `params` as the last step left them.
    #[must_use]
    pub fn attended<'a>(&'a self, params: &'a Handle) -> &'a Handle {
        if self.steps == 0 {
            params
        } else if self.shape.attention {
            &self.state.phi.handle
        } else if self.averaging.is_some() {
            &self.state.inner.handle
        } else {
            params
        }
    }

    /// To be called after writing to parameters between steps; needed only where they are the
    /// attended point, without averaging and attention.
    pub fn params_changed(&mut self) {
        self.squares_known = false;
    }

    /// How each tensor takes part from now on; an empty list for all alike.
    ///
    /// # Errors
    ///
    /// If there is not one per tensor.
    pub fn set_tensor_steps(&mut self, tensors: &[TensorStep<f32>]) -> Result<(), DeviceError> {
        let count = self.layout.tensor_count();
        if !tensors.is_empty() && tensors.len() != count {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        self.tensors.clear();
        self.tensors.extend_from_slice(tensors);
        Ok(())
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Configuration in use.
    #[must_use]
    pub fn config(&self) -> &HierarchicalRnnConfig {
        &self.config
    }

    /// Steps since the last reset, those that no tensor took part in not counted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes that a step reads and writes, all tensors together, if every value crosses the memory
    /// once in each launch that needs it; what it costs with an infinitely fast processor.
    #[must_use]
    pub fn bytes_moved(&self) -> u64 {
        let s = &self.shape;
        let state = 2 * s.fields + 1 + s.outs;
        let points = 2 * (1 + usize::from(self.averaging.is_some())) + usize::from(s.attention);
        // without the squares the old attended point is not read
        let old = usize::from(s.attention);
        4 * (state + s.outs + points + old) as u64 * self.layout.len() as u64
    }

    pub(super) fn check(&self, handle: &Handle, what: &'static str) -> Result<(), DeviceError> {
        let expected = 4 * self.layout.len() as u64;
        let got = handle.size_in_used();
        if got < expected {
            return Err(DeviceError::Length { what, expected, got });
        }
        Ok(())
    }

    fn begin(&mut self, params: &Handle) {
        for point in [&self.state.phi, &self.state.inner] {
            if point.len > 1 || self.layout.len() == 1 {
                copy(&self.client, params, &point.handle, self.layout.len());
            }
        }
        self.squares_known = false;
    }
}

impl Part {
    /// Without a table.
    fn with(client: &Client, global: Memory) -> Self {
        Self { global, table: Vec::new(), steps: Memory::zeros(client, STEP), parameters: 1.0 }
    }
}

fn check_device(
    client: &Client,
    plan: &Plan,
    net: &Network<f32>,
    shape: Shape,
) -> Result<(), DeviceError> {
    // the state is one buffer, whose elements have indices of 32 bits
    let buffer = client.properties().memory.max_page_size / size_of::<f32>() as u64;
    let most = buffer.min(u32::MAX.into()) as usize / net.fields().count();
    let padded = plan.tiles * LANES;
    if padded > most {
        let what = "number of parameters, each tensor's padded to a multiple of 64,";
        return Err(DeviceError::TooLarge { what, value: padded, most });
    }
    let hardware = &client.properties().hardware;
    let (needed, available) = (shape.shared_bytes(), hardware.max_shared_memory_size);
    if needed > available {
        return Err(DeviceError::SharedMemory { needed, available });
    }
    let threads = hardware.max_units_per_cube as usize;
    if threads < UPPER_THREADS {
        let what = "number of threads in a group";
        return Err(DeviceError::TooLarge { what, value: UPPER_THREADS, most: threads });
    }
    Ok(())
}
