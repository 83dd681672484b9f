//! Small networks of several classes whose labels nobody can foretell: the noise of their batches
//! stays, while that of a network that can fit all its rows ends with its loss.

use super::Entry;
use super::released::List;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};
use crate::noise::Noisy;

/// Features, hidden widths, classes, batch.
const SIZES: [(usize, &[usize], usize, usize); 8] = [
    (6, &[10], 3, 1),
    (10, &[12], 4, 4),
    (8, &[10, 8], 5, 2),
    (16, &[12], 6, 8),
    (12, &[16], 8, 1),
    (5, &[8, 8], 3, 16),
    (20, &[14], 10, 4),
    (16, &[16, 10], 8, 32),
];

/// More rows than most of the networks have parameters.
const ROWS: usize = 300;

/// Deviation of the noise that comes on top of every other size's gradient entries.
const ADDED_NOISE: f64 = 0.05;

/// All of them.
pub(super) fn uncertain_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        for (i, (features, hidden, classes, batch)) in SIZES.into_iter().enumerate() {
            let recipe = Recipe::DrawnLabels { features, classes, rows: ROWS };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            let net = net.named(format!("net-uncertain-{i}-{}", activation.name()));
            list.add("network_uncertain", net.clone());
            if i % 2 == 0 {
                list.add("network_uncertain", Noisy::new(net, ADDED_NOISE));
            }
        }
    }
    list.0
}
