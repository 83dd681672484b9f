//! The GRU cell of all three levels, with an injected bias (spec section 2.1).
//!
//! `r, u = sigma([x, h] W_g + b_g + B)`, `c = tanh([x, r*h] W_c + b_c + B_c)`,
//! `h' = u*h + (1-u)*c`: the reset gate acts before the matrix product.

use crate::meta_params::GruBlocks;
use crate::simd::{Element, Row, Simd, TILE};
use crate::tile::{Start, affine, outer};

/// Weights of one cell in the element type of the kernels, with transposes for the way back.
#[derive(Clone, Debug)]
pub(crate) struct GruWeights<E> {
    /// Width of the input.
    pub inputs: usize,
    /// Hidden units H.
    pub hidden: usize,
    gates: Vec<E>,
    candidate: Vec<E>,
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

/// One step of the cell for `cols` columns. `xh`: rows of `x`, then of `h`; `bias`: `b + B`, `(3H)`.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    w: &GruWeights<S::E>,
    xh: &[Row<S>],
    bias: &[S::V],
    out: &mut Gates<'_, S>,
    hidden: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = w.hidden;
    let (x, h) = xh.split_at(w.inputs);
    affine(s, &w.gates, 2 * n, [xh], Start::Bias(&bias[..2 * n]), out.gates, cols);
    for row in out.gates.iter_mut() {
        for c in 0..cols {
            row[c] = s.sigmoid(row[c]);
        }
    }
    for j in 0..n {
        for c in 0..cols {
            out.reset_hidden[j][c] = s.mul(out.gates[j][c], h[j][c]);
        }
    }
    let start = Start::Bias(&bias[2 * n..]);
    affine(s, &w.candidate, n, [x, out.reset_hidden], start, out.candidate, cols);
    for j in 0..n {
        for c in 0..cols {
            let candidate = s.tanh(out.candidate[j][c]);
            out.candidate[j][c] = candidate;
            hidden[j][c] = s.fma(out.gates[n + j][c], s.sub(h[j][c], candidate), candidate);
        }
    }
}

/// Adjoint of [`forward`]. `adj_hidden` holds the adjoint of `h'` on entry and that of `h` on exit;
/// `adj_x` is written; `delta` receives the adjoints of the three pre-activations, `3H` rows, from
/// which weight and bias gradients follow.
#[inline(always)]
pub(crate) fn adjoint<S: Simd>(
    s: S,
    w: &GruWeights<S::E>,
    xh: &[Row<S>],
    gates: &[Row<S>],
    candidate: &[Row<S>],
    adj_hidden: &mut [Row<S>],
    adj_xh: &mut [Row<S>],
    delta: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = w.hidden;
    let h = &xh[w.inputs..];
    let one = s.constant(1.0);
    for j in 0..n {
        for c in 0..cols {
            let (u, k, a) = (gates[n + j][c], candidate[j][c], adj_hidden[j][c]);
            let keep = s.mul(a, u);
            let adj_candidate = s.sub(a, keep);
            delta[2 * n + j][c] = s.mul(adj_candidate, s.nma(k, k, one));
            // d u = a (h - c), times u (1 - u)
            delta[n + j][c] = s.mul(s.mul(s.mul(a, s.sub(h[j][c], k)), u), s.sub(one, u));
            adj_hidden[j][c] = keep;
        }
    }
    affine(s, &w.candidate_transposed, w.inputs + n, [&delta[2 * n..]], Start::Zero, adj_xh, cols);
    for j in 0..n {
        for c in 0..cols {
            let (r, back) = (gates[j][c], adj_xh[w.inputs + j][c]);
            adj_hidden[j][c] = s.fma(back, r, adj_hidden[j][c]);
            delta[j][c] = s.mul(s.mul(s.mul(back, h[j][c]), r), s.sub(one, r));
            adj_xh[w.inputs + j][c] = adj_hidden[j][c];
        }
    }
    let (gate_delta, _) = delta.split_at(2 * n);
    affine(s, &w.gates_transposed, w.inputs + n, [gate_delta], Start::Output, adj_xh, cols);
    for j in 0..n {
        for c in 0..cols {
            adj_hidden[j][c] = adj_xh[w.inputs + j][c];
        }
    }
}

/// Adds the weight gradients of `cols` columns to the lane-wise sums `grad` (in psi's layout).
#[inline(always)]
pub(crate) fn weight_gradients<S: Simd>(
    s: S,
    blocks: &GruBlocks,
    xh: &[Row<S>],
    reset_hidden: &[Row<S>],
    delta: &[Row<S>],
    grad: &mut [S::V],
    cols: usize,
) {
    let n = blocks.hidden;
    let gates = &mut grad[blocks.gates_weight.clone()];
    outer(s, xh, &delta[..2 * n], cols, gates, 2 * n);
    let candidate = &mut grad[blocks.candidate_weight.clone()];
    let (from_x, from_h) = candidate.split_at_mut(blocks.inputs * n);
    outer(s, &xh[..blocks.inputs], &delta[2 * n..], cols, from_x, n);
    outer(s, reset_hidden, &delta[2 * n..], cols, from_h, n);
}
