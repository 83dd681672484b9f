//! The Tensor and Global RNNs and the biases they send down.

use super::gru;
use crate::hierarchical_rnn::psi::config::GlobalInput;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::whole_step::plan::{Lanes, Plan};
use crate::hierarchical_rnn::whole_step::record::{LevelRows, level_rows};
use crate::simd::tile::{Start, affine, lanes_mut};
use crate::simd::{Row, Simd};
use crate::tensor_step::{Present, TensorStep, is_held};
use bytemuck::Zeroable;

/// `B_P = h_T A_TP + h_G A_GP + biases` for every tensor, `[group][3 H_P]` rows.
#[inline(always)]
pub(crate) fn parameter_biases<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    tensor: &[Row<S>],
    global: &[Row<S>],
    down: &mut [Row<S>],
    biases: &mut [Row<S>],
) {
    let map = &net.global_to_parameter;
    let n = map.outputs;
    let start = send_down::<S>(s, &map.weight, &net.parameter_bias, global, down);
    let map = &net.tensor_to_parameter;
    let groups = tensor.chunks_exact(map.inputs).zip(biases.chunks_exact_mut(n));
    for (group, (h, bias)) in groups.enumerate() {
        let cols = plan.group_columns(group);
        affine(s, &map.weight, n, [h], start, bias, cols);
    }
}

/// `bias + h_G W`, written to `down`.
#[inline(always)]
fn send_down<'a, S: Simd>(
    s: S,
    weight: &[S::E],
    bias: &[S::E],
    global: &[Row<S>],
    down: &'a mut [Row<S>],
) -> Start<'a, S> {
    let down = &mut down[..bias.len()];
    affine(s, weight, bias.len(), [global], Start::Bias(bias), down, 1);
    Start::Column(down, 0)
}

/// Most rows of a bias: three times the most hidden units of the Parameter RNN.
pub(crate) const MOST_BIAS: usize = 96;

/// The bias of one tensor, of `n` rows; `room`: for those of its lane.
#[inline(always)]
pub(crate) fn tensor_bias<'a, S: Simd>(
    plan: &Plan,
    rows: &'a [Row<S>],
    n: usize,
    tensor: usize,
    room: &'a mut [S::E; MOST_BIAS],
) -> Start<'a, S> {
    let (group, place) = (tensor / plan.group_size(), tensor % plan.group_size());
    let rows = &rows[group * n..(group + 1) * n];
    match plan.lanes {
        Lanes::Instances => Start::Column(rows, place),
        Lanes::Parameters => {
            for (to, row) in room.iter_mut().zip(rows) {
                *to = bytemuck::cast_slice::<_, S::E>(row)[place];
            }
            Start::Bias(&room[..n])
        }
    }
}

/// Hidden vectors of the Tensor RNNs and of the Global RNN.
pub(crate) type Hidden<'a, S> = (&'a [Row<S>], &'a [Row<S>]);

/// What the upper levels read and write.
#[derive(Debug)]
pub(crate) struct UpperRows<'a, S: Simd> {
    /// Hidden vectors before the step; `None` where they are overwritten.
    pub old: Option<Hidden<'a, S>>,
    pub tensor: &'a mut [Row<S>],
    pub global: &'a mut [Row<S>],
    /// [`LevelRows`] of every group; the inputs are there.
    pub tensor_kept: &'a mut [Row<S>],
    pub global_kept: &'a mut [Row<S>],
    /// Room for biases on their way down.
    pub down: &'a mut [Row<S>],
    /// What the clock reads.
    pub clock: S::V,
}

/// The two upper levels, from the states before the step.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    tensors: &[TensorStep<S::E>],
    present: Present,
    rows: UpperRows<'_, S>,
) {
    let UpperRows { old, tensor, global, tensor_kept, global_kept, down, clock } = rows;
    let (ht, inputs) = (net.tensor.hidden, net.tensor.inputs);
    let old_global = old.map_or(&*global, |(_, global)| global);
    let start = send_down::<S>(s, &net.global_to_tensor.weight, &net.tensor_bias, old_global, down);
    for row in global_kept[..ht].iter_mut() {
        row[0] = s.zero();
    }
    let kept = tensor_kept.chunks_exact_mut(level_rows(inputs, ht));
    for (group, (hidden, kept)) in tensor.chunks_exact_mut(ht).zip(kept).enumerate() {
        let cols = plan.group_columns(group);
        let before = old.map(|(tensor, _)| &tensor[group * ht..(group + 1) * ht]);
        let first = group * plan.group_size();
        let used = plan.group_size().min(plan.tensors.len() - first);
        let places = cols * plan.tensors_per_column();
        // held tensors, and lanes without one, stay as they are; with lanes of instances none does
        let stays = |place: usize| place >= used || is_held(tensors, first + place);
        if (0..used).all(stays) {
            continue;
        }
        let to_hold = (0..places).any(stays).then(|| {
            let mut rows = [Row::<S>::zeroed(); 64];
            rows[..ht].copy_from_slice(hidden);
            rows
        });
        cell(s, &net.tensor, before, start, kept, hidden, cols);
        if let Some(rows) = to_hold {
            for place in (0..places).filter(|&place| stays(place)) {
                for (row, old) in hidden.iter_mut().zip(&rows) {
                    lanes_mut::<S>(row)[place] = bytemuck::cast_slice::<_, S::E>(old)[place];
                }
            }
        }
        let counts = |place: &usize| match net.config.global_input {
            GlobalInput::MeanOfTensors => !stays(*place),
            GlobalInput::LastTensor => first + place == present.last,
        };
        for (total, row) in global_kept.iter_mut().zip(hidden.iter()) {
            match plan.lanes {
                Lanes::Parameters => {
                    let lanes = bytemuck::cast_slice::<_, S::E>(row);
                    let mut sum = s.lanes(&total[0])[0];
                    (0..used).filter(counts).for_each(|place| sum = sum + lanes[place]);
                    total[0] = s.splat(sum);
                }
                Lanes::Instances => {
                    for c in (0..used).filter(counts) {
                        total[0] = s.add(total[0], row[c]);
                    }
                }
            }
        }
    }
    let scale = match net.config.global_input {
        GlobalInput::MeanOfTensors => s.constant(1.0 / present.tensors),
        GlobalInput::LastTensor => s.constant(1.0),
    };
    for row in global_kept[..ht].iter_mut() {
        row[0] = s.mul(row[0], scale);
    }
    if net.global.inputs > ht {
        global_kept[ht][0] = clock;
    }
    let before = old.map(|(_, global)| global);
    cell(s, &net.global, before, Start::Bias(&net.global.bias), global_kept, global, 1);
}

#[inline(always)]
fn cell<S: Simd>(
    s: S,
    w: &gru::GruWeights<S::E>,
    before: Option<&[Row<S>]>,
    bias: Start<'_, S>,
    kept: &mut [Row<S>],
    hidden: &mut [Row<S>],
    cols: usize,
) {
    let LevelRows { x, gates, candidate, reset_hidden } =
        LevelRows::split_mut(kept, w.inputs, w.hidden);
    let mut gates = gru::Gates::<S> { gates, candidate, reset_hidden };
    gru::forward(s, w, x, before, bias, &mut gates, hidden, cols);
}
