//! Second launch, one group of threads: sums of jobs become means of tensors, the Tensor and Global
//! RNN take their step, and what the other passes want of every tensor is written down.

use super::shape::Shape;
use super::weights::UpperAt;
use crate::gpu::functions::{sigmoid, tanh};
use crate::gpu::tables::{CHUNK, STEP, STEP_HELD, TENSOR, UPPER_THREADS, add_jobs};
use crate::hierarchical_rnn::psi::config::{Normalization, RelativeRate};
use cubecl::prelude::*;

const LENGTH_EPSILON: f32 = 1e-16;

/// * `global`: hidden vector of the Global RNN of the cohort; `hidden`: `[tensor][H_T]`.
/// * `steps`: [`STEP`] floats per tensor; `rows`: [`Shape::tensor_row`] floats per tensor.
/// * `scratch`: `[chunk][sum]`, then [`Shape::scratch_row`] floats per tensor.
/// * `least_square`: square of `least_gradient`, see `fade.rs`.
/// * `moves`: false to write nothing but the biases, from the hidden vectors as they are.
#[cube(launch_unchecked)]
pub(super) fn upper_pass(
    sums: &[f32],
    weights: &[f32],
    tensors: &[u32],
    chunks: &[u32],
    steps: &[f32],
    global: &mut [f32],
    hidden: &mut [f32],
    rows: &mut [f32],
    scratch: &mut [f32],
    parameters: f32,
    clock: f32,
    least_square: f32,
    #[comptime] s: Shape,
    #[comptime] at: UpperAt,
    #[comptime] moves: bool,
) {
    let thread = UNIT_POS as usize;
    let count = tensors.len() / comptime!(TENSOR);
    if comptime!(moves) {
        let own = chunks.len() / comptime!(CHUNK) * comptime!(s.sums);
        add_jobs(sums, chunks, scratch, thread, comptime!(s.sums));
        sync_storage();
        add_chunks(tensors, steps, rows, scratch, own, least_square, thread, s);
        sync_storage();
        mean_rates(tensors, steps, rows, scratch, own, parameters, thread, s);
        tensor_rnn(weights, steps, global, hidden, scratch, own, count, thread, s, at);
        sync_storage();
        global_rnn(weights, steps, global, hidden, count, clock, thread, s, at);
        sync_storage();
    }
    parameter_biases(weights, steps, global, hidden, rows, count, thread, s, at);
}

/// `[chunk][sum]` to the inputs of the Tensor RNNs, inverse lengths, fading and sums of rates.
#[cube]
fn add_chunks(
    tensors: &[u32],
    steps: &[f32],
    rows: &mut [f32],
    scratch: &mut [f32],
    own: usize,
    least_square: f32,
    thread: usize,
    #[comptime] s: Shape,
) {
    let items = tensors.len() / comptime!(TENSOR) * comptime!(s.sums);
    let mut item = thread;
    while item < items {
        let tensor = item / comptime!(s.sums);
        let sum = item % comptime!(s.sums);
        let elements = f32::cast_from(tensors[tensor * comptime!(TENSOR)]);
        let first = tensors[tensor * comptime!(TENSOR) + 1] as usize;
        let end = first + tensors[tensor * comptime!(TENSOR) + 2] as usize;
        let mut total = 0.0f32;
        for chunk in first..end {
            total += scratch[chunk * comptime!(s.sums) + sum];
        }
        let row = own + tensor * comptime!(s.scratch_row());
        if sum < comptime!(s.tensor_inputs()) {
            scratch[row + sum] = total / elements;
        } else if sum == comptime!(s.sums - 1) {
            scratch[row + comptime!(s.scratch_row() - 1)] = total;
        } else if comptime!(s.fades) && sum == comptime!(s.sums - 2) {
            let square = total / elements;
            let at = tensor * comptime!(s.tensor_row()) + comptime!(3 * s.hidden + 3);
            let root = square / (square + least_square);
            rows[at] = root * root;
        } else {
            let mut inverse = 1.0f32;
            if comptime!(s.normalization == Normalization::Rms) {
                inverse = 1.0 / f32::sqrt(total / elements + LENGTH_EPSILON);
            }
            if comptime!(s.normalization == Normalization::MeanNorm) {
                inverse = elements / f32::sqrt(total + LENGTH_EPSILON);
            }
            let way = sum - comptime!(s.tensor_inputs());
            let factor = select(
                steps[comptime!(STEP) * tensor + comptime!(STEP_HELD)] > 0.5,
                0.0f32,
                steps[comptime!(STEP) * tensor],
            );
            let at = tensor * comptime!(s.tensor_row()) + comptime!(3 * s.hidden + 1) + way;
            rows[at] = inverse * factor;
        }
        item += comptime!(UPPER_THREADS);
    }
}

/// The mean log rate that each tensor's rates are relative to in the next step.
#[cube]
fn mean_rates(
    tensors: &[u32],
    steps: &[f32],
    rows: &mut [f32],
    scratch: &mut [f32],
    own: usize,
    parameters: f32,
    thread: usize,
    #[comptime] s: Shape,
) {
    let count = tensors.len() / comptime!(TENSOR);
    let last = comptime!(s.scratch_row() - 1);
    let mut mean = 0.0f32;
    if comptime!(s.relative_rate != RelativeRate::Tensor) {
        let mut partial = Shared::<[f32]>::new_slice(comptime!(UPPER_THREADS));
        let mut sum = 0.0f32;
        let mut t = thread;
        while t < count {
            let rates = scratch[own + t * comptime!(s.scratch_row()) + last];
            sum += select(steps[comptime!(STEP) * t + comptime!(STEP_HELD)] < 0.5, rates, 0.0f32);
            t += comptime!(UPPER_THREADS);
        }
        partial[thread] = sum;
        sync_cube();
        for i in 0..comptime!(UPPER_THREADS) {
            mean += partial[i];
        }
        mean /= parameters;
    }
    let mut t = thread;
    while t < count {
        if comptime!(s.relative_rate == RelativeRate::Tensor) {
            let sum = scratch[own + t * comptime!(s.scratch_row()) + last];
            mean = sum / f32::cast_from(tensors[t * comptime!(TENSOR)]);
        }
        if steps[comptime!(STEP) * t + comptime!(STEP_HELD)] < 0.5 {
            rows[t * comptime!(s.tensor_row()) + comptime!(3 * s.hidden)] = mean;
        }
        t += comptime!(UPPER_THREADS);
    }
}

/// Tensor RNN of every tensor (eq. 11), from the states before the step.
#[cube]
fn tensor_rnn(
    weights: &[f32],
    steps: &[f32],
    global: &mut [f32],
    hidden: &mut [f32],
    scratch: &mut [f32],
    own: usize,
    count: usize,
    thread: usize,
    #[comptime] s: Shape,
    #[comptime] at: UpperAt,
) {
    let n = comptime!(s.tensor_hidden);
    let inputs = comptime!(s.tensor_inputs());
    let mut bias = Shared::<[f32]>::new_slice(comptime!(3 * s.tensor_hidden));
    if thread < comptime!(3 * s.tensor_hidden) {
        let mut y = weights[comptime!(at.tensor_bias) + thread];
        for i in 0..comptime!(s.global_hidden) {
            let weight = weights[comptime!(at.global_to_tensor) + i * 3 * n + thread];
            y = fma(global[i], weight, y);
        }
        bias[thread] = y;
    }
    sync_cube();
    // gates: the reset gate times the hidden vector, then the update gate
    let mut item = thread;
    while item < count * 2 * n {
        let tensor = item / comptime!(2 * s.tensor_hidden);
        let j = item % comptime!(2 * s.tensor_hidden);
        let row = own + tensor * comptime!(s.scratch_row());
        let h = tensor * n;
        let mut y = bias[j];
        for i in 0..inputs {
            y = fma(scratch[row + i], weights[comptime!(at.tensor) + i * 2 * n + j], y);
        }
        for i in 0..n {
            y = fma(hidden[h + i], weights[comptime!(at.tensor) + (inputs + i) * 2 * n + j], y);
        }
        let mut gate = sigmoid(y);
        if j < n {
            gate *= hidden[h + j];
        }
        scratch[row + inputs + j] = gate;
        item += comptime!(UPPER_THREADS);
    }
    sync_storage();
    let mut item = thread;
    while item < count * n {
        let tensor = item / comptime!(s.tensor_hidden);
        let j = item % comptime!(s.tensor_hidden);
        let row = own + tensor * comptime!(s.scratch_row());
        let h = tensor * n;
        // inputs and gated hidden vector lie side by side
        let mut y = bias[comptime!(2 * s.tensor_hidden) + j];
        for i in 0..comptime!(s.tensor_inputs() + s.tensor_hidden) {
            y = fma(scratch[row + i], weights[comptime!(at.tensor_candidate) + i * n + j], y);
        }
        let candidate = tanh(y);
        let update = scratch[row + inputs + n + j];
        if steps[comptime!(STEP) * tensor + comptime!(STEP_HELD)] < 0.5 {
            hidden[h + j] = fma(update, hidden[h + j] - candidate, candidate);
        }
        item += comptime!(UPPER_THREADS);
    }
}

/// Global RNN (eq. 12), from the new Tensor RNN states.
#[cube]
fn global_rnn(
    weights: &[f32],
    steps: &[f32],
    global: &mut [f32],
    hidden: &mut [f32],
    count: usize,
    clock: f32,
    thread: usize,
    #[comptime] s: Shape,
    #[comptime] at: UpperAt,
) {
    let n = comptime!(s.global_hidden);
    let inputs = comptime!(s.global_inputs);
    let tensor = comptime!(s.tensor_hidden);
    let mut x = Shared::<[f32]>::new_slice(comptime!(s.global_inputs + s.global_hidden));
    let mut gates = Shared::<[f32]>::new_slice(comptime!(2 * s.global_hidden));
    if thread < tensor {
        let first = thread;
        if comptime!(s.mean_of_tensors) {
            let mut sum = 0.0f32;
            let mut present = 0.0f32;
            for t in 0..count {
                let counts = steps[comptime!(STEP) * t + comptime!(STEP_HELD)] < 0.5;
                sum += select(counts, hidden[first + t * tensor], 0.0f32);
                present += select(counts, 1.0f32, 0.0f32);
            }
            x[thread] = sum / select(present > 1.0, present, 1.0f32);
        } else {
            let mut last = count - 1;
            for t in 0..count {
                if steps[comptime!(STEP) * t + comptime!(STEP_HELD)] < 0.5 {
                    last = t;
                }
            }
            x[thread] = hidden[first + last * tensor];
        }
    } else if thread < inputs {
        x[thread] = clock;
    }
    if thread < n {
        x[inputs + thread] = global[thread];
    }
    sync_cube();
    if thread < comptime!(2 * s.global_hidden) {
        let mut y = weights[comptime!(at.global_bias) + thread];
        for i in 0..comptime!(s.global_inputs + s.global_hidden) {
            y = fma(x[i], weights[comptime!(at.global) + i * 2 * n + thread], y);
        }
        gates[thread] = sigmoid(y);
    }
    sync_cube();
    if thread < n {
        let mut y = weights[comptime!(at.global_bias + 2 * s.global_hidden) + thread];
        for i in 0..inputs {
            y = fma(x[i], weights[comptime!(at.global_candidate) + i * n + thread], y);
        }
        for i in 0..n {
            let weight = weights[comptime!(at.global_candidate) + (inputs + i) * n + thread];
            y = fma(gates[i] * x[inputs + i], weight, y);
        }
        let candidate = tanh(y);
        global[thread] = fma(gates[n + thread], x[inputs + thread] - candidate, candidate);
    }
}

/// Biases of the Parameter RNN in the next step: `h_T A_TP + h_G A_GP + b`.
#[cube]
fn parameter_biases(
    weights: &[f32],
    steps: &[f32],
    global: &mut [f32],
    hidden: &mut [f32],
    rows: &mut [f32],
    count: usize,
    thread: usize,
    #[comptime] s: Shape,
    #[comptime] at: UpperAt,
) {
    let n = comptime!(3 * s.hidden);
    let mut from_global = Shared::<[f32]>::new_slice(comptime!(3 * s.hidden));
    if thread < n {
        let mut y = weights[comptime!(at.parameter_bias) + thread];
        for i in 0..comptime!(s.global_hidden) {
            y = fma(global[i], weights[comptime!(at.global_to_parameter) + i * n + thread], y);
        }
        from_global[thread] = y;
    }
    sync_cube();
    let mut item = thread;
    while item < count * n {
        let tensor = item / comptime!(3 * s.hidden);
        let j = item % comptime!(3 * s.hidden);
        let h = tensor * comptime!(s.tensor_hidden);
        let mut y = from_global[j];
        for i in 0..comptime!(s.tensor_hidden) {
            let weight = weights[comptime!(at.tensor_to_parameter) + i * n + j];
            y = fma(hidden[h + i], weight, y);
        }
        // those that are held are of other cohorts, with biases from those
        if steps[comptime!(STEP) * tensor + comptime!(STEP_HELD)] < 0.5 {
            rows[tensor * comptime!(s.tensor_row()) + j] = y;
        }
        item += comptime!(UPPER_THREADS);
    }
}
