//! Adjoint of a step of the hierarchical RNN: what is carried backward through an unroll, and what happens
//! to it at its two ends.
//!
//! [`backward`] goes back through one step, stage by stage; the adjoint of a stage of `lopt-core` is in the
//! file of the same name ([`upper`]: the Tensor and Global RNNs), and [`kernels`] compiles them.

mod accumulators;
mod backward;
mod features;
mod gru;
mod kernels;
mod readout;
mod update;
mod upper;

pub(crate) use backward::BackwardStep;
pub(crate) use kernels::{Backward, Finish};

use crate::pending::{Pending, column_sums_of, outer};
use gru::{CellRows, weight_gradients};
use lopt_core::gru::GruWeights;
use lopt_core::network::Network;
use lopt_core::plan::Plan;
use lopt_core::record::StepRecord;
use lopt_core::simd::tile::load_row;
use lopt_core::simd::{Buffer, Element, Simd, TILE};
use lopt_core::tile_pass::out_count;

/// Adjoints of the state, of parameters and gradient, and the buffers of the sweep.
#[derive(Clone, Debug)]
pub(crate) struct Adjoint<E: Element> {
    tiles: Buffer<E>,
    tensor: Buffer<E>,
    global: Buffer<E>,
    /// Adjoint of theta, flat.
    pub(crate) theta: Buffer<E>,
    /// Adjoint of the attended point, flat; without attention the caller leaves it at zero.
    pub(crate) phi: Buffer<E>,
    /// Adjoint of the gradient, flat; written by every step.
    pub(crate) grads: Buffer<E>,
    /// `[tensor]` vectors: adjoints of the log sizes.
    log_scale: Buffer<E>,
    /// `[tensor]` vectors: see [`fade::adjoint`](update::fade_adjoint).
    fade: Buffer<E>,
    /// `[tile][out]`: adjoints of direction, \[attended direction\], log rate.
    out: Buffer<E>,
    /// `[group][3 H_P]`: deltas of the Parameter RNN summed over each tensor.
    parameter_delta: Buffer<E>,
    /// `3 H_P` vectors: the same of one tensor, while it is being summed.
    delta_sum: Buffer<E>,
    /// `[group][H_P + F]`: adjoint of the Tensor RNN's input.
    tensor_input: Buffer<E>,
    pending: LevelPending<E>,
    upper: UpperAdjoint<E>,
    tile: TileAdjoint<E>,
}

/// Rows of one tile on the way back.
#[derive(Clone, Debug)]
struct TileAdjoint<E: Element> {
    xh: Buffer<E>,
    x: Buffer<E>,
}

/// Columns whose weight gradients are not yet formed.
#[derive(Clone, Debug)]
struct LevelPending<E: Element> {
    /// [`CellRows`] of the Parameter RNN, new hidden vector, adjoints of the readout.
    parameter: Pending<E>,
    /// [`CellRows`] of the Tensor RNN, deltas of the Parameter RNN summed over the tensor.
    tensor: Pending<E>,
    /// [`CellRows`] of the Global RNN, sums of Tensor RNN deltas and of Parameter RNN deltas.
    global: Pending<E>,
}

/// [`CellRows`] of a cell.
fn cell_rows<E>(w: &GruWeights<E>) -> CellRows {
    CellRows { inputs: w.inputs, hidden: w.hidden }
}

/// Rows of the upper levels on the way back.
#[derive(Clone, Debug)]
struct UpperAdjoint<E: Element> {
    /// Adjoint of the Global RNN's input and state.
    global_xh: Buffer<E>,
    /// Deltas of the Global RNN, in column 0.
    global_delta: Buffer<E>,
    /// Adjoint of input and state of one group of Tensor RNNs.
    tensor_xh: Buffer<E>,
    /// Deltas of the Tensor RNNs, `[group][3 H_T]`.
    tensor_delta: Buffer<E>,
    /// Sum of the Tensor RNNs' deltas, in column 0.
    to_tensor: Buffer<E>,
    /// Sum of the Parameter RNNs' deltas, in column 0.
    to_parameter: Buffer<E>,
}

impl<E: Element> Adjoint<E> {
    /// Zero adjoints for a plan in the shape of instances.
    pub(crate) fn new(net: &Network<E>, plan: &Plan, scalars: usize) -> Self {
        let (c, width) = (&net.config, plan.width);
        let rows = |n: usize| Buffer::rows(n, width);
        let none = || Buffer::zeros(0);
        let mut adjoint = Self {
            tiles: none(),
            tensor: none(),
            global: rows(c.global_hidden),
            theta: none(),
            phi: none(),
            grads: none(),
            log_scale: none(),
            fade: none(),
            out: none(),
            parameter_delta: none(),
            delta_sum: Buffer::zeros(3 * c.parameter_hidden * plan.width),
            tensor_input: none(),
            pending: LevelPending {
                parameter: Pending::new(
                    cell_rows(&net.parameter).count()
                        + c.parameter_hidden
                        + net.readout.outputs.count,
                    width,
                ),
                tensor: Pending::new(
                    cell_rows(&net.tensor).count() + 3 * c.parameter_hidden,
                    width,
                ),
                global: Pending::new(
                    cell_rows(&net.global).count() + 3 * (c.tensor_hidden + c.parameter_hidden),
                    width,
                ),
            },
            upper: UpperAdjoint {
                global_xh: rows(net.global.inputs + c.global_hidden),
                global_delta: rows(3 * c.global_hidden),
                tensor_xh: rows(net.tensor.inputs + c.tensor_hidden),
                tensor_delta: none(),
                to_tensor: rows(3 * c.tensor_hidden),
                to_parameter: rows(3 * c.parameter_hidden),
            },
            tile: TileAdjoint {
                xh: rows(net.parameter.inputs + c.parameter_hidden),
                x: rows(net.parameter.inputs),
            },
        };
        adjoint.start(net, plan, scalars);
        adjoint
    }

    /// Makes all adjoints zero, for the end of an unroll on this plan. The network must have the
    /// configuration of the one before.
    pub(crate) fn start(&mut self, net: &Network<E>, plan: &Plan, scalars: usize) {
        let (c, row) = (&net.config, TILE * plan.width);
        let groups = plan.groups();
        for (buffer, len) in [
            (&mut self.tiles, plan.tiles * net.fields().count() * row),
            (&mut self.tensor, groups * c.tensor_hidden * row),
            (&mut self.global, c.global_hidden * row),
            (&mut self.theta, scalars),
            (&mut self.phi, scalars),
            (&mut self.grads, scalars),
            (&mut self.log_scale, plan.tensors.len() * plan.width),
            (&mut self.fade, plan.tensors.len() * plan.width),
            (&mut self.out, plan.tiles * out_count(net) * row),
            (&mut self.parameter_delta, groups * 3 * c.parameter_hidden * row),
            (&mut self.tensor_input, groups * net.tensor.inputs * row),
            (&mut self.upper.tensor_delta, groups * 3 * c.tensor_hidden * row),
        ] {
            buffer.reshape(len);
        }
    }

    /// Limits each lane's norm over hidden vectors, log rates and parameters measured in steps
    /// (`adj_theta * exp(l)` is free of scale) to `limit`, before the way back through `record`.
    #[inline(always)]
    fn clip_lanes<S: Simd<E = E>>(
        &mut self,
        s: S,
        net: &Network<E>,
        plan: &Plan,
        record: &StepRecord<'_, E>,
        limit: f64,
    ) {
        let (fields, outs) = (net.fields(), out_count(net));
        let mut squares = s.zero();
        for job in &plan.jobs {
            for span in plan.spans(job) {
                let n = fields.count();
                let rows = &self.tiles.as_rows::<S>()[span.tile * n..(span.tile + 1) * n];
                let adj = fields.split(rows);
                for row in adj.hidden.iter().chain([adj.log_rate]) {
                    for c in 0..span.cols {
                        squares = s.fma(row[c], row[c], squares);
                    }
                }
                let theta = load_row::<S>(&self.theta[span.scalars.clone()]);
                let l = &s.rows(record.kept.out)[span.tile * outs + outs - 1];
                for c in 0..span.cols {
                    let per_step = s.mul(theta[c], s.exp(l[c]));
                    squares = s.fma(per_step, per_step, squares);
                }
            }
        }
        let (one, limit) = (s.constant(1.0), s.constant(limit));
        let norm = s.sqrt(squares);
        let scale = s.select_gt(norm, limit, s.div(limit, norm), one);
        if s.lanes(&s.sub(scale, one)).iter().all(|&x| x == E::from_f64(0.0)) {
            return;
        }
        for buffer in
            [&mut self.tiles, &mut self.tensor, &mut self.global, &mut self.theta, &mut self.phi]
        {
            for v in buffer.as_vectors_mut::<S>() {
                *v = s.mul(*v, scale);
            }
        }
    }

    /// Adds the adjoint of the initial hidden vectors of fresh lanes, flushes what waits in column
    /// buffers, and completes biases that share a gradient. Ends an unroll.
    #[inline(always)]
    fn finish<S: Simd<E = E>>(
        &mut self,
        s: S,
        net: &Network<E>,
        plan: &Plan,
        fresh: S::V,
        grad: &mut [S::V],
    ) {
        self.pending.form_parameter(s, net, grad);
        self.pending.form_tensor(s, net, grad);
        self.pending.form_global(s, net, grad);
        let l = &net.layout;
        let copies = [
            (l.tensor_to_parameter.bias.clone(), l.global_to_parameter.bias.start),
            (
                l.tensor_to_parameter.bias.start
                    ..l.tensor_to_parameter.bias.start + l.parameter.gates_bias.len(),
                l.parameter.gates_bias.start,
            ),
            (
                l.tensor_to_parameter.bias.start + l.parameter.gates_bias.len()
                    ..l.tensor_to_parameter.bias.end,
                l.parameter.candidate_bias.start,
            ),
            (l.tensor.gates_bias.clone(), l.global_to_tensor.bias.start),
            (
                l.tensor.candidate_bias.clone(),
                l.global_to_tensor.bias.start + l.tensor.gates_bias.len(),
            ),
        ];
        for (from, to) in copies {
            grad.copy_within(from, to);
        }
        let fields = net.fields();
        let tiles = self.tiles.as_rows::<S>();
        for job in &plan.jobs {
            for span in plan.spans(job) {
                let rows = &tiles[span.tile * fields.count()..];
                let to = &mut grad[l.parameter_initial.clone()];
                for (total, row) in to.iter_mut().zip(rows) {
                    for c in 0..span.cols {
                        *total = s.fma(fresh, row[c], *total);
                    }
                }
            }
        }
        for group in 0..plan.groups() {
            let rows = &self.tensor.as_rows::<S>()[group * net.tensor.hidden..];
            let to = &mut grad[l.tensor_initial.clone()];
            for (total, row) in to.iter_mut().zip(rows) {
                for c in 0..plan.group_columns(group) {
                    *total = s.fma(fresh, row[c], *total);
                }
            }
        }
        let to = &mut grad[l.global_initial.clone()];
        for (total, row) in to.iter_mut().zip(self.global.as_rows::<S>()) {
            *total = s.fma(fresh, row[0], *total);
        }
    }
}

impl<E: Element> LevelPending<E> {
    /// Adds what waits for the Parameter RNN and the readout to the gradient.
    #[inline(always)]
    fn form_parameter<S: Simd<E = E>>(&mut self, s: S, net: &Network<E>, grad: &mut [S::V]) {
        let tiles = self.parameter.take::<S>();
        let rows = cell_rows(&net.parameter);
        weight_gradients(s, &net.layout.parameter, rows, &tiles, grad);
        readout::weight_gradients(s, &net.readout, &net.layout, rows.count(), &tiles, grad);
    }

    /// Adds what waits for the Tensor RNN and its map down.
    #[inline(always)]
    fn form_tensor<S: Simd<E = E>>(&mut self, s: S, net: &Network<E>, grad: &mut [S::V]) {
        let tiles = self.tensor.take::<S>();
        let (rows, blocks) = (cell_rows(&net.tensor), &net.layout.tensor);
        weight_gradients(s, blocks, rows, &tiles, grad);
        let (inputs, h, end) = (rows.inputs, rows.hidden, rows.count());
        let delta = end - 3 * h;
        column_sums_of(s, &tiles, delta, &mut grad[blocks.gates_bias.clone()]);
        column_sums_of(s, &tiles, delta + 2 * h, &mut grad[blocks.candidate_bias.clone()]);
        let map = &net.layout.tensor_to_parameter;
        let n = map.bias.len();
        outer(s, &tiles, inputs..inputs + h, end..end + n, &mut grad[map.weight.clone()], n);
        column_sums_of(s, &tiles, end, &mut grad[map.bias.clone()]);
    }

    /// Adds what waits for the Global RNN and its maps down.
    #[inline(always)]
    fn form_global<S: Simd<E = E>>(&mut self, s: S, net: &Network<E>, grad: &mut [S::V]) {
        let tiles = self.global.take::<S>();
        let (rows, blocks) = (cell_rows(&net.global), &net.layout.global);
        weight_gradients(s, blocks, rows, &tiles, grad);
        let (inputs, h, mut at) = (rows.inputs, rows.hidden, rows.count());
        let delta = at - 3 * h;
        column_sums_of(s, &tiles, delta, &mut grad[blocks.gates_bias.clone()]);
        column_sums_of(s, &tiles, delta + 2 * h, &mut grad[blocks.candidate_bias.clone()]);
        for map in [&net.layout.global_to_tensor, &net.layout.global_to_parameter] {
            let n = map.bias.len();
            outer(s, &tiles, inputs..inputs + h, at..at + n, &mut grad[map.weight.clone()], n);
            at += n;
        }
    }
}
