//! Averages, mean squares and features of one parameter (`accumulators.rs`, `features.rs`).

use super::shape::Shape;
use crate::gpu::functions::{asinh, ln, mix};
use crate::gpu::tables::LANES;
use crate::hierarchical_rnn::psi::config::RelativeRate;
use cubecl::prelude::*;

/// Inside the mean squares; below roots and logarithms; see `accumulators.rs` and `features.rs`.
const SQUARE_EPSILON: f32 = 1e-12;
const EPSILON: f32 = 1e-16;
const LOWEST_LOG_RATE: f32 = -13.815_511;
const SHORTCUT_LOG_RATE: f32 = -6.907_755_4;
const SCALE_CENTRE: f32 = -3.627_164_4;
const SCALE_GAIN: f32 = 0.25;

/// Moves the averages and mean squares on (eq. 1, 2, 17) and fills `x` (eq. 3, 4).
#[cube]
pub(super) fn inputs(
    tiles: &mut [f32],
    x: &mut Array<f32>,
    base: usize,
    g: f32,
    rate: f32,
    mean_rate: f32,
    log_scale: f32,
    #[comptime] s: Shape,
) {
    let n = comptime!(s.timescales);
    let averages = base + comptime!(s.hidden * LANES);
    let squares = averages + comptime!(s.timescales * LANES);
    let rate_at = base + comptime!(s.rate_field() * LANES);
    // decays and their gains, see `Decay` in `accumulators.rs`
    let mut gain_a = tiles[rate_at + comptime!(LANES)];
    let mut gain_b = tiles[rate_at + comptime!(2 * LANES)];
    let mut a = 1.0f32 - gain_a;
    let mut b = 1.0f32 - gain_b;
    let mut ms = Array::<f32>::new(comptime!(s.mean_squares));
    if comptime!(s.previous) {
        if comptime!(s.per_scale) {
            gain_b *= 1.0f32 + b;
            b = b * b;
        }
        ms[0] = mix(gain_b, tiles[squares], fma(g, g, SQUARE_EPSILON));
        tiles[squares] = ms[0];
        if comptime!(s.per_scale) {
            gain_b = gain_of_root(b, gain_b);
            b = f32::sqrt(b);
        }
    }
    #[unroll]
    for k in 0..n {
        let mut mean = g;
        let at = averages + comptime!(k * LANES);
        if comptime!(s.timescales > 1) {
            mean = mix(gain_a, tiles[at], g);
            gain_a = gain_of_root(a, gain_a);
            a = f32::sqrt(a);
        }
        tiles[at] = mean;
        let slot = comptime!(k + usize::from(s.previous));
        let at = squares + comptime!(slot * LANES);
        ms[slot] = mix(gain_b, tiles[at], fma(mean, mean, SQUARE_EPSILON));
        tiles[at] = ms[slot];
        if comptime!(s.per_scale) {
            gain_b = gain_of_root(b, gain_b);
            b = f32::sqrt(b);
        }
        // with previous-scale normalisation the extra mean square in front shifts the pairs by one
        let ratio = mean / f32::sqrt(ms[k] + EPSILON);
        if comptime!(s.asinh) {
            x[k] = asinh(ratio);
        } else {
            x[k] = ratio;
        }
    }
    if comptime!(s.products) {
        #[unroll]
        for k in 0..comptime!(s.timescales - 1) {
            x[comptime!(s.timescales + k)] = x[k] * x[comptime!(k + 1)];
        }
    }
    if comptime!(s.log_mean_squares) {
        let mut sum = 0.0f32;
        #[unroll]
        for k in 0..n {
            let log = ln(ms[comptime!(k + usize::from(s.previous))] + EPSILON);
            x[comptime!(s.logs_at() + k)] = log;
            sum += log;
        }
        let mean = sum * comptime!(1.0 / s.timescales as f32);
        #[unroll]
        for k in 0..n {
            x[comptime!(s.logs_at() + k)] = x[comptime!(s.logs_at() + k)] - mean;
        }
    }
    if comptime!(s.relative_rate != RelativeRate::Off) {
        x[comptime!(s.rates_at()[0])] = rate - mean_rate;
    }
    if comptime!(s.extreme_indicator) {
        let below = LOWEST_LOG_RATE - rate;
        let value = select(rate < 0.0, 0.0f32, rate) - select(below < 0.0, 0.0f32, below);
        x[comptime!(s.rates_at()[1])] = value;
    }
    if comptime!(s.rate_shortcut) {
        x[comptime!(s.rates_at()[2])] = rate - SHORTCUT_LOG_RATE;
    }
    if comptime!(s.parameter_scale) {
        x[comptime!(s.rates_at()[3])] = SCALE_GAIN * ((rate - log_scale) - SCALE_CENTRE);
    }
}

/// `1 - sqrt(d)`, also where that is little; `gain`: `1 - d`.
#[cube]
fn gain_of_root(d: f32, gain: f32) -> f32 {
    let q = 1.0f32 - f32::sqrt(d);
    let rest = fma(q, q, gain - (q + q));
    fma(rest, fma(0.5f32, q, 0.5f32), q)
}
