//! The way back through the readout.

use crate::pending::{PendingTiles, column_sums_of, outer};
use lopt_core::meta_params::MetaLayout;
use lopt_core::readout::ReadoutWeights;
use lopt_core::simd::tile::{Start, affine};
use lopt_core::simd::{Row, Simd, TILE};

/// Adjoint of [`forward`](lopt_core::readout::forward).
///
/// `gains`: new gains of gradient average and mean squares. `adj_out`: adjoints of the rows of
/// `out`; those of the gains are turned into adjoints of the logits of the decays in place. Adds to
/// `adj_hidden` and `adj_m`.
#[inline(always)]
pub(super) fn adjoint<S: Simd>(
    s: S,
    w: &ReadoutWeights<S::E>,
    gains: [&Row<S>; 2],
    adj_out: &mut [Row<S>],
    adj_hidden: &mut [Row<S>],
    adj_m: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let one = s.constant(1.0);
    for (row, gain) in [w.outputs.gradient_decay, w.outputs.rms_decay].into_iter().zip(gains) {
        let Some(row) = row else { continue };
        for c in 0..cols {
            let y = gain[c];
            adj_out[row][c] = s.mul(adj_out[row][c], s.mul(y, s.sub(y, one)));
        }
    }
    affine(s, &w.transposed, w.hidden, [&adj_out[..]], Start::Output, adj_hidden, cols);
    let ways = [(Some(0), &w.direction_shortcut), (w.outputs.attention, &w.attention_shortcut)];
    for (row, v) in ways {
        let Some(row) = row else { continue };
        for (&weight, to) in v.iter().zip(adj_m.iter_mut()) {
            let weight = s.splat(weight);
            for c in 0..cols {
                to[c] = s.fma(weight, adj_out[row][c], to[c]);
            }
        }
    }
}

/// Adds the weight gradients of pending columns: `m` are the first rows of a tile, the new hidden
/// vector begins at row `hidden`, the adjoints of the outputs follow it.
#[inline(always)]
pub(super) fn weight_gradients<S: Simd>(
    s: S,
    w: &ReadoutWeights<S::E>,
    layout: &MetaLayout,
    hidden: usize,
    tiles: &PendingTiles<'_, S>,
    grad: &mut [S::V],
) {
    let none = 0..0;
    let blocks = [
        (Some(0), &layout.direction, &none, &layout.direction_shortcut),
        (w.outputs.attention, &layout.attention, &none, &layout.attention_shortcut),
        (w.outputs.log_rate, &layout.log_rate_weight, &layout.log_rate_bias, &none),
        (w.outputs.rms_decay, &layout.rms_decay_weight, &layout.rms_decay_bias, &none),
        (
            w.outputs.gradient_decay,
            &layout.gradient_decay_weight,
            &layout.gradient_decay_bias,
            &none,
        ),
    ];
    let first = hidden + w.hidden;
    for (row, weight, bias, v) in blocks {
        let Some(row) = row else { continue };
        let up = first + row..first + row + 1;
        let rows = hidden..hidden + w.hidden;
        outer(s, tiles, rows, up.clone(), &mut grad[weight.clone()], 1);
        column_sums_of(s, tiles, up.start, &mut grad[bias.clone()]);
        outer(s, tiles, 0..v.len(), up, &mut grad[v.clone()], 1);
    }
}
