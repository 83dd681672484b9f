//! One tile through the stages of the Parameter RNN: accumulators, features, GRU, readout, rate.

use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::readout::MOST_OUTPUTS;
use crate::hierarchical_rnn::stages::{accumulators, features, gru, readout, update};
use crate::simd::Buffer;
use crate::simd::tile::Start;
use crate::simd::{Element, Row, Simd, TILE, prefetch};

/// Rows of one tile that one step fills.
#[derive(Clone, Debug)]
pub(crate) struct TileScratch<E: Element> {
    /// [`KeptRows`], where no record is made.
    pub kept: Buffer<E>,
    pub reset_hidden: Buffer<E>,
    pub outputs: Buffer<E>,
    /// Fields of a tile whose state is compact.
    pub fields: Buffer<E>,
}

impl<E: Element> TileScratch<E> {
    pub(crate) fn new(net: &Network<E>, lanes: usize) -> Self {
        Self {
            kept: Buffer::rows(kept_count(net), lanes),
            reset_hidden: Buffer::rows(net.parameter.hidden, lanes),
            outputs: Buffer::rows(MOST_OUTPUTS, lanes),
            fields: Buffer::rows(net.fields().count(), lanes),
        }
    }
}

/// What the way back wants of a tile rather than compute it again.
#[derive(Clone, Copy, Debug)]
pub struct KeptRows<R> {
    /// Inputs of the Parameter RNN, F rows.
    pub x: R,
    /// Reset and update gates, 2H rows.
    pub gates: R,
    /// Candidate, H rows.
    pub candidate: R,
}

/// Number of rows of [`KeptRows`].
pub fn kept_count<E>(net: &Network<E>) -> usize {
    net.parameter.inputs + 3 * net.parameter.hidden
}

impl<'a, R> KeptRows<&'a mut [R]> {
    #[inline(always)]
    fn split_mut<E>(net: &Network<E>, rows: &'a mut [R]) -> Self {
        let (x, rest) = rows.split_at_mut(net.parameter.inputs);
        let (gates, candidate) = rest.split_at_mut(2 * net.parameter.hidden);
        Self { x, gates, candidate }
    }
}

impl<'a, R> KeptRows<&'a [R]> {
    #[inline(always)]
    pub fn split<E>(net: &Network<E>, rows: &'a [R]) -> Self {
        let (x, rest) = rows.split_at(net.parameter.inputs);
        let (gates, candidate) = rest.split_at(2 * net.parameter.hidden);
        Self { x, gates, candidate }
    }
}

/// What the rates of a tensor are relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<S: Simd> {
    /// Mean log rate of the reference set.
    pub mean_rate: S::V,
    /// Log size of the tensor's parameters.
    pub log_scale: S::V,
    /// Largest log rate.
    pub most: S::V,
}

/// Forward pass of one tile, to the fields `new`; `old`: those before the step, where they are kept.
///
/// `kept`: see [`KeptRows`]. `out`: raw direction, \[raw attended direction\], log rate `l`.
/// `sums`: per-job sums over columns of `h'`, `x`, `d^2`, \[`d_phi^2`\], \[`g^2`\], `etabar'`; `tail` masks
/// lanes of the last column that are padding. `gains`: whether the next gains are wanted.
/// `ahead`: rows that are asked for meanwhile, a third at a time, as many as a core can wait for.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    old: Option<&[Row<S>]>,
    new: &mut [Row<S>],
    kept: &mut [Row<S>],
    g: &Row<S>,
    bias: Start<'_, S>,
    reference: &Reference<S>,
    reset_hidden: &mut [Row<S>],
    read: &mut [Row<S>],
    out: &mut [Row<S>],
    sums: &mut [S::V],
    cols: usize,
    tail: Option<S::V>,
    gains: bool,
    ahead: &[Row<S>],
) {
    let cols = cols.min(TILE);
    let (first, rest) = ahead.split_at(ahead.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    ask(s, first, cols);
    let old = old.map(|old| net.fields().split(old));
    let new = net.fields().split_mut(new);
    let KeptRows { x, gates, candidate } = KeptRows::split_mut(net, kept);
    let (a, b, rate) = match old {
        Some(old) => (old.gradient_gain, old.rms_gain, old.log_rate),
        None => (&*new.gradient_gain, &*new.rms_gain, &*new.log_rate),
    };
    let (avg, ms) = (new.averages, new.mean_squares);
    let averages = old.map(|old| (old.averages, old.mean_squares));
    accumulators::forward(s, net.scales, g, a, b, averages, avg, ms, cols);
    let Reference { mean_rate, log_scale, .. } = *reference;
    features::forward(s, net.inputs, avg, ms, rate, mean_rate, log_scale, x, cols);
    ask(s, second, cols);
    let mut cell = gru::Gates::<S> { gates, candidate, reset_hidden };
    let hidden = old.map(|old| old.hidden);
    gru::forward(s, &net.parameter, x, hidden, bias, &mut cell, new.hidden, cols);
    ask(s, third, cols);
    let outputs = net.readout.outputs;
    let read = &mut read[..if gains { outputs.count } else { outputs.before_gains() }];
    readout::forward(s, &net.readout, new.hidden, &x[..net.config.timescales], read, cols);
    out[0] = read[0];
    let mut next = 1;
    if let Some(row) = outputs.attention {
        out[next] = read[row];
        next += 1;
    }
    let rate = old.map(|old| old.log_rate);
    if let Some(row) = outputs.log_rate {
        let l = &mut out[next];
        update::log_rate(s, &net.update, &read[row], rate, new.log_rate, l, reference.most, cols);
    } else if let Some(rate) = rate {
        *new.log_rate = *rate;
    }
    if gains {
        readout::gains(s, outputs, read, new.gradient_gain, new.rms_gain, cols);
    }

    let mut at = 0;
    for row in new.hidden.iter().chain(x.iter()) {
        sums[at] = add_columns(s, row, sums[at], cols, tail);
        at += 1;
    }
    for row in &out[..next] {
        sums[at] = add_squares(s, row, sums[at], cols, tail);
        at += 1;
    }
    if net.config.fades() {
        sums[at] = add_squares(s, g, sums[at], cols, tail);
        at += 1;
    }
    sums[at] = add_columns(s, new.log_rate, sums[at], cols, tail);
}

/// Asks for the first columns of rows: the next tile mostly has as many as this one.
#[inline(always)]
fn ask<S: Simd>(_: S, rows: &[Row<S>], cols: usize) {
    rows.iter().flat_map(|row| &row[..cols]).for_each(prefetch);
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
    c.parameter_hidden + c.features() + 2 + usize::from(c.attention) + usize::from(c.fades())
}

/// Number of rows in `out` of `forward`.
pub fn out_count<E>(net: &Network<E>) -> usize {
    2 + usize::from(net.config.attention)
}
