//! One tile through the stages of the Parameter RNN: accumulators, features, GRU, readout, rate.

use crate::buffer::Buffer;
use crate::network::Network;
use crate::readout::MOST_OUTPUTS;
use crate::simd::{Element, Row, Simd, TILE};
use crate::{accumulators, features, gru, readout, update};

/// Intermediate rows of one tile, kept for the adjoint.
#[derive(Clone, Debug)]
pub(crate) struct TileScratch<E: Element> {
    /// Features, then the old hidden vector.
    pub xh: Buffer<E>,
    pub gates: Buffer<E>,
    pub candidate: Buffer<E>,
    pub reset_hidden: Buffer<E>,
    pub hidden: Buffer<E>,
    pub outputs: Buffer<E>,
}

impl<E: Element> TileScratch<E> {
    pub(crate) fn new(net: &Network<E>, lanes: usize) -> Self {
        let (h, f) = (net.config.parameter_hidden, net.config.features());
        Self {
            xh: Buffer::rows(f + h, lanes),
            gates: Buffer::rows(2 * h, lanes),
            candidate: Buffer::rows(h, lanes),
            reset_hidden: Buffer::rows(h, lanes),
            hidden: Buffer::rows(h, lanes),
            outputs: Buffer::rows(MOST_OUTPUTS, lanes),
        }
    }
}

/// Features, GRU and readout from accumulators that are already up to date.
#[inline(always)]
pub(crate) fn think<S: Simd>(
    s: S,
    net: &Network<S::E>,
    avg: &[Row<S>],
    ms: &[Row<S>],
    old_hidden: &[Row<S>],
    log_rate: &Row<S>,
    bias: &[S::V],
    mean_rate: S::V,
    scratch: &mut TileScratch<S::E>,
    cols: usize,
) {
    let xh = scratch.xh.as_rows_mut::<S>();
    let (x, h) = xh.split_at_mut(net.parameter.inputs);
    features::forward(s, net.inputs, avg, ms, log_rate, mean_rate, x, cols);
    h.copy_from_slice(old_hidden);
    let mut gates = gru::Gates::<S> {
        gates: scratch.gates.as_rows_mut::<S>(),
        candidate: scratch.candidate.as_rows_mut::<S>(),
        reset_hidden: scratch.reset_hidden.as_rows_mut::<S>(),
    };
    let hidden = scratch.hidden.as_rows_mut::<S>();
    let xh = scratch.xh.as_rows::<S>();
    gru::forward(s, &net.parameter, xh, bias, &mut gates, hidden, cols);
    let out = &mut scratch.outputs.as_rows_mut::<S>()[..net.readout.outputs.count];
    readout::forward(s, &net.readout, hidden, &xh[..net.config.timescales], out, cols);
}

/// Forward pass of one tile.
///
/// `state`: the fields of the tile, updated in place. `out`: raw direction, \[raw attended
/// direction\], log rate `l`. `sums`: per-job sums over columns of `h'`, `x`, `d^2`, \[`d_phi^2`\],
/// `etabar'`; `tail` masks lanes of the last column that are padding.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    state: &mut [Row<S>],
    g: &Row<S>,
    bias: &[S::V],
    mean_rate: S::V,
    scratch: &mut TileScratch<S::E>,
    out: &mut [Row<S>],
    sums: &mut [S::V],
    cols: usize,
    tail: Option<S::V>,
) {
    let cols = cols.min(TILE);
    let f = net.fields().split_mut(state);
    let (a, b) = (&*f.gradient_decay, &*f.rms_decay);
    accumulators::forward(s, net.scales, g, a, b, f.averages, f.mean_squares, cols);
    let (avg, ms) = (&*f.averages, &*f.mean_squares);
    think(s, net, avg, ms, f.hidden, f.log_rate, bias, mean_rate, scratch, cols);
    f.hidden.copy_from_slice(scratch.hidden.as_rows::<S>());
    let outputs = net.readout.outputs;
    let read = scratch.outputs.as_rows::<S>();
    out[0] = read[0];
    let mut next = 1;
    if let Some(row) = outputs.attention {
        out[next] = read[row];
        next += 1;
    }
    if let Some(row) = outputs.log_rate {
        update::log_rate(s, &net.update, &read[row], f.log_rate, &mut out[next], cols);
    }
    readout::decays(s, outputs, read, f.gradient_decay, f.rms_decay);

    let x = &scratch.xh.as_rows::<S>()[..net.parameter.inputs];
    let mut at = 0;
    for row in f.hidden.iter().chain(x) {
        sums[at] = add_columns(s, row, sums[at], cols, tail);
        at += 1;
    }
    for row in &out[..next] {
        sums[at] = add_squares(s, row, sums[at], cols, tail);
        at += 1;
    }
    sums[at] = add_columns(s, f.log_rate, sums[at], cols, tail);
}

#[inline(always)]
fn add_columns<S: Simd>(s: S, row: &Row<S>, total: S::V, cols: usize, tail: Option<S::V>) -> S::V {
    let cols = cols.min(TILE);
    let mut total = total;
    let full = cols - usize::from(tail.is_some());
    for c in 0..full {
        total = s.add(total, row[c]);
    }
    tail.map_or(total, |mask| s.fma(mask, row[full], total))
}

#[inline(always)]
fn add_squares<S: Simd>(s: S, row: &Row<S>, total: S::V, cols: usize, tail: Option<S::V>) -> S::V {
    let cols = cols.min(TILE);
    let mut total = total;
    let full = cols - usize::from(tail.is_some());
    for c in 0..full {
        total = s.fma(row[c], row[c], total);
    }
    tail.map_or(total, |mask| s.fma(s.mul(mask, row[full]), row[full], total))
}

/// Number of vectors in `sums` of [`forward`].
pub(crate) fn sum_count<E>(net: &Network<E>) -> usize {
    let c = &net.config;
    c.parameter_hidden + c.features() + 2 + usize::from(c.attention)
}

/// Number of rows in `out` of [`forward`].
pub(crate) fn out_count<E>(net: &Network<E>) -> usize {
    2 + usize::from(net.config.attention)
}
