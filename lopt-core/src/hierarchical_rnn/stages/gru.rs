//! The GRU cell of all three levels, with a bias that the level above adds (Wichrowska et al. 2017, eq. 10 to 12).
//!
//! `r, u = sigma([x, h] W_g + b_g + B)`, `c = tanh([x, r*h] W_c + b_c + B_c)`,
//! `h' = u*h + (1-u)*c`: the reset gate acts before the matrix product.

use crate::hierarchical_rnn::psi::meta_params::GruBlocks;
use crate::simd::tile::{Start, affine, before};
use crate::simd::{Element, Row, Simd, TILE};

/// Weights of one cell in the element type of the kernels, with transposes for the way back.
#[derive(Clone, Debug)]
pub struct GruWeights<E> {
    /// Width of the input.
    pub inputs: usize,
    /// Hidden units H.
    pub hidden: usize,
    pub gates: Vec<E>,
    pub candidate: Vec<E>,
    pub gates_transposed: Vec<E>,
    pub candidate_transposed: Vec<E>,
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
pub struct Gates<'a, S: Simd> {
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
pub fn forward<S: Simd>(
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
