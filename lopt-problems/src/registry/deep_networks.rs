//! Small networks of many layers, badly scaled ones of two, and some whose gradient is exact.

use super::Entry;
use super::released::List;
use super::wide::ROWS;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};
use crate::transform::BadlyScaled;

/// Features, hidden widths, batch.
const DEEP_SIZES: [(usize, &[usize], usize); 4] =
    [(4, &[6; 4], 16), (6, &[8; 4], 32), (3, &[8; 5], 8), (5, &[10; 4], 12)];

/// Features, hidden widths, batch; the units of the parameters spread over two decades.
const SCALED_SIZES: [(usize, &[usize], usize); 2] = [(6, &[10, 10], 32), (8, &[12, 8], 16)];

/// Features and hidden widths of networks that see all rows at every step.
const EXACT_SIZES: [(usize, &[usize]); 3] = [(3, &[10]), (6, &[8, 6]), (4, &[12])];

/// All of them.
pub(super) fn deep_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        let net = |features, hidden, batch, name: &str, i: usize| {
            let recipe = Recipe::RandomMlp { features, rows: ROWS };
            let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
            net.named(format!("net-{name}-{i}-{}", activation.name()))
        };
        for (i, (features, hidden, batch)) in DEEP_SIZES.into_iter().enumerate() {
            list.add("network_deep", net(features, hidden, batch, "deep", i));
        }
        for (i, (features, hidden, batch)) in SCALED_SIZES.into_iter().enumerate() {
            let net = net(features, hidden, batch, "scaled-two", i);
            list.add("network_scaled", BadlyScaled::new(net, 2.0));
        }
        for (i, (features, hidden)) in EXACT_SIZES.into_iter().enumerate() {
            list.add("network", net(features, hidden, ROWS, "exact", i));
        }
    }
    list.0
}
