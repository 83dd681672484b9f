//! Where a problem's examples come from.
//!
//! A [`Recipe`] says how a data set is made, a [`Source`] when: once, anew for every instance, or
//! not at all because it was read from files.

mod cifar10;
mod clusters;
mod digits;
mod error;
mod home;
mod idx;
mod images;
mod random;
mod sequences;
mod teacher;

use std::sync::{Arc, OnceLock};

use lopt_core::rng::{Rng, stream};

pub use cifar10::read_cifar10;
pub use error::DataError;
pub use idx::{MnistPart, read_mnist};

use crate::instance::Dataset;

/// How an artificial data set is made. Equal seeds give equal sets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Recipe {
    /// Two classes of two clusters each around the corners of a cube, 1% of the labels random.
    ///
    /// The centres are four distinct corners of `{-separation, separation}^features`, each cluster
    /// a normal cloud under its own random linear map (scikit-learn's `make_classification` with
    /// every feature informative). Linear separability ranges from 80% to 100%.
    Corners {
        /// Features per example.
        features: usize,
        /// Half the edge of the cube.
        separation: f64,
        /// Number of examples.
        rows: usize,
    },
    /// Normal inputs labelled by the sign of a random relu network of 6 layers.
    ///
    /// Networks that put fewer than 5% of the examples in one class are drawn again.
    RandomMlp {
        /// Features per example.
        features: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Independent bits without labels.
    Binary {
        /// Bits per example.
        features: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Normal rows without labels, each followed by its negative.
    Symmetric {
        /// Features per example.
        features: usize,
        /// Number of examples, even.
        rows: usize,
    },
    /// 5 rows of 5 bits, labelled by their parity; 25% of the labels are flipped.
    NoisyParity,
    /// Normal inputs labelled by the largest output of a random tanh network.
    Teacher {
        /// Features per example.
        features: usize,
        /// Number of classes.
        classes: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Normal inputs whose label is drawn, with the probabilities of a random linear model: nobody can
    /// foretell them all.
    DrawnLabels {
        /// Features per example.
        features: usize,
        /// Number of classes.
        classes: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Three overlapping normal clusters per class.
    Clusters {
        /// Features per example.
        features: usize,
        /// Number of classes.
        classes: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Two interleaved spirals in the plane.
    Spirals {
        /// Number of examples.
        rows: usize,
    },
    /// Coloured gratings in noise, `size x size` pixels of three values with about mean 0 and
    /// deviation 1; direction and colours are the class.
    Images {
        /// Height and width in pixels.
        size: usize,
        /// Number of classes.
        classes: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Handwriting-like digits, `size x size` grey values: see the crate documentation.
    Digits {
        /// Height and width in pixels.
        size: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Concentric rings in the plane, one per class, as wide as the gaps between them.
    Rings {
        /// Number of rings.
        classes: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Paths `(length, symbols)` of random Markov chains, one-hot, labelled by the chain.
    Chains {
        /// Different symbols.
        symbols: usize,
        /// Number of chains.
        classes: usize,
        /// Positions of a sequence.
        length: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Sequences `(length, symbols)`, one-hot, labelled by the symbol that occurs most often.
    Majority {
        /// Different symbols, the classes.
        symbols: usize,
        /// Positions of a sequence.
        length: usize,
        /// Number of examples.
        rows: usize,
    },
    /// Sequences `(pairs + 1, keys + values)` of pairs of a key and a value, both one-hot, and at
    /// the end a key alone, labelled by the value that stood beside it.
    Recall {
        /// Different keys.
        keys: usize,
        /// Different values, the classes.
        values: usize,
        /// Pairs in a sequence, their keys all different.
        pairs: usize,
        /// Number of examples.
        rows: usize,
    },
}

impl Recipe {
    /// Makes the data set.
    pub fn make(self, rng: &mut Rng) -> Dataset {
        match self {
            Self::Corners { features, separation, rows } => {
                clusters::corners(features, separation, rows, rng)
            }
            Self::RandomMlp { features, rows } => teacher::random_mlp(features, rows, rng),
            Self::Binary { features, rows } => random::binary(features, rows, rng),
            Self::Symmetric { features, rows } => random::symmetric(features, rows, rng),
            Self::NoisyParity => random::noisy_parity(rng),
            Self::Teacher { features, classes, rows } => {
                teacher::tanh_teacher(features, classes, rows, rng)
            }
            Self::DrawnLabels { features, classes, rows } => {
                teacher::drawn_labels(features, classes, rows, rng)
            }
            Self::Clusters { features, classes, rows } => {
                clusters::overlapping(features, classes, rows, rng)
            }
            Self::Spirals { rows } => clusters::spirals(rows, rng),
            Self::Images { size, classes, rows } => images::images(size, classes, rows, rng),
            Self::Digits { size, rows } => digits::digits(size, rows, rng),
            Self::Rings { classes, rows } => clusters::rings(classes, rows, rng),
            Self::Chains { symbols, classes, length, rows } => {
                sequences::chains(symbols, classes, length, rows, rng)
            }
            Self::Majority { symbols, length, rows } => {
                sequences::majority(symbols, length, rows, rng)
            }
            Self::Recall { keys, values, pairs, rows } => {
                sequences::recall(keys, values, pairs, rows, rng)
            }
        }
    }

    /// Shape of one example.
    fn row_shape(self) -> Vec<usize> {
        match self {
            Self::Corners { features, .. }
            | Self::RandomMlp { features, .. }
            | Self::Binary { features, .. }
            | Self::Symmetric { features, .. }
            | Self::Teacher { features, .. }
            | Self::DrawnLabels { features, .. }
            | Self::Clusters { features, .. } => vec![features],
            Self::NoisyParity => vec![random::PARITY_BITS],
            Self::Images { size, .. } => vec![size, size, images::CHANNELS],
            Self::Spirals { .. } | Self::Rings { .. } => vec![2],
            Self::Digits { size, .. } => vec![size, size, 1],
            Self::Chains { symbols, length, .. } | Self::Majority { symbols, length, .. } => {
                vec![length, symbols]
            }
            Self::Recall { keys, values, pairs, .. } => vec![pairs + 1, keys + values],
        }
    }

    /// Number of classes; 0 without labels.
    fn classes(self) -> usize {
        match self {
            Self::Binary { .. } | Self::Symmetric { .. } => 0,
            Self::Corners { .. } | Self::RandomMlp { .. } => 2,
            Self::NoisyParity | Self::Spirals { .. } => 2,
            Self::Teacher { classes, .. }
            | Self::DrawnLabels { classes, .. }
            | Self::Clusters { classes, .. }
            | Self::Images { classes, .. }
            | Self::Rings { classes, .. }
            | Self::Chains { classes, .. } => classes,
            Self::Digits { .. } => 10,
            Self::Majority { symbols, .. } => symbols,
            Self::Recall { values, .. } => values,
        }
    }

    /// Number of examples.
    fn rows(self) -> usize {
        match self {
            Self::Corners { rows, .. }
            | Self::RandomMlp { rows, .. }
            | Self::Binary { rows, .. }
            | Self::Symmetric { rows, .. }
            | Self::Teacher { rows, .. }
            | Self::DrawnLabels { rows, .. }
            | Self::Clusters { rows, .. }
            | Self::Spirals { rows }
            | Self::Images { rows, .. }
            | Self::Digits { rows, .. }
            | Self::Rings { rows, .. }
            | Self::Chains { rows, .. }
            | Self::Majority { rows, .. }
            | Self::Recall { rows, .. } => rows,
            Self::NoisyParity => random::PARITY_ROWS,
        }
    }
}

/// The data set of a problem, or the way to draw one.
#[derive(Debug, Clone)]
pub struct Source {
    drawing: Drawing,
}

#[derive(Debug, Clone)]
enum Drawing {
    Given(Arc<Dataset>),
    Once { recipe: Recipe, seed: u64, made: Arc<OnceLock<Arc<Dataset>>> },
    Fresh(Recipe),
}

impl Source {
    /// Always this data set.
    pub fn given(dataset: Arc<Dataset>) -> Self {
        Self { drawing: Drawing::Given(dataset) }
    }

    /// One data set for all instances, made from `seed` when it is first needed.
    pub fn once(recipe: Recipe, seed: u64) -> Self {
        Self { drawing: Drawing::Once { recipe, seed, made: Arc::default() } }
    }

    /// A new data set for every instance.
    pub fn fresh(recipe: Recipe) -> Self {
        Self { drawing: Drawing::Fresh(recipe) }
    }

    /// The data set of one instance; `rng` is used by a [`fresh`](Self::fresh) source only.
    pub fn dataset(&self, rng: &mut Rng) -> Arc<Dataset> {
        match &self.drawing {
            Drawing::Given(dataset) => Arc::clone(dataset),
            Drawing::Once { recipe, seed, made } => {
                let make = || Arc::new(recipe.make(&mut stream(*seed, &[])));
                Arc::clone(made.get_or_init(make))
            }
            Drawing::Fresh(recipe) => Arc::new(recipe.make(rng)),
        }
    }

    /// Shape of one example.
    pub fn row_shape(&self) -> Vec<usize> {
        match &self.drawing {
            Drawing::Given(dataset) => dataset.features.shape[1..].to_vec(),
            Drawing::Once { recipe, .. } | Drawing::Fresh(recipe) => recipe.row_shape(),
        }
    }

    /// Number of classes; 0 without labels.
    pub fn classes(&self) -> usize {
        match &self.drawing {
            Drawing::Given(dataset) => dataset.classes,
            Drawing::Once { recipe, .. } | Drawing::Fresh(recipe) => recipe.classes(),
        }
    }

    /// Number of examples.
    pub fn rows(&self) -> usize {
        match &self.drawing {
            Drawing::Given(dataset) => dataset.len(),
            Drawing::Once { recipe, .. } | Drawing::Fresh(recipe) => recipe.rows(),
        }
    }
}
