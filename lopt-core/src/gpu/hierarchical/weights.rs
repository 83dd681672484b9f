//! The network's weights as two flat buffers.

use super::shape::Shape;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::gru::GruWeights;

/// Weights of the parameter pass, as [`Shape::candidate_at`] and its neighbours say.
pub(super) fn of_parameters(net: &Network<f32>, shape: Shape) -> Vec<f32> {
    let (cell, readout) = (&net.parameter, &net.readout);
    let mut all = [&cell.gates[..], &cell.candidate, &readout.weight, &readout.bias].concat();
    for shortcut in [&readout.direction_shortcut, &readout.attention_shortcut] {
        let end = all.len() + shape.timescales;
        all.extend(shortcut);
        all.resize(end, 0.0);
    }
    debug_assert_eq!(all.len(), shape.parameter_weights());
    all
}

/// Where the weights of the upper pass begin in their buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct UpperAt {
    /// Tensor RNN: gates `(F_T + H_T, 2 H_T)`, then the candidate.
    pub tensor: usize,
    pub tensor_candidate: usize,
    /// Global RNN: gates, candidate, bias `(3 H_G)`.
    pub global: usize,
    pub global_candidate: usize,
    pub global_bias: usize,
    /// `(H_T, 3 H_P)`.
    pub tensor_to_parameter: usize,
    /// `(H_G, 3 H_P)`, then its bias.
    pub global_to_parameter: usize,
    pub parameter_bias: usize,
    /// `(H_G, 3 H_T)`, then its bias.
    pub global_to_tensor: usize,
    pub tensor_bias: usize,
}

/// Weights of the upper pass.
pub(super) fn of_upper(net: &Network<f32>) -> (Vec<f32>, UpperAt) {
    let mut all: Vec<f32> = Vec::new();
    let mut add = |part: &[f32]| {
        let at = all.len();
        all.extend(part);
        at
    };
    let mut cell = |w: &GruWeights<f32>| (add(&w.gates), add(&w.candidate));
    let (tensor, tensor_candidate) = cell(&net.tensor);
    let (global, global_candidate) = cell(&net.global);
    let at = UpperAt {
        tensor,
        tensor_candidate,
        global,
        global_candidate,
        global_bias: add(&net.global.bias),
        tensor_to_parameter: add(&net.tensor_to_parameter.weight),
        global_to_parameter: add(&net.global_to_parameter.weight),
        parameter_bias: add(&net.parameter_bias),
        global_to_tensor: add(&net.global_to_tensor.weight),
        tensor_bias: add(&net.tensor_bias),
    };
    (all, at)
}
