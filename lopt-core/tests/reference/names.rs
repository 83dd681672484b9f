//! Names of the meta-parameters: in TensorFlow, in this crate, and in the golden vectors.

use lopt_core::config::HierarchicalRnnConfig;
use lopt_core::meta_params::MetaLayout;

/// `(ours, TensorFlow's)`. The matrices of both are `[inputs, outputs]`, row-major.
const NAMES: [(&str, &str); 33] = [
    ("parameter.gates.weight", "PerTensor.Layer0_RNN.BiasGRUCell.gates.Affine.Matrix"),
    ("parameter.gates.bias", "PerTensor.Layer0_RNN.BiasGRUCell.gates.Affine.Bias"),
    ("parameter.candidate.weight", "PerTensor.Layer0_RNN.BiasGRUCell.candidate.Affine.Matrix"),
    ("parameter.candidate.bias", "PerTensor.Layer0_RNN.BiasGRUCell.candidate.Affine.Bias"),
    ("tensor.gates.weight", "PerTensor.Layer1_RNN.BiasGRUCell.gates.Affine.Matrix"),
    ("tensor.gates.bias", "PerTensor.Layer1_RNN.BiasGRUCell.gates.Affine.Bias"),
    ("tensor.candidate.weight", "PerTensor.Layer1_RNN.BiasGRUCell.candidate.Affine.Matrix"),
    ("tensor.candidate.bias", "PerTensor.Layer1_RNN.BiasGRUCell.candidate.Affine.Bias"),
    ("global.gates.weight", "Layer2_RNN.BiasGRUCell.gates.Affine.Matrix"),
    ("global.gates.bias", "Layer2_RNN.BiasGRUCell.gates.Affine.Bias"),
    ("global.candidate.weight", "Layer2_RNN.BiasGRUCell.candidate.Affine.Matrix"),
    ("global.candidate.bias", "Layer2_RNN.BiasGRUCell.candidate.Affine.Bias"),
    ("tensor_to_parameter.weight", "PerTensor.Layer0_RNN.Param.Affine.Matrix"),
    ("tensor_to_parameter.bias", "PerTensor.Layer0_RNN.Param.Affine.Bias"),
    ("global_to_parameter.weight", "PerTensor.Layer0_RNN.Global.Affine.Matrix"),
    ("global_to_parameter.bias", "PerTensor.Layer0_RNN.Global.Affine.Bias"),
    ("global_to_tensor.weight", "PerTensor.Layer1_RNN.Affine.Matrix"),
    ("global_to_tensor.bias", "PerTensor.Layer1_RNN.Affine.Bias"),
    ("parameter.initial", "Level0_RNN.init_vector"),
    ("tensor.initial", "Level1_RNN.init_vector"),
    ("global.initial", "Level2_RNN.init_vector"),
    ("readout.direction.weight", "update_weights"),
    ("readout.attention.weight", "attention_weights"),
    ("readout.rms_decay.weight", "scl_decay_weights"),
    ("readout.rms_decay.bias", "scl_decay_bias"),
    ("readout.gradient_decay.weight", "inp_decay_weights"),
    ("readout.gradient_decay.bias", "inp_decay_bias"),
    ("readout.log_rate.weight", "learning_rate_weights"),
    ("readout.log_rate.bias", "learning_rate_bias"),
    ("shortcut.direction", "PerTensor.GradsToDelta.Matrix"),
    ("shortcut.attention", "PerTensor.GradsToAttnDelta.Matrix"),
    ("rate_momentum", "PerTensor.learning_rate_momentum_logit"),
    ("step_offset", "PerTensor.param_stepsize_offset"),
];

/// Gathers one array per block, asked for by its TensorFlow name, in the order of `MetaLayout`.
pub(crate) fn meta_parameters(
    config: &HierarchicalRnnConfig,
    array: impl Fn(&str) -> Vec<f64>,
) -> Vec<f64> {
    let mut psi = Vec::new();
    for block in &MetaLayout::new(config).blocks {
        let (_, tf) = NAMES[spec_index(block.name)];
        let values = array(&format!("LOL.{tf}"));
        assert_eq!(values.len(), block.range.len(), "{} and {tf}", block.name);
        psi.extend(values);
    }
    psi
}

/// Index `a` of a block in the order of the golden vectors.
pub(crate) fn spec_index(block: &str) -> usize {
    let found = NAMES.iter().position(|(ours, _)| *ours == block);
    found.unwrap_or_else(|| panic!("no TensorFlow name for {block}"))
}
