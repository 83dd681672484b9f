//! Networks of several classes whose parameters have units of their own: training on the larger
//! ensembles alone made weights worse at them (`meta-training/log.md`, runs Z5 to Z9).

use super::Entry;
use super::large_networks::{Size, fitted_and_learned};
use super::released::List;
use crate::transform::BadlyScaled;

/// 230 to 1030 parameters.
const SIZES: [Size; 4] =
    [(16, &[12], 6, 16), (10, &[14, 14], 4, 32), (40, &[20], 10, 32), (24, &[16, 12], 8, 8)];

/// Decades over which the units spread.
const DECADES: [f64; 2] = [2.0, 3.0];

/// Every size with every activation and spread.
pub(super) fn scaled_network_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    for pair in fitted_and_learned("units", &SIZES) {
        for decades in DECADES {
            for net in &pair {
                list.add("network_scaled", BadlyScaled::new(net.clone(), decades));
            }
        }
    }
    list.0
}
