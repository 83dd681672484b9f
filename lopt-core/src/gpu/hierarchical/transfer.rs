//! State between host and device, in the layout of the CPU path.

use super::shape::Shape;
use super::{DeviceHierarchicalRnn, DeviceState};
use crate::HierarchicalRnn;
use crate::gpu::memory::Memory;
use crate::gpu::rnn::check_same;
use crate::gpu::tables::LANES;
use crate::gpu::{Client, DeviceError};
use crate::simd::TILE;

/// Lanes of one vector of the CPU path, which all hold the same mean rate of a tensor, and the same
/// hidden unit of the Global RNN.
const WIDTH: usize = LANES / TILE;

/// Where the CPU path keeps hidden unit `j` of `units` of tensor `t`: a lane per tensor.
fn hidden_at(t: usize, units: usize, j: usize) -> usize {
    (t / LANES * units + j) * LANES + t % LANES
}

impl DeviceState {
    pub(super) fn of(
        client: &Client,
        host: &HierarchicalRnn,
        shape: Shape,
    ) -> Result<Self, DeviceError> {
        let (_, plan) = host.parts();
        let [tiles, _, tensor, _, mean_rate, attended, inner, ..] = host.memory().parts;
        if tiles.len() != plan.tiles * shape.fields * LANES {
            return Err(DeviceError::CompactState);
        }
        let count = plan.tensors.len();
        let ht = shape.tensor_hidden;
        let of_tensor = |t: usize| (0..ht).map(move |j| tensor[hidden_at(t, ht, j)]);
        let hidden: Vec<f32> = (0..count).flat_map(of_tensor).collect();
        let mut rows = vec![0.0_f32; count * shape.tensor_row()];
        for (t, row) in rows.chunks_exact_mut(shape.tensor_row()).enumerate() {
            row[3 * shape.hidden] = mean_rate[t * WIDTH];
        }
        let point = |values: &[f32]| match values {
            [] => Memory::zeros(client, 1),
            _ => Memory::of(client, values),
        };
        Ok(Self {
            tiles: Memory::of(client, tiles),
            hidden: Memory::of(client, &hidden),
            rows: Memory::of(client, &rows),
            phi: point(attended),
            inner: point(inner),
        })
    }
}

impl DeviceHierarchicalRnn {
    pub(super) fn take_state(&mut self, host: &HierarchicalRnn) -> Result<(), DeviceError> {
        self.check_same(host)?;
        let host = &*host.begun();
        self.state = DeviceState::of(&self.model.client, host, self.shape)?;
        self.take_cohorts(host);
        Ok(())
    }

    pub(super) fn give_state(&self, host: &mut HierarchicalRnn) -> Result<(), DeviceError> {
        self.check_same(host)?;
        let (state, client) = (&self.state, &self.model.client);
        let [tiles, hidden, rows] =
            [&state.tiles, &state.hidden, &state.rows].map(|memory| memory.read(client));
        let (tiles, hidden, rows) = (tiles?, hidden?, rows?);
        // lanes without a tensor are those of a beginning
        let mut parts = host.begun().memory().parts.map(<[f32]>::to_vec);
        if parts[0].len() != tiles.len() {
            return Err(DeviceError::CompactState);
        }
        parts[0] = tiles;
        parts[8].clear();
        for (cohort, part) in self.parts.iter().enumerate() {
            let global = part.global.read(client)?;
            if cohort > 0 {
                parts[8].extend(global);
                continue;
            }
            for (row, value) in parts[3].chunks_exact_mut(LANES).zip(global) {
                row[..WIDTH].fill(value);
            }
        }
        let (ht, width) = (self.shape.tensor_hidden, self.shape.tensor_row());
        for t in 0..self.model.layout.tensor_count() {
            for j in 0..ht {
                parts[2][hidden_at(t, ht, j)] = hidden[t * ht + j];
            }
            parts[4][t * WIDTH..(t + 1) * WIDTH].fill(rows[t * width + 3 * self.shape.hidden]);
        }
        for (part, point) in [(5, &state.phi), (6, &state.inner)] {
            if !parts[part].is_empty() {
                parts[part] = point.read(client)?;
            }
        }
        host.restore(self.steps, self.cohorts.clone(), 0, &parts);
        Ok(())
    }

    fn check_same(&self, host: &HierarchicalRnn) -> Result<(), DeviceError> {
        check_same(&[
            ("model", *host.layout() == self.model.layout),
            ("configuration", *host.config() == self.config),
            ("averaging", host.averaging() == self.averaging),
        ])
    }
}
