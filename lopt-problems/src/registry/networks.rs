//! Small networks to meta-train on: what linear models and test functions lack are symmetric hidden
//! units, units that saturate, and units that die.
//!
//! Their data (random labels of a random network, corners of a cube) are those of the released
//! list; no suite of held-out tasks uses them.

use super::Entry;
use super::released::List;
use super::wide::ROWS;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};

/// Features, hidden widths, batch; at most 440 parameters.
const SIZES: [(usize, &[usize], usize); 9] = [
    (6, &[8], 16),
    (10, &[12], 32),
    (16, &[12], 64),
    (8, &[8, 8], 20),
    (5, &[10, 6], 10),
    (12, &[10, 8], 64),
    (4, &[6, 6, 6], 32),
    (9, &[16], 100),
    (7, &[12, 8], 8),
];

/// Features, hidden widths, and a batch of so few examples that the gradient is mostly noise.
const NOISY_SIZES: [(usize, &[usize], usize); 5] =
    [(6, &[8], 1), (10, &[12], 2), (8, &[8, 8], 1), (12, &[10, 8], 4), (16, &[12], 1)];

/// Every size with every activation, from He's or Glorot's beginnings and from the released one; and
/// such networks and softmax regressions on very small batches.
pub(super) fn network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for (i, (features, hidden, batch)) in NOISY_SIZES.into_iter().enumerate() {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            let recipe = Recipe::Corners { features, separation: 0.5, rows: ROWS };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            let name = format!("net-noisy-{i}-{}", activation.name());
            list.add("network_noisy", net.named(name));
        }
        let recipe = Recipe::Clusters { features, classes: 3 + i, rows: ROWS };
        let softmax = Mlp::softmax_regression(Source::fresh(recipe), batch);
        list.add("softmax_noisy", softmax.named(format!("softmax-noisy-{i}")));
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
