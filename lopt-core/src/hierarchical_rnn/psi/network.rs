//! Meta-parameters in the form the kernels want: element type, transposes, merged biases.

use super::config::HierarchicalRnnConfig;
use super::meta_params::{AffineBlocks, MetaLayout};
use crate::hierarchical_rnn::stages::accumulators::Scales;
use crate::hierarchical_rnn::stages::features::Inputs;
use crate::hierarchical_rnn::stages::gru::GruWeights;
use crate::hierarchical_rnn::stages::readout::ReadoutWeights;
use crate::hierarchical_rnn::stages::update::UpdateWeights;
use crate::simd::Element;

/// One affine map downward, without its bias.
#[derive(Clone, Debug)]
pub struct DownMap<E> {
    /// `(inputs, outputs)`.
    pub weight: Vec<E>,
    /// `(outputs, inputs)`.
    pub transposed: Vec<E>,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
}

impl<E: Element> DownMap<E> {
    fn new(psi: &[f64], blocks: &AffineBlocks) -> Self {
        let (w, outputs) = (&psi[blocks.weight.clone()], blocks.bias.len());
        let inputs = w.len() / outputs;
        let at = |i: usize, o: usize| E::from_f64(w[i * outputs + o]);
        Self {
            weight: (0..inputs).flat_map(|i| (0..outputs).map(move |o| at(i, o))).collect(),
            transposed: (0..outputs).flat_map(|o| (0..inputs).map(move |i| at(i, o))).collect(),
            inputs,
            outputs,
        }
    }
}

/// A hierarchical RNN ready to run in element type `E`.
#[derive(Clone, Debug)]
pub struct Network<E> {
    /// Sizes and switches.
    pub config: HierarchicalRnnConfig,
    /// Where each block lies in psi.
    pub layout: MetaLayout,
    /// Timescales of the averages.
    pub scales: Scales,
    /// Inputs of the Parameter RNN.
    pub inputs: Inputs,
    /// The Parameter RNN.
    pub parameter: GruWeights<E>,
    /// The Tensor RNN.
    pub tensor: GruWeights<E>,
    /// The Global RNN.
    pub global: GruWeights<E>,
    /// From the Tensor RNN to the biases of the Parameter RNN.
    pub tensor_to_parameter: DownMap<E>,
    /// From the Global RNN to the biases of the Parameter RNN.
    pub global_to_parameter: DownMap<E>,
    /// From the Global RNN to the biases of the Tensor RNN.
    pub global_to_tensor: DownMap<E>,
    /// `b_P + a_TP + a_GP`, `(3 H_P)`.
    pub(crate) parameter_bias: Vec<E>,
    /// `b_T + a_GT`, `(3 H_T)`.
    pub(crate) tensor_bias: Vec<E>,
    /// Initial hidden states of the three levels.
    pub(crate) initial: [Vec<E>; 3],
    /// From hidden state to direction and rate.
    pub readout: ReadoutWeights<E>,
    /// Scalars of the update.
    pub update: UpdateWeights<E>,
}

impl<E: Element> Network<E> {
    /// Prepares psi.
    ///
    /// # Panics
    ///
    /// If `psi` is not as long as the configuration's layout.
    #[must_use]
    pub fn new(config: &HierarchicalRnnConfig, psi: &[f64]) -> Self {
        let layout = MetaLayout::new(config);
        assert_eq!(psi.len(), layout.len(), "psi does not fit the configuration");
        let parameter = GruWeights::new(psi, &layout.parameter);
        let tensor = GruWeights::new(psi, &layout.tensor);
        let sum = |bias: &[E], maps: &[&AffineBlocks]| -> Vec<E> {
            let bias = bias.iter().enumerate();
            let value = |(i, &b): (usize, &E)| {
                E::from_f64(b.into() + maps.iter().map(|m| psi[m.bias.start + i]).sum::<f64>())
            };
            bias.map(value).collect()
        };
        let initial = |range: &std::ops::Range<usize>, hidden: usize| -> Vec<E> {
            let values = &psi[range.clone()];
            (0..hidden).map(|i| E::from_f64(values.get(i).copied().unwrap_or(0.0))).collect()
        };
        Self {
            scales: Scales::new(config),
            inputs: Inputs::new(config),
            global: GruWeights::new(psi, &layout.global),
            tensor_to_parameter: DownMap::new(psi, &layout.tensor_to_parameter),
            global_to_parameter: DownMap::new(psi, &layout.global_to_parameter),
            global_to_tensor: DownMap::new(psi, &layout.global_to_tensor),
            parameter_bias: sum(
                &parameter.bias,
                &[&layout.tensor_to_parameter, &layout.global_to_parameter],
            ),
            tensor_bias: sum(&tensor.bias, &[&layout.global_to_tensor]),
            initial: [
                initial(&layout.parameter_initial, config.parameter_hidden),
                initial(&layout.tensor_initial, config.tensor_hidden),
                initial(&layout.global_initial, config.global_hidden),
            ],
            readout: ReadoutWeights::new(psi, &layout, config),
            update: UpdateWeights::new(psi, &layout, config),
            parameter,
            tensor,
            config: *config,
            layout,
        }
    }

    /// Rows of state per tile.
    pub fn fields(&self) -> Fields {
        Fields::new(&self.config)
    }
}

/// Rows of the per-parameter state: hidden vector, gradient averages and mean squares change with
/// the gradient; log rate and the two gains are read out for the next step. A gain is one less a decay,
/// which `f32` keeps to 6e-8 of itself, where that of a decay near one would be 6e-8 of one.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Rows of the hidden vector.
    pub hidden: usize,
    /// Rows of the averages.
    pub averages: usize,
    /// Rows of the mean squares.
    pub mean_squares: usize,
}

impl Fields {
    fn new(config: &HierarchicalRnnConfig) -> Self {
        Self {
            hidden: config.parameter_hidden,
            averages: config.timescales,
            mean_squares: config.mean_squares(),
        }
    }

    /// All rows.
    pub fn count(self) -> usize {
        self.narrow() + 3
    }

    /// The first rows, which a compact state keeps in 16 bits.
    pub(crate) fn narrow(self) -> usize {
        self.hidden + self.averages + self.mean_squares
    }

    /// Splits the rows of one tile into its fields.
    #[inline(always)]
    pub fn split<R>(self, rows: &[R]) -> FieldRows<'_, R> {
        let (hidden, rest) = rows.split_at(self.hidden);
        let (averages, rest) = rest.split_at(self.averages);
        let (mean_squares, rest) = rest.split_at(self.mean_squares);
        FieldRows {
            hidden,
            averages,
            mean_squares,
            log_rate: &rest[0],
            gradient_gain: &rest[1],
            rms_gain: &rest[2],
        }
    }

    /// Mutable [`split`](Self::split).
    #[inline(always)]
    pub fn split_mut<R>(self, rows: &mut [R]) -> FieldRowsMut<'_, R> {
        let (hidden, rest) = rows.split_at_mut(self.hidden);
        let (averages, rest) = rest.split_at_mut(self.averages);
        let (mean_squares, rest) = rest.split_at_mut(self.mean_squares);
        let (log_rate, rest) = rest.split_at_mut(1);
        let (gradient_gain, rms_gain) = rest.split_at_mut(1);
        FieldRowsMut {
            hidden,
            averages,
            mean_squares,
            log_rate: &mut log_rate[0],
            gradient_gain: &mut gradient_gain[0],
            rms_gain: &mut rms_gain[0],
        }
    }
}

/// The fields of one tile.
#[derive(Clone, Copy, Debug)]
pub struct FieldRows<'a, R> {
    /// Hidden vector.
    pub hidden: &'a [R],
    /// Gradient averages.
    pub averages: &'a [R],
    /// Their mean squares.
    pub mean_squares: &'a [R],
    /// Log rate.
    pub log_rate: &'a R,
    /// Gain of the averages.
    pub gradient_gain: &'a R,
    /// Gain of the mean squares.
    pub rms_gain: &'a R,
}

/// The fields of one tile, to be changed.
#[derive(Debug)]
pub struct FieldRowsMut<'a, R> {
    /// Hidden vector.
    pub hidden: &'a mut [R],
    /// Gradient averages.
    pub averages: &'a mut [R],
    /// Their mean squares.
    pub mean_squares: &'a mut [R],
    /// Log rate.
    pub log_rate: &'a mut R,
    /// Gain of the averages.
    pub gradient_gain: &'a mut R,
    /// Gain of the mean squares.
    pub rms_gain: &'a mut R,
}
