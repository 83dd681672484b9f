//! How a model's tensors lie in one flat parameter vector.
//!
//! Optimizers, problems and state all speak of the same flat vector of `P` parameters: the `T`
//! tensors one after another, each in row-major order, without padding.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// Name and shape of one tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorShape {
    /// Name for groups, state files, errors and diagnostics, different from those of other tensors.
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
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The list has no tensor with elements.
    #[error("expected at least one tensor with elements, got none")]
    NoTensors,
    /// Two tensors have one name.
    #[error("expected tensors of different names, but two are called `{name}`")]
    SameName {
        /// The name.
        name: String,
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
    /// Lays the tensors out one after another. Those without elements (a zero in the shape) have
    /// nothing to train: they are left out, so that they are not among [`tensors`](Self::tensors) and
    /// count in no list of one entry per tensor.
    ///
    /// # Errors
    ///
    /// If no tensor has elements, two have one name, or the count of parameters overflows.
    pub fn new(mut tensors: Vec<TensorShape>) -> Result<Self, LayoutError> {
        tensors.retain(|tensor| tensor.len() > 0);
        let mut names = HashSet::new();
        if let Some(twice) = tensors.iter().find(|tensor| !names.insert(&tensor.name)) {
            return Err(LayoutError::SameName { name: twice.name.clone() });
        }
        if tensors.is_empty() {
            return Err(LayoutError::NoTensors);
        }
        let mut starts = Vec::with_capacity(tensors.len() + 1);
        let mut end = 0_usize;
        starts.push(end);
        for TensorShape { name, shape } in &tensors {
            let len = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent));
            end = len
                .and_then(|len| end.checked_add(len))
                .filter(|&end| end <= isize::MAX.cast_unsigned() / size_of::<f64>())
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

    /// Debug output of an optimizer for this layout, without its numbers.
    #[doc(hidden)]
    pub fn describe(&self, name: &str, steps: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct(name);
        all.field("parameters", &self.len()).field("tensors", &self.tensor_count());
        all.field("steps", &steps).finish_non_exhaustive()
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

/// Most tensors that a sentence lists.
const LISTED: usize = 6;

/// Names and shapes, of the first six tensors.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (t, TensorShape { name, shape }) in self.tensors.iter().take(LISTED).enumerate() {
            let comma = if t > 0 { ", " } else { "" };
            write!(f, "{comma}{name} {shape:?}")?;
        }
        match self.tensors.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
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
    fn sentences_list_the_first_tensors() {
        assert_eq!(layout().to_string(), "w [3, 2], gain [], b [4]");
        let many = (0..9).map(|i| TensorShape::new(format!("t{i}"), [1])).collect();
        let many = Layout::new(many).unwrap().to_string();
        assert!(many.ends_with("t4 [1], t5 [1] and 3 more"), "{many}");
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
        assert_eq!(Layout::single(0), Err(LayoutError::NoTensors));
        let huge = vec![TensorShape::new("a", [usize::MAX, 2])];
        assert!(matches!(Layout::new(huge), Err(LayoutError::TooLarge { .. })));
        let bytes = Layout::single(usize::MAX / 16 + 1);
        assert!(matches!(bytes, Err(LayoutError::TooLarge { .. })), "more bytes than addresses");
        let twice = ["w", "b", "w"].map(|name| TensorShape::new(name, [2])).to_vec();
        let error = Layout::new(twice).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected tensors of different names, but two are called `w`"
        );
    }

    #[test]
    fn tensors_without_elements_are_left_out() {
        let tensors = vec![
            TensorShape::new("none", [0, 10]),
            TensorShape::new("w", [3, 2]),
            TensorShape::new("none", [usize::MAX, 2, 0]),
            TensorShape::new("b", []),
        ];
        let layout = Layout::new(tensors).unwrap();
        let names: Vec<&str> = layout.tensors().iter().map(|t| t.name.as_str()).collect();
        assert_eq!((names, layout.len()), (vec!["w", "b"], 7));
        assert_eq!(layout.ranges().collect::<Vec<_>>(), [0..6, 6..7]);
    }
}
