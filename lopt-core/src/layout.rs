//! How a model's tensors lie in one flat parameter vector.
//!
//! Optimizers, problems and state all speak of the same flat vector of `P` parameters: the `T`
//! tensors one after another, each in row-major order, without padding.

use std::ops::Range;

/// Name and shape of one tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorShape {
    /// Name shown in errors and diagnostics; need not be unique.
    pub name: String,
    /// Extent of each axis; an empty list is a scalar.
    pub shape: Vec<usize>,
}

impl TensorShape {
    /// A tensor of the given name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }

    /// Number of elements: the product of the extents, 1 for a scalar.
    ///
    /// Saturates at `usize::MAX`, which [`Layout::new`] rejects.
    #[allow(clippy::len_without_is_empty, reason = "a layout has no empty tensor")]
    pub fn len(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().fold(1, |product, &extent| product.saturating_mul(extent))
    }
}

/// Why a list of tensors is not a [`Layout`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The list is empty.
    #[error("expected at least one tensor, got none")]
    NoTensors,
    /// One of the tensors has no element.
    #[error("expected tensors with elements, but tensor `{name}` has shape {shape:?}")]
    EmptyTensor {
        /// Name of the tensor.
        name: String,
        /// Its shape, with a zero in it.
        shape: Vec<usize>,
    },
    /// The number of parameters exceeds what a slice can hold.
    #[error("the parameters up to tensor `{name}` are more than an address space holds")]
    TooLarge {
        /// The tensor at which the count overflowed.
        name: String,
    },
}

/// The tensors of a flat parameter vector: `T >= 1` tensors of together `P` parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorShape>,
    /// `[T + 1]`: tensor `t` is `starts[t]..starts[t + 1]`.
    starts: Vec<usize>,
}

impl Layout {
    /// Lays the tensors out one after another.
    ///
    /// # Errors
    ///
    /// If the list or one of the tensors is empty, or the count of parameters overflows.
    pub fn new(tensors: Vec<TensorShape>) -> Result<Self, LayoutError> {
        if tensors.is_empty() {
            return Err(LayoutError::NoTensors);
        }
        let mut starts = Vec::with_capacity(tensors.len() + 1);
        let mut end = 0_usize;
        starts.push(end);
        for TensorShape { name, shape } in &tensors {
            let len = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent));
            if shape.contains(&0) {
                return Err(LayoutError::EmptyTensor { name: name.clone(), shape: shape.clone() });
            }
            end = len
                .and_then(|len| end.checked_add(len))
                .filter(|&end| isize::try_from(end).is_ok())
                .ok_or_else(|| LayoutError::TooLarge { name: name.clone() })?;
            starts.push(end);
        }
        Ok(Self { tensors, starts })
    }

    /// One tensor of `len` parameters, named `x`: the layout of a test function.
    ///
    /// # Errors
    ///
    /// If `len` is 0.
    pub fn single(len: usize) -> Result<Self, LayoutError> {
        Self::new(vec![TensorShape::new("x", [len])])
    }

    /// The tensors in order.
    pub fn tensors(&self) -> &[TensorShape] {
        &self.tensors
    }

    /// Number of tensors `T`.
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// Number of parameters `P` of all tensors together.
    #[allow(clippy::len_without_is_empty, reason = "a layout is never empty")]
    pub fn len(&self) -> usize {
        self.starts[self.tensors.len()]
    }

    /// Where tensor `t` lies in the flat vector.
    ///
    /// # Panics
    ///
    /// If there is no tensor `t`.
    pub fn range(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// The ranges of all tensors in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The tensor that holds flat index `i`, and the index inside it; `None` past the end.
    pub fn locate(&self, i: usize) -> Option<(usize, usize)> {
        if i >= self.len() {
            return None;
        }
        let t = self.starts.partition_point(|&start| start <= i) - 1;
        Some((t, i - self.starts[t]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::new(vec![
            TensorShape::new("w", [3, 2]),
            TensorShape::new("gain", []),
            TensorShape::new("b", [4]),
        ])
        .unwrap()
    }

    #[test]
    fn tensors_follow_one_another() {
        let layout = layout();
        assert_eq!((layout.len(), layout.tensor_count()), (11, 3));
        assert_eq!(layout.ranges().collect::<Vec<_>>(), [0..6, 6..7, 7..11]);
        assert_eq!(layout.range(2), 7..11);
    }

    #[test]
    fn locate_inverts_range() {
        let layout = layout();
        for t in 0..layout.tensor_count() {
            for (inside, flat) in layout.range(t).enumerate() {
                assert_eq!(layout.locate(flat), Some((t, inside)));
            }
        }
        assert_eq!(layout.locate(11), None);
    }

    #[test]
    fn bad_lists_are_refused() {
        assert_eq!(Layout::new(vec![]), Err(LayoutError::NoTensors));
        assert!(matches!(Layout::single(0), Err(LayoutError::EmptyTensor { .. })));
        let huge = vec![TensorShape::new("a", [usize::MAX, 2])];
        assert!(matches!(Layout::new(huge), Err(LayoutError::TooLarge { .. })));
        let zero_after_overflow = vec![TensorShape::new("a", [usize::MAX, 2, 0])];
        assert!(matches!(Layout::new(zero_after_overflow), Err(LayoutError::EmptyTensor { .. })));
    }
}
