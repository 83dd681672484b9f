//! One step of the hierarchical RNN: the stages in the order of the data flow.
//!
//! Biases flow down from the states before the step, every tile runs through the Parameter RNN,
//! per-tensor sums give lengths and Tensor RNN inputs, the update moves the parameters, and the
//! Tensor and Global RNN take their step (spec section 2.3).

use crate::config::{GlobalInput, RelativeRate};
use crate::gru;
use crate::network::Network;
use crate::plan::{Job, Lanes, Plan};
use crate::simd::{Row, Simd, TILE};
use crate::state::{State, Work};
use crate::tile::{Start, affine};
use crate::tile_pass::{self, TileScratch, out_count, sum_count};
use crate::update;
use bytemuck::Zeroable;
use std::sync::{Arc, Mutex, PoisonError};

/// Loads one tile's scalars from a flat buffer; what is missing is zero.
#[inline(always)]
pub(crate) fn load_row<S: Simd>(flat: &[S::E]) -> Row<S> {
    let mut row: Row<S> = Zeroable::zeroed();
    let to: &mut [S::E] = bytemuck::cast_slice_mut(&mut row);
    if flat.len() == to.len() {
        to.copy_from_slice(flat);
    } else {
        to[..flat.len()].copy_from_slice(flat);
    }
    row
}

/// Writes the first scalars of a row to a flat buffer.
#[inline(always)]
pub(crate) fn store_row<S: Simd>(row: &Row<S>, flat: &mut [S::E]) {
    let from: &[S::E] = bytemuck::cast_slice(row);
    if flat.len() == from.len() {
        flat.copy_from_slice(from);
    } else {
        flat.copy_from_slice(&from[..flat.len()]);
    }
}

/// Runs one step: `grads` at the attended point; `theta` and, with attention, `phi` are updated.
///
/// All three are flat: `[P]` in the shape of parameters, `[P][lane]` in that of instances.
#[inline(always)]
pub fn forward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    state: &mut State<S::E>,
    work: &mut Work<S::E>,
    grads: &[S::E],
    theta: &mut [S::E],
    phi: Option<&mut [S::E]>,
) {
    parameter_biases(s, net, plan, state, work);
    parameter_rnn(s, net, plan, state, work, grads);
    reduce(s, net, plan, state, work);
    move_parameters(s, net, plan, work, theta, phi);
    tensor_and_global_rnn(s, net, plan, state, work);
}

/// `B_P = h_T A_TP + h_G A_GP + biases` for every tensor.
#[inline(always)]
pub(crate) fn parameter_biases<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    state: &State<S::E>,
    work: &mut Work<S::E>,
) {
    let n = net.global_to_parameter.outputs;
    let mut start = [s.zero(); 3 * 32];
    for (v, &b) in start.iter_mut().zip(&net.parameter_bias) {
        *v = s.splat(b);
    }
    let from_global = &mut work.bias_rows.as_rows_mut::<S>()[..n];
    let global = state.global.as_rows::<S>();
    let map = &net.global_to_parameter;
    affine(s, &map.weight, n, [global], Start::Bias(&start), from_global, 1);
    for (v, row) in start.iter_mut().zip(from_global.iter()) {
        *v = row[0];
    }
    let map = &net.tensor_to_parameter;
    let hidden = state.tensor.as_rows::<S>().chunks_exact(map.inputs);
    let out = work.parameter_bias.as_rows_mut::<S>().chunks_exact_mut(n);
    for (group, (h, bias)) in hidden.zip(out).enumerate() {
        let cols = plan.group_columns(group);
        affine(s, &map.weight, n, [h], Start::Bias(&start), bias, cols);
    }
}

/// The bias vector of one tensor.
#[inline(always)]
pub(crate) fn tensor_bias<S: Simd>(s: S, rows: &[Row<S>], n: usize, tensor: usize) -> [S::V; 96] {
    let mut bias = [s.zero(); 96];
    let group = &rows[tensor / TILE * n..(tensor / TILE + 1) * n];
    for (v, row) in bias.iter_mut().zip(group) {
        *v = row[tensor % TILE];
    }
    bias
}

struct JobContext<'a, S: Simd> {
    net: &'a Network<S::E>,
    plan: &'a Plan,
    biases: &'a [Row<S>],
    mean_rates: &'a [S::V],
    grads: &'a [S::E],
    scratch: &'a [Arc<Mutex<TileScratch<S::E>>>],
}

#[inline(always)]
fn parameter_rnn<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    state: &mut State<S::E>,
    work: &mut Work<S::E>,
    grads: &[S::E],
) {
    let context = JobContext::<S> {
        net,
        plan,
        biases: work.parameter_bias.as_rows::<S>(),
        mean_rates: state.mean_rate.as_vectors::<S>(),
        grads,
        scratch: &work.scratch,
    };
    let parts = JobParts::<S> {
        state: state.tiles.as_rows_mut::<S>(),
        out: work.out.as_rows_mut::<S>(),
        sums: work.sums.as_vectors_mut::<S>(),
    };
    if plan.lanes == Lanes::Parameters && work.scratch.len() > 1 && plan.jobs.len() > 1 {
        split_jobs(s, &context, &plan.jobs, parts);
    } else {
        run_jobs(s, &context, &plan.jobs, parts);
    }
}

struct JobParts<'a, S: Simd> {
    state: &'a mut [Row<S>],
    out: &'a mut [Row<S>],
    sums: &'a mut [S::V],
}

/// Halves the jobs over rayon's threads; every job's result is its own, so nothing depends on how
/// they are spread.
fn split_jobs<S: Simd>(s: S, context: &JobContext<'_, S>, jobs: &[Job], parts: JobParts<'_, S>) {
    if jobs.len() == 1 {
        s.run(JobsKernel { context, jobs, parts, token: s });
        return;
    }
    let (left, right) = jobs.split_at(jobs.len() / 2);
    let tiles: usize = left.iter().map(|j| j.tiles.len()).sum();
    let net = context.net;
    let (state_l, state_r) = parts.state.split_at_mut(tiles * net.fields().count());
    let (out_l, out_r) = parts.out.split_at_mut(tiles * out_count(net));
    let (sums_l, sums_r) = parts.sums.split_at_mut(left.len() * sum_count(net));
    let l = JobParts::<S> { state: state_l, out: out_l, sums: sums_l };
    let r = JobParts::<S> { state: state_r, out: out_r, sums: sums_r };
    rayon::join(|| split_jobs(s, context, left, l), || split_jobs(s, context, right, r));
}

/// Re-enters the target features on a rayon thread.
struct JobsKernel<'a, 'b, S: Simd> {
    context: &'a JobContext<'b, S>,
    jobs: &'a [Job],
    parts: JobParts<'a, S>,
    token: S,
}

impl<S: Simd> crate::simd::Kernel<S::E> for JobsKernel<'_, '_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Ignored: Simd<E = S::E>>(self, _: Ignored) {
        let _flush = crate::flush::FlushToZero::set();
        run_jobs(self.token, self.context, self.jobs, self.parts);
    }
}

#[inline(always)]
fn run_jobs<S: Simd>(s: S, context: &JobContext<'_, S>, jobs: &[Job], parts: JobParts<'_, S>) {
    let (net, plan) = (context.net, context.plan);
    let (fields, outs, sums) = (net.fields().count(), out_count(net), sum_count(net));
    let thread = rayon::current_thread_index().unwrap_or(0) % context.scratch.len();
    // the scratch holds no invariant, so a poisoned lock is as good as a sound one
    let mut scratch = context.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
    let Some(first) = jobs.first().map(|j| j.tiles.start) else { return };
    for (job, sums) in jobs.iter().zip(parts.sums.chunks_exact_mut(sums)) {
        sums.fill(s.zero());
        let bias = tensor_bias(s, context.biases, net.parameter_bias.len(), job.tensor);
        let mean_rate = context.mean_rates[job.tensor];
        let end = plan.tensors[job.tensor].scalars.end;
        for span in plan.spans(job) {
            let at = span.tile - first;
            let state = &mut parts.state[at * fields..(at + 1) * fields];
            let out = &mut parts.out[at * outs..(at + 1) * outs];
            let g = load_row::<S>(&context.grads[span.scalars.clone()]);
            let used = span.scalars.len() % plan.width;
            let tail = (span.scalars.end == end && used > 0).then(|| tail_mask(s, used));
            let (bias, cols) = (&bias[..], span.cols);
            tile_pass::forward(
                s,
                net,
                state,
                &g,
                bias,
                mean_rate,
                &mut scratch,
                out,
                sums,
                cols,
                tail,
            );
        }
    }
}

/// One in the first `used` lanes, zero in the others.
#[inline(always)]
fn tail_mask<S: Simd>(s: S, used: usize) -> S::V {
    let mut mask = s.zero();
    let lanes: &mut [S::E] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut mask));
    lanes[..used].fill(<S::E as crate::simd::Element>::from_f64(1.0));
    mask
}

/// Sums of jobs become means and inverse lengths of tensors, and the reference log rate.
#[inline(always)]
fn reduce<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    state: &mut State<S::E>,
    work: &mut Work<S::E>,
) {
    let count = sum_count(net);
    let sums = work.sums.as_vectors_mut::<S>();
    let rows = net.tensor.inputs + net.tensor.hidden;
    let xh = work.tensor.xh.as_rows_mut::<S>();
    let inverse = work.inverse.as_vectors_mut::<S>();
    let mean_rate = state.mean_rate.as_vectors_mut::<S>();
    let mut rates = s.zero();
    for (t, tensor) in plan.tensors.iter().enumerate() {
        let mut total = [s.zero(); 128];
        for job in tensor.jobs.clone() {
            for (a, &b) in total.iter_mut().zip(&sums[job * count..(job + 1) * count]) {
                *a = s.add(*a, b);
            }
        }
        if plan.lanes == Lanes::Parameters {
            for v in &mut total[..count] {
                *v = s.splat(s.sum_lanes(*v));
            }
        }
        let scale = s.constant(1.0 / tensor.elements);
        let (group, column) = (t / TILE, t % TILE);
        for i in 0..net.tensor.inputs {
            xh[group * rows + i][column] = s.mul(total[i], scale);
        }
        let kind = net.update.normalization;
        let mut at = net.tensor.inputs;
        for way in 0..1 + usize::from(net.config.attention) {
            inverse[2 * t + way] = update::inverse_length(s, kind, total[at], tensor.elements);
            at += 1;
        }
        rates = s.add(rates, total[at]);
        mean_rate[t] = s.mul(total[at], scale);
    }
    if net.config.relative_rate != RelativeRate::Tensor {
        let mean = s.mul(rates, s.constant(1.0 / plan.parameters));
        mean_rate[..plan.tensors.len()].fill(mean);
    }
}

/// Subtracts the steps.
#[inline(always)]
fn move_parameters<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    work: &Work<S::E>,
    theta: &mut [S::E],
    mut phi: Option<&mut [S::E]>,
) {
    let outs = out_count(net);
    let out = work.out.as_rows::<S>();
    let inverse = work.inverse.as_vectors::<S>();
    let w = &net.update;
    for job in &plan.jobs {
        for span in plan.spans(job) {
            let out = &out[span.tile * outs..(span.tile + 1) * outs];
            let l = &out[outs - 1];
            let mut point = load_row::<S>(&theta[span.scalars.clone()]);
            let mut step: Row<S> = Zeroable::zeroed();
            if let Some(phi) = phi.as_deref_mut() {
                let length = inverse[2 * job.tensor + 1];
                update::step(s, w, w.attended_offset, &out[1], l, length, &mut step, span.cols);
                for c in 0..span.cols {
                    step[c] = s.sub(point[c], step[c]);
                }
                store_row::<S>(&step, &mut phi[span.scalars.clone()]);
            }
            let length = inverse[2 * job.tensor];
            update::step(s, w, w.offset, &out[0], l, length, &mut step, span.cols);
            for c in 0..span.cols {
                point[c] = s.sub(point[c], step[c]);
            }
            store_row::<S>(&point, &mut theta[span.scalars.clone()]);
        }
    }
}

/// The two upper levels, from the states before the step.
#[inline(always)]
fn tensor_and_global_rnn<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    state: &mut State<S::E>,
    work: &mut Work<S::E>,
) {
    let (ht, hg) = (net.tensor.hidden, net.global.hidden);
    let mut start = [s.zero(); 3 * 64];
    for (v, &b) in start.iter_mut().zip(&net.tensor_bias) {
        *v = s.splat(b);
    }
    let bias = &mut work.bias_rows.as_rows_mut::<S>()[..3 * ht];
    let map = &net.global_to_tensor;
    let global = state.global.as_rows::<S>();
    affine(s, &map.weight, 3 * ht, [global], Start::Bias(&start), bias, 1);
    for (v, row) in start.iter_mut().zip(bias.iter()) {
        *v = row[0];
    }
    let rows = net.tensor.inputs + ht;
    let mut total = [s.zero(); 64];
    let last = plan.tensors.len() - 1;
    for group in 0..plan.groups() {
        let cols = plan.group_columns(group);
        let hidden = &mut state.tensor.as_rows_mut::<S>()[group * ht..(group + 1) * ht];
        let xh = &mut work.tensor.xh.as_rows_mut::<S>()[group * rows..(group + 1) * rows];
        xh[net.tensor.inputs..].copy_from_slice(hidden);
        let mut gates = gru::Gates::<S> {
            gates: &mut work.tensor.gates.as_rows_mut::<S>()[2 * group * ht..2 * (group + 1) * ht],
            candidate: &mut work.tensor.candidate.as_rows_mut::<S>()[group * ht..(group + 1) * ht],
            reset_hidden: &mut work.tensor.reset_hidden.as_rows_mut::<S>()
                [group * ht..(group + 1) * ht],
        };
        gru::forward(s, &net.tensor, xh, &start, &mut gates, hidden, cols);
        for (v, row) in total.iter_mut().zip(hidden.iter()) {
            for c in 0..cols {
                let counts = match net.config.global_input {
                    GlobalInput::MeanOfTensors => true,
                    GlobalInput::LastTensor => group * TILE + c == last,
                };
                if counts {
                    *v = s.add(*v, row[c]);
                }
            }
        }
    }
    let scale = match net.config.global_input {
        GlobalInput::MeanOfTensors => s.constant(1.0 / plan.tensors.len() as f64),
        GlobalInput::LastTensor => s.constant(1.0),
    };
    let xh = work.global.xh.as_rows_mut::<S>();
    for (row, &v) in xh.iter_mut().zip(&total[..ht]) {
        row[0] = s.mul(v, scale);
    }
    let hidden = state.global.as_rows_mut::<S>();
    xh[ht..].copy_from_slice(hidden);
    let mut start = [s.zero(); 3 * 64];
    for (v, &b) in start.iter_mut().zip(&net.global.bias) {
        *v = s.splat(b);
    }
    let mut gates = gru::Gates::<S> {
        gates: work.global.gates.as_rows_mut::<S>(),
        candidate: work.global.candidate.as_rows_mut::<S>(),
        reset_hidden: work.global.reset_hidden.as_rows_mut::<S>(),
    };
    gru::forward(s, &net.global, xh, &start[..3 * hg], &mut gates, hidden, 1);
}
