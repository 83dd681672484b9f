//! The test problems of the published code.

use std::path::Path;
use std::sync::Arc;

use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{MnistPart, Recipe, Source, read_mnist};
use crate::error::ProblemError;
use crate::literature::Literature;
use crate::noise::Noisy;
use crate::problem::AnyProblem;
use crate::quadratic::Quadratic;

/// A test problem of the published code; the last four read MNIST.
///
/// As released only the first seven could run: the loss rejected more than two classes and the
/// MNIST reader was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleasedTest {
    /// Quadratic in 20 dimensions.
    Quadratic,
    /// The same with gradient noise 1.
    QuadraticNoisy,
    /// Rosenbrock's function.
    Rosenbrock,
    /// The same with gradient noise 1.
    RosenbrockNoisy,
    /// Two classes, 10 features, 10,000 examples.
    Softmax,
    /// The same with gradient noise 1.
    SoftmaxNoisy,
    /// 10-32-64-2 sigmoid network, 2,594 parameters.
    MlpSmall,
    /// 20-32-64-10 sigmoid network, 3,434 parameters.
    MlpLarge,
    /// 784-64-10 sigmoid network on MNIST, 50,890 parameters.
    MlpMnistSigmoid,
    /// The same with relu.
    MlpMnistRelu,
    /// 3x3x8 and 5x5x8 convolutions with sigmoid on MNIST, 64,402 parameters.
    ConvMnistSigmoid,
    /// The same with relu.
    ConvMnistRelu,
}

impl ReleasedTest {
    /// All of them in the published order.
    pub const ALL: [Self; 12] = [
        Self::Quadratic,
        Self::QuadraticNoisy,
        Self::Rosenbrock,
        Self::RosenbrockNoisy,
        Self::Softmax,
        Self::SoftmaxNoisy,
        Self::MlpSmall,
        Self::MlpLarge,
        Self::MlpMnistSigmoid,
        Self::MlpMnistRelu,
        Self::ConvMnistSigmoid,
        Self::ConvMnistRelu,
    ];

    /// The problem's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quadratic => "quadratic-20",
            Self::QuadraticNoisy => "quadratic-20-noisy-1",
            Self::Rosenbrock => "rosenbrock",
            Self::RosenbrockNoisy => "rosenbrock-noisy-1",
            Self::Softmax => "test-softmax-10",
            Self::SoftmaxNoisy => "test-softmax-10-noisy-1",
            Self::MlpSmall => "test-mlp-small",
            Self::MlpLarge => "test-mlp-large",
            Self::MlpMnistSigmoid => "test-mlp-mnist-sigmoid",
            Self::MlpMnistRelu => "test-mlp-mnist-relu",
            Self::ConvMnistSigmoid => "test-conv-mnist-sigmoid",
            Self::ConvMnistRelu => "test-conv-mnist-relu",
        }
    }

    /// Makes the problem; `data_dir` holds the MNIST files.
    ///
    /// # Errors
    ///
    /// If the problem needs MNIST and it cannot be read.
    pub fn problem(self, data_dir: Option<&Path>) -> Result<Arc<dyn AnyProblem>, ProblemError> {
        let mlp = |hidden: &[usize], activation, source, batch| {
            Mlp::new(hidden, activation, source, batch)
                .named(self.name())
                .starting_from(Init::ReleasedTest, PENALTY)
        };
        let conv = |activation, source| ConvNet::new(self.name(), &CONV, activation, source, 64);
        let softmax = || {
            let recipe = Recipe::Corners { features: 10, separation: 1.0, rows: ROWS };
            Mlp::softmax_regression(Source::once(recipe, SEED), 100).named("test-softmax-10")
        };
        Ok(match self {
            Self::Quadratic => Arc::new(Quadratic::new(20)),
            Self::QuadraticNoisy => Arc::new(Noisy::new(Quadratic::new(20), 1.0)),
            Self::Rosenbrock => Arc::new(Literature::Rosenbrock),
            Self::RosenbrockNoisy => Arc::new(Noisy::new(Literature::Rosenbrock, 1.0)),
            Self::Softmax => Arc::new(softmax()),
            Self::SoftmaxNoisy => Arc::new(Noisy::new(softmax(), 1.0)),
            Self::MlpSmall => {
                let recipe = Recipe::Corners { features: 10, separation: 1.0, rows: ROWS };
                Arc::new(mlp(&[32, 64], Activation::Sigmoid, Source::once(recipe, SEED), 100))
            }
            Self::MlpLarge => {
                let recipe = Recipe::Clusters { features: 20, classes: 10, rows: ROWS };
                Arc::new(mlp(&[32, 64], Activation::Sigmoid, Source::once(recipe, SEED), 100))
            }
            Self::MlpMnistSigmoid => {
                Arc::new(mlp(&[64], Activation::Sigmoid, self.mnist(data_dir)?, 64))
            }
            Self::MlpMnistRelu => Arc::new(mlp(&[64], Activation::Relu, self.mnist(data_dir)?, 64)),
            Self::ConvMnistSigmoid => Arc::new(conv(Activation::Sigmoid, self.mnist(data_dir)?)),
            Self::ConvMnistRelu => Arc::new(conv(Activation::Relu, self.mnist(data_dir)?)),
        })
    }

    fn mnist(self, data_dir: Option<&Path>) -> Result<Source, ProblemError> {
        let missing = || ProblemError::NeedsData { name: self.name().to_owned(), data: "MNIST" };
        let folder = data_dir.ok_or_else(missing)?;
        Ok(Source::given(Arc::new(read_mnist(folder, MnistPart::Train)?)))
    }
}

/// The test problems of the published code; the four on MNIST only with a folder.
///
/// # Errors
///
/// If there is a folder, but MNIST cannot be read from it.
pub fn released_test_set(
    data_dir: Option<&Path>,
) -> Result<Vec<Arc<dyn AnyProblem>>, ProblemError> {
    let mut problems = Vec::new();
    for test in ReleasedTest::ALL {
        match test.problem(data_dir) {
            Err(ProblemError::NeedsData { .. }) => {}
            result => problems.push(result?),
        }
    }
    Ok(problems)
}

/// The two convolutions of the released ConvNet.
pub(crate) const CONV: [Stage; 2] =
    [Stage { kernel: 3, channels: 8, pool: 1 }, Stage { kernel: 5, channels: 8, pool: 1 }];

/// Examples of the generated data sets.
const ROWS: usize = 10_000;

/// The published seed of the test data.
const SEED: u64 = 1234;

/// The published penalty.
const PENALTY: f64 = 1e-3;
