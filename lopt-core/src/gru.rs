//! The GRU cell of all three levels, with a bias that the level above adds (Wichrowska et al. 2017, eq. 10 to 12).
//!
//! `r, u = sigma([x, h] W_g + b_g + B)`, `c = tanh([x, r*h] W_c + b_c + B_c)`,
//! `h' = u*h + (1-u)*c`: the reset gate acts before the matrix product.

use crate::meta_params::GruBlocks;
use crate::simd::pending::{PendingTiles, outer};
use crate::simd::tile::{Start, affine, before, copy_columns};
use crate::simd::{Element, Row, Simd, TILE};

/// Weights of one cell in the element type of the kernels, with transposes for the way back.
#[derive(Clone, Debug)]
pub(crate) struct GruWeights<E> {
    /// Width of the input.
    pub inputs: usize,
    /// Hidden units H.
    pub hidden: usize,
    pub gates: Vec<E>,
    pub candidate: Vec<E>,
    gates_transposed: Vec<E>,
    candidate_transposed: Vec<E>,
    /// `[b_g, b_c]`, `(3H)`.
    pub bias: Vec<E>,
}

fn transpose<E: Copy>(w: &[E], columns: usize) -> Vec<E> {
    (0..columns).flat_map(|c| w[c..].iter().step_by(columns).copied()).collect()
}

impl<E: Element> GruWeights<E> {
    /// Reads one cell out of psi.
    #[must_use]
    pub(crate) fn new(psi: &[f64], blocks: &GruBlocks) -> Self {
        let cast = |r: &std::ops::Range<usize>| -> Vec<E> {
            psi[r.clone()].iter().map(|&x| E::from_f64(x)).collect()
        };
        let gates = cast(&blocks.gates_weight);
        let candidate = cast(&blocks.candidate_weight);
        let mut bias = cast(&blocks.gates_bias);
        bias.extend(cast(&blocks.candidate_bias));
        Self {
            inputs: blocks.inputs,
            hidden: blocks.hidden,
            gates_transposed: transpose(&gates, 2 * blocks.hidden),
            candidate_transposed: transpose(&candidate, blocks.hidden),
            gates,
            candidate,
            bias,
        }
    }
}

/// What the cell computed on the way to `h'`, one row per unit.
#[derive(Debug)]
pub(crate) struct Gates<'a, S: Simd> {
    /// Reset and update gates, `2H` rows.
    pub gates: &'a mut [Row<S>],
    /// Candidate, `H` rows.
    pub candidate: &'a mut [Row<S>],
    /// `r * h`, `H` rows.
    pub reset_hidden: &'a mut [Row<S>],
}

/// One step of the cell for `cols` columns: from `x` to the new `hidden`. `old`: the hidden vector
/// before the step, where it is kept; else it is overwritten. `bias`: `b + B`, `3H` rows.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    w: &GruWeights<S::E>,
    x: &[Row<S>],
    old: Option<&[Row<S>]>,
    bias: Start<'_, S>,
    out: &mut Gates<'_, S>,
    hidden: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = w.hidden;
    let h = old.unwrap_or(&*hidden);
    affine(s, &w.gates, 2 * n, [x, h], bias, out.gates, cols);
    let (reset, update) = out.gates.split_at_mut(n);
    for ((reset, h), product) in reset.iter_mut().zip(h).zip(out.reset_hidden.iter_mut()) {
        for c in 0..cols {
            let r = s.sigmoid(reset[c]);
            reset[c] = r;
            product[c] = s.mul(r, h[c]);
        }
    }
    affine(s, &w.candidate, n, [x, out.reset_hidden], bias.skip(2 * n), out.candidate, cols);
    for (j, (candidate, update)) in out.candidate.iter_mut().zip(update).enumerate() {
        for c in 0..cols {
            let (u, k) = (s.sigmoid(update[c]), s.tanh(candidate[c]));
            update[c] = u;
            candidate[c] = k;
            let h = before(old, hidden, j)[c];
            hidden[j][c] = s.fma(u, s.sub(h, k), k);
        }
    }
}

/// Adjoint of [`forward`]. `adj_hidden` holds the adjoint of `h'` on entry and that of `h` on exit;
/// `adj_xh` is written, its first rows are the adjoint of `x`; `delta` receives the adjoints of the
/// three pre-activations, `3H` rows, from which weight and bias gradients follow.
#[inline(always)]
pub(crate) fn adjoint<S: Simd>(
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

/// Where the rows of one cell lie in a [`Pending`] tile: `x`, `h`, `r * h`, three deltas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellRows {
    pub inputs: usize,
    pub hidden: usize,
}

impl CellRows {
    pub(crate) fn count(self) -> usize {
        self.inputs + 5 * self.hidden
    }

    /// Copies `x` and `h`, computes `r * h`, and gives the rows the deltas are to be written to and
    /// the rows behind them.
    #[inline(always)]
    pub(crate) fn fill<'a, S: Simd>(
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
pub(crate) fn weight_gradients<S: Simd>(
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
