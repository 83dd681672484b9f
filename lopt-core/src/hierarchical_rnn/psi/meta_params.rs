//! Names, shapes and initial values of the meta-parameters psi.
//!
//! psi is one flat vector; a [`MetaLayout`] says which stretch of it is which matrix. Matrices are
//! row-major `[inputs, outputs]`, used as `x W`; rows of a GRU matrix are inputs first, then hidden
//! units; columns of `gates` are reset gates first, then update gates, as in TensorFlow.

use super::config::{HierarchicalRnnConfig, StepOffset};
use crate::rng::{Rng, normal, uniform};
use std::ops::Range;

/// Blocks of one GRU cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GruBlocks {
    /// Width of the input.
    pub inputs: usize,
    /// Hidden units H.
    pub hidden: usize,
    /// `(inputs + H, 2H)`.
    pub gates_weight: Range<usize>,
    /// `(2H)`.
    pub gates_bias: Range<usize>,
    /// `(inputs + H, H)`.
    pub candidate_weight: Range<usize>,
    /// `(H)`.
    pub candidate_bias: Range<usize>,
}

/// One affine map `x A + a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffineBlocks {
    /// `(inputs, outputs)`.
    pub weight: Range<usize>,
    /// `(outputs)`.
    pub bias: Range<usize>,
}

/// One named stretch of psi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Dotted name, such as `parameter.gates.weight`.
    pub name: &'static str,
    /// Shape, `[rows, columns]` or `[length]`.
    pub shape: Vec<usize>,
    /// Where it lies in psi.
    pub range: Range<usize>,
}

/// Where everything is in psi; optional blocks are empty ranges when the configuration has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaLayout {
    /// Every block that exists, in order.
    pub blocks: Vec<Block>,
    /// Parameter RNN.
    pub parameter: GruBlocks,
    /// Tensor RNN.
    pub tensor: GruBlocks,
    /// Global RNN.
    pub global: GruBlocks,
    /// Bias of the Parameter RNN from the tensor state.
    pub tensor_to_parameter: AffineBlocks,
    /// Bias of the Parameter RNN from the global state.
    pub global_to_parameter: AffineBlocks,
    /// Bias of the Tensor RNN from the global state.
    pub global_to_tensor: AffineBlocks,
    /// Initial hidden state of the Parameter RNN.
    pub parameter_initial: Range<usize>,
    /// Initial hidden state of the Tensor RNN.
    pub tensor_initial: Range<usize>,
    /// Initial hidden state of the Global RNN.
    pub global_initial: Range<usize>,
    /// `w_d`.
    pub direction: Range<usize>,
    /// `w_phi`.
    pub attention: Range<usize>,
    /// `w_l`.
    pub rms_decay_weight: Range<usize>,
    /// `b_l`.
    pub rms_decay_bias: Range<usize>,
    /// `w_g`.
    pub gradient_decay_weight: Range<usize>,
    /// `b_g0`.
    pub gradient_decay_bias: Range<usize>,
    /// `w_eta`.
    pub log_rate_weight: Range<usize>,
    /// `b_eta`.
    pub log_rate_bias: Range<usize>,
    /// `v`, one per timescale.
    pub direction_shortcut: Range<usize>,
    /// `v'`, one per timescale.
    pub attention_shortcut: Range<usize>,
    /// Logit of the momentum of the log rate.
    pub rate_momentum: Range<usize>,
    /// `c`.
    pub step_offset: Range<usize>,
}

struct Builder {
    blocks: Vec<Block>,
    next: usize,
}

impl Builder {
    fn add(&mut self, name: &'static str, shape: &[usize], exists: bool) -> Range<usize> {
        if !exists {
            return self.next..self.next;
        }
        let range = self.next..self.next + shape.iter().product::<usize>();
        self.next = range.end;
        self.blocks.push(Block { name, shape: shape.to_vec(), range: range.clone() });
        range
    }

    fn gru(&mut self, names: [&'static str; 4], inputs: usize, hidden: usize) -> GruBlocks {
        let rows = inputs + hidden;
        GruBlocks {
            inputs,
            hidden,
            gates_weight: self.add(names[0], &[rows, 2 * hidden], true),
            gates_bias: self.add(names[1], &[2 * hidden], true),
            candidate_weight: self.add(names[2], &[rows, hidden], true),
            candidate_bias: self.add(names[3], &[hidden], true),
        }
    }

    fn affine(&mut self, names: [&'static str; 2], inputs: usize, outputs: usize) -> AffineBlocks {
        AffineBlocks {
            weight: self.add(names[0], &[inputs, outputs], true),
            bias: self.add(names[1], &[outputs], true),
        }
    }
}

/// Names of the blocks of a GRU cell.
macro_rules! gru_names {
    ($cell:literal) => {
        [
            concat!($cell, ".gates.weight"),
            concat!($cell, ".gates.bias"),
            concat!($cell, ".candidate.weight"),
            concat!($cell, ".candidate.bias"),
        ]
    };
}

impl MetaLayout {
    /// Lays out psi for a configuration, block after block.
    #[must_use]
    pub fn new(config: &HierarchicalRnnConfig) -> Self {
        let c = config;
        let (hp, ht, hg, s) = (c.parameter_hidden, c.tensor_hidden, c.global_hidden, c.timescales);
        let f = c.features();
        let mut b = Builder { blocks: Vec::new(), next: 0 };
        let parameter = b.gru(gru_names!("parameter"), f, hp);
        let tensor = b.gru(gru_names!("tensor"), hp + f, ht);
        let global = b.gru(gru_names!("global"), c.global_inputs(), hg);
        let tensor_to_parameter =
            b.affine(["tensor_to_parameter.weight", "tensor_to_parameter.bias"], ht, 3 * hp);
        let global_to_parameter =
            b.affine(["global_to_parameter.weight", "global_to_parameter.bias"], hg, 3 * hp);
        let global_to_tensor =
            b.affine(["global_to_tensor.weight", "global_to_tensor.bias"], hg, 3 * ht);
        let init = c.learnable_initial_state;
        let rate = c.dynamic_output_scale;
        let parameter_initial = b.add("parameter.initial", &[hp], init);
        let tensor_initial = b.add("tensor.initial", &[ht], init);
        let global_initial = b.add("global.initial", &[hg], init);
        let direction = b.add("readout.direction.weight", &[hp], true);
        let attention = b.add("readout.attention.weight", &[hp], c.attention);
        let rms_decay_weight = b.add("readout.rms_decay.weight", &[hp], c.learnable_decay);
        let rms_decay_bias = b.add("readout.rms_decay.bias", &[1], c.learnable_decay);
        let learns = c.learns_gradient_decay();
        let gradient_decay_weight = b.add("readout.gradient_decay.weight", &[hp], learns);
        let gradient_decay_bias = b.add("readout.gradient_decay.bias", &[1], learns);
        let log_rate_weight = b.add("readout.log_rate.weight", &[hp], rate);
        let log_rate_bias = b.add("readout.log_rate.bias", &[1], rate);
        let shortcut = c.gradient_shortcut;
        let direction_shortcut = b.add("shortcut.direction", &[s], shortcut);
        let attention_shortcut = b.add("shortcut.attention", &[s], shortcut && c.attention);
        let rate_momentum = b.add("rate_momentum", &[1], rate);
        let offset = rate && c.step_offset != StepOffset::None;
        let step_offset = b.add("step_offset", &[1], offset);
        Self {
            blocks: b.blocks,
            parameter,
            tensor,
            global,
            tensor_to_parameter,
            global_to_parameter,
            global_to_tensor,
            parameter_initial,
            tensor_initial,
            global_initial,
            direction,
            attention,
            rms_decay_weight,
            rms_decay_bias,
            gradient_decay_weight,
            gradient_decay_bias,
            log_rate_weight,
            log_rate_bias,
            direction_shortcut,
            attention_shortcut,
            rate_momentum,
            step_offset,
        }
    }

    /// Number of meta-parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |b| b.range.end)
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The block of that name, if the configuration has it.
    #[must_use]
    pub fn block(&self, name: &str) -> Option<&Block> {
        self.blocks.iter().find(|b| b.name == name)
    }

    /// psi of a network without a clock, made that of the same network with one, which it ignores yet.
    ///
    /// # Panics
    ///
    /// If `psi` does not fit `config` without its clock.
    #[must_use]
    pub fn with_clock(config: &HierarchicalRnnConfig, psi: &[f64]) -> Vec<f64> {
        let given = Self::new(&HierarchicalRnnConfig { clock: 0.0, ..*config });
        assert_eq!(psi.len(), given.len(), "psi does not fit the configuration without a clock");
        let mut all = Vec::with_capacity(Self::new(config).len());
        for block in &given.blocks {
            let values = &psi[block.range.clone()];
            if ["global.gates.weight", "global.candidate.weight"].contains(&block.name) {
                let columns = block.shape[1];
                let (inputs, hidden) = values.split_at(given.global.inputs * columns);
                all.extend_from_slice(inputs);
                all.resize(all.len() + columns, 0.0);
                all.extend_from_slice(hidden);
            } else {
                all.extend_from_slice(values);
            }
        }
        all
    }

    /// Draws initial meta-parameters by the initialisers of the published code.
    #[must_use]
    pub fn initialize(&self, config: &HierarchicalRnnConfig, rng: &mut Rng) -> Vec<f64> {
        let mut psi = vec![0.0; self.len()];
        let mut gauss = |psi: &mut [f64], range: &Range<usize>, mean: f64, std: f64| {
            for x in &mut psi[range.clone()] {
                *x = mean + std * normal(rng);
            }
        };
        for gru in [&self.parameter, &self.tensor, &self.global] {
            let std = 0.5 / ((gru.inputs + gru.hidden) as f64).sqrt();
            gauss(&mut psi, &gru.gates_weight, 0.0, std);
            gauss(&mut psi, &gru.candidate_weight, 0.0, std);
            psi[gru.gates_bias.clone()].fill(2.2);
        }
        for (map, inputs) in [
            (&self.tensor_to_parameter, config.tensor_hidden),
            (&self.global_to_parameter, config.global_hidden),
            (&self.global_to_tensor, config.global_hidden),
        ] {
            gauss(&mut psi, &map.weight, 0.0, 0.5 / (inputs as f64).sqrt());
        }
        let std = 0.5 / (config.parameter_hidden as f64).sqrt();
        gauss(&mut psi, &self.direction, 0.0, std);
        psi.copy_within(
            self.direction.start..self.direction.start + self.attention.len(),
            self.attention.start,
        );
        gauss(&mut psi, &self.rms_decay_weight, 0.0, std);
        gauss(&mut psi, &self.gradient_decay_weight, 0.0, std);
        if !config.zero_init_rate {
            gauss(&mut psi, &self.log_rate_weight, 0.0, std);
        }
        let s = config.timescales as f64;
        gauss(&mut psi, &self.direction_shortcut, 1.0 / s, 0.1 / s.sqrt());
        gauss(&mut psi, &self.attention_shortcut, 1.0 / s, 0.1 / s.sqrt());
        for range in [&self.parameter_initial, &self.tensor_initial, &self.global_initial] {
            for x in &mut psi[range.clone()] {
                *x = uniform(rng, -1.0, 1.0);
            }
        }
        for (range, value) in [
            (&self.rms_decay_bias, 3.2),
            (&self.gradient_decay_bias, 2.2),
            (&self.rate_momentum, 3.2),
            (&self.step_offset, -1.0),
        ] {
            psi[range.clone()].fill(value);
        }
        psi
    }
}
