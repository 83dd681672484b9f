//! Sizes and switches as the kernels are compiled for them.

use crate::gpu::tables::LANES;
use crate::hierarchical_rnn::psi::config::{
    GlobalInput, HierarchicalRnnConfig, Normalization, RelativeRate,
};
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::whole_step::tile_pass::{out_count, sum_count};

/// What a kernel is compiled for: one compilation per configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub hidden: usize,
    pub tensor_hidden: usize,
    pub global_hidden: usize,
    /// Inputs of the Global RNN.
    pub global_inputs: usize,
    pub timescales: usize,
    pub mean_squares: usize,
    /// Inputs of the Parameter RNN.
    pub features: usize,
    /// Fields of the state of one parameter.
    pub fields: usize,
    /// Rows from the parameter pass to the move pass.
    pub outs: usize,
    /// Sums over the elements of a tensor.
    pub sums: usize,
    pub attention: bool,
    pub products: bool,
    pub asinh: bool,
    pub per_scale: bool,
    pub previous: bool,
    pub normalization: Normalization,
    pub relative_rate: RelativeRate,
    pub mean_of_tensors: bool,
    pub learned_rate: bool,
    /// Steps fade with the gradient.
    pub fades: bool,
    pub log_mean_squares: bool,
    pub extreme_indicator: bool,
    pub rate_shortcut: bool,
    pub parameter_scale: bool,
    pub gradient_shortcut: bool,
    /// Rows of the readout, [`NONE`] where the configuration lacks one.
    pub read_attention: usize,
    pub read_rate: usize,
    pub read_rms: usize,
    pub read_gradient: usize,
    pub read_count: usize,
}

/// The readout has no such row.
pub(super) const NONE: usize = usize::MAX;

impl Shape {
    pub(super) fn new(net: &Network<f32>) -> Self {
        let c: &HierarchicalRnnConfig = &net.config;
        let outputs = net.readout.outputs;
        Self {
            hidden: c.parameter_hidden,
            tensor_hidden: c.tensor_hidden,
            global_hidden: c.global_hidden,
            global_inputs: net.global.inputs,
            timescales: c.timescales,
            mean_squares: c.mean_squares(),
            features: c.features(),
            fields: net.fields().count(),
            outs: out_count(net),
            sums: sum_count(net),
            attention: c.attention,
            products: c.gradient_products,
            asinh: c.asinh,
            per_scale: c.rms_decay_per_scale,
            previous: c.previous_scale,
            normalization: c.normalization,
            relative_rate: c.relative_rate,
            mean_of_tensors: c.global_input == GlobalInput::MeanOfTensors,
            learned_rate: c.dynamic_output_scale,
            fades: c.fades(),
            log_mean_squares: c.log_mean_squares,
            extreme_indicator: c.extreme_indicator,
            rate_shortcut: c.rate_shortcut,
            parameter_scale: c.parameter_scale,
            gradient_shortcut: c.gradient_shortcut,
            read_attention: outputs.attention.unwrap_or(NONE),
            read_rate: outputs.log_rate.unwrap_or(NONE),
            read_rms: outputs.rms_decay.unwrap_or(NONE),
            read_gradient: outputs.gradient_decay.unwrap_or(NONE),
            read_count: outputs.count,
        }
    }

    /// Row of the log rate in the state; the gains follow.
    pub(super) fn rate_field(self) -> usize {
        self.fields - 3
    }

    /// First of the inputs that are relative log mean squares.
    pub(super) fn logs_at(self) -> usize {
        self.timescales + if self.products { self.timescales - 1 } else { 0 }
    }

    /// Inputs made of log rates: relative, extreme, shortcut, to the size of the parameters; each
    /// where it is or would be.
    pub(super) fn rates_at(self) -> [usize; 4] {
        let first = self.logs_at() + if self.log_mean_squares { self.timescales } else { 0 };
        let second = first + usize::from(self.relative_rate != RelativeRate::Off);
        let third = second + usize::from(self.extreme_indicator);
        [first, second, third, third + usize::from(self.rate_shortcut)]
    }

    /// Inputs of the Tensor RNN.
    pub(super) fn tensor_inputs(self) -> usize {
        self.hidden + self.features
    }

    /// Floats in the table of what the upper pass tells the others of each tensor: biases of the
    /// Parameter RNN, mean log rate, inverse length of direction and attended direction, factor of the
    /// steps.
    pub(super) fn tensor_row(self) -> usize {
        3 * self.hidden + 4
    }

    /// Floats of the upper pass per tensor that no other pass sees: inputs, gates, sum of rates.
    pub(super) fn scratch_row(self) -> usize {
        self.tensor_inputs() + 2 * self.tensor_hidden + 1
    }

    /// Bytes of shared memory that the parameter pass needs; the other passes need less.
    pub(super) fn shared_bytes(self) -> usize {
        let sums = self.sums * (LANES + 1);
        4 * (self.parameter_weights() + 3 * self.hidden + 2 * LANES + sums)
    }

    /// Floats of the weights of the parameter pass, in the order of `weights.rs`.
    pub(super) fn parameter_weights(self) -> usize {
        self.shortcut_at() + 2 * self.timescales
    }

    /// Where the candidate's weights begin, `(F + H, H)`; the gates' `(F + H, 2H)` come before.
    pub(super) fn candidate_at(self) -> usize {
        (self.features + self.hidden) * 2 * self.hidden
    }

    /// Where the readout's weights begin, `(H, count)`, then `count` biases.
    pub(super) fn readout_at(self) -> usize {
        self.candidate_at() + (self.features + self.hidden) * self.hidden
    }

    /// Where the shortcuts begin: `S` of the direction, `S` of the attended direction.
    pub(super) fn shortcut_at(self) -> usize {
        self.readout_at() + (self.hidden + 1) * self.read_count
    }
}
