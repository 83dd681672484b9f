//! The way back through the Tensor and Global RNNs and their maps down to the biases.

use super::backward::BackwardStep;
use super::{Adjoint, cell_rows, gru};
use lopt_core::config::GlobalInput;
use lopt_core::network::Network;
use lopt_core::plan::Plan;
use lopt_core::record::{LevelRows, level_rows};
use lopt_core::simd::tile::{Start, affine, copy_columns};
use lopt_core::simd::{Simd, TILE};

/// Global RNN, then Tensor RNNs.
#[inline(always)]
pub(super) fn upper_levels<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    step: &BackwardStep<'_, '_, S::E>,
    adj: &mut Adjoint<S::E>,
) {
    let (ht, hg) = (net.tensor.hidden, net.global.hidden);
    let up = &mut adj.upper;
    let level = LevelRows::split(s.rows(step.record.kept.global), net.global.inputs, hg);
    gru::adjoint(
        s,
        &net.global,
        s.rows(step.record.state.global),
        level.gates,
        level.candidate,
        adj.global.as_rows_mut::<S>(),
        up.global_xh.as_rows_mut::<S>(),
        up.global_delta.as_rows_mut::<S>(),
        1,
    );
    let last = plan.tensors.len() - 1;
    let scale = match net.config.global_input {
        GlobalInput::MeanOfTensors => 1.0 / plan.tensors.len() as f64,
        GlobalInput::LastTensor => 1.0,
    };
    let scale = s.constant(scale);
    let sums = up.to_tensor.as_rows_mut::<S>();
    sums.iter_mut().for_each(|row| row[0] = s.zero());
    let rows = level_rows(net.tensor.inputs, ht);
    for group in 0..plan.groups() {
        let cols = plan.group_columns(group);
        let hidden = &mut adj.tensor.as_rows_mut::<S>()[group * ht..(group + 1) * ht];
        for (row, from) in hidden.iter_mut().zip(up.global_xh.as_rows::<S>()) {
            for c in 0..cols {
                let counts = match net.config.global_input {
                    GlobalInput::MeanOfTensors => true,
                    GlobalInput::LastTensor => group * TILE + c == last,
                };
                if counts {
                    row[c] = s.fma(from[0], scale, row[c]);
                }
            }
        }
        let kept = &s.rows(step.record.kept.tensor)[group * rows..(group + 1) * rows];
        let level = LevelRows::split(kept, net.tensor.inputs, ht);
        let delta = &mut up.tensor_delta.as_rows_mut::<S>()[3 * group * ht..3 * (group + 1) * ht];
        let back = up.tensor_xh.as_rows_mut::<S>();
        gru::adjoint(
            s,
            &net.tensor,
            &s.rows(step.record.state.tensor)[group * ht..(group + 1) * ht],
            level.gates,
            level.candidate,
            hidden,
            back,
            delta,
            cols,
        );
        for (sum, row) in sums.iter_mut().zip(delta.iter()) {
            for c in 0..cols {
                sum[0] = s.add(sum[0], row[c]);
            }
        }
        let n = net.tensor.inputs;
        let input = &mut adj.tensor_input.as_rows_mut::<S>()[group * n..(group + 1) * n];
        for (to, from) in input.iter_mut().zip(back.iter()) {
            copy_columns(from, to, cols);
        }
    }
    let map = &net.global_to_tensor;
    let global = adj.global.as_rows_mut::<S>();
    affine(s, &map.transposed, hg, [&*sums], Start::Output, global, 1);
}

/// Maps from the old upper states to the biases: their adjoints; what the weight gradients of the
/// upper levels need is put aside.
#[inline(always)]
pub(super) fn downward_maps<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    step: &BackwardStep<'_, '_, S::E>,
    adj: &mut Adjoint<S::E>,
    grad: &mut [S::V],
) {
    let (hp, ht, hg) = (net.parameter.hidden, net.tensor.hidden, net.global.hidden);
    let rows = level_rows(net.tensor.inputs, ht);
    let up = &mut adj.upper;
    let sums = up.to_parameter.as_rows_mut::<S>();
    sums.iter_mut().for_each(|row| row[0] = s.zero());
    for group in 0..plan.groups() {
        let cols = plan.group_columns(group);
        let down = &adj.parameter_delta.as_rows::<S>()[group * 3 * hp..(group + 1) * 3 * hp];
        for (sum, row) in sums.iter_mut().zip(down) {
            for c in 0..cols {
                sum[0] = s.add(sum[0], row[c]);
            }
        }
        let map = &net.tensor_to_parameter;
        let hidden = &mut adj.tensor.as_rows_mut::<S>()[group * ht..(group + 1) * ht];
        affine(s, &map.transposed, ht, [down], Start::Output, hidden, cols);
        let kept = &s.rows(step.record.kept.tensor)[group * rows..(group + 1) * rows];
        let level = LevelRows::split(kept, net.tensor.inputs, ht);
        let before = &s.rows(step.record.state.tensor)[group * ht..(group + 1) * ht];
        let tile = adj.pending.tensor.next::<S>(cols);
        let (delta, rest) =
            cell_rows(&net.tensor).fill(s, tile, level.x, before, &level.gates[..ht], cols);
        let from = &up.tensor_delta.as_rows::<S>()[3 * group * ht..3 * (group + 1) * ht];
        for (to, from) in delta.iter_mut().chain(rest).zip(from.iter().chain(down)) {
            copy_columns(from, to, cols);
        }
        if adj.pending.tensor.enough() {
            adj.pending.form_tensor(s, net, grad);
        }
    }
    let map = &net.global_to_parameter;
    let global = adj.global.as_rows_mut::<S>();
    affine(s, &map.transposed, hg, [&*sums], Start::Output, global, 1);
    let level = LevelRows::split(s.rows(step.record.kept.global), net.global.inputs, hg);
    let before = s.rows(step.record.state.global);
    let tile = adj.pending.global.next::<S>(1);
    let (delta, rest) =
        cell_rows(&net.global).fill(s, tile, level.x, before, &level.gates[..hg], 1);
    let from = up.global_delta.as_rows::<S>().iter();
    let from = from.chain(up.to_tensor.as_rows::<S>()).chain(up.to_parameter.as_rows::<S>());
    for (to, from) in delta.iter_mut().chain(rest).zip(from) {
        to[0] = from[0];
    }
    if adj.pending.global.enough() {
        adj.pending.form_global(s, net, grad);
    }
}
