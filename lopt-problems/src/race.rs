//! Problems on which optimizers race: small networks on images, with a test set.

use std::path::Path;
use std::sync::Arc;

use lopt_core::rng::stream;

use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{DataError, MnistPart, Recipe, Source, read_cifar10, read_mnist};
use crate::error::ProblemError;
use crate::instance::Dataset;
use crate::problem::{AnyProblem, Problem};
use crate::registry::{CIFAR_CONV, inception, lookup, residual};

/// A problem with the data it is trained and tested on.
#[derive(Debug, Clone)]
pub struct RaceProblem {
    /// The problem; its instances hold the training set.
    pub problem: Arc<dyn AnyProblem>,
    /// The training set; `None` for a problem without data or with new data for every instance.
    pub train: Option<Arc<Dataset>>,
    /// The test set.
    pub test: Option<Arc<Dataset>>,
    /// Rows per batch; `None` for a problem without data.
    pub batch: Option<usize>,
}

/// The race of the given name: one of [`RACES`], or any problem by its name.
///
/// `data_dir` holds the MNIST or CIFAR-10 files.
///
/// # Errors
///
/// If no problem has this name, or its data cannot be read.
pub fn race_problem(name: &str, data_dir: Option<&Path>) -> Result<RaceProblem, ProblemError> {
    let folder = |data| {
        let missing = || ProblemError::NeedsData { name: name.to_owned(), data };
        data_dir.ok_or_else(missing)
    };
    match name {
        "digits-mlp" => {
            let (train, test) = digits();
            let mlp = |source| Mlp::new(&[64], Activation::Relu, source, BATCH).plain().named(name);
            Ok(race(train, test, mlp))
        }
        "digits-mlp-sigmoid" => {
            let (train, test) = digits();
            let mlp =
                |source| Mlp::new(&[20], Activation::Sigmoid, source, BATCH).plain().named(name);
            Ok(race(train, test, mlp))
        }
        "mnist-mlp" => {
            let (train, test) = mnist(folder("MNIST")?)?;
            let mlp = |source| Mlp::new(&[64], Activation::Relu, source, BATCH).plain().named(name);
            Ok(race(train, test, mlp))
        }
        "mnist-conv" => {
            let (train, test) = mnist(folder("MNIST")?)?;
            let conv = |source| {
                ConvNet::new(name, &MNIST_CONV, Activation::Relu, source, BATCH)
                    .starting_from(Init::He, 0.0)
            };
            Ok(race(train, test, conv))
        }
        "cifar-conv" => {
            let (train, test) = read_cifar10(folder("CIFAR-10")?)?;
            let conv = |source| {
                ConvNet::new(name, &CIFAR_CONV, Activation::Relu, source, BATCH)
                    .starting_from(Init::He, 0.0)
            };
            Ok(race(standardized(train), standardized(test), conv))
        }
        "cifar-resnet" => {
            let (train, test) = read_cifar10(folder("CIFAR-10")?)?;
            let resnet = |source| residual(name, 1, source, BATCH);
            Ok(race(standardized(train), standardized(test), resnet))
        }
        "cifar-inception" => {
            let (train, test) = read_cifar10(folder("CIFAR-10")?)?;
            let net = |source| inception(name, source, BATCH);
            Ok(race(standardized(train), standardized(test), net))
        }
        _ if RACES.contains(&name) => unreachable!("every race has an arm"),
        _ => {
            let problem = lookup(name, data_dir)?;
            let batch = problem.batch_size();
            Ok(RaceProblem { problem, train: None, test: None, batch })
        }
    }
}

/// The races by name.
pub const RACES: [&str; 7] = [
    "digits-mlp",
    "digits-mlp-sigmoid",
    "mnist-mlp",
    "mnist-conv",
    "cifar-conv",
    "cifar-resnet",
    "cifar-inception",
];

fn race<P: Problem>(train: Dataset, test: Dataset, make: impl Fn(Source) -> P) -> RaceProblem {
    let (train, test) = (Arc::new(train), Arc::new(test));
    let problem: Arc<dyn AnyProblem> = Arc::new(make(Source::given(Arc::clone(&train))));
    let batch = problem.batch_size();
    RaceProblem { problem, train: Some(train), test: Some(test), batch }
}

/// Generated digits, 4000 to train on and 1000 to test, the same every time.
fn digits() -> (Dataset, Dataset) {
    let set = |rows, part| Recipe::Digits { size: 16, rows }.make(&mut stream(SEED, &[part]));
    (set(4000, 0), set(1000, 1))
}

/// The training and the test files, or 80% and 20% of the training file if it is alone.
fn mnist(folder: &Path) -> Result<(Dataset, Dataset), DataError> {
    let train = read_mnist(folder, MnistPart::Train)?;
    match read_mnist(folder, MnistPart::Test) {
        Err(DataError::Missing { .. }) => {
            let all: Vec<usize> = (0..train.len()).collect();
            let (first, last) = all.split_at((train.len() * 4).div_ceil(5));
            Ok((train.select(first), train.select(last)))
        }
        test => Ok((train, test?)),
    }
}

/// CIFAR-10 pixels with about mean 0 and deviation 1.
fn standardized(mut dataset: Dataset) -> Dataset {
    dataset.features.values.iter_mut().for_each(|x| *x = (*x - 0.47) / 0.25);
    dataset
}

/// Rows per batch of every race.
const BATCH: usize = 64;

/// Seed of the generated digits.
const SEED: u64 = 20_170_314;

/// Convolutions of the MNIST race, those of the released test set.
///
/// From its released start, deviation 0.01 throughout, the logits hardly depend on the image:
/// momentum SGD stays at the loss of guessing for more than 100 steps. The race starts from
/// [`Init::He`]; `test-conv-mnist-relu` keeps the released start.
const MNIST_CONV: [Stage; 2] = crate::registry::CONV;
