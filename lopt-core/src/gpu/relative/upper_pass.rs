//! Third launch, one group of threads: what was seen of every tensor, and the Tensor and Global RNN, set the
//! next step (`relative_rnn/tensor.rs`, `relative_rnn/networks.rs`).

use super::element_pass::{
    PRESENT, SQUARES, SUMS, next_lacking, next_weight, relative_step, scale, size,
};
use super::rows::{
    DRIFT, ELEMENTS, FIRST_SIZE, GAINS, HIDDEN, INFLUENCE, LACKING, LENGTH, MIX, MOST_DECAY, MOVED,
    POWER, POWER_IN_NOISE, SEEN, SIZE, STEPS, TOLD, TRUST, WEIGHT_DECAY, WEIGHTS,
};
use crate::gpu::functions::{at_least, at_most, ln, mix, sigmoid, tanh};
use crate::gpu::tables::{STEP, STEP_HELD, TENSOR, UPPER_THREADS, add_jobs};
use crate::relative_rnn::tensor as rule;
use crate::relative_rnn::{GLOBAL_INPUTS, INPUTS};
use cubecl::prelude::*;

/// Hidden units of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Units {
    pub tensor: usize,
    pub global: usize,
}

impl Units {
    /// Floats per tensor.
    pub(super) fn row(self) -> usize {
        HIDDEN + self.tensor
    }

    /// Where the weights of the Global RNN begin, and the readout's.
    fn weights(self) -> [usize; 2] {
        let gru = |inputs: usize, units: usize| 3 * units * (inputs + units + 1);
        let global = gru(INPUTS + self.global, self.tensor);
        [global, global + gru(self.tensor + GLOBAL_INPUTS, self.global)]
    }
}

/// * `sums`: [`SUMS`] floats per job; `scratch`: the same per chunk.
/// * `weights`: see `Networks::weights`; `global`: hidden vector of the Global RNN.
/// * `fast`, `slow`, `known`: how the loss goes (`LossTrend::take`).
#[cube(launch_unchecked)]
pub(super) fn upper_pass(
    sums: &[f32],
    weights: &[f32],
    tensors: &[u32],
    chunks: &[u32],
    steps: &[f32],
    global: &mut [f32],
    rows: &mut [f32],
    scratch: &mut [f32],
    fast: f32,
    slow: f32,
    known: f32,
    #[comptime] n: Units,
) {
    let thread = UNIT_POS as usize;
    let count = tensors.len() / comptime!(TENSOR);
    add_jobs(sums, chunks, scratch, thread, comptime!(SUMS));
    sync_storage();
    let mut t = thread;
    while t < count {
        of_tensor(weights, tensors, steps, global, rows, scratch, t, n);
        t += comptime!(UPPER_THREADS);
    }
    sync_storage();
    quieten(rows, count, thread, n);

    // the Global RNN: every thread adds up one input, the first one does the rest
    let mut mean = Shared::<[f32]>::new_slice(comptime!(n.tensor));
    let mut present = 0.0f32;
    let mut clock = 0.0f32;
    if thread < comptime!(n.tensor) {
        let mut sum = 0.0f32;
        for t in 0..count {
            let row = t * comptime!(n.row());
            // it is below zero where a tensor took no step
            if rows[row + comptime!(INFLUENCE)] >= 0.0 {
                sum += rows[row + comptime!(HIDDEN) + thread];
                present += 1.0f32;
                clock = at_least(clock, rows[row + comptime!(STEPS)]);
            }
        }
        mean[thread] = sum / at_least(present, 1.0f32);
    }
    sync_cube();
    if thread == 0 && present > 0.0 {
        let mut x = Array::<f32>::new(comptime!(n.tensor + GLOBAL_INPUTS));
        for i in 0..comptime!(n.tensor) {
            x[i] = mean[i];
        }
        x[comptime!(n.tensor)] = fast;
        x[comptime!(n.tensor + 1)] = slow;
        x[comptime!(n.tensor + 2)] = known;
        x[comptime!(n.tensor + 3)] = ln(clock + 1.0f32) / 5.0f32 - 1.0f32;
        let at = comptime!(n.weights()[0]);
        gru(
            weights,
            at,
            &x,
            global,
            0usize,
            comptime!(n.tensor + GLOBAL_INPUTS),
            comptime!(n.global),
        );
    }
}

/// `Tensor::observe`, the Tensor RNN, `Tensor::set_rates`.
#[cube]
fn of_tensor(
    weights: &[f32],
    tensors: &[u32],
    steps: &[f32],
    global: &mut [f32],
    rows: &mut [f32],
    scratch: &mut [f32],
    t: usize,
    #[comptime] n: Units,
) {
    let row = t * comptime!(n.row());
    let first = tensors[t * comptime!(TENSOR) + 1] as usize;
    let end = first + tensors[t * comptime!(TENSOR) + 2] as usize;
    let mut sums = Array::<f32>::new(comptime!(SUMS));
    #[unroll]
    for k in 0..comptime!(SUMS) {
        let mut total = 0.0f32;
        for chunk in first..end {
            total += scratch[chunk * comptime!(SUMS) + k];
        }
        sums[k] = total;
    }
    let held = steps[t * comptime!(STEP) + comptime!(STEP_HELD)] > 0.5;
    rows[row + comptime!(MOVED)] = 0.0f32;
    rows[row + comptime!(INFLUENCE)] = -1.0f32;
    if sums[comptime!(PRESENT)] > 0.0 && !held {
        if rows[row + comptime!(STEPS)] < 0.5 {
            let begun = size(rows, row, sums[comptime!(SQUARES)]);
            rows[row + comptime!(FIRST_SIZE)] = begun;
            rows[row + comptime!(SIZE)] = begun;
        }
        let relative = relative_step(rows, row, steps[t * comptime!(STEP)]);
        let scale = scale(rows, row);
        let step = scale * relative;
        let elements = rows[row + comptime!(ELEMENTS)];
        let taken = rows[row + comptime!(STEPS)] + 1.0f32;
        rows[row + comptime!(STEPS)] = taken;
        #[unroll]
        for average in 0..2 {
            let lacking = next_lacking(rows, row, average);
            rows[row + comptime!(WEIGHTS) + average] = next_weight(rows, row, average);
            rows[row + comptime!(LACKING) + average] = lacking;
        }
        rows[row + comptime!(INFLUENCE)] = scale * f32::sqrt(sums[5] / elements);
        rows[row + comptime!(SIZE)] = size(rows, row, sums[7]);
        let squared = sums[6] / elements;
        rows[row + comptime!(MOVED)] = step * f32::sqrt(squared);
        let agreement = cosine(sums[1], sums[0], sums[2]);
        let mut now = Array::<f32>::new(4usize);
        now[0] = agreement;
        now[1] = cosine(sums[3], sums[5], sums[4]);
        now[2] = 0.5f32 * ln(squared + 1e-12f32) + 1.0f32;
        now[3] = ln(at_least(sums[8] / elements, 1e-12f32));
        #[unroll]
        for k in 0..4 {
            let at = row + comptime!(SEEN + 2 * k);
            rows[at] += (now[k] - rows[at]) / at_most(taken, 10.0f32);
            rows[at + 1] += (now[k] - rows[at + 1]) / at_most(taken, 100.0f32);
        }
        let seen = row + comptime!(SEEN);
        let way = f32::sqrt(sums[4] / elements) / scale;
        let mut x = Array::<f32>::new(comptime!(INPUTS + n.global));
        x[0] = 3.0f32 * rows[seen];
        x[1] = 3.0f32 * rows[seen + 1];
        #[unroll]
        for k in 2..6 {
            x[k] = rows[seen + k];
        }
        x[6] = 0.5f32 * ln(rows[row + comptime!(SIZE)] / rows[row + comptime!(FIRST_SIZE)]);
        x[7] = 0.3f32 * (ln(at_least(way, 1e-6f32)) + 3.0f32);
        x[8] = ln(taken + 1.0f32) / 5.0f32 - 1.0f32;
        #[unroll]
        for k in 0..3 {
            x[comptime!(9 + k)] = rows[row + comptime!(TOLD + k)];
        }
        x[12] = 0.3f32 * rows[seen + 7];
        x[13] = 0.5f32 * ln(rows[row + comptime!(LENGTH)]);
        for j in 0..comptime!(n.global) {
            x[comptime!(INPUTS) + j] = global[j];
        }
        let hidden = row + comptime!(HIDDEN);
        gru(weights, 0usize, &x, rows, hidden, comptime!(INPUTS + n.global), comptime!(n.tensor));
        set_rates(weights, rows, &x, row, agreement, n);
    }
}

/// `h <- k h + (1 - k) tanh(W x + r U h + b)`.
#[cube]
fn gru(
    weights: &[f32],
    at: usize,
    x: &Array<f32>,
    state: &mut [f32],
    h: usize,
    #[comptime] inputs: usize,
    #[comptime] n: usize,
) {
    let mut next = Array::<f32>::new(comptime!(n));
    let of_state = at + comptime!(3 * inputs * n);
    let bias = of_state + comptime!(3 * n * n);
    for j in 0..n {
        let mut keep = weights[bias + j];
        let mut reset = weights[bias + n + j];
        let mut given = weights[bias + comptime!(2 * n) + j];
        for i in 0..inputs {
            let w = at + i * comptime!(3 * n) + j;
            keep = fma(x[i], weights[w], keep);
            reset = fma(x[i], weights[w + n], reset);
            given = fma(x[i], weights[w + comptime!(2 * n)], given);
        }
        let mut kept = 0.0f32;
        for i in 0..n {
            let w = of_state + i * comptime!(3 * n) + j;
            keep = fma(state[h + i], weights[w], keep);
            reset = fma(state[h + i], weights[w + n], reset);
            kept = fma(state[h + i], weights[w + comptime!(2 * n)], kept);
        }
        let candidate = tanh(fma(sigmoid(reset), kept, given));
        next[j] = fma(sigmoid(keep), state[h + j] - candidate, candidate);
    }
    for j in 0..n {
        state[h + j] = next[j];
    }
}

/// `Tensor::set_rates`.
///
/// * `cosine`: that of gradient and mean gradient in this step.
#[cube]
fn set_rates(
    weights: &[f32],
    rows: &mut [f32],
    x: &Array<f32>,
    row: usize,
    cosine: f32,
    #[comptime] n: Units,
) {
    let mut out = Array::<f32>::new(7usize);
    let hidden = row + comptime!(HIDDEN);
    for k in 0..7usize {
        let at = comptime!(n.weights()[1]) + k * comptime!(n.tensor + 1 + INPUTS);
        let mut y = weights[at + comptime!(n.tensor)];
        for i in 0..comptime!(n.tensor) {
            y = fma(weights[at + i], rows[hidden + i], y);
        }
        for i in 0..comptime!(INPUTS) {
            y = fma(weights[at + comptime!(n.tensor + 1) + i], x[i], y);
        }
        out[k] = y;
    }
    let most = comptime!(rule::MOST_DRIFT as f32);
    let drift = rows[row + comptime!(DRIFT)] + comptime!(rule::DRIFT as f32) * tanh(out[1]);
    let drift = at_least(at_most(drift, most), -most);
    rows[row + comptime!(DRIFT)] = drift;
    let told = rows[row + comptime!(TRUST)] * (within(out[0], 2.0f32) + drift);
    rows[row + comptime!(LENGTH)] = f32::exp(told);
    #[unroll]
    for k in 0..2 {
        let logit = comptime!((rule::DECAYS[k] / (1.0 - rule::DECAYS[k])).ln() as f32);
        rows[row + comptime!(GAINS + k)] =
            sigmoid(-(logit + within(out[comptime!(2 + k)], 3.0f32)));
    }
    let mean = rows[row + comptime!(SEEN + 1)];
    let signal = at_most(at_least(mean, -mean) / comptime!(rule::SIGNAL as f32), 1.0f32);
    let kept = mix(rows[row + comptime!(POWER_IN_NOISE)], signal, 1.0f32);
    rows[row + comptime!(POWER)] =
        kept * comptime!(rule::POWER as f32) * f32::exp(within(out[4], 2.5f32));
    rows[row + comptime!(MIX)] = sigmoid(within(out[5], 4.0f32));
    let noise = noise(mean) * noise(cosine);
    let wanted = at_least(at_most(out[6], 4.0f32), 0.0f32);
    rows[row + comptime!(WEIGHT_DECAY)] = rows[row + comptime!(MOST_DECAY)] * noise * wanted;
}

/// `Tensor::quieten` of all tensors.
#[cube]
fn quieten(rows: &mut [f32], count: usize, thread: usize, #[comptime] n: Units) {
    let mut largest = 0.0f32;
    for t in 0..count {
        largest = at_least(largest, rows[t * comptime!(n.row()) + comptime!(INFLUENCE)]);
    }
    let mut t = thread;
    while t < count {
        let row = t * comptime!(n.row());
        let influence = rows[row + comptime!(INFLUENCE)];
        if rows[row + comptime!(TOLD)] < 0.5 && influence > 0.0 {
            let share = at_least(influence / largest, comptime!(rule::LEAST_INFLUENCE as f32));
            let rounding = comptime!((rule::ROUNDING * rule::ROUNDING) as f32);
            rows[row + comptime!(LENGTH)] *= share * share / (share * share + rounding);
        }
        t += comptime!(UPPER_THREADS);
    }
}

#[cube]
fn noise(cosine: f32) -> f32 {
    let size = at_least(cosine, -cosine);
    at_least(1.0f32 - size / comptime!(rule::NO_NOISE as f32), 0.0f32)
}

#[cube]
fn cosine(product: f32, a: f32, b: f32) -> f32 {
    let length = f32::sqrt(a) * f32::sqrt(b);
    let cosine = product / select(length > 0.0, length, 1.0f32);
    select(length > 0.0, at_least(at_most(cosine, 1.0f32), -1.0f32), 0.0f32)
}

/// `x`, softly within `-most..most`.
#[cube]
fn within(x: f32, most: f32) -> f32 {
    most * tanh(x / most)
}
