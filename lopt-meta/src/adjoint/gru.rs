//! The way back through a cell of the Parameter, Tensor or Global RNN.

use crate::pending::{PendingTiles, outer};
use lopt_core::gru::GruWeights;
use lopt_core::meta_params::GruBlocks;
use lopt_core::simd::tile::{Start, affine, copy_columns};
use lopt_core::simd::{Row, Simd, TILE};

/// Adjoint of [`forward`](lopt_core::gru::forward). `adj_hidden` holds the adjoint of `h'` on entry and
/// that of `h` on exit;
/// `adj_xh` is written, its first rows are the adjoint of `x`; `delta` receives the adjoints of the
/// three pre-activations, `3H` rows, from which weight and bias gradients follow.
#[inline(always)]
pub(super) fn adjoint<S: Simd>(
    s: S,
    w: &GruWeights<S::E>,
    h: &[Row<S>],
    gates: &[Row<S>],
    candidate: &[Row<S>],
    adj_hidden: &mut [Row<S>],
    adj_xh: &mut [Row<S>],
    delta: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = w.hidden;
    let one = s.constant(1.0);
    let (reset, update) = gates.split_at(n);
    let (gate_delta, candidate_delta) = delta.split_at_mut(2 * n);
    {
        let deltas = gate_delta[n..].iter_mut().zip(candidate_delta.iter_mut());
        let values = update.iter().zip(candidate).zip(h);
        for ((up, ((u, k), h)), (to_update, to_candidate)) in
            adj_hidden.iter_mut().zip(values).zip(deltas)
        {
            for c in 0..cols {
                let (u, k, a) = (u[c], k[c], up[c]);
                let keep = s.mul(a, u);
                to_candidate[c] = s.mul(s.sub(a, keep), s.nma(k, k, one));
                // d u = a (h - c), times u (1 - u)
                to_update[c] = s.mul(s.mul(s.sub(h[c], k), keep), s.sub(one, u));
                up[c] = keep;
            }
        }
    }
    let rows = w.inputs + n;
    affine(s, &w.candidate_transposed, rows, [&*candidate_delta], Start::Zero, adj_xh, cols);
    let values = reset.iter().zip(h).zip(gate_delta.iter_mut());
    let adjoints = adj_hidden.iter().zip(&mut adj_xh[w.inputs..]);
    for (((r, h), to_reset), (keep, back)) in values.zip(adjoints) {
        for c in 0..cols {
            let (r, b) = (r[c], back[c]);
            let through = s.mul(b, r);
            back[c] = s.add(through, keep[c]);
            to_reset[c] = s.mul(s.mul(through, h[c]), s.sub(one, r));
        }
    }
    affine(s, &w.gates_transposed, rows, [&*gate_delta], Start::Output, adj_xh, cols);
    for (up, from) in adj_hidden.iter_mut().zip(&adj_xh[w.inputs..]) {
        copy_columns(from, up, cols);
    }
}

/// Where the rows of one cell lie in a [`Pending`](crate::pending::Pending) tile: `x`, `h`, `r * h`, three deltas.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellRows {
    pub inputs: usize,
    pub hidden: usize,
}

impl CellRows {
    pub(super) fn count(self) -> usize {
        self.inputs + 5 * self.hidden
    }

    /// Copies `x` and `h`, computes `r * h`, and gives the rows the deltas are to be written to and
    /// the rows behind them.
    #[inline(always)]
    pub(super) fn fill<'a, S: Simd>(
        self,
        s: S,
        tile: &'a mut [Row<S>],
        x: &[Row<S>],
        h: &[Row<S>],
        reset: &[Row<S>],
        cols: usize,
    ) -> (&'a mut [Row<S>], &'a mut [Row<S>]) {
        let cols = cols.min(TILE);
        let (xh, rest) = tile.split_at_mut(self.inputs + self.hidden);
        for (to, from) in xh.iter_mut().zip(x.iter().chain(h)) {
            copy_columns(from, to, cols);
        }
        let (products, rest) = rest.split_at_mut(self.hidden);
        for ((to, r), h) in products.iter_mut().zip(reset).zip(h) {
            for c in 0..cols {
                to[c] = s.mul(r[c], h[c]);
            }
        }
        rest.split_at_mut(3 * self.hidden)
    }
}

/// Adds the weight gradients of pending columns to the lane-wise sums `grad` (in psi's layout).
#[inline(always)]
pub(super) fn weight_gradients<S: Simd>(
    s: S,
    blocks: &GruBlocks,
    rows: CellRows,
    pending: &PendingTiles<'_, S>,
    grad: &mut [S::V],
) {
    let (f, n) = (rows.inputs, rows.hidden);
    let (products, delta) = (f + n, f + 2 * n);
    let gates = &mut grad[blocks.gates_weight.clone()];
    outer(s, pending, 0..f + n, delta..delta + 2 * n, gates, 2 * n);
    let candidate = &mut grad[blocks.candidate_weight.clone()];
    let (from_x, from_h) = candidate.split_at_mut(f * n);
    outer(s, pending, 0..f, delta + 2 * n..delta + 3 * n, from_x, n);
    outer(s, pending, products..products + n, delta + 2 * n..delta + 3 * n, from_h, n);
}
