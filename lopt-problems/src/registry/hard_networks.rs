//! Small networks that are harder to train on: noisier, badly scaled, convolutional, larger.

use super::Entry;
use super::released::List;
use super::wide::ROWS;
use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{Recipe, Source};
use crate::noise::Noisy;
use crate::transform::BadlyScaled;

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];

/// Features, hidden widths, and a batch of so few examples that the gradient is mostly noise.
const NOISY_SIZES: [(usize, &[usize], usize); 7] = [
    (6, &[8], 1),
    (10, &[12], 2),
    (12, &[10, 8], 4),
    (20, &[20], 1),
    (16, &[16, 12], 2),
    (24, &[24], 1),
    (12, &[16, 16], 4),
];

/// Deviation of the noise that comes on top, on every gradient entry.
const ADDED_NOISE: f64 = 0.1;

/// Features, hidden widths, batch, and the decades over which the units of the parameters spread.
const SCALED_SIZES: [(usize, &[usize], usize, f64); 4] =
    [(6, &[10], 16, 1.0), (10, &[12], 32, 2.0), (4, &[8, 8], 64, 2.0), (8, &[8, 8], 10, 3.0)];

/// Height and width of the images, the stages, and the batch of small convolutional networks.
const CONV_SIZES: [(usize, &[Stage], usize); 3] = [
    (4, &[Stage { kernel: 3, channels: 5, pool: 2 }], 8),
    (6, &[Stage { kernel: 3, channels: 4, pool: 3 }], 4),
    (4, &[Stage { kernel: 3, channels: 4, pool: 2 }, Stage { kernel: 3, channels: 4, pool: 1 }], 6),
];

/// Features, hidden widths, batch; up to 870 parameters.
const LARGE_SIZES: [(usize, &[usize], usize); 2] = [(20, &[20, 12], 32), (16, &[16, 16, 16], 64)];

/// All of them.
pub(super) fn hard_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for activation in ACTIVATIONS {
        dense(&mut list, activation);
    }
    for (i, (features, _, batch)) in NOISY_SIZES.into_iter().enumerate() {
        let recipe = Recipe::Clusters { features: 2 * features, classes: 3 + i, rows: ROWS };
        let softmax = Mlp::softmax_regression(Source::fresh(recipe), batch);
        list.add("softmax_noisy", softmax.named(format!("softmax-hard-{i}")));
    }
    for (i, (size, stages, batch)) in CONV_SIZES.into_iter().enumerate() {
        for (activation, init) in [(Activation::Relu, Init::He), (Activation::Tanh, Init::Glorot)] {
            let recipe = Recipe::Images { size, classes: 3 + i, rows: ROWS };
            let name = format!("net-conv-{i}-{}", activation.name());
            let net = ConvNet::new(name, stages, activation, Source::fresh(recipe), batch);
            list.add("network_conv", net.starting_from(init, 0.0));
        }
    }
    list.0
}

/// The dense networks of one activation.
fn dense(list: &mut List, activation: Activation) {
    for (i, (features, hidden, batch)) in NOISY_SIZES.into_iter().enumerate() {
        let recipe = Recipe::Corners { features, separation: 0.5, rows: ROWS };
        let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
        let net = net.named(format!("net-hard-{i}-{}", activation.name()));
        list.add("network_noisy", net.clone());
        list.add("network_noisy", Noisy::new(net, ADDED_NOISE));
    }
    for (i, (features, hidden, batch, decades)) in SCALED_SIZES.into_iter().enumerate() {
        let recipe = Recipe::RandomMlp { features, rows: ROWS };
        let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
        let net = net.named(format!("net-scaled-{i}-{}", activation.name()));
        list.add("network_scaled", BadlyScaled::new(net, decades));
    }
    for (i, (features, hidden, batch)) in LARGE_SIZES.into_iter().enumerate() {
        let recipe = Recipe::RandomMlp { features, rows: ROWS };
        let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
        list.add("network", net.named(format!("net-large-{i}-{}", activation.name())));
    }
}
