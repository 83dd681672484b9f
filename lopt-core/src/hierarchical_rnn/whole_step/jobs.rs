//! The Parameter RNN over all tiles, spread over threads.
//!
//! A job's result is its own, so nothing depends on how jobs are spread.

use super::plan::{Job, Plan};
use super::tile_pass::{self, Reference, TileScratch, kept_count, out_count, sum_count};
use crate::flush::FlushToZero;
use crate::hierarchical_rnn::memory::compact::CompactPart;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::scale;
use crate::hierarchical_rnn::stages::upper::{MOST_BIAS, tensor_bias};
use crate::simd::tile::load_row;
use crate::simd::{Element, Kernel, Row, Simd, TILE};
use crate::tensor_step::{TensorStep, is_held};
use std::sync::{Arc, Mutex, PoisonError};

/// What all jobs read.
#[derive(Debug)]
pub(crate) struct JobContext<'a, S: Simd> {
    pub net: &'a Network<S::E>,
    pub plan: &'a Plan,
    pub biases: &'a [Row<S>],
    pub mean_rates: &'a [S::V],
    /// Squared sizes of the tensors' parameters, see [`scale`].
    pub squares: &'a [S::V],
    /// Log of the largest step relative to them.
    pub largest: S::V,
    pub grads: &'a [S::E],
    /// How each tensor takes part, or empty.
    pub tensors: &'a [TensorStep<S::E>],
    pub scratch: &'a [Arc<Mutex<TileScratch<S::E>>>],
}

/// State before the step and place for kept rows.
pub(crate) type OldAndKept<'a, S> = (&'a [Row<S>], &'a mut [Row<S>]);

/// What a run of jobs writes.
#[derive(Debug)]
pub(crate) struct JobParts<'a, S: Simd> {
    /// State and place for kept rows apart from `state`, in the shape of instances only.
    pub record: Option<OldAndKept<'a, S>>,
    pub state: Tiles<'a, S>,
    pub out: &'a mut [Row<S>],
    pub sums: &'a mut [S::V],
}

/// Fields of a run of tiles.
#[derive(Debug)]
pub(crate) enum Tiles<'a, S: Simd> {
    /// As the kernels use them, `[tile][field]`.
    Rows(&'a mut [Row<S>]),
    /// In 16 bits, unpacked and packed on the way.
    Compact(CompactPart<'a>),
}

impl<S: Simd> Tiles<'_, S> {
    /// The first `tiles`, and the rest.
    fn split_at(self, net: &Network<S::E>, tiles: usize) -> (Self, Self) {
        match self {
            Self::Rows(rows) => {
                let (left, right) = rows.split_at_mut(tiles * net.fields().count());
                (Self::Rows(left), Self::Rows(right))
            }
            Self::Compact(part) => {
                let (left, right) = part.split_at(tiles, net.fields().narrow());
                (Self::Compact(left), Self::Compact(right))
            }
        }
    }
}

/// Runs every tile through the Parameter RNN.
#[inline(always)]
pub(crate) fn parameter_rnn<S: Simd>(s: S, context: &JobContext<'_, S>, parts: JobParts<'_, S>) {
    let plan = context.plan;
    if plan.pays_threads(context.scratch.len()) && parts.record.is_none() {
        split_jobs(s, context, &plan.jobs, parts);
    } else {
        s.run(JobsKernel { context, jobs: &plan.jobs, parts, token: s });
    }
}

/// Halves the jobs over rayon's threads.
fn split_jobs<S: Simd>(s: S, context: &JobContext<'_, S>, jobs: &[Job], parts: JobParts<'_, S>) {
    if Plan::is_leaf(jobs) {
        let _flush = FlushToZero::set();
        s.run(JobsKernel { context, jobs, parts, token: s });
        return;
    }
    let (left, right) = jobs.split_at(jobs.len() / 2);
    let tiles: usize = left.iter().map(|j| j.tiles.len()).sum();
    let net = context.net;
    let (state_l, state_r) = parts.state.split_at(net, tiles);
    let (out_l, out_r) = parts.out.split_at_mut(tiles * out_count(net));
    let (sums_l, sums_r) = parts.sums.split_at_mut(left.len() * sum_count(net));
    let l = JobParts::<S> { record: None, state: state_l, out: out_l, sums: sums_l };
    let r = JobParts::<S> { record: None, state: state_r, out: out_r, sums: sums_r };
    rayon::join(|| split_jobs(s, context, left, l), || split_jobs(s, context, right, r));
}

/// A function of its own: it enters the target features on a rayon thread, and is compiled once for both
/// ways.
struct JobsKernel<'a, 'b, S: Simd> {
    context: &'a JobContext<'b, S>,
    jobs: &'a [Job],
    parts: JobParts<'a, S>,
    token: S,
}

impl<S: Simd> Kernel<S::E> for JobsKernel<'_, '_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Ignored: Simd<E = S::E>>(self, _: Ignored) {
        run_jobs(self.token, self.context, self.jobs, self.parts);
    }
}

#[inline(always)]
fn run_jobs<S: Simd>(s: S, context: &JobContext<'_, S>, jobs: &[Job], parts: JobParts<'_, S>) {
    let (net, plan) = (context.net, context.plan);
    let (fields, kepts) = (net.fields().count(), kept_count(net));
    let (outs, sums) = (out_count(net), sum_count(net));
    let thread = rayon::current_thread_index().unwrap_or(0) % context.scratch.len();
    // the scratch holds no invariant, so a poisoned lock is as good as a sound one
    let mut scratch = context.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
    let TileScratch { kept, reset_hidden, outputs, fields: unpacked } = &mut *scratch;
    let unpacked = unpacked.as_rows_mut::<S>();
    let spare = kept.as_rows_mut::<S>();
    let (reset_hidden, read) = (reset_hidden.as_rows_mut::<S>(), outputs.as_rows_mut::<S>());
    let JobParts { mut record, mut state, out, sums: all_sums } = parts;
    let gains = matches!(state, Tiles::Rows(_));
    let Some(first) = jobs.first().map(|j| j.tiles.start) else { return };
    let mut room = [<S::E as Element>::from_f64(0.0); MOST_BIAS];
    for (job, sums) in jobs.iter().zip(all_sums.chunks_exact_mut(sums)) {
        sums.fill(s.zero());
        if is_held(context.tensors, job.tensor) {
            continue;
        }
        let rows = net.parameter_bias.len();
        let bias = tensor_bias::<S>(plan, context.biases, rows, job.tensor, &mut room);
        let most = s.constant(net.config.max_log_rate);
        let mean_rate = context.mean_rates[job.tensor];
        let mut reference = Reference::<S> { mean_rate, log_scale: s.zero(), most };
        if net.config.parameter_scale {
            let width = net.config.log_width(plan.tensors[job.tensor].elements);
            let size = scale::log_scale(s, context.squares[job.tensor], width);
            let largest = s.add(size, context.largest);
            reference.log_scale = size;
            reference.most = s.select_gt(most, largest, largest, most);
        }
        let end = plan.tensors[job.tensor].scalars.end;
        for span in plan.spans(job) {
            let at = span.tile - first;
            let mut ahead: &[Row<S>] = &[];
            let new = match &mut state {
                Tiles::Rows(rows) => {
                    let (now, next) = rows[at * fields..].split_at_mut(fields);
                    ahead = &next[..fields.min(next.len())];
                    now
                }
                Tiles::Compact(part) => {
                    part.prefetch(net.fields().narrow(), at + 1);
                    part.unpack(s, net, at, unpacked, read);
                    &mut *unpacked
                }
            };
            let used = span.scalars.len() % plan.width;
            let tail = (span.scalars.end == end && used > 0).then(|| tail_mask(s, used));
            let out = &mut out[at * outs..(at + 1) * outs];
            let g = load_row::<S>(&context.grads[span.scalars.clone()]);
            let (old, kept) = match &mut record {
                Some((old, kept)) => {
                    let kept = &mut kept[at * kepts..(at + 1) * kepts];
                    (Some(&old[at * fields..(at + 1) * fields]), kept)
                }
                None => (None, &mut *spare),
            };
            let (reset, read) = (&mut *reset_hidden, &mut *read);
            // a full tile has loops of a length known to the compiler
            if span.cols == TILE && tail.is_none() {
                tile_pass::forward(
                    s, net, old, new, kept, &g, bias, &reference, reset, read, out, sums, TILE,
                    None, gains, ahead,
                );
            } else {
                let cols = span.cols;
                tile_pass::forward(
                    s, net, old, new, kept, &g, bias, &reference, reset, read, out, sums, cols,
                    tail, gains, ahead,
                );
            }
            if let Tiles::Compact(part) = &mut state {
                part.pack::<S>(net, at, span.tile, unpacked);
            }
        }
    }
}

/// One in the first `used` lanes, zero in the others.
#[inline(always)]
fn tail_mask<S: Simd>(s: S, used: usize) -> S::V {
    let mut mask = s.zero();
    let lanes: &mut [S::E] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut mask));
    lanes[..used].fill(<S::E as Element>::from_f64(1.0));
    mask
}
