//! Problems for training and testing optimizers.
//!
//! A learned optimizer is as good as the problems it has met. This crate holds the ensemble of
//! Wichrowska et al. 2017 ("Learned Optimizers that Scale and Generalize"): small functions that
//! each teach one lesson of optimization, transformations that multiply them, and, held out from
//! training, the networks that people actually train.
//!
//! # One problem
//!
//! A [`Problem`] writes its loss once, generic over the scalar: the same code gives values and
//! gradients in `f32`, finite-difference checks in `f64`, Hessian-vector products in dual numbers,
//! and 16 instances at once in SIMD lanes. What is random about it is its [`Instance`], drawn from
//! a seed; [`Evaluation`] puts the two together for training:
//!
//! ```
//! use lopt_core::rng::stream;
//! use lopt_problems::{Evaluation, lookup};
//! # fn main() -> Result<(), lopt_problems::ProblemError> {
//! let problem = lookup("quadratic-20", None)?;
//! let mut rng = stream(7, &[]);
//! let instance = problem.instance(&mut rng);
//! let mut params = problem.init(&instance, &mut rng);
//! let mut evaluation = Evaluation::new(problem, instance);
//! let start = evaluation.loss(&params, None);
//! for _ in 0..100 {
//!     let (_, gradient) = evaluation.value_and_gradient(&params, None);
//!     params.iter_mut().zip(gradient).for_each(|(x, g)| *x -= 0.01 * g);
//! }
//! assert!(evaluation.loss(&params, None) < 0.1 * start);
//! # Ok(())
//! # }
//! ```
//!
//! # All problems
//!
//! * [`paper_list`]: 131 entries without a neural network; [`released_list`]: the 101 of the
//!   published code. [`training_ensemble`] has both, and a wide list of the same families in many
//!   sizes; [`sampled_problem`] draws family and size.
//! * [`suite`]: held-out tasks to choose between trained optimizers and to judge the choice, by
//!   families that no other list has; [`quick_validation_suite`]: five of them, cheap.
//! * [`race_problem`]: networks on generated digits, MNIST and CIFAR-10, with a test set;
//!   [`released_test_set`]: the published test problems; `images-conv`, `resnet-8`, `resnet-14`,
//!   `resnet-20` and `images-inception` on generated images ([`Recipe::Images`]).
//! * [`lookup`] finds all of them by name, [`names`] lists them.
//!
//! A problem by itself has no step, no noise and no order of batches: [`BatchStream`] draws rows,
//! [`corrupt_gradient`] adds the noise that the problem asks for, [`ProblemObjective`] has both at one
//! seed, and [`train`] trains it. Which optimizer runs on it is not this crate's business.
//!
//! # What differs from the published code
//!
//! Losses are the published ones, rearranged where single precision went wrong
//! ([`SumOfQuadratics`], [`MinMaxWell`], Ackley). Data that a loss reads through sums enter as
//! sums. Labels of random networks are drawn again when lopsided. A transformation passes on the
//! noise of its inner problem, except [`SumTask`], whose noise the published lists rely on being
//! inert. Matrix multiplications have a small ridge.
//!
//! # Generated digits
//!
//! `digits-mlp` needs no files: its images of 16 x 16 pixels are drawn by our own code from
//! strokes, turned, bent and smudged ([`Recipe::Digits`]).

mod autoencoder;
mod batch;
mod classifier;
mod curvature;
mod data;
mod error;
mod evaluation;
mod factorisation;
mod field;
mod instance;
mod lanes;
mod literature;
mod matmul;
#[macro_use]
mod transform;
mod noise;
mod problem;
mod problem_objective;
mod quadratic;
mod race;
mod registry;
mod slow;
mod stochastic;
mod suites;
mod trial;

pub use autoencoder::Autoencoder;
pub use batch::BatchStream;
pub use classifier::{
    Activation, AttentionNet, Cell, ConvNet, EmbeddingRegression, ImageNorm, InceptionModule,
    InceptionNet, Init, Mlp, RecurrentNet, ResNet, Stage,
};
pub use curvature::Curvature;
pub use data::{DataError, MnistPart, Recipe, Source, read_cifar10, read_mnist};
pub use error::ProblemError;
pub use evaluation::Evaluation;
pub use factorisation::Factorisation;
pub use field::{
    FieldSuite, FieldTask, FieldTasks, Job, JobStart, PracticeTask, TEXT, field_tasks,
    plain_practice, practice,
};
pub use instance::{Array, Dataset, Instance};
pub use lanes::{LaneArray, pack_arrays, pack_lanes, pack_slices};
pub use literature::Literature;
pub use matmul::MatMulAlgorithm;
pub use noise::{Noisy, corrupt_gradient};
pub use problem::{AnyProblem, Problem, Scalar};
pub use problem_objective::ProblemObjective;
pub use quadratic::{Bowl, Norm, Quadratic};
pub use race::{RACES, RaceProblem, race_problem};
pub use registry::{
    Ensemble, Entry, ReleasedTest, lookup, names, paper_list, paper_list_without_matmul,
    released_list, released_test_set, sampled_problem, training_ensemble,
};
pub use slow::{DependencyChain, MinMaxWell};
pub use stochastic::{OutwardSnake, ProjectionQuadratic, SumOfQuadratics};
pub use suites::{
    Family, SkippedTask, Suite, SuiteTasks, TRAINING_FAMILIES, Task, quick_validation_suite, suite,
};
pub use transform::{BadlyScaled, LogObjective, RandomRescale, Rescale, SparseGradient, SumTask};
pub use trial::{BatchLoss, Objective, Outcome, Phase, Probe, Validation, train};
