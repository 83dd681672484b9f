//! State of the optimizer between steps, and what one step computes on the way.

use super::compact::CompactTiles;
use crate::hierarchical_rnn::psi::config::RelativeRate;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::whole_step::plan::{Lanes, Plan};
use crate::hierarchical_rnn::whole_step::record::{KeptShape, cut};
use crate::hierarchical_rnn::whole_step::tile_pass::{TileScratch, sum_count};
use crate::simd::Buffer;
use crate::simd::{Element, TILE};

/// Everything that is carried from step to step, except the parameters.
#[derive(Clone, Debug)]
pub struct State<E: Element> {
    /// `[tile][field][column]`: hidden vector, averages, mean squares, log rate, two gains. Empty
    /// in a compact state.
    pub tiles: Buffer<E>,
    /// What a compact state has in place of `tiles`; in the shape of parameters, in `f32` only.
    pub(crate) compact: Option<CompactTiles>,
    /// `[group][H_T][tensor of the group]`, see `Plan::group_size`.
    pub tensor: Buffer<E>,
    /// `[H_G]`, in column 0.
    pub global: Buffer<E>,
    /// Mean log rate each tensor's rates are relative to, a vector per tensor.
    pub(crate) mean_rate: Buffer<E>,
}

impl<E: Element> State<E> {
    /// Zeros of the right shape; [`reset`](Self::reset) makes it a beginning.
    #[must_use]
    pub fn new(net: &Network<E>, plan: &Plan) -> Self {
        Self {
            tiles: Buffer::rows(plan.tiles * net.fields().count(), plan.width),
            compact: None,
            tensor: Buffer::rows(plan.groups() * net.config.tensor_hidden, plan.width),
            global: Buffer::rows(net.config.global_hidden, plan.width),
            mean_rate: Buffer::rows(plan.tensors.len().div_ceil(TILE), plan.width),
        }
    }

    /// The four buffers, to be changed, and what stands for the first one in a compact state.
    pub(crate) fn view_mut(&mut self) -> (StateMut<'_, E>, Option<&mut CompactTiles>) {
        let Self { tiles, compact, tensor, global, mean_rate } = self;
        (StateMut { tiles, tensor, global, mean_rate }, compact.as_mut())
    }

    /// Bytes that are carried from step to step.
    pub(crate) fn bytes(&self) -> usize {
        let elements: usize = self.buffers().iter().map(|buffer| buffer.len()).sum();
        elements * size_of::<E>() + self.compact.as_ref().map_or(0, CompactTiles::bytes)
    }

    /// Starts the lanes for which `fresh` says so: hidden vectors at their learned beginnings,
    /// accumulators and decays at zero, so gains at one, log rates as given.
    ///
    /// * `log_rates`: one per scalar of the plan, in flat order.
    pub fn reset(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        log_rates: &[E],
        fresh: impl Fn(usize) -> bool,
    ) {
        let width = plan.width;
        let row = TILE * width;
        match &mut self.compact {
            // of f32 only
            Some(compact) => compact.reset(plan, bytemuck::cast_slice(log_rates)),
            None => self.reset_tiles(net, plan, log_rates, &fresh),
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
        self.reset_mean_rate(net, plan, log_rates, |_| true, fresh);
    }

    /// From now on compact, with nothing in it; a [`reset`](Self::reset) makes it a beginning.
    pub(crate) fn make_compact(&mut self, compact: impl FnOnce() -> CompactTiles) {
        // first, so that both are never there together
        self.tiles = Buffer::default();
        self.compact = Some(compact());
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

    fn reset_tiles(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        log_rates: &[E],
        fresh: impl Fn(usize) -> bool,
    ) {
        let fields = net.fields();
        let (count, width) = (fields.count(), plan.width);
        let row = TILE * width;
        let (zero, one) = (E::from_f64(0.0), E::from_f64(1.0));
        let rate_row = fields.narrow();
        for job in &plan.jobs {
            for span in plan.spans(job) {
                let tile = &mut self.tiles[span.tile * count * row..(span.tile + 1) * count * row];
                for (field, values) in tile.chunks_exact_mut(row).enumerate() {
                    let value = match field {
                        f if f < fields.hidden => net.initial[0][f],
                        f if f < rate_row => zero,
                        _ => one,
                    };
                    let rates = &log_rates[span.scalars.clone()];
                    for (i, to) in values.iter_mut().enumerate().filter(|(i, _)| fresh(i % width)) {
                        *to = if field == rate_row { rates[i.min(rates.len() - 1)] } else { value };
                    }
                }
            }
        }
    }

    /// Mean log rates before the first step of the tensors for which `counts` says so, over these.
    pub fn reset_mean_rate(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        log_rates: &[E],
        counts: impl Fn(usize) -> bool,
        fresh: impl Fn(usize) -> bool,
    ) {
        let width = plan.width;
        // in the shape of parameters all lanes share one mean
        let lanes = if plan.lanes == Lanes::Instances { width } else { 1 };
        for lane in (0..lanes).filter(|&l| fresh(l)) {
            let (mut whole, mut parameters) = (0.0, 0.0_f64);
            let mut means = Vec::with_capacity(plan.tensors.len());
            for (t, tensor) in plan.tensors.iter().enumerate() {
                let rates = &log_rates[tensor.scalars.clone()];
                let sum: f64 = rates.iter().skip(lane).step_by(lanes).map(|&r| r.into()).sum();
                if counts(t) {
                    whole += sum;
                    parameters += tensor.elements;
                }
                means.push(sum / tensor.elements);
            }
            for (t, mean) in means.iter().enumerate().filter(|(t, _)| counts(*t)) {
                let mean = match net.config.relative_rate {
                    RelativeRate::Tensor => *mean,
                    _ => whole / parameters.max(1.0),
                };
                let at = t * width;
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

/// Sizes of the parts of [`StateMut`].
#[derive(Clone, Copy, Debug)]
pub struct StateShape {
    parts: [usize; 4],
}

impl StateShape {
    /// For a network on a plan.
    #[must_use]
    pub fn new<E: Element>(net: &Network<E>, plan: &Plan) -> Self {
        let row = TILE * plan.width;
        let parts = [
            plan.tiles * net.fields().count() * row,
            plan.groups() * net.config.tensor_hidden * row,
            net.config.global_hidden * row,
            plan.tensors.len().div_ceil(TILE) * row,
        ];
        Self { parts }
    }

    /// Elements of a state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().sum()
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`State`] that lies in borrowed memory.
#[derive(Debug)]
pub struct StateMut<'a, E> {
    /// As in [`State`].
    pub tiles: &'a mut [E],
    /// As in [`State`].
    pub tensor: &'a mut [E],
    /// As in [`State`].
    pub global: &'a mut [E],
    /// As in [`State`].
    pub mean_rate: &'a mut [E],
}

impl<'a, E: Element> StateMut<'a, E> {
    /// The state that lies in `memory`.
    ///
    /// # Panics
    ///
    /// If `memory` is shorter than the shape.
    #[must_use]
    pub fn in_memory(mut memory: &'a mut [E], shape: &StateShape) -> Self {
        let [tiles, tensor, global, mean_rate] = shape.parts.map(|n| cut(&mut memory, n));
        Self { tiles, tensor, global, mean_rate }
    }

    /// Takes the values of a state of the same shape.
    pub fn copy_from(&mut self, state: &State<E>) {
        self.tiles.copy_from_slice(&state.tiles);
        self.tensor.copy_from_slice(&state.tensor);
        self.global.copy_from_slice(&state.global);
        self.mean_rate.copy_from_slice(&state.mean_rate);
    }

    /// Gives the values to a state of the same shape.
    pub fn copy_to(&self, state: &mut State<E>) {
        state.tiles.copy_from_slice(self.tiles);
        state.tensor.copy_from_slice(self.tensor);
        state.global.copy_from_slice(self.global);
        state.mean_rate.copy_from_slice(self.mean_rate);
    }
}

/// Buffers of one step.
#[derive(Clone, Debug)]
pub struct Work<E: Element> {
    /// Intermediate values where no record is made.
    pub(crate) kept: Buffer<E>,
    pub(crate) kept_shape: KeptShape,
    /// `[job][sum]` vectors.
    pub(crate) sums: Buffer<E>,
    /// `[group][3 H_P]` rows: biases of the Parameter RNN.
    pub(crate) parameter_bias: Buffer<E>,
    /// Biases on their way down, in column 0.
    pub(crate) bias_rows: Buffer<E>,
    /// One per thread.
    pub(crate) scratch: Vec<std::sync::Arc<std::sync::Mutex<TileScratch<E>>>>,
}

impl<E: Element> Work<E> {
    /// Buffers for a network on a plan, with scratch for `threads` threads.
    #[must_use]
    pub fn new(net: &Network<E>, plan: &Plan, threads: usize) -> Self {
        let (c, width, groups) = (&net.config, plan.width, plan.groups());
        let scratch = || std::sync::Arc::new(std::sync::Mutex::new(TileScratch::new(net, width)));
        let kept_shape = KeptShape::new(net, plan, false);
        Self {
            kept: Buffer::zeros(kept_shape.len()),
            kept_shape,
            sums: Buffer::zeros(plan.jobs.len() * sum_count(net) * width),
            parameter_bias: Buffer::rows(groups * 3 * c.parameter_hidden, width),
            bias_rows: Buffer::rows(3 * c.parameter_hidden.max(c.tensor_hidden), width),
            scratch: (0..threads.max(1)).map(|_| scratch()).collect(),
        }
    }
}
