//! Small networks of several classes whose labels nobody can foretell. Where rows are many, the noise of
//! the batches stays; where they are few, a network can fit them all, and the noise ends with the loss,
//! as in most networks of practice.

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
const MANY_ROWS: usize = 300;

/// Features, hidden widths, classes, batch, rows: some ten parameters for every row.
const FITTING_SIZES: [(usize, &[usize], usize, usize, usize); 6] = [
    (10, &[24], 4, 4, 24),
    (8, &[16, 12], 3, 2, 20),
    (16, &[20], 6, 8, 40),
    (12, &[28], 5, 1, 16),
    (6, &[40], 3, 8, 30),
    (20, &[18], 4, 16, 48),
];

/// Deviation of the noise that comes on top of every other size's gradient entries.
const ADDED_NOISE: f64 = 0.05;

/// All of them.
pub(super) fn uncertain_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        let net = |features, hidden, classes, batch, rows, name: &str, i: usize| {
            let recipe = Recipe::DrawnLabels { features, classes, rows };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            net.named(format!("net-{name}-{i}-{}", activation.name()))
        };
        for (i, (features, hidden, classes, batch)) in SIZES.into_iter().enumerate() {
            let net = net(features, hidden, classes, batch, MANY_ROWS, "uncertain", i);
            list.add("network_uncertain", net.clone());
            if i % 2 == 0 {
                list.add("network_uncertain", Noisy::new(net, ADDED_NOISE));
            }
        }
        for (i, (features, hidden, classes, batch, rows)) in FITTING_SIZES.into_iter().enumerate() {
            list.add("network_fitting", net(features, hidden, classes, batch, rows, "fitting", i));
        }
    }
    list.0
}
