//! First launch: every parameter through averages, features, Parameter RNN and readout; one group
//! of threads per job, one thread per parameter of a tile, sums over the job at the end.

use super::cell::{cell, direction, read};
use super::inputs::inputs;
use super::shape::{NONE, Shape};
use crate::gpu::functions::{ln, sigmoid};
use crate::gpu::tables::{
    JOB, LANES, STEP, STEP_BEGINS, STEP_HELD, STEP_RATE, add_lanes, add_threads,
};
use cubecl::prelude::*;

/// See `scale.rs`.
const BORROWED: f32 = 0.01;
const FLOOR: f32 = 1e-4;
/// See `readout.rs`.
const FIXED_GRADIENT_GAIN: f32 = 0.11;
const FIXED_RMS_GAIN: f32 = 0.07;

/// * `tiles`: the state, `[tile][field][LANES]`; `grads`: flat.
/// * `tensors`: [`Shape::tensor_row`] floats per tensor; `squares`: sum of squares of every job.
/// * `steps`: [`STEP`] floats per tensor.
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
    log_largest: f32,
    log_wide_from: f32,
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
    let step = tensor * comptime!(STEP);
    let held = steps[step + comptime!(STEP_HELD)] > 0.5;
    let begins = steps[step + comptime!(STEP_BEGINS)] > 0.5;
    let known = tensors[row + comptime!(3 * s.hidden)];
    let mean_rate = select(begins, steps[step + comptime!(STEP_RATE)], known);

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
            let of_job = jobs[j * comptime!(JOB)] as usize * comptime!(STEP);
            let counts = steps[of_job + comptime!(STEP_HELD)] < 0.5;
            all += select(counts, square, 0.0f32);
            own += select(j >= first && j < end, square, 0.0f32);
            j += comptime!(LANES);
        }
        partial[lane] = own;
        partial[lane + comptime!(LANES)] = all;
        sync_cube();
        let own = add_lanes(&partial, 0usize);
        let all = add_lanes(&partial, comptime!(LANES));
        let size = own / elements + fma(all, BORROWED / parameters, FLOOR);
        let log = ln(elements);
        let halved = 0.5 * (log + log_wide_from);
        log_scale = 0.5 * ln(size) - 0.25 * select(halved > log, log, halved);
        let largest = log_scale + log_largest;
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
                if comptime!(s.fades) {
                    total[comptime!(s.sums - 2)] += g * g;
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
                let mut gradient_gain = FIXED_GRADIENT_GAIN.runtime();
                if comptime!(s.read_gradient != NONE) {
                    gradient_gain = sigmoid(-read(&h, &w, comptime!(s.read_gradient), s));
                }
                tiles[rate_at + comptime!(LANES)] = gradient_gain;
                let mut rms_gain = FIXED_RMS_GAIN.runtime();
                if comptime!(s.read_rms != NONE) {
                    rms_gain = sigmoid(-read(&h, &w, comptime!(s.read_rms), s));
                }
                tiles[rate_at + comptime!(2 * LANES)] = rms_gain;
            }
        }
        t += 1;
    }

    add_threads(&total, sums, job * comptime!(s.sums), lane, comptime!(s.sums));
}
