//! Small networks to meta-train on: what linear models and test functions lack are symmetric hidden
//! units, units that saturate, and units that die.
//!
//! Their data (random labels of a random network, corners of a cube) are those of the released
//! list; no suite of held-out tasks uses them.

use super::Entry;
use super::released::List;
use super::wide::ROWS;
use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{Recipe, Source};
use crate::noise::Noisy;
use crate::transform::BadlyScaled;

/// Features, hidden widths, batch; at most 870 parameters.
const SIZES: [(usize, &[usize], usize); 11] = [
    (6, &[8], 16),
    (10, &[12], 32),
    (16, &[12], 64),
    (8, &[8, 8], 20),
    (5, &[10, 6], 10),
    (12, &[10, 8], 64),
    (4, &[6, 6, 6], 32),
    (9, &[16], 100),
    (7, &[12, 8], 8),
    (20, &[20, 12], 32),
    (16, &[16, 16, 16], 64),
];

/// Features, hidden widths, and a batch of so few examples that the gradient is mostly noise.
const NOISY_SIZES: [(usize, &[usize], usize); 9] = [
    (6, &[8], 1),
    (10, &[12], 2),
    (8, &[8, 8], 1),
    (12, &[10, 8], 4),
    (16, &[12], 1),
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

/// Every size with every activation, from He's or Glorot's beginnings and from the released one; such
/// networks with badly scaled parameters, and on very small batches; small convolutional networks.
pub(super) fn network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for (i, (features, hidden, batch)) in NOISY_SIZES.into_iter().enumerate() {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            let recipe = Recipe::Corners { features, separation: 0.5, rows: ROWS };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            let net = net.named(format!("net-noisy-{i}-{}", activation.name()));
            list.add("network_noisy", net.clone());
            list.add("network_noisy", Noisy::new(net, ADDED_NOISE));
        }
        let recipe = Recipe::Clusters { features: 2 * features, classes: 3 + i, rows: ROWS };
        let softmax = Mlp::softmax_regression(Source::fresh(recipe), batch);
        list.add("softmax_noisy", softmax.named(format!("softmax-noisy-{i}")));
    }
    for (i, (features, hidden, batch, decades)) in SCALED_SIZES.into_iter().enumerate() {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            let recipe = Recipe::RandomMlp { features, rows: ROWS };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            let net = net.named(format!("net-{i}-{}", activation.name()));
            list.add("network_scaled", BadlyScaled::new(net, decades));
        }
    }
    for (i, (size, stages, batch)) in CONV_SIZES.into_iter().enumerate() {
        for (activation, init) in [(Activation::Relu, Init::He), (Activation::Tanh, Init::Glorot)] {
            let recipe = Recipe::Images { size, classes: 3 + i, rows: ROWS };
            let name = format!("net-conv-{i}-{}", activation.name());
            let net = ConvNet::new(name, stages, activation, Source::fresh(recipe), batch);
            list.add("network_conv", net.starting_from(init, 0.0));
        }
    }
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        for (i, (features, hidden, batch)) in SIZES.into_iter().enumerate() {
            let recipe = if i % 3 == 1 {
                Recipe::Corners { features, separation: 1.0, rows: ROWS }
            } else {
                Recipe::RandomMlp { features, rows: ROWS }
            };
            let net = || Mlp::new(hidden, activation, Source::fresh(recipe), batch);
            let widths: String = hidden.iter().map(|width| format!("-{width}")).collect();
            let name = format!("net-{features}{widths}-{}", activation.name());
            list.add("network", net().plain().named(&name));
            list.add("network_released", net().named(format!("{name}-released")));
        }
    }
    list.0
}
