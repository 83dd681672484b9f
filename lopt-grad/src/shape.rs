//! Shapes of tensors, stored inline, and numpy's broadcasting rule.

use core::fmt;
use core::ops::Deref;

/// The largest rank a tensor may have.
pub const MAX_RANK: usize = 4;

/// Extents of a row-major tensor, rank 1 to [`MAX_RANK`]; a scalar has shape `[1]`.
///
/// Dereferences to `&[usize]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    extents: [usize; MAX_RANK],
    rank: usize,
}

impl Shape {
    /// The shape with these extents; `[]` becomes `[1]`.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_RANK`] extents or one is zero.
    pub fn new(extents: &[usize]) -> Self {
        let rank = extents.len();
        assert!(rank <= MAX_RANK, "a tensor has at most {MAX_RANK} axes, got {extents:?}");
        assert!(!extents.contains(&0), "a tensor has elements, got shape {extents:?}");
        let mut inline = [1; MAX_RANK];
        inline[..rank].copy_from_slice(extents);
        Self { extents: inline, rank: rank.max(1) }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The shape without `axis`.
    pub(crate) fn without(&self, axis: usize) -> Self {
        let mut extents = [0; MAX_RANK];
        let mut rank = 0;
        for (i, &n) in self.iter().enumerate() {
            if i != axis {
                extents[rank] = n;
                rank += 1;
            }
        }
        Self::new(&extents[..rank])
    }

    /// The shape with `axis` set to `extent`.
    pub(crate) fn with(&self, axis: usize, extent: usize) -> Self {
        let mut changed = *self;
        changed.extents[axis] = extent;
        changed
    }

    /// Product of the extents before `axis`, the extent there, and the product of those after.
    pub(crate) fn around(&self, axis: usize) -> (usize, usize, usize) {
        assert!(axis < self.rank, "axis {axis} is not an axis of shape {self:?}");
        (self[..axis].iter().product(), self[axis], self[axis + 1..].iter().product())
    }

    /// The shape both broadcast to, by numpy's rule: trailing axes match or one of them is 1.
    pub(crate) fn broadcast(&self, other: &Self) -> Self {
        let rank = self.rank.max(other.rank);
        let mut extents = [1; MAX_RANK];
        for i in 0..rank {
            let (a, b) = (self.trailing(i), other.trailing(i));
            assert!(
                a == b || a == 1 || b == 1,
                "shapes {self:?} and {other:?} do not broadcast together"
            );
            extents[rank - 1 - i] = if a == 1 { b } else { a };
        }
        Self::new(&extents[..rank])
    }

    /// The extent `i` axes from the last one; 1 beyond the first.
    pub(crate) fn trailing(&self, i: usize) -> usize {
        if i < self.rank { self.extents[self.rank - 1 - i] } else { 1 }
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.extents[..self.rank]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], f)
    }
}
