//! The Parameter RNN and its readout for one parameter (`gru.rs`, `readout.rs`).

use super::shape::Shape;
use crate::gpu::functions::{mix, sigmoid, tanh};
use cubecl::prelude::*;

/// The GRU (eq. 10), from the old hidden vector to the new one.
#[cube]
pub(super) fn cell(
    h: &mut Array<f32>,
    x: &Array<f32>,
    w: &Shared<[f32]>,
    bias: &Shared<[f32]>,
    #[comptime] s: Shape,
) {
    let n = comptime!(s.hidden);
    let mut gates = Array::<f32>::new(comptime!(2 * s.hidden));
    let mut candidate = Array::<f32>::new(comptime!(s.hidden));
    #[unroll]
    for j in 0..comptime!(2 * s.hidden) {
        gates[j] = bias[j];
    }
    #[unroll]
    for j in 0..n {
        candidate[j] = bias[comptime!(2 * s.hidden + j)];
    }
    #[unroll]
    for i in 0..comptime!(s.features) {
        let value = x[i];
        #[unroll]
        for j in 0..comptime!(2 * s.hidden) {
            gates[j] = fma(value, w[comptime!(i * 2 * s.hidden + j)], gates[j]);
        }
        #[unroll]
        for j in 0..n {
            let weight = w[comptime!(s.candidate_at() + i * s.hidden + j)];
            candidate[j] = fma(value, weight, candidate[j]);
        }
    }
    #[unroll]
    for i in 0..n {
        let value = h[i];
        #[unroll]
        for j in 0..comptime!(2 * s.hidden) {
            let weight = w[comptime!((s.features + i) * 2 * s.hidden + j)];
            gates[j] = fma(value, weight, gates[j]);
        }
    }
    #[unroll]
    for i in 0..n {
        let value = sigmoid(gates[i]) * h[i];
        #[unroll]
        for j in 0..n {
            let at = comptime!(s.candidate_at() + (s.features + i) * s.hidden + j);
            candidate[j] = fma(value, w[at], candidate[j]);
        }
    }
    #[unroll]
    for j in 0..n {
        let update = sigmoid(gates[comptime!(s.hidden + j)]);
        h[j] = mix(update, tanh(candidate[j]), h[j]);
    }
}

/// One row of the readout, with its bias.
#[cube]
pub(super) fn read(
    h: &Array<f32>,
    w: &Shared<[f32]>,
    #[comptime] row: usize,
    #[comptime] s: Shape,
) -> f32 {
    let mut y = w[comptime!(s.readout_at() + s.hidden * s.read_count + row)];
    #[unroll]
    for j in 0..comptime!(s.hidden) {
        y = fma(h[j], w[comptime!(s.readout_at() + j * s.read_count + row)], y);
    }
    y
}

/// A direction: a row of the readout and its shortcut from the scaled gradients.
#[cube]
pub(super) fn direction(
    h: &Array<f32>,
    x: &Array<f32>,
    w: &Shared<[f32]>,
    #[comptime] row: usize,
    #[comptime] shortcut: usize,
    #[comptime] s: Shape,
) -> f32 {
    let mut d = read(h, w, row, s);
    if comptime!(s.gradient_shortcut) {
        #[unroll]
        for k in 0..comptime!(s.timescales) {
            d = fma(w[comptime!(s.shortcut_at() + shortcut + k)], x[k], d);
        }
    }
    d
}
