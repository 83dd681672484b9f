//! Tensor RNN and Global RNN: from what is seen of a tensor to the rates of its next step.
//!
//! Both are GRUs (Cho et al. 2014) in double precision. The Tensor RNN reads the [`INPUTS`] of a tensor
//! and the state of the Global RNN; the Global RNN reads the mean state of the tensors, how the loss
//! goes, and the clock. The [`OUTPUTS`] are linear in the tensor's state and inputs. Where all their
//! weights are zero, the rates are those of `RelativeAdam` of the crate `lopt-baselines`.

use super::config::{MOST, RelativeRnnConfig};
use crate::rng::{Rng, normal};

/// What the Tensor RNN reads of a tensor, in this order (`tensor.rs`).
pub const INPUTS: usize = 14;

/// What the Global RNN reads beside the tensors: three numbers of the loss, and the clock.
pub const GLOBAL_INPUTS: usize = 4;

/// Length of the step, its change, two decays of averages, averaging of iterates, where gradients are
/// taken, and weight decay.
pub const OUTPUTS: usize = 7;

/// The meta-parameters psi by network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Networks {
    tensor: Gru,
    global: Gru,
    /// `(OUTPUTS, H + 1 + INPUTS)`: of the state, constant, of the inputs.
    readout: Vec<f64>,
}

/// One GRU; psi holds `(3, H, inputs)`, `(3, H, H)` and `(3, H)`: keep, reset, candidate.
#[derive(Clone, Debug, PartialEq)]
struct Gru {
    hidden: usize,
    /// `(inputs, 3 H)`: a product of a row and a number is a vector, so that the compiler can use lanes.
    of_inputs: Vec<f64>,
    /// `(H, 3 H)`.
    of_state: Vec<f64>,
    bias: Vec<f64>,
}

impl Gru {
    fn count(hidden: usize, inputs: usize) -> usize {
        3 * hidden * (inputs + hidden + 1)
    }

    /// Normal weights by the number of inputs; at first more is kept than taken in.
    fn initialize(hidden: usize, inputs: usize, rng: &mut Rng) -> Vec<f64> {
        let deviation = ((inputs + hidden) as f64).sqrt().recip();
        let weights = 3 * hidden * (inputs + hidden);
        let mut psi: Vec<f64> = (0..weights).map(|_| deviation * normal(rng)).collect();
        psi.extend((0..3 * hidden).map(|i| if i < hidden { 1.0 } else { 0.0 }));
        psi
    }

    fn read(psi: &mut &[f64], hidden: usize, inputs: usize) -> Self {
        let mut take = |count: usize| -> Vec<f64> {
            let (taken, rest) = psi.split_at(count);
            *psi = rest;
            taken.to_vec()
        };
        Self {
            hidden,
            of_inputs: transposed(&take(3 * hidden * inputs), inputs),
            of_state: transposed(&take(3 * hidden * hidden), hidden),
            bias: take(3 * hidden),
        }
    }

    /// `h <- k h + (1 - k) tanh(W x + r U h + b)`.
    fn advance(&self, x: &[f64], h: &mut [f64]) {
        let n = self.hidden;
        let (mut given, mut kept) = ([0.0; 3 * MOST], [0.0; 3 * MOST]);
        let (given, kept) = (&mut given[..3 * n], &mut kept[..3 * n]);
        add_product(&self.of_inputs, x, given);
        add_product(&self.of_state, h, kept);
        for (unit, h) in h.iter_mut().enumerate() {
            let [k, r, c] = [unit, n + unit, 2 * n + unit];
            let keep = sigmoid(self.bias[k] + given[k] + kept[k]);
            let reset = sigmoid(self.bias[r] + given[r] + kept[r]);
            let candidate = (self.bias[c] + given[c] + reset * kept[c]).tanh();
            *h = keep * *h + (1.0 - keep) * candidate;
        }
    }
}

/// `(rows, columns)` as `(columns, rows)`.
fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|c| values.iter().skip(c).step_by(columns).copied()).collect()
}

/// Adds `x W` to `out`, input by input.
fn add_product(weights: &[f64], x: &[f64], out: &mut [f64]) {
    for (row, x) in weights.chunks_exact(out.len()).zip(x) {
        out.iter_mut().zip(row).for_each(|(out, w)| *out += w * x);
    }
}

impl Networks {
    /// Number of meta-parameters.
    pub(super) fn count(config: &RelativeRnnConfig) -> usize {
        let RelativeRnnConfig { tensor_hidden: h, global_hidden: g, .. } = *config;
        Gru::count(h, INPUTS + g) + Gru::count(g, h + GLOBAL_INPUTS) + Self::readout_count(config)
    }

    pub(super) fn readout_count(config: &RelativeRnnConfig) -> usize {
        OUTPUTS * (config.tensor_hidden + 1 + INPUTS)
    }

    pub(super) fn initialize(config: &RelativeRnnConfig, rng: &mut Rng) -> Vec<f64> {
        let RelativeRnnConfig { tensor_hidden: h, global_hidden: g, .. } = *config;
        let mut psi = Gru::initialize(h, INPUTS + g, rng);
        psi.extend(Gru::initialize(g, h + GLOBAL_INPUTS, rng));
        psi.resize(Self::count(config), 0.0);
        psi
    }

    /// # Panics
    ///
    /// If there is not one number per meta-parameter.
    pub(super) fn new(config: &RelativeRnnConfig, mut psi: &[f64]) -> Self {
        assert_eq!(psi.len(), Self::count(config), "one number per meta-parameter");
        let RelativeRnnConfig { tensor_hidden: h, global_hidden: g, .. } = *config;
        let tensor = Gru::read(&mut psi, h, INPUTS + g);
        let global = Gru::read(&mut psi, g, h + GLOBAL_INPUTS);
        Self { tensor, global, readout: psi.to_vec() }
    }

    /// Weights of the Tensor RNN, of the Global RNN and of the readout, as kernels of a device read them: of
    /// inputs `(inputs, 3 H)`, of the state `(H, 3 H)`, bias.
    #[cfg(feature = "cubecl")]
    pub(crate) fn weights(&self) -> Vec<f64> {
        let of = |gru: &Gru| [&gru.of_inputs[..], &gru.of_state, &gru.bias].concat();
        [of(&self.tensor), of(&self.global), self.readout.clone()].concat()
    }

    /// The Tensor RNN's step for one tensor, and what it reads out.
    pub(super) fn of_tensor(
        &self,
        seen: &[f64; INPUTS],
        global: &[f64],
        state: &mut [f64],
    ) -> [f64; OUTPUTS] {
        let mut x = [0.0; INPUTS + MOST];
        x[..INPUTS].copy_from_slice(seen);
        x[INPUTS..INPUTS + global.len()].copy_from_slice(global);
        self.tensor.advance(&x[..INPUTS + global.len()], state);
        let columns = state.len() + 1 + INPUTS;
        std::array::from_fn(|k| {
            let row = &self.readout[k * columns..][..columns];
            let (of_state, rest) = row.split_at(state.len());
            rest[0] + dot(of_state, state) + dot(&rest[1..], seen)
        })
    }

    /// The Global RNN's step.
    pub(super) fn of_all(&self, mean: &[f64], seen: &[f64; GLOBAL_INPUTS], state: &mut [f64]) {
        let mut x = [0.0; GLOBAL_INPUTS + MOST];
        x[..mean.len()].copy_from_slice(mean);
        x[mean.len()..mean.len() + GLOBAL_INPUTS].copy_from_slice(seen);
        self.global.advance(&x[..mean.len() + GLOBAL_INPUTS], state);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
