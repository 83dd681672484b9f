//! What the way back needs of one forward step.

use super::plan::Plan;
use super::tile_pass::{kept_count, out_count};
use crate::hierarchical_rnn::memory::state::{StateMut, StateShape};
use crate::hierarchical_rnn::psi::network::Network;
use crate::simd::{Element, TILE};

/// Sizes of the parts of [`Kept`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptShape {
    parts: [usize; 7],
}

impl KeptShape {
    /// `every_tile`: rows of the Parameter RNN are kept for every tile, not for one per thread.
    pub(crate) fn new<E: Element>(net: &Network<E>, plan: &Plan, every_tile: bool) -> Self {
        let row = TILE * plan.width;
        let tiles = if every_tile { plan.tiles * kept_count(net) } else { 0 };
        let parts = [
            tiles * row,
            plan.tiles * out_count(net) * row,
            plan.groups() * level_rows(net.tensor.inputs, net.tensor.hidden) * row,
            level_rows(net.global.inputs, net.global.hidden) * row,
            plan.tensors.len() * 2 * plan.width,
            plan.tensors.len() * plan.width,
            plan.tensors.len() * 2 * plan.width,
        ];
        Self { parts }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().sum()
    }
}

/// Intermediate values of one step.
#[derive(Debug)]
pub struct Kept<'a, E> {
    /// `[tile]`: inputs of the Parameter RNN, gates, candidate; empty if they are not kept.
    pub tiles: &'a mut [E],
    /// `[tile][out]`: raw direction, \[raw attended direction\], log rate.
    pub out: &'a mut [E],
    /// `[group]`: see [`LevelRows`].
    pub tensor: &'a mut [E],
    /// The same of the Global RNN.
    pub global: &'a mut [E],
    /// `[tensor][direction, attended]` vectors: inverse lengths.
    pub inverse: &'a mut [E],
    /// `[tensor]` vectors: squared sizes, see [`scale`](crate::scale).
    pub squares: &'a mut [E],
    /// `[tensor][factor, slope]` vectors, see `fade.rs`.
    pub fade: &'a mut [E],
}

/// What tells how far the last step went.
#[derive(Debug)]
pub(crate) struct KeptView<'a, E> {
    /// As in [`Kept`].
    pub out: &'a [E],
    pub inverse: &'a [E],
    pub fade: &'a [E],
}

impl<'a, E> KeptView<'a, E> {
    pub(crate) fn new(memory: &'a [E], shape: &KeptShape) -> Self {
        let [tiles, out, tensor, global, inverse, squares, fade] = shape.parts;
        let (out, rest) = memory[tiles..].split_at(out);
        let (inverse, rest) = rest[tensor + global..].split_at(inverse);
        Self { out, inverse, fade: &rest[squares..squares + fade] }
    }
}

/// Cuts the first `n` elements off.
pub(crate) fn cut<'a, E>(rest: &mut &'a mut [E], n: usize) -> &'a mut [E] {
    let (part, tail) = std::mem::take(rest).split_at_mut(n);
    *rest = tail;
    part
}

impl<'a, E> Kept<'a, E> {
    pub(crate) fn in_memory(mut memory: &'a mut [E], shape: &KeptShape) -> Self {
        let [tiles, out, tensor, global, inverse, squares, fade] =
            shape.parts.map(|n| cut(&mut memory, n));
        Self { tiles, out, tensor, global, inverse, squares, fade }
    }
}

/// Rows of one group of Tensor RNNs, or of the Global RNN.
#[derive(Debug)]
pub struct LevelRows<R> {
    /// Inputs.
    pub x: R,
    /// Reset and update gates.
    pub gates: R,
    /// Candidate.
    pub candidate: R,
    /// Product of reset gates and hidden vector.
    pub reset_hidden: R,
}

/// Number of rows of [`LevelRows`].
pub fn level_rows(inputs: usize, hidden: usize) -> usize {
    inputs + 4 * hidden
}

impl<'a, R> LevelRows<&'a mut [R]> {
    #[inline(always)]
    pub(crate) fn split_mut(rows: &'a mut [R], inputs: usize, hidden: usize) -> Self {
        let (x, rest) = rows.split_at_mut(inputs);
        let (gates, rest) = rest.split_at_mut(2 * hidden);
        let (candidate, reset_hidden) = rest.split_at_mut(hidden);
        Self { x, gates, candidate, reset_hidden }
    }
}

impl<'a, R> LevelRows<&'a [R]> {
    #[inline(always)]
    /// The parts of rows that lie one after another.
    pub fn split(rows: &'a [R], inputs: usize, hidden: usize) -> Self {
        let (x, rest) = rows.split_at(inputs);
        let (gates, rest) = rest.split_at(2 * hidden);
        let (candidate, reset_hidden) = rest.split_at(hidden);
        Self { x, gates, candidate, reset_hidden }
    }
}

/// Sizes of the parts of a [`StepRecord`].
#[derive(Clone, Copy, Debug)]
pub struct RecordShape {
    state: StateShape,
    kept: KeptShape,
}

impl RecordShape {
    /// For a network on a plan in the shape of instances.
    #[must_use]
    pub fn new<E: Element>(net: &Network<E>, plan: &Plan) -> Self {
        Self { state: StateShape::new(net, plan), kept: KeptShape::new(net, plan, true) }
    }

    /// Elements of one record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.len() + self.kept.len()
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One step as it was: the state before it and its intermediate values. The step writes the state
/// after it straight into the next record, so nothing is copied. A view of a stretch of memory, so
/// that a whole unroll is one buffer that is used again.
#[derive(Debug)]
pub struct StepRecord<'a, E> {
    /// State before the step.
    pub state: StateMut<'a, E>,
    /// What was computed on the way.
    pub kept: Kept<'a, E>,
}

impl<'a, E: Element> StepRecord<'a, E> {
    /// The record that lies in `memory`.
    ///
    /// # Panics
    ///
    /// If `memory` is shorter than the shape.
    #[must_use]
    pub fn in_memory(mut memory: &'a mut [E], shape: &RecordShape) -> Self {
        let state = StateMut::in_memory(cut(&mut memory, shape.state.len()), &shape.state);
        Self { state, kept: Kept::in_memory(memory, &shape.kept) }
    }
}
