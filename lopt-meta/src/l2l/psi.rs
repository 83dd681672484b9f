//! Where the meta-parameters lie in psi, and how they start.

use lopt_core::rng::{Rng, normal};
use std::ops::Range;

/// Numbers the network reads per coordinate.
pub(super) const INPUTS: usize = 2;
/// Units of each of the two layers.
pub(super) const HIDDEN: usize = 20;
/// Columns of a layer's weights: input gates, candidates, forget gates, output gates.
pub(super) const GATES: usize = 4 * HIDDEN;

/// Where one layer lies in psi.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerBlocks {
    /// Width of the layer's input.
    pub(super) inputs: usize,
    /// First element of the weights, `(inputs + 20, 80)`, row-major, used as `[x, h] W`.
    pub(super) weight: usize,
    /// First element of the biases, `(80)`.
    pub(super) bias: usize,
}

impl LayerBlocks {
    const fn after(weight: usize, inputs: usize) -> Self {
        Self { inputs, weight, bias: weight + (inputs + HIDDEN) * GATES }
    }

    pub(super) const fn end(self) -> usize {
        self.bias + GATES
    }

    pub(super) fn weight_range(self) -> Range<usize> {
        self.weight..self.bias
    }

    pub(super) fn bias_range(self) -> Range<usize> {
        self.bias..self.end()
    }
}

pub(super) const FIRST: LayerBlocks = LayerBlocks::after(0, INPUTS);
pub(super) const SECOND: LayerBlocks = LayerBlocks::after(FIRST.end(), HIDDEN);
/// First element of the readout `(20)`; its bias follows.
pub(super) const READOUT: usize = SECOND.end();
/// The readout's bias.
pub(super) const READOUT_BIAS: usize = READOUT + HIDDEN;

/// Length of psi: 1840 + 3280 + 21.
pub const META_PARAMETERS: usize = READOUT_BIAS + 1;

/// Name and shape of every block of psi, in order; matrices are row-major `(inputs, outputs)`.
pub const L2L_BLOCKS: [(&str, &[usize]); 6] = [
    ("first.weight", &[INPUTS + HIDDEN, GATES]),
    ("first.bias", &[GATES]),
    ("second.weight", &[HIDDEN + HIDDEN, GATES]),
    ("second.bias", &[GATES]),
    ("readout.weight", &[HIDDEN, 1]),
    ("readout.bias", &[1]),
];

/// The published start, `[META_PARAMETERS]`: normal numbers of deviation `1 / sqrt(rows)` cut off at
/// two deviations, for the LSTMs' biases too; the readout's bias is zero.
///
/// These are the defaults of Sonnet's `LSTM` and `Linear`, which the published code does not change.
#[must_use]
pub fn initial_psi(rng: &mut Rng) -> Vec<f64> {
    let mut psi = Vec::with_capacity(META_PARAMETERS);
    for layer in [FIRST, SECOND] {
        let rows = layer.inputs + HIDDEN;
        let deviation = 1.0 / (rows as f64).sqrt();
        psi.extend((0..(rows + 1) * GATES).map(|_| deviation * truncated(rng)));
    }
    let deviation = 1.0 / (HIDDEN as f64).sqrt();
    psi.extend((0..HIDDEN).map(|_| deviation * truncated(rng)));
    psi.push(0.0);
    psi
}

/// A normal draw, again while it is beyond two deviations.
fn truncated(rng: &mut Rng) -> f64 {
    loop {
        let x = normal(rng);
        if x.abs() <= 2.0 {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopt_core::rng::stream;

    #[test]
    fn blocks_fill_psi() {
        let lengths = L2L_BLOCKS.map(|(_, shape)| shape.iter().product::<usize>());
        assert_eq!(lengths, [1760, 80, 3200, 80, 20, 1]);
        assert_eq!((lengths.iter().sum::<usize>(), META_PARAMETERS), (5141, 5141));
        assert_eq!((SECOND.weight, READOUT, READOUT_BIAS), (1840, 5120, 5140));
        let psi = initial_psi(&mut stream(3, &[]));
        assert_eq!((psi.len(), psi[READOUT_BIAS]), (META_PARAMETERS, 0.0));
        assert!(psi[..1840].iter().all(|x| x.abs() <= 2.0 / 22.0_f64.sqrt()));
    }
}
