//! The [`RelativeRnn`] on a device: three launches, of which the first reads next to nothing.

mod element_pass;
mod rows;
mod upper_pass;

use super::copy::copy;
use super::memory::{Memory, argument};
use super::rnn::{DeviceRnn, OTHER_KIND, check_same};
use super::tables::{LANES, Model, StepTable, UPPER_THREADS, described};
use super::{Client, DeviceError, Handle};
use crate::learned::engine::Engine;
use crate::relative_rnn::tensor::NUMBERS;
use crate::relative_rnn::{LossTrend, RelativeRnn, RelativeRnnConfig};
use crate::tensor_step::TensorStep;
use cubecl::prelude::*;
use element_pass::{SUMS, presence};
use rows::{HIDDEN, number, rows_of};
use upper_pass::Units;

/// Its state, weights and buffers.
pub(super) struct DeviceRelativeRnn {
    model: Model,
    config: RelativeRnnConfig,
    units: Units,
    begun: bool,
    loss: LossTrend,
    /// `m`, `v`, `z`, `y`, each `[P]`.
    vectors: [Memory; 4],
    /// A row per tensor (`rows.rs`), and the state of the Global RNN.
    rows: Memory,
    global: Memory,
    /// Numbers that came last from the CPU, and rows made of them: what no step has changed goes back with all
    /// its digits.
    came: (Vec<f64>, Vec<f32>),
    weights: Memory,
    steps: StepTable,
    sums: Memory,
    scratch: Memory,
}

impl DeviceRelativeRnn {
    pub(super) fn new(client: &Client, host: &RelativeRnn) -> Result<Self, DeviceError> {
        let model = Model::new(client, host.layout(), 1, 4 * SUMS * (LANES + 1))?;
        let units =
            Units { tensor: host.config().tensor_hidden, global: host.config().global_hidden };
        let weights: Vec<f32> = host.networks.weights().iter().map(|&w| w as f32).collect();
        let none = Memory::zeros(client, 1);
        let mut optimizer = Self {
            config: *host.config(),
            units,
            begun: false,
            loss: LossTrend::default(),
            vectors: std::array::from_fn(|_| none.clone()),
            rows: none.clone(),
            global: none,
            came: (Vec::new(), Vec::new()),
            weights: Memory::of(client, &weights),
            steps: StepTable::empty(client),
            sums: Memory::zeros(client, model.groups() * SUMS),
            scratch: Memory::zeros(client, model.chunk_sums(SUMS)),
            model,
        };
        optimizer.take_state(host)?;
        Ok(optimizer)
    }

    fn take_state(&mut self, host: &RelativeRnn) -> Result<(), DeviceError> {
        self.check_same(host)?;
        let (memory, client) = (host.memory(), &self.model.client);
        let rows = rows_of(host, &memory.numbers, self.units.tensor);
        let count = self.model.layout.tensor_count();
        let global = &memory.numbers[count * (NUMBERS + self.units.tensor)..][..self.units.global];
        let global: Vec<f32> = global.iter().map(|&x| x as f32).collect();
        self.vectors = memory.parts.map(|part| Memory::of(client, part));
        self.rows = Memory::of(client, &rows);
        self.global = Memory::of(client, &global);
        (self.begun, self.loss) = (memory.begun, host.loss);
        self.came = (memory.numbers, rows);
        Ok(())
    }

    fn check_same(&self, host: &RelativeRnn) -> Result<(), DeviceError> {
        check_same(&[
            ("model", *host.layout() == self.model.layout),
            ("configuration", *host.config() == self.config),
        ])
    }
}

impl DeviceRnn for DeviceRelativeRnn {
    fn model(&self) -> &Model {
        &self.model
    }

    fn floats_moved(&self) -> usize {
        // gradient and attended point once, averages, iterate and parameters twice
        10
    }

    fn attended(&self) -> Option<&Handle> {
        self.begun.then_some(&self.vectors[3].handle)
    }

    /// Tensors that are held or whose gradients are all zero stay as they are.
    fn step(
        &mut self,
        params: &Handle,
        grads: &Handle,
        tensors: &[TensorStep<f32>],
        loss: Option<f32>,
    ) {
        let Model { client, layout, jobs, .. } = &self.model;
        let [mean, square, iterate, attended] = &self.vectors;
        if !self.begun {
            for point in [iterate, attended] {
                copy(client, params, &point.handle, layout.len());
            }
            self.begun = true;
        }
        let table = tensors.iter().flat_map(|step| described(step, false, 0.0));
        self.steps.set(client, table.collect());
        let loss = loss.filter(|_| tensors.iter().any(|step| !step.held));
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

    fn upload_state(&mut self, host: &Engine) -> Result<(), DeviceError> {
        let Engine::Relative(host) = host else { return Err(OTHER_KIND) };
        self.take_state(host)
    }

    fn download_state(&self, host: &mut Engine) -> Result<(), DeviceError> {
        let Engine::Relative(host) = host else { return Err(OTHER_KIND) };
        self.check_same(host)?;
        let client = &self.model.client;
        let (rows, global) = (self.rows.read(client)?, self.global.read(client)?);
        let (mut numbers, then) = (self.came.0.clone(), &self.came.1);
        let (of_tensors, rest) = numbers.split_at_mut(self.model.layout.tensor_count() * NUMBERS);
        let width = self.units.row();
        let both = rows.chunks_exact(width).zip(then.chunks_exact(width));
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
}

/// Takes what a number is now, unless it is what it was.
fn keep_digits(x: &mut f64, then: f64, now: f64) {
    if now != then {
        *x = now;
    }
}
