//! Networks of several classes whose parameters have units of their own: training on the larger
//! ensembles alone made weights worse at them (`docs/meta-training-log.md`, the fifteenth session).

use super::Entry;
use super::released::List;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};
use crate::transform::BadlyScaled;

/// Features, hidden widths, classes of drawn labels, batch; 276 to 1030 parameters.
const SIZES: [(usize, &[usize], usize, usize); 4] =
    [(16, &[12], 6, 16), (10, &[14, 14], 4, 32), (40, &[20], 10, 32), (24, &[16, 12], 8, 8)];

/// Decades over which the units spread.
const DECADES: [f64; 2] = [2.0, 3.0];

/// Rows that nobody can foretell and that all can be fitted, and rows of a rule that can be learned.
const FITTED_ROWS: usize = 120;
const LEARNED_ROWS: usize = 400;

/// Every size with every activation and spread.
pub(super) fn scaled_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        for (i, (features, hidden, classes, batch)) in SIZES.into_iter().enumerate() {
            let net = |recipe, what: &str| {
                let net = Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain();
                net.named(format!("net-units-{i}-{what}-{}", activation.name()))
            };
            for decades in DECADES {
                let drawn = Recipe::DrawnLabels { features, classes, rows: FITTED_ROWS };
                list.add("network_scaled", BadlyScaled::new(net(drawn, "fitted"), decades));
                let rule = Recipe::RandomMlp { features, rows: LEARNED_ROWS };
                list.add("network_scaled", BadlyScaled::new(net(rule, "learned"), decades));
            }
        }
    }
    list.0
}
