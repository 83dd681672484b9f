//! What the way back needs of one forward step.

use crate::network::Network;
use crate::plan::Plan;
use crate::simd::{Element, Row, Simd, TILE};
use crate::state::{LevelWork, State, Work};
use crate::tile_pass::out_count;

/// Sizes of the parts of a [`StepRecord`].
#[derive(Clone, Copy, Debug)]
pub struct RecordShape {
    parts: [usize; 8],
}

impl RecordShape {
    /// For a network on a plan with this many scalars in flat buffers.
    #[must_use]
    pub fn new<E: Element>(net: &Network<E>, plan: &Plan, scalars: usize) -> Self {
        let row = TILE * plan.width;
        let tensor = level_rows(net.tensor.inputs, net.tensor.hidden) + net.parameter_bias.len();
        let global = level_rows(net.global.inputs, net.global.hidden);
        let parts = [
            plan.tiles * net.fields().count() * row,
            plan.tiles * out_count(net) * row,
            plan.groups() * row,
            plan.tensors.len() * 2 * plan.width,
            (tensor * plan.tensors.len() + global) * plan.width,
            scalars,
            scalars,
            scalars,
        ];
        Self { parts }
    }

    /// Elements of one record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().sum()
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One step as it was: the state before it, the gradient, and what is cheaper to keep than to
/// compute again. The Parameter RNN's gates are computed again. A view of a stretch of memory, so
/// that a whole unroll is one buffer that is used again.
#[derive(Debug)]
pub struct StepRecord<'a, E> {
    pub(crate) tiles: &'a mut [E],
    pub(crate) out: &'a mut [E],
    pub(crate) mean_rate: &'a mut [E],
    pub(crate) inverse: &'a mut [E],
    /// Packed columns of the upper levels.
    upper: &'a mut [E],
    /// Gradient the step was given, flat.
    pub grads: &'a mut [E],
    /// Point the gradient was taken at, flat.
    pub point: &'a mut [E],
    /// Gradient of the meta-loss's loss before the step, flat.
    pub loss_gradient: &'a mut [E],
}

/// Rows of one level in packed form: input and hidden vector, gates, candidate, `r * h`.
fn level_rows(inputs: usize, hidden: usize) -> usize {
    inputs + 5 * hidden
}

impl<'a, E: Element> StepRecord<'a, E> {
    /// The record that lies in `memory`.
    ///
    /// # Panics
    ///
    /// If `memory` is shorter than the shape.
    #[must_use]
    pub fn in_memory(memory: &'a mut [E], shape: &RecordShape) -> Self {
        let mut rest = memory;
        let mut parts = shape.parts.iter().map(|&n| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(n);
            rest = tail;
            part
        });
        let mut next = || parts.next().unwrap_or_default();
        Self {
            tiles: next(),
            out: next(),
            mean_rate: next(),
            inverse: next(),
            upper: next(),
            grads: next(),
            point: next(),
            loss_gradient: next(),
        }
    }

    /// Before the step: keeps the state.
    pub fn keep_state(&mut self, state: &State<E>) {
        self.tiles.copy_from_slice(&state.tiles);
        self.mean_rate.copy_from_slice(&state.mean_rate);
    }

    /// After the step: keeps its intermediate values.
    #[inline(always)]
    pub fn keep_work<S: Simd<E = E>>(&mut self, net: &Network<E>, plan: &Plan, work: &Work<E>) {
        self.out.copy_from_slice(&work.out);
        self.inverse.copy_from_slice(&work.inverse);
        let upper: &mut [S::V] = bytemuck::cast_slice_mut(self.upper);
        let mut to = upper.iter_mut();
        let biases = work.parameter_bias.as_rows::<S>();
        for t in 0..plan.tensors.len() {
            let (inputs, hidden) = (net.tensor.inputs, net.tensor.hidden);
            for rows in level_slices::<S>(&work.tensor, inputs, hidden, t / TILE) {
                rows.iter().zip(&mut to).for_each(|(row, v)| *v = row[t % TILE]);
            }
            let n = net.parameter_bias.len();
            let rows = &biases[t / TILE * n..(t / TILE + 1) * n];
            rows.iter().zip(&mut to).for_each(|(row, v)| *v = row[t % TILE]);
        }
        for rows in level_slices::<S>(&work.global, net.global.inputs, net.global.hidden, 0) {
            rows.iter().zip(&mut to).for_each(|(row, v)| *v = row[0]);
        }
    }

    /// Writes the packed columns back into the rows of `work`.
    #[inline(always)]
    pub(crate) fn unpack<S: Simd<E = E>>(&self, net: &Network<E>, plan: &Plan, work: &mut Work<E>) {
        let upper: &[S::V] = bytemuck::cast_slice(self.upper);
        let mut from = upper.iter();
        for t in 0..plan.tensors.len() {
            let (inputs, hidden) = (net.tensor.inputs, net.tensor.hidden);
            for rows in level_slices_mut::<S>(&mut work.tensor, inputs, hidden, t / TILE) {
                rows.iter_mut().zip(&mut from).for_each(|(row, v)| row[t % TILE] = *v);
            }
            let n = net.parameter_bias.len();
            let rows =
                &mut work.parameter_bias.as_rows_mut::<S>()[t / TILE * n..(t / TILE + 1) * n];
            rows.iter_mut().zip(&mut from).for_each(|(row, v)| row[t % TILE] = *v);
        }
        let (inputs, hidden) = (net.global.inputs, net.global.hidden);
        for rows in level_slices_mut::<S>(&mut work.global, inputs, hidden, 0) {
            rows.iter_mut().zip(&mut from).for_each(|(row, v)| row[0] = *v);
        }
    }
}

#[inline(always)]
fn level_slices<S: Simd>(
    level: &LevelWork<S::E>,
    inputs: usize,
    hidden: usize,
    group: usize,
) -> [&[Row<S>]; 4] {
    let of = |n: usize| group * n..(group + 1) * n;
    [
        &level.xh.as_rows::<S>()[of(inputs + hidden)],
        &level.gates.as_rows::<S>()[of(2 * hidden)],
        &level.candidate.as_rows::<S>()[of(hidden)],
        &level.reset_hidden.as_rows::<S>()[of(hidden)],
    ]
}

#[inline(always)]
fn level_slices_mut<S: Simd>(
    level: &mut LevelWork<S::E>,
    inputs: usize,
    hidden: usize,
    group: usize,
) -> [&mut [Row<S>]; 4] {
    let of = |n: usize| group * n..(group + 1) * n;
    [
        &mut level.xh.as_rows_mut::<S>()[of(inputs + hidden)],
        &mut level.gates.as_rows_mut::<S>()[of(2 * hidden)],
        &mut level.candidate.as_rows_mut::<S>()[of(hidden)],
        &mut level.reset_hidden.as_rows_mut::<S>()[of(hidden)],
    ]
}
