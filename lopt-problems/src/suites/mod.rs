//! Suites: the tasks on which optimizers are chosen and judged.
//!
//! `validation` is for choosing, `test` for the final table only. A [`Family`] is an architecture
//! with a source of data; no family is in two suites or in what the embedded weights were trained
//! on ([`TRAINING_FAMILIES`]). Tasks on MNIST or CIFAR-10 are left out, by name, where there are no
//! files.

mod files;
mod quick;
mod test;
mod validation;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

pub use quick::quick_validation_suite;

use crate::error::ProblemError;
use crate::problem::{AnyProblem, Problem};
pub(crate) use files::Files;

/// A list of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// The first five tasks of [`Validation`](Self::Validation): [`quick_validation_suite`].
    Quick,
    /// To choose checkpoints and recipes by.
    Validation,
    /// For the final table.
    Test,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Validation, Self::Test];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl FromStr for Suite {
    type Err = ProblemError;

    /// Reads `quick`, `validation` or `test`.
    fn from_str(name: &str) -> Result<Self, ProblemError> {
        let unknown = || ProblemError::UnknownSuite { name: name.to_owned() };
        Self::ALL.into_iter().find(|suite| suite.name() == name).ok_or_else(unknown)
    }
}

/// What tasks may have in common: an architecture on a source of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Kind of model, with its nonlinearity and what was done to it.
    pub architecture: &'static str,
    /// Where the examples come from.
    pub data: &'static str,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.architecture, self.data)
    }
}

/// A problem with all that decides a run but the optimizer and the seed.
#[derive(Debug, Clone)]
pub struct Task {
    /// Unique name.
    pub name: &'static str,
    /// Its family; every task of the suites has one of its own.
    pub family: Family,
    /// To be raised with every change that makes old results meaningless.
    pub version: u32,
    /// The problem.
    pub problem: Arc<dyn AnyProblem>,
    /// Rows per batch; `None` if the gradient is exact.
    pub batch: Option<usize>,
    /// Steps `N` of the horizon.
    pub steps: usize,
    /// The largest multiple of the horizon that is run: 1, 5 or 25.
    pub longest: usize,
    /// Number of seeds; large tasks have fewer than five.
    pub seeds: usize,
}

impl Task {
    fn new(
        name: &'static str,
        (architecture, data): (&'static str, &'static str),
        problem: impl Problem,
        steps: usize,
        longest: usize,
    ) -> Self {
        let family = Family { architecture, data };
        let batch = problem.batch_size();
        let problem = Arc::new(problem);
        Self { name, family, version: 1, problem, batch, steps, longest, seeds: SEEDS }
    }

    /// The same task with fewer seeds, as it is expensive.
    fn seeds(mut self, seeds: usize) -> Self {
        self.seeds = seeds;
        self
    }
}

/// The tasks of a suite that can be run, and those that cannot.
#[derive(Debug, Clone)]
pub struct SuiteTasks {
    /// In their order.
    pub tasks: Vec<Task>,
    /// Those left out because their data were not found.
    pub skipped: Vec<SkippedTask>,
}

/// A task whose data were not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedTask {
    /// Name of the task.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// The data that it needs.
    pub needs: &'static str,
}

/// The tasks of a suite.
///
/// * `data_dir`: holds the MNIST and CIFAR-10 files, itself or in folders of its own.
///
/// # Errors
///
/// If data files are there, but cannot be used.
pub fn suite(suite: Suite, data_dir: Option<&Path>) -> Result<SuiteTasks, ProblemError> {
    let mut files = Files::new(data_dir);
    match suite {
        Suite::Quick => Ok(SuiteTasks { tasks: quick_validation_suite(), skipped: vec![] }),
        Suite::Validation => validation::tasks(&mut files),
        Suite::Test => test::tasks(&mut files),
    }
}

/// Families of the training ensembles: those that share an architecture or data with a suite.
///
/// The rest of the ensembles are no networks: quadratics, norms, bowls, functions of the literature,
/// slow problems, sums and rescalings of them.
pub const TRAINING_FAMILIES: [Family; 26] = [
    Family { architecture: "softmax", data: "corners" },
    Family { architecture: "softmax-noisy", data: "corners" },
    Family { architecture: "softmax", data: "clusters" },
    Family { architecture: "mlp-sigmoid", data: "random-network" },
    Family { architecture: "mlp-sigmoid", data: "clusters" },
    Family { architecture: "mlp-sigmoid", data: "corners" },
    Family { architecture: "mlp-tanh", data: "random-network" },
    Family { architecture: "mlp-tanh", data: "corners" },
    Family { architecture: "mlp-relu", data: "random-network" },
    Family { architecture: "mlp-relu", data: "corners" },
    Family { architecture: "mlp-sigmoid-sparse", data: "random-network" },
    Family { architecture: "matmul", data: "unit-matrices" },
    Family { architecture: "mlp-relu-scaled", data: "random-network" },
    Family { architecture: "mlp-tanh-scaled", data: "random-network" },
    Family { architecture: "mlp-sigmoid-scaled", data: "random-network" },
    Family { architecture: "mlp-relu-scaled", data: "drawn-labels" },
    Family { architecture: "mlp-tanh-scaled", data: "drawn-labels" },
    Family { architecture: "mlp-sigmoid-scaled", data: "drawn-labels" },
    Family { architecture: "mlp-relu-deep", data: "random-network" },
    Family { architecture: "mlp-tanh-deep", data: "random-network" },
    Family { architecture: "mlp-sigmoid-deep", data: "random-network" },
    Family { architecture: "mlp-relu", data: "drawn-labels" },
    Family { architecture: "mlp-tanh", data: "drawn-labels" },
    Family { architecture: "mlp-sigmoid", data: "drawn-labels" },
    Family { architecture: "conv-relu", data: "gratings" },
    Family { architecture: "conv-tanh", data: "gratings" },
];

/// Seeds of a cheap task.
const SEEDS: usize = 5;
