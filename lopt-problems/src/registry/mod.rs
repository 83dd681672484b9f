//! Problems by name, and the lists of them.
//!
//! Every entry of every list has a name of its own, under which [`lookup`] finds it. Equal names
//! in two lists are equal problems.

mod deep_networks;
mod hard_networks;
mod image_tests;
mod large_networks;
mod networks;
mod paper;
mod released;
mod sampled;
mod scaled_networks;
mod test_set;
mod uncertain_networks;
mod wide;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use image_tests::{CIFAR_CONV, inception, residual};
pub use paper::{paper_list, paper_list_without_matmul};
pub use released::released_list;
pub use sampled::sampled_problem;
pub(crate) use test_set::CONV;
pub use test_set::{ReleasedTest, released_test_set};

use crate::classifier::EmbeddingRegression;
use crate::error::ProblemError;
use crate::literature::Literature;
use crate::problem::{AnyProblem, Problem};
use crate::race::{RACES, race_problem};
use crate::suites::quick_validation_suite;

/// One problem of a list.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The group of problems to which it belongs.
    pub set: &'static str,
    /// The problem.
    pub problem: Arc<dyn AnyProblem>,
}

impl Entry {
    /// A problem of a group.
    pub fn new(set: &'static str, problem: impl Problem) -> Self {
        Self { set, problem: Arc::new(problem) }
    }
}

/// A choice of problems to train an optimizer on; each entry is meant to be equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ensemble {
    /// [`paper_list`]: 131 entries, no neural networks.
    Paper,
    /// [`released_list`]: 101 entries, 15 of them small sigmoid networks.
    Released,
    /// The families of the paper in many sizes up to 60 dimensions, at most 128 parameters.
    WidePaper,
    /// [`WidePaper`](Self::WidePaper) and the paper's entries of more than 128 parameters.
    WidePaperLarge,
    /// [`WidePaper`](Self::WidePaper) and, as a quarter of the draws, small networks.
    Recommended,
    /// [`Recommended`](Self::Recommended) and networks that are noisier, badly scaled, convolutional
    /// or larger: half of the draws are networks.
    Broad,
    /// [`Broad`](Self::Broad) and networks of four and five layers, more badly scaled ones, and some
    /// with exact gradients.
    Deep,
    /// [`Deep`](Self::Deep) and networks of several classes whose labels nobody can foretell, of many rows
    /// and of so few that they can all be fitted.
    Uncertain,
    /// [`Uncertain`](Self::Uncertain) and wider networks, of up to 2452 parameters.
    Large,
    /// [`Large`](Self::Large) and more networks whose parameters have units of their own.
    Scaled,
}

impl Ensemble {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Paper, "paper"),
        (Self::Released, "released"),
        (Self::WidePaper, "wide-paper"),
        (Self::WidePaperLarge, "wide-paper-large"),
        (Self::Recommended, "recommended"),
        (Self::Broad, "broad"),
        (Self::Deep, "deep"),
        (Self::Uncertain, "uncertain"),
        (Self::Large, "large"),
        (Self::Scaled, "scaled"),
    ];
}

impl FromStr for Ensemble {
    type Err = ProblemError;

    /// Reads one of the names in [`ALL`](Self::ALL).
    fn from_str(name: &str) -> Result<Self, ProblemError> {
        let known = Self::ALL.into_iter().find(|known| known.1 == name);
        let unknown = || ProblemError::UnknownEnsemble { name: name.to_owned() };
        known.map(|known| known.0).ok_or_else(unknown)
    }
}

/// The problems of an ensemble.
pub fn training_ensemble(kind: Ensemble) -> Vec<Entry> {
    match kind {
        Ensemble::Paper => paper_list(),
        Ensemble::Released => released_list(),
        Ensemble::WidePaper => wide::wide_list(),
        Ensemble::Recommended => {
            let mut entries = wide::wide_list();
            entries.extend(networks::network_list());
            entries
        }
        Ensemble::Broad => {
            let mut entries = training_ensemble(Ensemble::Recommended);
            entries.extend(hard_networks::hard_network_list());
            entries
        }
        Ensemble::Deep => {
            let mut entries = training_ensemble(Ensemble::Broad);
            entries.extend(deep_networks::deep_network_list());
            entries
        }
        Ensemble::Uncertain => {
            let mut entries = training_ensemble(Ensemble::Deep);
            entries.extend(uncertain_networks::uncertain_network_list());
            entries
        }
        Ensemble::Large => {
            let mut entries = training_ensemble(Ensemble::Uncertain);
            entries.extend(large_networks::large_network_list());
            entries
        }
        Ensemble::Scaled => {
            let mut entries = training_ensemble(Ensemble::Large);
            entries.extend(scaled_networks::scaled_network_list());
            entries
        }
        Ensemble::WidePaperLarge => {
            let mut entries = wide::wide_list();
            let large = |entry: &Entry| entry.problem.layout().len() > wide::MOST_PARAMETERS;
            entries.extend(paper_list().into_iter().filter(large));
            entries
        }
    }
}

/// The problem of the given name.
///
/// `data_dir` holds the MNIST or CIFAR-10 files; only problems that learn these need it.
///
/// # Errors
///
/// If no problem has this name, or its data cannot be read.
pub fn lookup(name: &str, data_dir: Option<&Path>) -> Result<Arc<dyn AnyProblem>, ProblemError> {
    if let Some(entry) = without_files().into_iter().find(|entry| entry.problem.name() == name) {
        return Ok(entry.problem);
    }
    if let Some(test) = ReleasedTest::ALL.into_iter().find(|test| test.name() == name) {
        return test.problem(data_dir);
    }
    if RACES.contains(&name) {
        return Ok(race_problem(name, data_dir)?.problem);
    }
    Err(ProblemError::UnknownProblem { name: name.to_owned() })
}

/// The names of all problems, those that need files included, each once.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = without_files().iter().map(|entry| entry.problem.name()).collect();
    names.extend(ReleasedTest::ALL.iter().map(|test| test.name().to_owned()));
    names.extend(RACES.iter().map(|&name| name.to_owned()));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// All entries that are made without files; names may repeat.
fn without_files() -> Vec<Entry> {
    let mut entries = paper_list();
    entries.extend(released_list());
    entries.extend(training_ensemble(Ensemble::Scaled));
    for task in quick_validation_suite() {
        entries.push(Entry { set: "validation", problem: task.problem });
    }
    entries.extend(image_tests::image_tests());
    entries.push(Entry::new("unused", Literature::Saddle));
    entries.push(Entry::new("unused", EmbeddingRegression::sparse()));
    entries.push(Entry::new("unused", EmbeddingRegression::one_hot()));
    entries
}
