//! One tile of coordinates through both layers and the readout, and the way back.

use super::inputs::inputs;
use super::lstm::{self, LstmWeights};
use super::psi::{FIRST, GATES, HIDDEN, INPUTS, LayerBlocks, READOUT, READOUT_BIAS, SECOND};
use crate::pending::{Pending, PendingTiles, column_sums_of, outer};
use lopt_core::simd::Buffer;
use lopt_core::simd::{Element, Row, Simd, TILE};

/// Rows of a tile's state: `c` and `h` of the first layer, of the second.
pub(super) const STATE: usize = 4 * HIDDEN;
const LAYER: usize = 2 * HIDDEN;
/// What the readout is multiplied by.
const SCALE: f64 = 0.01;

/// Rows of a tile's trace of one step: inputs, gates of both layers, the state after the step.
pub(super) const TRACE: usize = INPUTS + 2 * GATES + STATE;

/// psi in the element type of the kernels.
#[derive(Clone, Debug)]
pub(super) struct StackWeights<E> {
    first: LstmWeights<E>,
    second: LstmWeights<E>,
    readout: Vec<E>,
    readout_bias: E,
}

impl<E: Element> StackWeights<E> {
    pub(super) fn new(psi: &[f64]) -> Self {
        Self {
            first: LstmWeights::new(psi, FIRST),
            second: LstmWeights::new(psi, SECOND),
            readout: psi[READOUT..READOUT_BIAS].iter().map(|&x| E::from_f64(x)).collect(),
            readout_bias: E::from_f64(psi[READOUT_BIAS]),
        }
    }
}

/// The two layers and the readout, at one SIMD level.
#[derive(Debug)]
pub(super) struct Stack<'a, S: Simd> {
    w: &'a StackWeights<S::E>,
}

impl<'a, S: Simd> Stack<'a, S> {
    #[inline(always)]
    pub(super) fn new(w: &'a StackWeights<S::E>) -> Self {
        Self { w }
    }

    /// One step from the state `old`: fills `trace`, whose last [`STATE`] rows are the new state,
    /// and returns what the coordinates move by.
    #[inline(always)]
    pub(super) fn forward(
        &self,
        s: S,
        grads: &Row<S>,
        old: &[Row<S>],
        trace: &mut [Row<S>],
    ) -> Row<S> {
        let (x, rest) = trace.split_at_mut(INPUTS);
        let (gates, new) = rest.split_at_mut(2 * GATES);
        x.copy_from_slice(&inputs(s, grads));
        let (first, second) = gates.split_at_mut(GATES);
        let (new_first, new_second) = new.split_at_mut(LAYER);
        let (old_first, old_second) = old.split_at(LAYER);
        lstm::forward(s, &self.w.first, x, old_first, first, new_first);
        let x = &new_first[HIDDEN..];
        lstm::forward(s, &self.w.second, x, old_second, second, new_second);
        let mut out = [s.splat(self.w.readout_bias); TILE];
        for (h, &w) in new_second[HIDDEN..].iter().zip(&self.w.readout) {
            for c in 0..TILE {
                out[c] = s.fma(s.splat(w), h[c], out[c]);
            }
        }
        for out in &mut out {
            *out = s.mul(*out, s.constant(SCALE));
        }
        out
    }

    /// Adjoint of [`forward`](Self::forward). `moved`: the adjoint of what the coordinates moved by.
    /// `adjoint` holds that of the new state on entry, of the old one on exit. The gradient of psi
    /// is put aside in `pending`.
    #[inline(always)]
    pub(super) fn adjoint(
        &self,
        s: S,
        moved: &Row<S>,
        old: &[Row<S>],
        trace: &[Row<S>],
        adjoint: &mut [Row<S>],
        pending: &mut [Row<S>],
    ) {
        let (x, rest) = trace.split_at(INPUTS);
        let (gates, new) = rest.split_at(2 * GATES);
        let (factors, deltas) = pending.split_at_mut(DELTA);
        factors[..INPUTS].copy_from_slice(x);
        factors[H0_OLD..H0_NEW].copy_from_slice(&old[HIDDEN..LAYER]);
        factors[H0_NEW..H1_OLD].copy_from_slice(&new[HIDDEN..LAYER]);
        factors[H1_OLD..H1_NEW].copy_from_slice(&old[LAYER + HIDDEN..]);
        factors[H1_NEW..].copy_from_slice(&new[LAYER + HIDDEN..]);
        let (out, deltas) = deltas.split_at_mut(1);
        let (first_delta, second_delta) = deltas.split_at_mut(GATES);
        for c in 0..TILE {
            out[0][c] = s.mul(moved[c], s.constant(SCALE));
        }
        let (first, second) = adjoint.split_at_mut(LAYER);
        for (h, &w) in second[HIDDEN..].iter_mut().zip(&self.w.readout) {
            for c in 0..TILE {
                h[c] = s.fma(s.splat(w), out[0][c], h[c]);
            }
        }
        let (c_old, c_new) = (&old[LAYER..LAYER + HIDDEN], &new[LAYER..LAYER + HIDDEN]);
        let to_x = &mut first[HIDDEN..];
        let second_gates = &gates[GATES..];
        lstm::adjoint(s, &self.w.second, c_old, c_new, second_gates, second, to_x, second_delta);
        let (c_old, c_new, gates) = (&old[..HIDDEN], &new[..HIDDEN], &gates[..GATES]);
        lstm::adjoint(s, &self.w.first, c_old, c_new, gates, first, &mut [], first_delta);
    }
}

// Rows of a pending tile: x, h of the first layer before and after, of the second, three deltas.
const H0_OLD: usize = INPUTS;
const H0_NEW: usize = H0_OLD + HIDDEN;
const H1_OLD: usize = H0_NEW + HIDDEN;
const H1_NEW: usize = H1_OLD + HIDDEN;
const DELTA: usize = H1_NEW + HIDDEN;
const FIRST_DELTA: usize = DELTA + 1;
const SECOND_DELTA: usize = FIRST_DELTA + GATES;
const PENDING: usize = SECOND_DELTA + GATES;

/// Buffers of the way back over one job.
#[derive(Debug)]
pub(super) struct WayBack<E: Element> {
    pub(super) trace: Buffer<E>,
    pub(super) adjoint: Buffer<E>,
    pub(super) pending: Pending<E>,
    /// Sums over psi, `[meta-parameter][lane]`.
    pub(super) gradient: Buffer<E>,
}

impl<E: Element> WayBack<E> {
    pub(super) fn new(steps: usize, lanes: usize) -> Self {
        Self {
            trace: Buffer::rows(steps * TRACE, lanes),
            adjoint: Buffer::rows(STATE, lanes),
            pending: Pending::new(PENDING, lanes),
            gradient: Buffer::zeros(super::META_PARAMETERS * lanes),
        }
    }
}

/// Adds the gradient of psi over the pending tiles to the lane-wise sums.
#[inline(always)]
pub(super) fn weight_gradients<S: Simd>(s: S, tiles: &PendingTiles<'_, S>, grad: &mut [S::V]) {
    let mut layer = |blocks: LayerBlocks, x: usize, delta: usize| {
        let (rows, deltas) = (x..x + blocks.inputs + HIDDEN, delta..delta + GATES);
        outer(s, tiles, rows, deltas, &mut grad[blocks.weight_range()], GATES);
        column_sums_of(s, tiles, delta, &mut grad[blocks.bias_range()]);
    };
    layer(FIRST, 0, FIRST_DELTA);
    layer(SECOND, H0_NEW, SECOND_DELTA);
    outer(s, tiles, H1_NEW..DELTA, DELTA..DELTA + 1, &mut grad[READOUT..READOUT_BIAS], 1);
    column_sums_of(s, tiles, DELTA, &mut grad[READOUT_BIAS..]);
}
