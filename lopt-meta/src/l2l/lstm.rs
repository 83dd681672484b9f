//! The LSTM cell without peepholes (Hochreiter & Schmidhuber 1997; Zaremba et al. 2014), as Sonnet
//! has it.
//!
//! `i, j, f, o = [x, h] W + b`, `c' = sigma(f + 1) c + sigma(i) tanh(j)`, `h' = sigma(o) tanh(c')`.

use super::psi::{GATES, HIDDEN, LayerBlocks};
use lopt_core::simd::tile::{Start, affine};
use lopt_core::simd::{Element, Row, Simd, TILE};

/// Added to the forget gates, so that a new cell remembers.
const FORGET_BIAS: f64 = 1.0;

/// Weights of one layer in the element type of the kernels, with the transpose for the way back.
#[derive(Clone, Debug)]
pub(super) struct LstmWeights<E> {
    pub(super) inputs: usize,
    weight: Vec<E>,
    transposed: Vec<E>,
    /// The forget gates' with [`FORGET_BIAS`].
    bias: Vec<E>,
}

impl<E: Element> LstmWeights<E> {
    /// Reads one layer out of psi.
    pub(super) fn new(psi: &[f64], blocks: LayerBlocks) -> Self {
        let weight: Vec<E> = psi[blocks.weight_range()].iter().map(|&x| E::from_f64(x)).collect();
        let column = |c: usize| weight[c..].iter().step_by(GATES).copied();
        let transposed = (0..GATES).flat_map(column).collect();
        let bias = psi[blocks.bias_range()].iter().enumerate().map(|(i, &b)| {
            let forget = (2 * HIDDEN..3 * HIDDEN).contains(&i);
            E::from_f64(if forget { b + FORGET_BIAS } else { b })
        });
        Self { inputs: blocks.inputs, bias: bias.collect(), weight, transposed }
    }
}

/// One step of a tile. `old` and `new`: `c`, then `h`, 20 rows each. `gates` receives the activated
/// `i, j, f, o`.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    w: &LstmWeights<S::E>,
    x: &[Row<S>],
    old: &[Row<S>],
    gates: &mut [Row<S>],
    new: &mut [Row<S>],
) {
    let (c_old, h_old) = old.split_at(HIDDEN);
    affine(s, &w.weight, GATES, [x, h_old], Start::Bias(&w.bias), gates, TILE);
    let (c_new, h_new) = new.split_at_mut(HIDDEN);
    for u in 0..HIDDEN {
        for c in 0..TILE {
            let i = s.sigmoid(gates[u][c]);
            let j = s.tanh(gates[HIDDEN + u][c]);
            let f = s.sigmoid(gates[2 * HIDDEN + u][c]);
            let o = s.sigmoid(gates[3 * HIDDEN + u][c]);
            let cell = s.fma(f, c_old[u][c], s.mul(i, j));
            (gates[u][c], gates[HIDDEN + u][c]) = (i, j);
            (gates[2 * HIDDEN + u][c], gates[3 * HIDDEN + u][c]) = (f, o);
            c_new[u][c] = cell;
            h_new[u][c] = s.mul(o, s.tanh(cell));
        }
    }
}

/// Adjoint of [`forward`]. `adjoint` holds those of `c'` and `h'` on entry, those of `c` and `h` on
/// exit; those of `x`, as many as there are rows in `to_x`, are added there. `delta` receives the
/// adjoints of the four pre-activations, from which weight and bias gradients follow.
#[inline(always)]
pub(super) fn adjoint<S: Simd>(
    s: S,
    w: &LstmWeights<S::E>,
    c_old: &[Row<S>],
    c_new: &[Row<S>],
    gates: &[Row<S>],
    adjoint: &mut [Row<S>],
    to_x: &mut [Row<S>],
    delta: &mut [Row<S>],
) {
    let one = s.constant(1.0);
    let (to_c, to_h) = adjoint.split_at_mut(HIDDEN);
    for u in 0..HIDDEN {
        for c in 0..TILE {
            let (i, j) = (gates[u][c], gates[HIDDEN + u][c]);
            let (f, o) = (gates[2 * HIDDEN + u][c], gates[3 * HIDDEN + u][c]);
            let t = s.tanh(c_new[u][c]);
            let through = s.mul(to_h[u][c], o);
            let cell = s.fma(through, s.nma(t, t, one), to_c[u][c]);
            let by_input = s.mul(cell, i);
            delta[u][c] = s.mul(s.mul(by_input, j), s.sub(one, i));
            delta[HIDDEN + u][c] = s.mul(by_input, s.nma(j, j, one));
            let kept = s.mul(cell, f);
            delta[2 * HIDDEN + u][c] = s.mul(s.mul(kept, c_old[u][c]), s.sub(one, f));
            delta[3 * HIDDEN + u][c] = s.mul(s.mul(through, t), s.sub(one, o));
            to_c[u][c] = kept;
        }
    }
    let rows = w.inputs + HIDDEN;
    let delta = &*delta;
    if !to_x.is_empty() {
        affine(s, &w.transposed, rows, [delta], Start::Output, to_x, TILE);
    }
    affine(s, &w.transposed[w.inputs..], rows, [delta], Start::Zero, to_h, TILE);
}
