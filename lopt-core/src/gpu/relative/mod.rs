//! The [`RelativeRnn`] on a device: three launches, of which the first reads next to nothing.

mod element_pass;
mod rows;
mod upper_pass;

use super::copy::copy;
use super::memory::{Memory, argument};
use super::tables::{Model, STEP, StepTable, UPPER_THREADS, described};
use super::{Client, DeviceError, Handle};
use crate::relative_rnn::tensor::NUMBERS;
use crate::relative_rnn::{LossTrend, RelativeRnn, RelativeRnnConfig};
use crate::tensor_step::TensorStep;
use cubecl::prelude::*;
use element_pass::{SUMS, presence};
use rows::{HIDDEN, number, rows_of};
use upper_pass::Units;

/// Its state, weights and buffers.
pub(super) struct DeviceRelativeRnn {
    pub(super) model: Model,
    config: RelativeRnnConfig,
    units: Units,
    begun: bool,
    loss: LossTrend,
    pub(super) observed: Option<f32>,
    /// `m`, `v`, `z`, `y`, each `[P]`.
    vectors: [Memory; 4],
    /// A row per tensor (`rows.rs`), and the state of the Global RNN.
    rows: Memory,
    global: Memory,
    came: Came,
    weights: Memory,
    steps: StepTable,
    sums: Memory,
    scratch: Memory,
}

/// What came last from the CPU: what no step has changed goes back with all its digits.
struct Came {
    numbers: Vec<f64>,
    rows: Vec<f32>,
}

impl DeviceRelativeRnn {
    /// Floats that a step reads and writes per parameter.
    pub(super) const FLOATS_MOVED: usize = 10;

    pub(super) fn new(client: &Client, host: &RelativeRnn) -> Result<Self, DeviceError> {
        let model = Model::new(client, host.layout(), 1, 4 * SUMS * super::tables::LANES)?;
        let units =
            Units { tensor: host.config().tensor_hidden, global: host.config().global_hidden };
        let weights: Vec<f32> = host.networks.weights().iter().map(|&w| w as f32).collect();
        let none = Memory::zeros(client, 1);
        let mut optimizer = Self {
            config: *host.config(),
            units,
            begun: false,
            loss: LossTrend::default(),
            observed: None,
            vectors: std::array::from_fn(|_| none.clone()),
            rows: none.clone(),
            global: none,
            came: Came { numbers: Vec::new(), rows: Vec::new() },
            weights: Memory::of(client, &weights),
            steps: StepTable::empty(client),
            sums: Memory::zeros(client, model.groups() * SUMS),
            scratch: Memory::zeros(client, model.chunk_sums(SUMS)),
            model,
        };
        optimizer.upload_state(host)?;
        Ok(optimizer)
    }

    pub(super) fn attended(&self) -> Option<&Handle> {
        self.begun.then_some(&self.vectors[3].handle)
    }

    /// Tensors that are held or whose gradients are all zero stay as they are.
    pub(super) fn step(&mut self, params: &Handle, grads: &Handle, tensors: &[TensorStep<f32>]) {
        let Model { client, layout, jobs, .. } = &self.model;
        let [mean, square, iterate, attended] = &self.vectors;
        if !self.begun {
            for point in [iterate, attended] {
                copy(client, params, &point.handle, layout.len());
            }
            self.begun = true;
        }
        let mut table = vec![0.0; layout.tensor_count() * STEP];
        for (t, row) in table.chunks_exact_mut(STEP).enumerate() {
            let whole = TensorStep::whole();
            row[..2].copy_from_slice(&described(tensors.get(t).unwrap_or(&whole)));
        }
        self.steps.set(client, table);
        let takes_part = tensors.is_empty() || tensors.iter().any(|step| !step.held);
        let loss = self.observed.take().filter(|_| takes_part);
        let [fast, slow, known] = self.loss.take(loss).map(|x| x as f32);
        let (groups, threads) = self.model.over_jobs();
        let (rows, sums, steps) = (&self.rows, &self.sums, &self.steps.memory);
        let [params, grads] = [params, grads].map(|handle| || argument(handle, layout.len()));
        let width = self.units.row();
        #[allow(unsafe_code, reason = "the kernels do not check their indices")]
        // SAFETY: every index comes from the tables, which were made for buffers of these lengths.
        unsafe {
            presence::launch_unchecked(
                client,
                groups.clone(),
                threads,
                grads(),
                params(),
                jobs.arg(),
                rows.arg(),
                sums.arg(),
                width,
            );
            element_pass::element_pass::launch_unchecked(
                client,
                groups,
                threads,
                grads(),
                params(),
                mean.arg(),
                square.arg(),
                iterate.arg(),
                attended.arg(),
                jobs.arg(),
                steps.arg(),
                rows.arg(),
                sums.arg(),
                width,
            );
            upper_pass::upper_pass::launch_unchecked(
                client,
                CubeCount::Static(1, 1, 1),
                CubeDim::new_1d(UPPER_THREADS as u32),
                sums.arg(),
                self.weights.arg(),
                self.model.tensors.arg(),
                self.model.chunks.arg(),
                steps.arg(),
                self.global.arg(),
                rows.arg(),
                self.scratch.arg(),
                fast,
                slow,
                known,
                self.units,
            );
        }
    }

    pub(super) fn upload_state(&mut self, host: &RelativeRnn) -> Result<(), DeviceError> {
        self.check_same(host)?;
        let (memory, client) = (host.memory(), &self.model.client);
        let rows = rows_of(host, &memory.numbers, self.units.tensor);
        let count = self.model.layout.tensor_count();
        let global = &memory.numbers[count * (NUMBERS + self.units.tensor)..][..self.units.global];
        let global: Vec<f32> = global.iter().map(|&x| x as f32).collect();
        self.vectors = memory.parts.map(|part| Memory::of(client, part));
        self.rows = Memory::of(client, &rows);
        self.global = Memory::of(client, &global);
        (self.begun, self.loss, self.observed) = (memory.begun, host.loss, None);
        self.came = Came { numbers: memory.numbers, rows };
        Ok(())
    }

    pub(super) fn download_state(&self, host: &mut RelativeRnn) -> Result<(), DeviceError> {
        self.check_same(host)?;
        let client = &self.model.client;
        let (rows, global) = (self.rows.read(client)?, self.global.read(client)?);
        let mut numbers = self.came.numbers.clone();
        let (of_tensors, rest) = numbers.split_at_mut(self.model.layout.tensor_count() * NUMBERS);
        let width = self.units.row();
        let both = rows.chunks_exact(width).zip(self.came.rows.chunks_exact(width));
        for (numbers, (now, then)) in of_tensors.chunks_exact_mut(NUMBERS).zip(both.clone()) {
            for (i, x) in numbers.iter_mut().enumerate() {
                keep_digits(x, number(then, i), number(now, i));
            }
        }
        let states = both.flat_map(|(now, _)| &now[HIDDEN..]).chain(&global);
        let mut rest = rest.iter_mut();
        for (&now, x) in states.zip(rest.by_ref()) {
            keep_digits(x, f64::from(*x as f32), now.into());
        }
        rest.zip(self.loss.numbers()).for_each(|(x, now)| *x = now);
        let parts = self.vectors.iter().map(|vector| vector.read(client));
        host.restore(self.begun, &numbers, &parts.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }

    fn check_same(&self, host: &RelativeRnn) -> Result<(), DeviceError> {
        let what = if *host.layout() != self.model.layout {
            "model"
        } else if *host.config() != self.config {
            "configuration"
        } else {
            return Ok(());
        };
        Err(DeviceError::Mismatch { what })
    }
}

/// Takes what a number is now, unless it is what it was.
fn keep_digits(x: &mut f64, then: f64, now: f64) {
    if now != then {
        *x = now;
    }
}
