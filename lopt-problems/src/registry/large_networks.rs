//! Wider networks with the batches of practice: what a tensor of a thousand entries shows its Tensor RNN
//! is less noisy than what one of ten shows.

use super::Entry;
use super::released::List;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};

/// Features, hidden widths, classes of drawn labels, batch.
pub(super) type Size = (usize, &'static [usize], usize, usize);

/// 862 to 2452 parameters.
const SIZES: [Size; 6] = [
    (40, &[20], 10, 32),
    (64, &[16, 16], 8, 16),
    (24, &[32, 16], 6, 8),
    (80, &[24], 10, 64),
    (48, &[40], 12, 20),
    (32, &[24, 24, 16], 10, 32),
];

/// Rows that nobody can foretell and that all can be fitted, and rows of a rule that can be learned.
const FITTED_ROWS: usize = 120;
const LEARNED_ROWS: usize = 400;

/// Every size with every activation.
pub(super) fn large_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for net in fitted_and_learned("wide", &SIZES).into_iter().flatten() {
        list.add("network_large", net);
    }
    list.0
}

/// For every activation and size a network on drawn labels and one on a rule.
pub(super) fn fitted_and_learned(group: &str, sizes: &[Size]) -> Vec<[Mlp; 2]> {
    let mut pairs = Vec::new();
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        for (i, &(features, hidden, classes, batch)) in sizes.iter().enumerate() {
            let net = |recipe, what: &str| {
                let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
                net.named(format!("net-{group}-{i}-{what}-{}", activation.name()))
            };
            let drawn = Recipe::DrawnLabels { features, classes, rows: FITTED_ROWS };
            let rule = Recipe::RandomMlp { features, rows: LEARNED_ROWS };
            pairs.push([net(drawn, "fitted"), net(rule, "learned")]);
        }
    }
    pairs
}
