//! Flat storage aligned to a cache line, viewed as elements or as rows of vectors.

use crate::{Element, Row, Simd};
use std::ops::{Deref, DerefMut};

/// A fixed number of elements, zeroed, aligned to 64 bytes. Zeros that nothing was written over take no
/// memory of the machine, as the system gives pages when they are first touched.
#[derive(Debug)]
pub struct Buffer<E: Element> {
    /// The elements, and around them what alignment leaves over.
    memory: Vec<E>,
    start: usize,
    len: usize,
}

impl<E: Element> Buffer<E> {
    /// Elements up to the next line at most.
    const LEFT_OVER: usize = align_of::<E::Line>() / size_of::<E>() - 1;

    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let memory = vec![E::from_f64(0.0); len + Self::LEFT_OVER];
        let start = memory.as_ptr().align_offset(align_of::<E::Line>());
        Self { memory, start, len }
    }

    /// Becomes `len` zeros; allocates only to grow.
    pub fn reshape(&mut self, len: usize) {
        if self.memory.len() < len + Self::LEFT_OVER {
            *self = Self::zeros(len);
        } else {
            self.len = len;
            self.fill(E::from_f64(0.0));
        }
    }

    /// `rows` rows of [`TILE`](crate::TILE) vectors of `lanes` elements.
    #[must_use]
    pub fn rows(rows: usize, lanes: usize) -> Self {
        Self::zeros(rows * crate::TILE * lanes)
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

/// The copy lies elsewhere, so it is aligned anew.
impl<E: Element> Clone for Buffer<E> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
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
        &self.memory[self.start..self.start + self.len]
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_stay_aligned_and_keep_their_values() {
        fn check<E: Element>() {
            for len in [0, 1, 5, 16, 1000] {
                let mut buffer = Buffer::<E>::zeros(len);
                buffer.iter_mut().enumerate().for_each(|(i, x)| *x = E::from_f64(i as f64));
                let copies: Vec<Buffer<E>> = (0..9).map(|_| buffer.clone()).collect();
                for copy in &copies {
                    assert_eq!(copy.as_ptr().addr() % 64, 0);
                    assert!(copy.len() == len && copy.iter().eq(buffer.iter()));
                }
                buffer.reshape(2 * len + 1);
                assert_eq!((buffer.len(), buffer.as_ptr().addr() % 64), (2 * len + 1, 0));
                assert!(buffer.iter().all(|&x| x == E::from_f64(0.0)));
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
