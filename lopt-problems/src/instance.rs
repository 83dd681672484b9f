//! What is random about one draw of a problem.

use std::sync::Arc;

/// A dense array of constants, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// The elements; as many as the product of `shape`.
    pub values: Vec<f32>,
}

impl Array {
    /// An array of the given shape.
    ///
    /// # Panics
    ///
    /// If the number of values is not the product of the extents.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        let shape = shape.into();
        let len: usize = shape.iter().product();
        assert!(
            values.len() == len,
            "an array of shape {shape:?} has {len} values, got {}",
            values.len()
        );
        Self { shape, values }
    }

    /// Number of entries along the first axis.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Number of elements of one entry of the first axis.
    pub fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Entry `i` of the first axis, flattened.
    ///
    /// # Panics
    ///
    /// If there is no entry `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        let len = self.row_len();
        &self.values[i * len..(i + 1) * len]
    }
}

/// Examples with, for classification, their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// `(N, ...)`, one example per entry of the first axis; images are `(N, height, width, channels)`.
    pub features: Array,
    /// `N` labels below `classes`; empty if there are none.
    pub labels: Vec<usize>,
    /// Number of classes; 0 without labels.
    pub classes: usize,
}

impl Dataset {
    /// Number of examples `N`.
    #[allow(clippy::len_without_is_empty, reason = "the readers and generators make no empty set")]
    pub fn len(&self) -> usize {
        self.features.rows()
    }

    /// The examples `rows` in that order.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut shape = self.features.shape.clone();
        shape[0] = rows.len();
        let mut values = Vec::with_capacity(rows.len() * self.features.row_len());
        for &row in rows {
            values.extend_from_slice(self.features.row(row));
        }
        let labels = if self.labels.is_empty() {
            Vec::new()
        } else {
            rows.iter().map(|&row| self.labels[row]).collect()
        };
        Self { features: Array::new(shape, values), labels, classes: self.classes }
    }
}

/// What is random about one draw of a problem: the matrix of a quadratic, a data set.
///
/// Two instances of one problem have constants of the same shapes, so that they can be laid side
/// by side in SIMD lanes (see [`pack_lanes`](crate::pack_lanes)).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Instance {
    /// Arrays that the loss reads besides the parameters.
    pub constants: Vec<Array>,
    /// The data set from which batches are taken.
    pub dataset: Option<Arc<Dataset>>,
}

impl Instance {
    /// An instance with constants and no data set.
    pub fn of(constants: Vec<Array>) -> Self {
        Self { constants, dataset: None }
    }

    /// An instance with a data set and no constants.
    pub fn with_dataset(dataset: Arc<Dataset>) -> Self {
        Self { constants: Vec::new(), dataset: Some(dataset) }
    }
}
