//! First and second launch: which tensors take a step, and the step of every element; one group of threads per
//! job (`relative_rnn/parameter.rs`).

use super::rows::{
    AGREEMENT, ELEMENTS, FIRST_SIZE, GAINS, LACKING, LEAST_SIZE, LENGTH, MIX, NORMAL, POWER, SEEN,
    SIZE, STEPS, WARM_UP, WEIGHT_DECAY, WEIGHTS,
};
use crate::gpu::functions::{at_least, at_most};
use crate::gpu::tables::{JOB, LANES, STEP, STEP_HELD, add_lanes, add_threads};
use crate::relative_rnn::tensor::{BRAKE, CLEAR, LONGEST, MOST_AGREED};
use cubecl::prelude::*;

/// Floats of a job: the sums of `parameter.rs`; whether it has a gradient that is not 0; and, before the first
/// step of its tensor, the sum of squares of its parameters.
pub(super) const SUMS: usize = 11;
pub(super) const PRESENT: usize = 9;
pub(super) const SQUARES: usize = 10;
/// Below it, a gradient is as good as none.
const EPSILON: f32 = crate::relative_rnn::EPSILON as f32;

/// Reads no further than the first gradients that are not 0.
#[cube(launch_unchecked)]
pub(super) fn presence(
    grads: &[f32],
    params: &[f32],
    jobs: &[u32],
    rows: &[f32],
    sums: &mut [f32],
    #[comptime] width: usize,
) {
    let lane = UNIT_POS as usize;
    let job = CUBE_POS;
    let entry = job * comptime!(JOB);
    let begins = rows[jobs[entry] as usize * width + comptime!(STEPS)] < 0.5;
    let first = jobs[entry + 3] as usize;
    let end = first + jobs[entry + 4] as usize;
    let mut present = 0.0f32;
    let mut at = first + lane;
    while at < end {
        if grads[at] != 0.0 {
            present = 1.0;
            at = end;
        }
        at += comptime!(LANES);
    }
    let mut squares = 0.0f32;
    if begins {
        let mut at = first + lane;
        while at < end {
            squares = fma(params[at], params[at], squares);
            at += comptime!(LANES);
        }
    }
    let mut own = Array::<f32>::new(2usize);
    own[0] = present;
    own[1] = squares;
    add_threads(&own, sums, job * comptime!(SUMS) + comptime!(PRESENT), lane, 2usize);
}

/// * `rows`: see `rows.rs`; `steps`: [`STEP`] floats per tensor; `sums`: [`SUMS`] floats per job.
#[cube(launch_unchecked)]
pub(super) fn element_pass(
    grads: &[f32],
    params: &mut [f32],
    mean: &mut [f32],
    square: &mut [f32],
    iterate: &mut [f32],
    attended: &mut [f32],
    jobs: &[u32],
    steps: &[f32],
    rows: &mut [f32],
    sums: &mut [f32],
    #[comptime] width: usize,
) {
    let lane = UNIT_POS as usize;
    let job = CUBE_POS;
    let entry = job * comptime!(JOB);
    let tensor = jobs[entry] as usize;
    let row = tensor * width;
    let begins = rows[row + comptime!(STEPS)] < 0.5;

    // what the first launch found of the whole tensor
    let mut present = 0.0f32;
    let mut squares = 0.0f32;
    let first = jobs[entry + 6] as usize;
    let end = first + jobs[entry + 7] as usize;
    let mut other = first + lane;
    while other < end {
        present += sums[other * comptime!(SUMS) + comptime!(PRESENT)];
        squares += sums[other * comptime!(SUMS) + comptime!(SQUARES)];
        other += comptime!(LANES);
    }
    let mut found = Shared::<[f32]>::new_slice(comptime!(2 * LANES));
    found[lane] = present;
    found[lane + comptime!(LANES)] = squares;
    sync_cube();
    let present = add_lanes(&found, 0usize);
    let squares = add_lanes(&found, comptime!(LANES));
    let held = steps[tensor * comptime!(STEP) + comptime!(STEP_HELD)] > 0.5;

    let relative = relative_step(rows, row, steps[tensor * comptime!(STEP)]);
    let scale = select(begins, size(rows, row, squares), scale(rows, row));
    let step = scale * relative;
    let left = 1.0f32 - rows[row + comptime!(WEIGHT_DECAY)] * relative;
    let power = rows[row + comptime!(POWER)];
    let share = (power + 1.0f32) / (rows[row + comptime!(STEPS)] + 1.0f32 + power);
    let mix = rows[row + comptime!(MIX)];
    let gain = rows[row + comptime!(GAINS)];
    let gain_of_square = rows[row + comptime!(GAINS + 1)];
    let lacking = next_lacking(rows, row, 0usize);
    let weight = next_weight(rows, row, 0usize);
    let of_mean = (1.0f32 - gain) / of_weight(weight, lacking, gain);
    let of_gradient = gain / weight;
    let inflate = 1.0f32 / next_weight(rows, row, 1usize);

    let mut total = Array::<f32>::new(comptime!(PRESENT));
    #[unroll]
    for k in 0..comptime!(PRESENT) {
        total[k] = 0.0;
    }
    let first = jobs[entry + 3] as usize;
    let end = first + jobs[entry + 4] as usize;
    let mut at = first + lane;
    while at < end {
        let x0 = params[at];
        if present > 0.0 && !held {
            let g = grads[at];
            let m0 = mean[at];
            let z0 = select(begins, x0, iterate[at]);
            let m = fma(gain, g - m0, m0);
            let v0 = square[at];
            let v = fma(gain_of_square, g * g - v0, v0);
            let inverse = 1.0f32 / (f32::sqrt(v * inflate) + EPSILON);
            let d = (of_mean * m + of_gradient * g) * inverse;
            let u = d / f32::sqrt(1.0f32 + d * d / 16.0f32);
            let along = z0 - x0;
            let z = select(u * z0 > 0.0, left, 1.0f32) * z0 - step * u;
            let x = x0 + share * (z - x0);
            mean[at] = m;
            square[at] = v;
            iterate[at] = z;
            params[at] = x;
            attended[at] = x + mix * (z - x);
            let gi = g * inverse;
            let mi = m0 * inverse;
            total[0] += gi * gi;
            total[1] += gi * mi;
            total[2] += mi * mi;
            total[3] += g * along;
            total[4] += along * along;
            total[5] += g * g;
            total[6] += u * u;
            total[7] += z * z;
            total[8] += select(g != 0.0, 1.0f32, 0.0f32);
        } else if begins {
            // whoever writes to parameters before the first step moves both points
            iterate[at] = x0;
            attended[at] = x0;
        }
        at += comptime!(LANES);
    }

    add_threads(&total, sums, job * comptime!(SUMS), lane, comptime!(PRESENT));
}

/// `Tensor::size`.
#[cube]
pub(super) fn size(rows: &mut [f32], row: usize, squares: f32) -> f32 {
    let size = f32::sqrt(squares / rows[row + comptime!(ELEMENTS)]);
    at_least(size, rows[row + comptime!(LEAST_SIZE)])
}

/// `Tensor::scale`.
#[cube]
pub(super) fn scale(rows: &mut [f32], row: usize) -> f32 {
    f32::sqrt(rows[row + comptime!(FIRST_SIZE)] * rows[row + comptime!(SIZE)])
}

/// The next step in units of the tensor's size: `Tensor::pace`, bounded as in `Tensor::next_rates`.
#[cube]
pub(super) fn relative_step(rows: &mut [f32], row: usize, multiplier: f32) -> f32 {
    let cosine = rows[row + comptime!(SEEN)];
    let turned = comptime!(BRAKE as f32) * at_least(-cosine - comptime!(CLEAR as f32), 0.0f32);
    let agreed =
        rows[row + comptime!(AGREEMENT)] * at_least(cosine - comptime!(CLEAR as f32), 0.0f32);
    let grown = f32::exp(at_most(agreed, comptime!(MOST_AGREED as f32)) - turned);
    let warm = (rows[row + comptime!(STEPS)] + 1.0f32) / rows[row + comptime!(WARM_UP)];
    let pace = rows[row + comptime!(LENGTH)] * grown * at_most(warm, 1.0f32);
    let wanted = multiplier * rows[row + comptime!(NORMAL)] * pace;
    wanted / (1.0f32 + wanted / comptime!(LONGEST as f32))
}

/// What the sum of the weights in an average lacks of one after a step.
#[cube]
pub(super) fn next_lacking(rows: &mut [f32], row: usize, average: usize) -> f32 {
    let weight = next_weight(rows, row, average);
    let lacking = rows[row + comptime!(LACKING) + average];
    let next = lacking - rows[row + comptime!(GAINS) + average] * lacking;
    select(next < 0.5, next, 1.0f32 - weight)
}

/// That sum.
#[cube]
pub(super) fn next_weight(rows: &mut [f32], row: usize, average: usize) -> f32 {
    let lacking = rows[row + comptime!(LACKING) + average];
    let gain = rows[row + comptime!(GAINS) + average];
    of_weight(rows[row + comptime!(WEIGHTS) + average], lacking, gain)
}

/// The sum of the weights after a step, from whichever of the two has more digits.
#[cube]
fn of_weight(weight: f32, lacking: f32, gain: f32) -> f32 {
    let next = lacking - gain * lacking;
    select(next < 0.5, 1.0f32 - next, fma(gain, lacking, weight))
}
