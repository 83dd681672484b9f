//! The meta-training list as close to the paper as the published code gets: 131 entries.

use super::Entry;
use super::released::{List, without_networks};
use crate::slow::{DependencyChain, MinMaxWell};
use crate::stochastic::{OutwardSnake, ProjectionQuadratic, SumOfQuadratics};

/// The released list without neural networks, with the slowly converging problems of the paper.
///
/// 131 entries: the 86 of [`released_list`](super::released_list) that are no networks and the
/// 45 slow ones, whose flags are off by default.
pub fn paper_list() -> Vec<Entry> {
    let mut list = List(without_networks());
    for n in [20, 12, 56, 64, 13] {
        list.add("min_max_well", MinMaxWell::new(n));
    }
    for (links, _, batch) in WITH_DATA {
        // The published chain ignores its data, so that two of each size are the same problem.
        list.add("dependency_chain", DependencyChain::new(links).numbered(batch));
    }
    for (n, rows, batch) in WITH_DATA {
        list.add("outward_snake", OutwardSnake::new(n, rows, batch));
    }
    for (n, rows, batch) in WITH_DATA.map(symmetric) {
        list.add("sum_of_quadratics", SumOfQuadratics::new(n, rows, batch));
    }
    for (n, rows, batch) in WITH_DATA.map(symmetric) {
        list.add("projection_quadratic", ProjectionQuadratic::new(n, rows, batch));
    }
    list.0
}

/// [`paper_list`] without the matrix multiplications, which the paper does not mention: 121
/// entries.
pub fn paper_list_without_matmul() -> Vec<Entry> {
    paper_list().into_iter().filter(|entry| entry.set != "matmul").collect()
}

/// The symmetric data sets have 100 rows in 12 dimensions.
fn symmetric((n, rows, batch): (usize, usize, usize)) -> (usize, usize, usize) {
    (n, if n == 12 { 100 } else { rows }, batch)
}

/// Dimensions, rows and batch.
const WITH_DATA: [(usize, usize, usize); 10] = [
    (20, 1000, 100),
    (12, 200, 10),
    (56, 5000, 100),
    (64, 1000, 50),
    (13, 10_000, 50),
    (20, 1000, 128),
    (12, 300, 16),
    (56, 5000, 128),
    (64, 1000, 64),
    (13, 10_000, 32),
];
