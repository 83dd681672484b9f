//! Tiles put aside until there are enough columns, so that weight gradients are matrix products.
//!
//! The lane-wise sums over psi are larger than the first-level cache. Adding to them once for every
//! few tiles rather than for every one keeps that traffic small beside the multiply-adds.

use lopt_core::simd::tile::column_sums;
use lopt_core::simd::{Buffer, Element, Kernel, Row, Simd, TILE};
use std::ops::Range;

/// Tiles that fit.
const MOST_TILES: usize = 32;
/// Columns after which the sums are formed.
const ENOUGH_COLUMNS: usize = 32;

/// Tiles of the same rows, some with fewer columns than [`TILE`].
#[derive(Clone, Debug)]
pub(crate) struct Pending<E: Element> {
    rows: Buffer<E>,
    per_tile: usize,
    cols: [usize; MOST_TILES],
    filled: usize,
}

impl<E: Element> Pending<E> {
    /// Nothing, with space for tiles of `per_tile` rows of vectors of `lanes` lanes.
    pub(crate) fn new(per_tile: usize, lanes: usize) -> Self {
        let rows = Buffer::rows(per_tile * MOST_TILES, lanes);
        Self { rows, per_tile, cols: [0; MOST_TILES], filled: 0 }
    }

    /// The rows of the next tile, to be filled in `cols` columns.
    #[inline(always)]
    pub(crate) fn next<S: Simd<E = E>>(&mut self, cols: usize) -> &mut [Row<S>] {
        let at = self.filled * self.per_tile;
        self.cols[self.filled] = cols.min(TILE);
        self.filled += 1;
        &mut self.rows.as_rows_mut::<S>()[at..at + self.per_tile]
    }

    /// Whether it is time to [`take`](Self::take) what is there.
    pub(crate) fn enough(&self) -> bool {
        self.filled == MOST_TILES
            || self.cols[..self.filled].iter().sum::<usize>() >= ENOUGH_COLUMNS
    }

    /// What is there; it is empty afterwards.
    #[inline(always)]
    pub(crate) fn take<S: Simd<E = E>>(&mut self) -> PendingTiles<'_, S> {
        let filled = std::mem::take(&mut self.filled);
        PendingTiles {
            rows: &self.rows.as_rows::<S>()[..filled * self.per_tile],
            per_tile: self.per_tile,
            cols: &self.cols[..filled],
        }
    }
}

/// The tiles of a [`Pending`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingTiles<'a, S: Simd> {
    rows: &'a [Row<S>],
    per_tile: usize,
    cols: &'a [usize],
}

/// `sum[i * stride + r] += sum_c a_i[c] * d_r[c]` over all pending columns, lane by lane, where `a`
/// and `d` are the rows of each tile in the given ranges.
#[inline(always)]
pub(crate) fn outer<S: Simd>(
    s: S,
    tiles: &PendingTiles<'_, S>,
    a: Range<usize>,
    d: Range<usize>,
    sum: &mut [S::V],
    stride: usize,
) {
    s.run(Outer { token: s, tiles, a, d, sum, stride });
}

/// A function of its own, as [`affine`](lopt_core::simd::tile::affine) is.
struct Outer<'a, S: Simd> {
    token: S,
    tiles: &'a PendingTiles<'a, S>,
    a: Range<usize>,
    d: Range<usize>,
    sum: &'a mut [S::V],
    stride: usize,
}

impl<S: Simd> Kernel<S::E> for Outer<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Same: Simd<E = S::E>>(self, _: Same) {
        let Self { token: s, tiles, a, d, sum, stride } = self;
        let mut i = a.start;
        while i < a.end {
            let sum = &mut sum[(i - a.start) * stride..];
            let left = a.end - i;
            if S::WIDE_REGISTERS && (left == 5 || left >= 8) {
                outer_rows::<S, 5>(s, tiles, i, &d, sum, stride);
                i += 5;
            } else if S::WIDE_REGISTERS && left >= 4 {
                outer_rows::<S, 4>(s, tiles, i, &d, sum, stride);
                i += 4;
            } else if left >= 2 {
                outer_rows::<S, 2>(s, tiles, i, &d, sum, stride);
                i += 2;
            } else {
                outer_rows::<S, 1>(s, tiles, i, &d, sum, stride);
                i += 1;
            }
        }
    }
}

#[inline(always)]
fn outer_rows<S: Simd, const I: usize>(
    s: S,
    tiles: &PendingTiles<'_, S>,
    a: usize,
    d: &Range<usize>,
    sum: &mut [S::V],
    stride: usize,
) {
    let mut r = d.start;
    while r < d.end {
        let sum = &mut sum[r - d.start..];
        if S::WIDE_REGISTERS && r + 5 <= d.end {
            outer_block::<S, I, 5>(s, tiles, a, r, sum, stride);
            r += 5;
        } else if r + 2 <= d.end {
            outer_block::<S, I, 2>(s, tiles, a, r, sum, stride);
            r += 2;
        } else {
            outer_block::<S, I, 1>(s, tiles, a, r, sum, stride);
            r += 1;
        }
    }
}

#[inline(always)]
fn outer_block<S: Simd, const I: usize, const R: usize>(
    s: S,
    tiles: &PendingTiles<'_, S>,
    a: usize,
    d: usize,
    sum: &mut [S::V],
    stride: usize,
) {
    let mut acc = [[s.zero(); R]; I];
    for i in 0..I {
        acc[i].copy_from_slice(&sum[i * stride..i * stride + R]);
    }
    for (tile, &cols) in tiles.rows.chunks_exact(tiles.per_tile).zip(tiles.cols) {
        let (left, right) = (&tile[a..a + I], &tile[d..d + R]);
        for c in 0..cols.min(TILE) {
            let mut across = [s.zero(); R];
            for r in 0..R {
                across[r] = right[r][c];
            }
            for i in 0..I {
                let down = left[i][c];
                for r in 0..R {
                    acc[i][r] = s.fma(down, across[r], acc[i][r]);
                }
            }
        }
    }
    for i in 0..I {
        sum[i * stride..i * stride + R].copy_from_slice(&acc[i]);
    }
}

/// `sum[r] += sum_c d_r[c]` over all pending columns, for the rows from `first` on: the gradient of
/// a bias.
#[inline(always)]
pub(crate) fn column_sums_of<S: Simd>(
    s: S,
    tiles: &PendingTiles<'_, S>,
    first: usize,
    sum: &mut [S::V],
) {
    for (tile, &cols) in tiles.rows.chunks_exact(tiles.per_tile).zip(tiles.cols) {
        column_sums(s, &tile[first..first + sum.len()], cols, sum);
    }
}
