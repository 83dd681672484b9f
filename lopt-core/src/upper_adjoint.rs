//! The way back through the Tensor and Global RNNs and their maps down to the biases.

use crate::adjoint::Adjoint;
use crate::config::GlobalInput;
use crate::gru;
use crate::network::Network;
use crate::plan::Plan;
use crate::simd::{Simd, TILE};
use crate::tile::{Start, affine};

/// Global RNN, then Tensor RNNs.
#[inline(always)]
pub(crate) fn upper_levels<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    adj: &mut Adjoint<S::E>,
) {
    let (ht, hg) = (net.tensor.hidden, net.global.hidden);
    let up = &mut adj.upper;
    let level = &adj.work.global;
    gru::adjoint(
        s,
        &net.global,
        level.xh.as_rows::<S>(),
        level.gates.as_rows::<S>(),
        level.candidate.as_rows::<S>(),
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
    let rows = net.tensor.inputs + ht;
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
        let level = &adj.work.tensor;
        let delta = up.tensor_delta.as_rows_mut::<S>();
        let back = up.tensor_xh.as_rows_mut::<S>();
        gru::adjoint(
            s,
            &net.tensor,
            &level.xh.as_rows::<S>()[group * rows..(group + 1) * rows],
            &level.gates.as_rows::<S>()[2 * group * ht..2 * (group + 1) * ht],
            &level.candidate.as_rows::<S>()[group * ht..(group + 1) * ht],
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
        adj.tensor_input.as_rows_mut::<S>()[group * n..(group + 1) * n].copy_from_slice(&back[..n]);
        // the gates are no longer needed: their rows keep the deltas for the weight gradients
        adj.work.tensor.gates.as_rows_mut::<S>()[2 * group * ht..2 * (group + 1) * ht]
            .copy_from_slice(&delta[..2 * ht]);
        adj.work.tensor.candidate.as_rows_mut::<S>()[group * ht..(group + 1) * ht]
            .copy_from_slice(&delta[2 * ht..3 * ht]);
    }
    let map = &net.global_to_tensor;
    let global = adj.global.as_rows_mut::<S>();
    debug_assert_eq!(global.len(), hg, "one row per hidden unit");
    affine(s, &map.transposed, hg, [&*sums], Start::Output, global, 1);
}

/// Maps from the old upper states to the biases: their adjoints and weight gradients.
#[inline(always)]
pub(crate) fn downward_maps<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    adj: &mut Adjoint<S::E>,
    grad: &mut [S::V],
) {
    let (hp, ht, hg) = (net.parameter.hidden, net.tensor.hidden, net.global.hidden);
    let rows = net.tensor.inputs + ht;
    let sums = adj.upper.to_parameter.as_rows_mut::<S>();
    sums.iter_mut().for_each(|row| row[0] = s.zero());
    for group in 0..plan.groups() {
        let cols = plan.group_columns(group);
        let delta = &adj.parameter_delta.as_rows::<S>()[group * 3 * hp..(group + 1) * 3 * hp];
        for (sum, row) in sums.iter_mut().zip(delta) {
            for c in 0..cols {
                sum[0] = s.add(sum[0], row[c]);
            }
        }
        let map = &net.tensor_to_parameter;
        let hidden = &mut adj.tensor.as_rows_mut::<S>()[group * ht..(group + 1) * ht];
        affine(s, &map.transposed, ht, [delta], Start::Output, hidden, cols);
        let level = &adj.work.tensor;
        for c in 0..cols {
            let full = adj.columns.tensor.push::<S>(&[
                (&level.xh.as_rows::<S>()[group * rows..(group + 1) * rows], c),
                (&level.reset_hidden.as_rows::<S>()[group * ht..(group + 1) * ht], c),
                (&level.gates.as_rows::<S>()[2 * group * ht..2 * (group + 1) * ht], c),
                (&level.candidate.as_rows::<S>()[group * ht..(group + 1) * ht], c),
                (delta, c),
            ]);
            if full {
                adj.columns.flush_tensor(s, net, grad);
            }
        }
    }
    let map = &net.global_to_parameter;
    let global = adj.global.as_rows_mut::<S>();
    affine(s, &map.transposed, hg, [&*sums], Start::Output, global, 1);
    let (level, up) = (&adj.work.global, &adj.upper);
    let full = adj.columns.global.push::<S>(&[
        (level.xh.as_rows::<S>(), 0),
        (level.reset_hidden.as_rows::<S>(), 0),
        (up.global_delta.as_rows::<S>(), 0),
        (up.to_tensor.as_rows::<S>(), 0),
        (up.to_parameter.as_rows::<S>(), 0),
    ]);
    if full {
        adj.columns.flush_global(s, net, grad);
    }
}
