//! First launch: every parameter through averages, features, Parameter RNN and readout; one group
//! of threads per job, one thread per parameter of a tile, sums over the job at the end.

use super::functions::{asinh, ln, sigmoid, tanh};
use super::shape::{LANES, NONE, Relative, Shape};
use super::tables::JOB;
use cubecl::prelude::*;

/// Inside the mean squares; below roots and logarithms; see `accumulators.rs` and `features.rs`.
const SQUARE_EPSILON: f32 = 1e-12;
const EPSILON: f32 = 1e-16;
const LOWEST_LOG_RATE: f32 = -13.815_511;
const SHORTCUT_LOG_RATE: f32 = -6.907_755_4;
const SCALE_CENTRE: f32 = -3.627_164_4;
const SCALE_GAIN: f32 = 0.25;
/// See `scale.rs`.
const BORROWED: f32 = 0.01;
const FLOOR: f32 = 1e-4;
const LARGEST_LOG_STEP: f32 = -std::f32::consts::LN_2;
/// See `readout.rs`.
const FIXED_GRADIENT_DECAY: f32 = 0.89;
const FIXED_RMS_DECAY: f32 = 0.93;

/// * `tiles`: the state, `[tile][field][LANES]`; `grads`: flat.
/// * `tensors`: [`Shape::tensor_row`] floats per tensor; `squares`: sum of squares of every job.
/// * `steps`: multiplier and whether it is held, of every tensor.
/// * `out`: direction, attended direction, log rate, `[tile][row][LANES]`; `sums`: `[job][sum]`.
#[cube(launch_unchecked)]
pub(super) fn parameter_pass(
    tiles: &mut [f32],
    grads: &[f32],
    weights: &[f32],
    jobs: &[u32],
    tensors: &[f32],
    squares: &[f32],
    steps: &[f32],
    out: &mut [f32],
    sums: &mut [f32],
    parameters: f32,
    momentum: f32,
    max_log_rate: f32,
    #[comptime] s: Shape,
) {
    let lane = UNIT_POS as usize;
    let job = CUBE_POS;
    let entry = job * comptime!(JOB);
    let tensor = jobs[entry] as usize;
    let first_tile = jobs[entry + 1] as usize;
    let tile_count = jobs[entry + 2] as usize;
    let first_scalar = jobs[entry + 3] as usize;
    let scalars = jobs[entry + 4] as usize;
    let elements = f32::cast_from(jobs[entry + 5]);

    let mut w = Shared::<[f32]>::new_slice(comptime!(s.parameter_weights()));
    let mut i = lane;
    while i < comptime!(s.parameter_weights()) {
        w[i] = weights[i];
        i += comptime!(LANES);
    }
    let mut bias = Shared::<[f32]>::new_slice(comptime!(3 * s.hidden));
    let row = tensor * comptime!(s.tensor_row());
    let mut i = lane;
    while i < comptime!(3 * s.hidden) {
        bias[i] = tensors[row + i];
        i += comptime!(LANES);
    }
    let mean_rate = tensors[row + comptime!(3 * s.hidden)];
    let held = steps[2 * tensor + 1] > 0.5;

    let mut log_scale = 0.0f32;
    let mut most = max_log_rate;
    if comptime!(s.parameter_scale) {
        let mut partial = Shared::<[f32]>::new_slice(comptime!(2 * LANES));
        let first = jobs[entry + 6] as usize;
        let end = first + jobs[entry + 7] as usize;
        let mut own = 0.0f32;
        let mut all = 0.0f32;
        let mut j = lane;
        while j < squares.len() {
            let square = squares[j];
            all += square;
            own += select(j >= first && j < end, square, 0.0f32);
            j += comptime!(LANES);
        }
        partial[lane] = own;
        partial[lane + comptime!(LANES)] = all;
        sync_cube();
        let mut own = 0.0f32;
        let mut all = 0.0f32;
        for i in 0..comptime!(LANES) {
            own += partial[i];
            all += partial[i + comptime!(LANES)];
        }
        let size = own / elements + fma(all, BORROWED / parameters, FLOOR);
        log_scale = 0.5 * ln(size) - 0.25 * ln(elements);
        let largest = log_scale + LARGEST_LOG_STEP;
        most = select(most > largest, largest, most);
    }
    sync_cube();

    let mut total = Array::<f32>::new(comptime!(s.sums));
    #[unroll]
    for k in 0..comptime!(s.sums) {
        total[k] = 0.0;
    }
    let mut t = 0usize;
    while t < tile_count {
        let local = t * comptime!(LANES) + lane;
        if local < scalars {
            let base = (first_tile + t) * comptime!(s.fields * LANES) + lane;
            let rate_at = base + comptime!(s.rate_field() * LANES);
            let rate = tiles[rate_at];
            if held {
                total[comptime!(s.sums - 1)] += rate;
            } else {
                let mut x = Array::<f32>::new(comptime!(s.features));
                let g = grads[first_scalar + local];
                inputs(tiles, &mut x, base, g, rate, mean_rate, log_scale, s);
                let mut h = Array::<f32>::new(comptime!(s.hidden));
                #[unroll]
                for j in 0..comptime!(s.hidden) {
                    h[j] = tiles[base + comptime!(j * LANES)];
                }
                cell(&mut h, &x, &w, &bias, s);
                #[unroll]
                for j in 0..comptime!(s.hidden) {
                    tiles[base + comptime!(j * LANES)] = h[j];
                    total[j] += h[j];
                }
                #[unroll]
                for k in 0..comptime!(s.features) {
                    total[comptime!(s.hidden + k)] += x[k];
                }
                let out_at = (first_tile + t) * comptime!(s.outs * LANES) + lane;
                let d = direction(&h, &x, &w, 0usize, 0usize, s);
                out[out_at] = d;
                total[comptime!(s.hidden + s.features)] += d * d;
                if comptime!(s.attention) {
                    let at = comptime!(s.read_attention);
                    let d = direction(&h, &x, &w, at, comptime!(s.timescales), s);
                    out[out_at + comptime!(LANES)] = d;
                    total[comptime!(s.hidden + s.features + 1)] += d * d;
                }
                let mut next = rate;
                if comptime!(s.read_rate != NONE) {
                    let wanted = rate + read(&h, &w, comptime!(s.read_rate), s);
                    let capped = select(wanted > most, most, wanted);
                    let l = select(capped < -max_log_rate, -max_log_rate, capped);
                    out[out_at + comptime!((s.outs - 1) * LANES)] = l;
                    next = fma(momentum, rate - l, l);
                    tiles[rate_at] = next;
                }
                total[comptime!(s.sums - 1)] += next;
                let mut gradient_decay = FIXED_GRADIENT_DECAY.runtime();
                if comptime!(s.read_gradient != NONE) {
                    gradient_decay = sigmoid(read(&h, &w, comptime!(s.read_gradient), s));
                }
                tiles[rate_at + comptime!(LANES)] = gradient_decay;
                let mut rms_decay = FIXED_RMS_DECAY.runtime();
                if comptime!(s.read_rms != NONE) {
                    rms_decay = sigmoid(read(&h, &w, comptime!(s.read_rms), s));
                }
                tiles[rate_at + comptime!(2 * LANES)] = rms_decay;
            }
        }
        t += 1;
    }

    // one thread per sum adds up the lanes in order; the odd stride keeps them on different banks
    let mut lanes = Shared::<[f32]>::new_slice(comptime!(s.sums * (LANES + 1)));
    #[unroll]
    for k in 0..comptime!(s.sums) {
        lanes[lane + comptime!(k * (LANES + 1))] = total[k];
    }
    sync_cube();
    if lane < comptime!(s.sums) {
        let mut sum = 0.0f32;
        for i in 0..comptime!(LANES) {
            sum += lanes[lane * comptime!(LANES + 1) + i];
        }
        sums[job * comptime!(s.sums) + lane] = sum;
    }
}

/// `(1 - d) new + d old`.
#[cube]
fn mix(d: f32, new: f32, old: f32) -> f32 {
    fma(d, old - new, new)
}

/// Moves the averages and mean squares on (eq. 1, 2, 17) and fills `x` (eq. 3, 4).
#[cube]
fn inputs(
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
    let mut a = tiles[rate_at + comptime!(LANES)];
    let mut b = tiles[rate_at + comptime!(2 * LANES)];
    let mut ms = Array::<f32>::new(comptime!(s.mean_squares));
    if comptime!(s.previous) {
        if comptime!(s.per_scale) {
            b = b * b;
        }
        ms[0] = mix(b, fma(g, g, SQUARE_EPSILON), tiles[squares]);
        tiles[squares] = ms[0];
        if comptime!(s.per_scale) {
            b = f32::sqrt(b);
        }
    }
    #[unroll]
    for k in 0..n {
        let mut mean = g;
        let at = averages + comptime!(k * LANES);
        if comptime!(s.timescales > 1) {
            mean = mix(a, g, tiles[at]);
            a = f32::sqrt(a);
        }
        tiles[at] = mean;
        let slot = comptime!(k + usize::from(s.previous));
        let at = squares + comptime!(slot * LANES);
        ms[slot] = mix(b, fma(mean, mean, SQUARE_EPSILON), tiles[at]);
        tiles[at] = ms[slot];
        if comptime!(s.per_scale) {
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
    if comptime!(s.relative != Relative::Off) {
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

/// The GRU (eq. 10), from the old hidden vector to the new one.
#[cube]
fn cell(
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
fn read(h: &Array<f32>, w: &Shared<[f32]>, #[comptime] row: usize, #[comptime] s: Shape) -> f32 {
    let mut y = w[comptime!(s.readout_at() + s.hidden * s.read_count + row)];
    #[unroll]
    for j in 0..comptime!(s.hidden) {
        y = fma(h[j], w[comptime!(s.readout_at() + j * s.read_count + row)], y);
    }
    y
}

/// A direction: a row of the readout and its shortcut from the scaled gradients.
#[cube]
fn direction(
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
