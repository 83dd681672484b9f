//! Small dense products over one tile: broadcast weights times columns of lanes.
//!
//! A tile is a few rows (fields) of [`TILE`] vectors (columns). [`affine`] is the matrix-vector
//! product of every column at once, [`outer`] the sum over columns of outer products that weight
//! gradients are. Accumulators stay in registers: two columns by ten rows with 32 registers, one
//! column by five rows with 16.

use crate::simd::{Kernel, Row, Simd, TILE};

/// What an affine map starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a, V> {
    /// Zero.
    Zero,
    /// One vector per output row.
    Bias(&'a [V]),
    /// What the output holds.
    Output,
}

/// `out[r][c] = start + sum_i w[i * stride + r] * x[i][c]` for the first `cols` columns, where the
/// rows of `x` are those of `parts`, one after another.
#[inline(always)]
pub(crate) fn affine<S: Simd, const K: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; K],
    start: Start<'_, S::V>,
    out: &mut [Row<S>],
    cols: usize,
) {
    s.run(Affine { token: s, w, stride, parts, start, out, cols });
}

/// A function of its own, called from many places: inlined everywhere, the kernels would outgrow
/// the instruction cache.
struct Affine<'a, S: Simd, const K: usize> {
    token: S,
    w: &'a [S::E],
    stride: usize,
    parts: [&'a [Row<S>]; K],
    start: Start<'a, S::V>,
    out: &'a mut [Row<S>],
    cols: usize,
}

impl<S: Simd, const K: usize> Kernel<S::E> for Affine<'_, S, K> {
    type Output = ();
    #[inline(always)]
    fn run<Same: Simd<E = S::E>>(self, _: Same) {
        let Self { token: s, w, stride, parts, start, out, cols } = self;
        let mut c = 0;
        while c < cols {
            if S::WIDE_REGISTERS && c + 2 <= cols {
                affine_columns::<S, K, 2>(s, w, stride, parts, start, out, c);
                c += 2;
            } else {
                affine_columns::<S, K, 1>(s, w, stride, parts, start, out, c);
                c += 1;
            }
        }
    }
}

#[inline(always)]
fn affine_columns<S: Simd, const K: usize, const C: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; K],
    start: Start<'_, S::V>,
    out: &mut [Row<S>],
    c: usize,
) {
    let rows = out.len();
    let mut r = 0;
    while S::WIDE_REGISTERS && r + 10 <= rows {
        affine_block::<S, K, C, 10>(s, w, stride, parts, start, out, c, r);
        r += 10;
    }
    while r + 5 <= rows {
        affine_block::<S, K, C, 5>(s, w, stride, parts, start, out, c, r);
        r += 5;
    }
    while r + 3 <= rows {
        affine_block::<S, K, C, 3>(s, w, stride, parts, start, out, c, r);
        r += 3;
    }
    while r < rows {
        affine_block::<S, K, C, 1>(s, w, stride, parts, start, out, c, r);
        r += 1;
    }
}

#[inline(always)]
fn affine_block<S: Simd, const K: usize, const C: usize, const R: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; K],
    start: Start<'_, S::V>,
    out: &mut [Row<S>],
    c: usize,
    r: usize,
) {
    assert!(c + C <= TILE && r + R <= out.len(), "block outside the tile");
    let mut acc = [[s.zero(); C]; R];
    match start {
        Start::Zero => {}
        Start::Bias(bias) => {
            for i in 0..R {
                acc[i] = [bias[r + i]; C];
            }
        }
        Start::Output => {
            for i in 0..R {
                for j in 0..C {
                    acc[i][j] = out[r + i][c + j];
                }
            }
        }
    }
    let mut at = r;
    for part in parts {
        for x in part {
            let weights = &w[at..at + R];
            let mut v = [s.zero(); C];
            v.copy_from_slice(&x[c..c + C]);
            for i in 0..R {
                let b = s.splat(weights[i]);
                for j in 0..C {
                    acc[i][j] = s.fma(b, v[j], acc[i][j]);
                }
            }
            at += stride;
        }
    }
    for i in 0..R {
        for j in 0..C {
            out[r + i][c + j] = acc[i][j];
        }
    }
}

/// `sum[(row + i) * stride + column + r] += sum_c a[i][c] * d[r][c]`, lane by lane.
#[inline(always)]
pub(crate) fn outer<S: Simd>(
    s: S,
    a: &[Row<S>],
    d: &[Row<S>],
    cols: usize,
    sum: &mut [S::V],
    stride: usize,
) {
    s.run(Outer { token: s, a, d, cols, sum, stride });
}

struct Outer<'a, S: Simd> {
    token: S,
    a: &'a [Row<S>],
    d: &'a [Row<S>],
    cols: usize,
    sum: &'a mut [S::V],
    stride: usize,
}

impl<S: Simd> Kernel<S::E> for Outer<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Same: Simd<E = S::E>>(self, _: Same) {
        let Self { token: s, a, d, cols, sum, stride } = self;
        let mut i = 0;
        while i < a.len() {
            if S::WIDE_REGISTERS && i + 4 <= a.len() {
                outer_rows::<S, 4>(s, &a[i..i + 4], d, cols, &mut sum[i * stride..], stride);
                i += 4;
            } else if i + 2 <= a.len() {
                outer_rows::<S, 2>(s, &a[i..i + 2], d, cols, &mut sum[i * stride..], stride);
                i += 2;
            } else {
                outer_rows::<S, 1>(s, &a[i..=i], d, cols, &mut sum[i * stride..], stride);
                i += 1;
            }
        }
    }
}

#[inline(always)]
fn outer_rows<S: Simd, const I: usize>(
    s: S,
    a: &[Row<S>],
    d: &[Row<S>],
    cols: usize,
    sum: &mut [S::V],
    stride: usize,
) {
    let mut r = 0;
    while r < d.len() {
        if S::WIDE_REGISTERS && r + 5 <= d.len() {
            outer_block::<S, I, 5>(s, a, &d[r..r + 5], cols, &mut sum[r..], stride);
            r += 5;
        } else if r + 2 <= d.len() {
            outer_block::<S, I, 2>(s, a, &d[r..r + 2], cols, &mut sum[r..], stride);
            r += 2;
        } else {
            outer_block::<S, I, 1>(s, a, &d[r..=r], cols, &mut sum[r..], stride);
            r += 1;
        }
    }
}

#[inline(always)]
fn outer_block<S: Simd, const I: usize, const R: usize>(
    s: S,
    a: &[Row<S>],
    d: &[Row<S>],
    cols: usize,
    sum: &mut [S::V],
    stride: usize,
) {
    assert!(a.len() == I && d.len() == R && cols <= TILE, "block of the wrong shape");
    let mut acc = [[s.zero(); R]; I];
    for i in 0..I {
        acc[i].copy_from_slice(&sum[i * stride..i * stride + R]);
    }
    for c in 0..cols {
        let mut right = [s.zero(); R];
        for r in 0..R {
            right[r] = d[r][c];
        }
        for i in 0..I {
            let left = a[i][c];
            for r in 0..R {
                acc[i][r] = s.fma(left, right[r], acc[i][r]);
            }
        }
    }
    for i in 0..I {
        sum[i * stride..i * stride + R].copy_from_slice(&acc[i]);
    }
}

/// `sum[r] += sum_c d[r][c]`, lane by lane: the gradient of a bias.
#[inline(always)]
pub(crate) fn column_sums<S: Simd>(s: S, d: &[Row<S>], cols: usize, sum: &mut [S::V]) {
    let cols = cols.min(TILE);
    for (row, total) in d.iter().zip(sum) {
        let mut t = *total;
        for c in 0..cols {
            t = s.add(t, row[c]);
        }
        *total = t;
    }
}
