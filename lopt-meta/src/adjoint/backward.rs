//! The way back through one step: adjoint of [`step::forward`](lopt_core::step::forward).
//!
//! Takes the adjoint of everything after the step and gives that of everything before it, of the
//! gradient (from which the caller makes a Hessian-vector product) and of psi, lane by lane. Only
//! in the shape of instances, where reductions do not cross lanes.

use super::{Adjoint, accumulators, cell_rows, features, gru, readout, update, upper};
use bytemuck::Zeroable;
use lopt_core::config::{RelativeRate, StepOffset};
use lopt_core::network::Network;
use lopt_core::plan::{Plan, TileSpan};
use lopt_core::record::StepRecord;
use lopt_core::simd::tile::{column_sums, copy_columns, load_row, store_row};
use lopt_core::simd::{Element, Row, Simd, TILE};
use lopt_core::state::StateMut;
use lopt_core::tile_pass::{KeptRows, kept_count, out_count};

/// One step of an unroll as the way back sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackwardStep<'a, 'r, E> {
    /// The step.
    pub record: &'a StepRecord<'r, E>,
    /// The state after it.
    pub after: &'a StateMut<'r, E>,
    /// The gradient it was given, flat.
    pub grads: &'a [E],
    /// The attended point it was taken at, flat.
    pub point: &'a [E],
    /// Its log pace, one per lane.
    pub pace: &'a [E],
}

/// Goes back through one step. `grad`: lane-wise sums over psi, added to.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    step: &BackwardStep<'_, '_, S::E>,
    adj: &mut Adjoint<S::E>,
    grad: &mut [S::V],
) {
    upper::upper_levels(s, net, plan, step, adj);
    update_adjoint(s, net, plan, step, adj, grad);
    if net.config.attention {
        // its adjoint has gone into the parameters'; what follows is that of the point before
        adj.phi.fill(<S::E as Element>::from_f64(0.0));
    }
    let mut to_mean = s.zero();
    for (t, tensor) in plan.tensors.iter().enumerate() {
        let mut of_tensor = s.zero();
        let mut to_scale = s.zero();
        let mut delta_sum = std::mem::take(&mut adj.delta_sum);
        let sums = delta_sum.as_vectors_mut::<S>();
        sums.fill(s.zero());
        for job in &plan.jobs[tensor.jobs.clone()] {
            for span in plan.spans(job) {
                let elements = tensor.elements;
                let owed = tile_adjoint(s, net, step, adj, &span, t, elements, sums, grad);
                of_tensor = s.add(of_tensor, owed.0);
                to_scale = s.add(to_scale, owed.1);
            }
        }
        let n = 3 * net.parameter.hidden;
        let rows = &mut adj.parameter_delta.as_rows_mut::<S>()[t / TILE * n..(t / TILE + 1) * n];
        for (row, &v) in rows.iter_mut().zip(&*sums) {
            row[t % TILE] = v;
        }
        adj.delta_sum = delta_sum;
        to_mean = s.add(to_mean, of_tensor);
        // the size is subtracted from the log rate
        adj.log_scale.as_vectors_mut::<S>()[t] = s.sub(s.zero(), to_scale);
        if net.config.relative_rate == RelativeRate::Tensor {
            owe_mean(s, net, plan, adj, t..t + 1, of_tensor, tensor.elements);
        }
    }
    if net.config.relative_rate == RelativeRate::Problem {
        owe_mean(s, net, plan, adj, 0..plan.tensors.len(), to_mean, plan.parameters);
    }
    let squares = bytemuck::cast_slice::<S::E, S::V>(step.record.kept.squares);
    let to = if net.config.attention { &mut adj.phi } else { &mut adj.theta };
    let adj_log_scale = adj.log_scale.as_vectors_mut::<S>();
    update::scale_adjoint(s, net, plan, step.point, squares, adj_log_scale, to);
    upper::downward_maps(s, net, plan, step, adj, grad);
}

/// Subtracts `total / n` from the log-rate adjoints: what the reference mean passes on.
#[inline(always)]
fn owe_mean<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    adj: &mut Adjoint<S::E>,
    tensors: std::ops::Range<usize>,
    total: S::V,
    n: f64,
) {
    let share = s.mul(total, s.constant(1.0 / n));
    let fields = net.fields();
    let tiles = adj.tiles.as_rows_mut::<S>();
    for tensor in &plan.tensors[tensors] {
        for job in &plan.jobs[tensor.jobs.clone()] {
            for span in plan.spans(job) {
                let rows = &mut tiles[span.tile * fields.count()..(span.tile + 1) * fields.count()];
                let rate = fields.split_mut(rows).log_rate;
                for c in 0..span.cols {
                    rate[c] = s.sub(rate[c], share);
                }
            }
        }
    }
}

/// Adjoint of the parameter update: of unit directions and log rates, into `adj.out`.
#[inline(always)]
fn update_adjoint<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    step: &BackwardStep<'_, '_, S::E>,
    adj: &mut Adjoint<S::E>,
    grad: &mut [S::V],
) {
    let record = step.record;
    let outs = out_count(net);
    let l_row = outs - 1;
    let (w, kind) = (&net.update, net.update.normalization);
    let pace = s.load(step.pace);
    let offset = s.add(s.splat(w.offset), pace);
    let attended_offset = s.add(s.splat(w.attended_offset), pace);
    let inverse = bytemuck::cast_slice::<S::E, S::V>(record.kept.inverse);
    let fades = bytemuck::cast_slice::<S::E, S::V>(record.kept.fade);
    let record_out = s.rows(record.kept.out);
    let attention = net.config.attention;
    for (t, tensor) in plan.tensors.iter().enumerate() {
        let mut totals = [s.zero(); 2];
        for job in &plan.jobs[tensor.jobs.clone()] {
            for span in plan.spans(job) {
                let out = &record_out[span.tile * outs..(span.tile + 1) * outs];
                let rows =
                    &mut adj.out.as_rows_mut::<S>()[span.tile * outs..(span.tile + 1) * outs];
                rows[l_row] = Zeroable::zeroed();
                let (directions, l) = rows.split_at_mut(l_row);
                let mut theta = load_row::<S>(&adj.theta[span.scalars.clone()]);
                let (d, adj_d) = (&out[0], &mut directions[0]);
                let total = update::step_adjoint(
                    s,
                    w,
                    offset,
                    d,
                    &out[l_row],
                    inverse[2 * t],
                    fades[2 * t],
                    &theta,
                    adj_d,
                    &mut l[0],
                    span.cols,
                );
                totals[0] = s.add(totals[0], total);
                if attention {
                    let phi = load_row::<S>(&adj.phi[span.scalars.clone()]);
                    let (d, adj_d) = (&out[1], &mut directions[1]);
                    let total = update::step_adjoint(
                        s,
                        w,
                        attended_offset,
                        d,
                        &out[l_row],
                        inverse[2 * t + 1],
                        fades[2 * t],
                        &phi,
                        adj_d,
                        &mut l[0],
                        span.cols,
                    );
                    totals[1] = s.add(totals[1], total);
                    for c in 0..span.cols {
                        theta[c] = s.add(theta[c], phi[c]);
                    }
                    store_row::<S>(&theta, &mut adj.theta[span.scalars.clone()]);
                }
            }
        }
        adj.fade.as_vectors_mut::<S>()[t] =
            update::fade_adjoint(s, fades[2 * t + 1], s.add(totals[0], totals[1]), tensor.elements);
        let way = usize::from(net.config.step_offset == StepOffset::Attention);
        for c in &mut grad[net.layout.step_offset.clone()] {
            *c = s.add(*c, totals[way]);
        }
        for job in &plan.jobs[tensor.jobs.clone()] {
            for span in plan.spans(job) {
                let out = &record_out[span.tile * outs..(span.tile + 1) * outs];
                let rows =
                    &mut adj.out.as_rows_mut::<S>()[span.tile * outs..(span.tile + 1) * outs];
                for way in 0..l_row {
                    update::normalization_adjoint(
                        s,
                        kind,
                        &out[way],
                        inverse[2 * t + way],
                        totals[way],
                        tensor.elements,
                        &mut rows[way],
                        span.cols,
                    );
                }
            }
        }
    }
}

/// Goes back through one tile. Returns what [`features::adjoint`] does.
#[inline(always)]
fn tile_adjoint<S: Simd>(
    s: S,
    net: &Network<S::E>,
    step: &BackwardStep<'_, '_, S::E>,
    adj: &mut Adjoint<S::E>,
    span: &TileSpan,
    tensor: usize,
    elements: f64,
    delta_sum: &mut [S::V],
    grad: &mut [S::V],
) -> (S::V, S::V) {
    let (fields, outs, cols) = (net.fields(), out_count(net), span.cols.min(TILE));
    let hp = net.parameter.hidden;
    let (n, k) = (fields.count(), kept_count(net));
    let tile = |n: usize| span.tile * n..(span.tile + 1) * n;
    let record = step.record;
    let old = fields.split(&s.rows(record.state.tiles)[tile(n)]);
    let new = fields.split(&s.rows(step.after.tiles)[tile(n)]);
    let kept = KeptRows::split(net, &s.rows(record.kept.tiles)[tile(k)]);
    let now = fields.split_mut(&mut adj.tiles.as_rows_mut::<S>()[tile(n)]);
    let g = load_row::<S>(&step.grads[span.scalars.clone()]);

    let pending = adj.pending.parameter.next::<S>(cols);
    let cell = cell_rows(&net.parameter);
    let (delta, rest) = cell.fill(s, pending, kept.x, old.hidden, &kept.gates[..hp], cols);
    let (new_hidden, adj_read) = rest.split_at_mut(hp);
    for (to, from) in new_hidden.iter_mut().zip(new.hidden) {
        copy_columns(from, to, cols);
    }

    let adj_out = &adj.out.as_rows::<S>()[span.tile * outs..(span.tile + 1) * outs];
    let outputs = net.readout.outputs;
    adj_read[0] = adj_out[0];
    if let Some(row) = outputs.attention {
        adj_read[row] = adj_out[1];
    }
    if let Some(row) = outputs.gradient_decay {
        adj_read[row] = *now.gradient_gain;
    }
    if let Some(row) = outputs.rms_decay {
        adj_read[row] = *now.rms_gain;
    }
    if let Some(row) = outputs.log_rate {
        let l = &s.rows(record.kept.out)[span.tile * outs + outs - 1];
        let momentum = s.splat(net.update.momentum);
        let (up, to_l) = (&mut *now.log_rate, &adj_out[outs - 1]);
        let mut to_momentum = s.zero();
        for c in 0..cols {
            to_momentum = s.fma(up[c], s.sub(old.log_rate[c], l[c]), to_momentum);
            let kept = s.mul(momentum, up[c]);
            let total = s.add(to_l[c], s.sub(up[c], kept));
            adj_read[row][c] = total;
            up[c] = s.add(kept, total);
        }
        let slope = s.mul(momentum, s.sub(s.constant(1.0), momentum));
        for v in &mut grad[net.layout.rate_momentum.clone()] {
            *v = s.fma(to_momentum, slope, *v);
        }
    }

    let group = tensor / TILE * net.tensor.inputs;
    let to_mean = &adj.tensor_input.as_rows::<S>()[group..group + net.tensor.inputs];
    let share = s.constant(1.0 / elements);
    let adj_hidden = now.hidden;
    for (row, up) in adj_hidden.iter_mut().zip(to_mean) {
        let up = s.mul(up[tensor % TILE], share);
        for c in 0..cols {
            row[c] = s.add(row[c], up);
        }
    }
    let t = &mut adj.tile;
    let adj_x = t.x.as_rows_mut::<S>();
    for (row, up) in adj_x.iter_mut().zip(&to_mean[hp..]) {
        *row = [s.mul(up[tensor % TILE], share); TILE];
    }
    let gains = [new.gradient_gain, new.rms_gain];
    readout::adjoint(s, &net.readout, gains, adj_read, adj_hidden, adj_x, cols);
    let adj_xh = t.xh.as_rows_mut::<S>();
    let (gates, candidate) = (kept.gates, kept.candidate);
    gru::adjoint(s, &net.parameter, old.hidden, gates, candidate, adj_hidden, adj_xh, delta, cols);
    for (row, up) in adj_x.iter_mut().zip(adj_xh.iter()) {
        for c in 0..cols {
            row[c] = s.add(row[c], up[c]);
        }
    }
    column_sums(s, delta, cols, delta_sum);
    if adj.pending.parameter.enough() {
        adj.pending.form_parameter(s, net, grad);
    }
    let owed = features::adjoint(
        s,
        net.inputs,
        kept.x,
        new.averages,
        new.mean_squares,
        old.log_rate,
        adj_x,
        now.averages,
        now.mean_squares,
        now.log_rate,
        cols,
    );
    let mut adj_g: Row<S> = Zeroable::zeroed();
    accumulators::adjoint(
        s,
        net.scales,
        &g,
        old.gradient_gain,
        old.rms_gain,
        old.averages,
        old.mean_squares,
        new.averages,
        now.averages,
        now.mean_squares,
        &mut adj_g,
        now.gradient_gain,
        now.rms_gain,
        cols,
    );
    if net.config.fades() {
        let faded = adj.fade.as_vectors::<S>()[tensor];
        for c in 0..cols {
            adj_g[c] = s.fma(faded, g[c], adj_g[c]);
        }
    }
    store_row::<S>(&adj_g, &mut adj.grads[span.scalars.clone()]);
    owed
}
