//! State of the optimizer between steps, and what one step computes on the way.

use crate::buffer::Buffer;
use crate::config::RelativeRate;
use crate::network::Network;
use crate::plan::{Lanes, Plan};
use crate::simd::{Element, TILE};
use crate::tile_pass::{TileScratch, out_count, sum_count};

/// Everything that is carried from step to step, except the parameters.
#[derive(Clone, Debug)]
pub struct State<E: Element> {
    /// `[tile][field][column]`: hidden vector, averages, mean squares, log rate, two decays.
    pub(crate) tiles: Buffer<E>,
    /// `[group][H_T][tensor of the group]`.
    pub(crate) tensor: Buffer<E>,
    /// `[H_G]`, in column 0.
    pub(crate) global: Buffer<E>,
    /// Mean log rate each tensor's rates are relative to, `[group][tensor of the group]`.
    pub(crate) mean_rate: Buffer<E>,
}

impl<E: Element> State<E> {
    /// Zeros of the right shape; [`reset`](Self::reset) makes it a beginning.
    #[must_use]
    pub fn new(net: &Network<E>, plan: &Plan) -> Self {
        Self {
            tiles: Buffer::rows(plan.tiles * net.fields().count(), plan.width),
            tensor: Buffer::rows(plan.groups() * net.config.tensor_hidden, plan.width),
            global: Buffer::rows(net.config.global_hidden, plan.width),
            mean_rate: Buffer::rows(plan.groups(), plan.width),
        }
    }

    /// Starts the lanes for which `fresh` says so: hidden vectors at their learned beginnings,
    /// accumulators and decays at zero, log rates as given.
    ///
    /// * `log_rates`: one per scalar of the plan, in flat order.
    pub fn reset(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        log_rates: &[E],
        fresh: impl Fn(usize) -> bool,
    ) {
        let fields = net.fields();
        let (count, width) = (fields.count(), plan.width);
        let row = TILE * width;
        let zero = E::from_f64(0.0);
        let rate_row = fields.hidden + fields.averages + fields.mean_squares;
        for job in &plan.jobs {
            for span in plan.spans(job) {
                let tile = &mut self.tiles[span.tile * count * row..(span.tile + 1) * count * row];
                for i in (0..row).filter(|i| fresh(i % width)) {
                    for field in 0..count {
                        tile[field * row + i] = match field {
                            f if f < fields.hidden => net.initial[0][f],
                            f if f == rate_row => {
                                log_rates[(span.scalars.start + i).min(span.scalars.end - 1)]
                            }
                            _ => zero,
                        };
                    }
                }
            }
        }
        let rows = self.tensor.chunks_exact_mut(row).enumerate();
        for (i, values) in rows {
            let value = net.initial[1][i % net.config.tensor_hidden];
            values
                .iter_mut()
                .enumerate()
                .filter(|(k, _)| fresh(k % width))
                .for_each(|v| *v.1 = value);
        }
        for (values, &value) in self.global.chunks_exact_mut(row).zip(&net.initial[2]) {
            values
                .iter_mut()
                .enumerate()
                .filter(|(k, _)| fresh(k % width))
                .for_each(|v| *v.1 = value);
        }
        self.reset_mean_rate(net, plan, log_rates, fresh);
    }

    /// The four buffers: tiles, Tensor RNN, Global RNN, mean rates.
    #[must_use]
    pub fn buffers(&self) -> [&[E]; 4] {
        [&self.tiles, &self.tensor, &self.global, &self.mean_rate]
    }

    /// Replaces the four buffers; false, and nothing changed, if a length does not fit.
    #[must_use]
    pub fn load(&mut self, buffers: [&[E]; 4]) -> bool {
        let lengths = self.buffers().map(<[E]>::len);
        if buffers.map(<[E]>::len) != lengths {
            return false;
        }
        let own = [&mut self.tiles, &mut self.tensor, &mut self.global, &mut self.mean_rate];
        for (own, new) in own.into_iter().zip(buffers) {
            own.copy_from_slice(new);
        }
        true
    }

    fn reset_mean_rate(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        log_rates: &[E],
        fresh: impl Fn(usize) -> bool,
    ) {
        let width = plan.width;
        // in the shape of parameters all lanes share one mean
        let lanes = if plan.lanes == Lanes::Instances { width } else { 1 };
        for lane in (0..lanes).filter(|&l| fresh(l)) {
            let mut whole = 0.0;
            let mut means = Vec::with_capacity(plan.tensors.len());
            for tensor in &plan.tensors {
                let rates = &log_rates[tensor.scalars.clone()];
                let sum: f64 = rates.iter().skip(lane).step_by(lanes).map(|&r| r.into()).sum();
                whole += sum;
                means.push(sum / tensor.elements);
            }
            for (t, mean) in means.iter().enumerate() {
                let mean = match net.config.relative_rate {
                    RelativeRate::Tensor => *mean,
                    _ => whole / plan.parameters,
                };
                let at = (t / TILE * TILE + t % TILE) * width;
                let mean = E::from_f64(mean);
                if lanes == 1 {
                    self.mean_rate[at..at + width].fill(mean);
                } else {
                    self.mean_rate[at + lane] = mean;
                }
            }
        }
    }
}

/// Buffers of one step; after it they hold what the adjoint needs.
#[derive(Clone, Debug)]
pub struct Work<E: Element> {
    /// `[tile][out]`: raw direction, \[raw attended direction\], log rate.
    pub(crate) out: Buffer<E>,
    /// `[job][sum]` vectors.
    pub(crate) sums: Buffer<E>,
    /// `[tensor][direction, attended]` vectors: inverse lengths.
    pub(crate) inverse: Buffer<E>,
    /// `[group][3 H_P]` rows: biases of the Parameter RNN.
    pub(crate) parameter_bias: Buffer<E>,
    /// Biases on their way down, in column 0.
    pub(crate) bias_rows: Buffer<E>,
    pub(crate) tensor: LevelWork<E>,
    pub(crate) global: LevelWork<E>,
    /// One per thread.
    pub(crate) scratch: Vec<std::sync::Arc<std::sync::Mutex<TileScratch<E>>>>,
}

/// Rows of the Tensor RNN (one set per group) or of the Global RNN.
#[derive(Clone, Debug)]
pub(crate) struct LevelWork<E: Element> {
    /// Input, then old hidden vector.
    pub xh: Buffer<E>,
    pub gates: Buffer<E>,
    pub candidate: Buffer<E>,
    pub reset_hidden: Buffer<E>,
}

impl<E: Element> LevelWork<E> {
    fn new(groups: usize, inputs: usize, hidden: usize, width: usize) -> Self {
        let rows = |n: usize| Buffer::rows(groups * n, width);
        Self {
            xh: rows(inputs + hidden),
            gates: rows(2 * hidden),
            candidate: rows(hidden),
            reset_hidden: rows(hidden),
        }
    }
}

impl<E: Element> Work<E> {
    /// Buffers for a network on a plan, with scratch for `threads` threads.
    #[must_use]
    pub fn new(net: &Network<E>, plan: &Plan, threads: usize) -> Self {
        let (c, width, groups) = (&net.config, plan.width, plan.groups());
        let scratch = || std::sync::Arc::new(std::sync::Mutex::new(TileScratch::new(net, width)));
        Self {
            out: Buffer::rows(plan.tiles * out_count(net), width),
            sums: Buffer::zeros(plan.jobs.len() * sum_count(net) * width),
            inverse: Buffer::zeros(plan.tensors.len() * 2 * width),
            parameter_bias: Buffer::rows(groups * 3 * c.parameter_hidden, width),
            bias_rows: Buffer::rows(3 * c.parameter_hidden.max(c.tensor_hidden), width),
            tensor: LevelWork::new(groups, net.tensor.inputs, c.tensor_hidden, width),
            global: LevelWork::new(1, net.global.inputs, c.global_hidden, width),
            scratch: (0..threads.max(1)).map(|_| scratch()).collect(),
        }
    }
}
