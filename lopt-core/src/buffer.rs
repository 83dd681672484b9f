//! Flat storage aligned to a cache line, viewed as elements or as rows of vectors.

use crate::simd::{Element, Row, Simd};
use std::ops::{Deref, DerefMut};

/// A fixed number of elements, zeroed, aligned to 64 bytes.
#[derive(Clone, Debug)]
pub struct Buffer<E: Element> {
    lines: Vec<E::Line>,
    len: usize,
}

impl<E: Element> Buffer<E> {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let per_line = size_of::<E::Line>() / size_of::<E>();
        Self { lines: vec![bytemuck::Zeroable::zeroed(); len.div_ceil(per_line)], len }
    }

    /// Becomes `len` zeros; allocates only to grow.
    pub fn reshape(&mut self, len: usize) {
        let lines = len.div_ceil(size_of::<E::Line>() / size_of::<E>());
        if self.lines.len() < lines {
            self.lines.resize(lines, bytemuck::Zeroable::zeroed());
        }
        self.len = len;
        self.fill(E::from_f64(0.0));
    }

    /// `rows` rows of [`TILE`](crate::simd::TILE) vectors of `lanes` elements.
    #[must_use]
    pub fn rows(rows: usize, lanes: usize) -> Self {
        Self::zeros(rows * crate::simd::TILE * lanes)
    }

    /// The elements as rows of vectors of one level.
    #[inline(always)]
    pub fn as_rows<S: Simd<E = E>>(&self) -> &[Row<S>] {
        bytemuck::cast_slice(self)
    }

    /// The elements as mutable rows of vectors of one level.
    #[inline(always)]
    pub fn as_rows_mut<S: Simd<E = E>>(&mut self) -> &mut [Row<S>] {
        bytemuck::cast_slice_mut(self)
    }

    /// The elements as vectors of one level.
    #[inline(always)]
    pub fn as_vectors<S: Simd<E = E>>(&self) -> &[S::V] {
        bytemuck::cast_slice(self)
    }

    /// The elements as mutable vectors of one level.
    #[inline(always)]
    pub fn as_vectors_mut<S: Simd<E = E>>(&mut self) -> &mut [S::V] {
        bytemuck::cast_slice_mut(self)
    }
}

impl<E: Element> Default for Buffer<E> {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl<E: Element> Deref for Buffer<E> {
    type Target = [E];
    #[inline(always)]
    fn deref(&self) -> &[E] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}
