//! One step of the hierarchical RNN: the stages in the order of the data flow.
//!
//! Biases flow down from the states before the step, every tile runs through the Parameter RNN,
//! per-tensor sums give lengths and Tensor RNN inputs, the update moves the parameters, and the
//! Tensor and Global RNN take their step.

use super::engine::Pace;
use super::jobs::{self, JobContext, JobParts, Tiles};
use super::moves::{self, MoveContext};
use super::plan::{Lanes, Plan};
use super::record::{Kept, StepRecord, level_rows};
use super::tile_pass::sum_count;
use crate::hierarchical_rnn::memory::state::{State, StateMut, Work};
use crate::hierarchical_rnn::psi::config::RelativeRate;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::fade::Fade;
use crate::hierarchical_rnn::stages::scale;
use crate::hierarchical_rnn::stages::update;
use crate::hierarchical_rnn::stages::upper::{self, UpperRows};
use crate::simd::tile::lanes_mut;
use crate::simd::{Element, Row, Simd};
use crate::tensor_step::{Present, TensorStep, is_held};

/// Where a step finds its state.
#[derive(Debug)]
pub enum Memory<'a, 'r, E: Element> {
    /// It is overwritten.
    InPlace(&'a mut State<E>),
    /// It stays in the record, with what the way back needs; the new one is written elsewhere. In
    /// the shape of instances only.
    Recorded(&'a mut StepRecord<'r, E>, &'a mut StateMut<'r, E>),
}

/// The points a step moves, all flat: `[P]` in the shape of parameters, `[P][lane]` in that of
/// instances.
#[derive(Debug)]
pub struct Moved<'a, E> {
    /// Parameters; empty to leave them alone.
    pub theta: &'a mut [E],
    /// With attention: the next attended point, written; else empty.
    pub phi: &'a mut [E],
    /// A running mean of the parameters, or empty, and the weight of the new ones in it.
    pub mean: (&'a mut [E], E),
    /// How each tensor takes part; empty if all do alike. In the shape of parameters only.
    pub tensors: &'a [TensorStep<E>],
}

/// Runs one step; `grads` are taken at the attended point, which is `point` if the step is done
/// again, and else still stands in `moved`. `pace`: what depends on time.
#[inline(always)]
pub fn forward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    memory: Memory<'_, '_, S::E>,
    work: &mut Work<S::E>,
    grads: &[S::E],
    point: Option<&[S::E]>,
    pace: Pace<'_, S::E>,
    moved: Moved<'_, S::E>,
) {
    let Work { kept, kept_shape, sums, parameter_bias, bias_rows, scratch } = work;
    let (old, (new, compact), kept) = match memory {
        Memory::InPlace(state) => {
            (None, state.view_mut(), Kept::in_memory(&mut kept[..], kept_shape))
        }
        Memory::Recorded(StepRecord { state, kept }, after) => {
            let after = StateMut {
                tiles: &mut *after.tiles,
                tensor: &mut *after.tensor,
                global: &mut *after.global,
                mean_rate: &mut *after.mean_rate,
            };
            let kept = Kept {
                tiles: &mut *kept.tiles,
                out: &mut *kept.out,
                tensor: &mut *kept.tensor,
                global: &mut *kept.global,
                inverse: &mut *kept.inverse,
                squares: &mut *kept.squares,
                fade: &mut *kept.fade,
            };
            (Some(&*state), (after, None), kept)
        }
    };
    let rows = rows_of::<S>;
    let upper = old.map(|old| (rows(old.tensor), rows(old.global)));
    let (tensor, global) = upper.unwrap_or((rows(new.tensor), rows(new.global)));
    let biases = parameter_bias.as_rows_mut::<S>();
    let down = bias_rows.as_rows_mut::<S>();
    upper::parameter_biases(s, net, plan, tensor, global, down, biases);

    let out = rows_mut::<S>(&mut *kept.out);
    let sums = sums.as_vectors_mut::<S>();
    let mean_rates = old.map_or(&*new.mean_rate, |old| &*old.mean_rate);
    let mean_rates = bytemuck::cast_slice(mean_rates);
    let squares: &mut [S::V] = bytemuck::cast_slice_mut(kept.squares);
    let tensors = moved.tensors;
    let present = Present::of(plan, tensors);
    if net.config.parameter_scale {
        let attended = if moved.phi.is_empty() { &*moved.theta } else { &*moved.phi };
        let point = point.unwrap_or(attended);
        scale::mean_squares(s, plan, scratch.len(), tensors, present, point, sums, squares);
    }
    let largest = s.load(pace.log_largest);
    let context = JobContext::<S> {
        net,
        plan,
        biases,
        mean_rates,
        squares,
        largest,
        grads,
        tensors,
        scratch,
    };
    let record = old.map(|old| (rows(old.tiles), rows_mut::<S>(&mut *kept.tiles)));
    let state = match compact {
        Some(tiles) => Tiles::Compact(tiles.begin_step()),
        None => Tiles::Rows(rows_mut::<S>(new.tiles)),
    };
    let parts = JobParts::<S> { record, state, out, sums };
    jobs::parameter_rnn(s, &context, parts);

    let inverse: &mut [S::V] = bytemuck::cast_slice_mut(kept.inverse);
    let fade: &mut [S::V] = bytemuck::cast_slice_mut(kept.fade);
    let tensor_kept = rows_mut::<S>(kept.tensor);
    let rates = bytemuck::cast_slice_mut(new.mean_rate);
    reduce(s, net, plan, tensors, present, sums, tensor_kept, inverse, fade, rates);

    let (out, inverse, fade) = (rows(kept.out), &*inverse, &*fade);
    let threads = scratch.len();
    let (mean, weight) = moved.mean;
    let (pace, clock) = (s.load(pace.log), s.load(pace.clock));
    let context =
        MoveContext::<S> { net, plan, out, inverse, fade, tensors, weight, pace, threads };
    let points = moves::Points { theta: moved.theta, phi: moved.phi, mean };
    moves::move_parameters(s, &context, points);

    let rows = UpperRows {
        old: upper,
        tensor: rows_mut::<S>(new.tensor),
        global: rows_mut::<S>(new.global),
        tensor_kept,
        global_kept: rows_mut::<S>(kept.global),
        down,
        clock,
    };
    upper::forward(s, net, plan, tensors, present, rows);
}

#[inline(always)]
fn rows_of<S: Simd>(data: &[S::E]) -> &[Row<S>] {
    bytemuck::cast_slice(data)
}

#[inline(always)]
fn rows_mut<S: Simd>(data: &mut [S::E]) -> &mut [Row<S>] {
    bytemuck::cast_slice_mut(data)
}

/// Sums of jobs become means (the inputs of the Tensor RNNs), inverse lengths of tensors, what their
/// steps fade to, and the reference log rate.
#[inline(always)]
fn reduce<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    tensors: &[TensorStep<S::E>],
    present: Present,
    sums: &mut [S::V],
    tensor_kept: &mut [Row<S>],
    inverse: &mut [S::V],
    fade: &mut [S::V],
    mean_rate: &mut [S::V],
) {
    let count = sum_count(net);
    let rows = level_rows(net.tensor.inputs, net.tensor.hidden);
    let mut rates = s.zero();
    for (t, tensor) in plan.tensors.iter().enumerate().filter(|(t, _)| !is_held(tensors, *t)) {
        // into the sums of its first job
        let (total, rest) = sums[tensor.jobs.start * count..].split_at_mut(count);
        for of_job in rest.chunks_exact(count).take(tensor.jobs.len() - 1) {
            for (a, &b) in total.iter_mut().zip(of_job) {
                *a = s.add(*a, b);
            }
        }
        if plan.lanes == Lanes::Parameters {
            for v in total.iter_mut() {
                *v = s.splat(s.sum_lanes(*v));
            }
        }
        let scale = s.constant(1.0 / tensor.elements);
        let (group, place) = (t / plan.group_size(), t % plan.group_size());
        let x = &mut tensor_kept[group * rows..][..net.tensor.inputs];
        for (row, &v) in x.iter_mut().zip(&*total) {
            let mean = s.mul(v, scale);
            match plan.lanes {
                Lanes::Parameters => lanes_mut::<S>(row)[place] = s.lanes(&mean)[0],
                Lanes::Instances => row[place] = mean,
            }
        }
        let kind = net.update.normalization;
        let mut at = net.tensor.inputs;
        for way in 0..1 + usize::from(net.config.attention) {
            inverse[2 * t + way] = update::inverse_length(s, kind, total[at], tensor.elements);
            at += 1;
        }
        let mut of_tensor = Fade::none(s);
        if net.config.fades() {
            let least = net.config.least_gradient;
            of_tensor = Fade::new(s, least, total[at], tensor.elements);
            at += 1;
        }
        (fade[2 * t], fade[2 * t + 1]) = (of_tensor.factor, of_tensor.slope);
        if let Some(step) = tensors.get(t) {
            for way in &mut inverse[2 * t..=2 * t + usize::from(net.config.attention)] {
                *way = s.mul(*way, s.splat(step.multiplier));
            }
        }
        rates = s.add(rates, total[at]);
        mean_rate[t] = s.mul(total[at], scale);
    }
    if net.config.relative_rate != RelativeRate::Tensor {
        let mean = s.mul(rates, s.constant(1.0 / present.parameters));
        for t in (0..plan.tensors.len()).filter(|&t| !is_held(tensors, t)) {
            mean_rate[t] = mean;
        }
    }
}
