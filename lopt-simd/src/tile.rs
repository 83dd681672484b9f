//! Small dense products over one tile: broadcast weights times columns of lanes.
//!
//! A tile is a few rows (fields) of [`TILE`] vectors (columns). [`affine`] is the matrix-vector
//! product of every column at once. Accumulators stay in registers: four columns by five rows with
//! 32 registers (two by ten where a tile has fewer columns), one column by five rows with 16.

use crate::{Kernel, Row, Simd, TILE};
use bytemuck::Zeroable;

/// What an affine map starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, S: Simd> {
    /// Zero.
    Zero,
    /// One number per output row.
    Bias(&'a [S::E]),
    /// One vector per output row: that column of rows.
    Column(&'a [Row<S>], usize),
    /// What the output holds.
    Output,
}

impl<S: Simd> Start<'_, S> {
    /// The start of the output rows from `rows` on.
    #[inline(always)]
    pub fn skip(self, rows: usize) -> Self {
        match self {
            Self::Bias(bias) => Self::Bias(&bias[rows..]),
            Self::Column(bias, column) => Self::Column(&bias[rows..], column),
            Self::Zero | Self::Output => self,
        }
    }
}

/// `out[r][c] = start + sum_i w[i * stride + r] * x[i][c]` for the first `cols` columns, where the
/// rows of `x` are those of `parts`, one or two, one after another.
#[inline(always)]
pub fn affine<S: Simd, const K: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; K],
    start: Start<'_, S>,
    out: &mut [Row<S>],
    cols: usize,
) {
    // none in place of a second part: one instance of the kernel serves both
    let parts = [parts[0], parts.get(1).copied().unwrap_or_default()];
    s.run(Affine { token: s, w, stride, parts, start, out, cols });
}

/// A function of its own, called from many places: inlined everywhere, the kernels would outgrow
/// the instruction cache.
struct Affine<'a, S: Simd> {
    token: S,
    w: &'a [S::E],
    stride: usize,
    parts: [&'a [Row<S>]; 2],
    start: Start<'a, S>,
    out: &'a mut [Row<S>],
    cols: usize,
}

impl<S: Simd> Kernel<S::E> for Affine<'_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Same: Simd<E = S::E>>(self, _: Same) {
        let Self { token: s, w, stride, parts, start, out, cols } = self;
        let mut c = 0;
        while c < cols {
            if S::WIDE_REGISTERS && c + 4 <= cols {
                affine_columns::<S, 4>(s, w, stride, parts, start, out, c);
                c += 4;
            } else if S::WIDE_REGISTERS && c + 2 <= cols {
                affine_columns::<S, 2>(s, w, stride, parts, start, out, c);
                c += 2;
            } else {
                affine_columns::<S, 1>(s, w, stride, parts, start, out, c);
                c += 1;
            }
        }
    }
}

#[inline(always)]
fn affine_columns<S: Simd, const C: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; 2],
    start: Start<'_, S>,
    out: &mut [Row<S>],
    c: usize,
) {
    let rows = out.len();
    let mut r = 0;
    while S::WIDE_REGISTERS && C < 4 && r + 10 <= rows {
        affine_block::<S, C, 10>(s, w, stride, parts, start, out, c, r);
        r += 10;
    }
    while r + 5 <= rows {
        affine_block::<S, C, 5>(s, w, stride, parts, start, out, c, r);
        r += 5;
    }
    while r + 3 <= rows {
        affine_block::<S, C, 3>(s, w, stride, parts, start, out, c, r);
        r += 3;
    }
    while r < rows {
        affine_block::<S, C, 1>(s, w, stride, parts, start, out, c, r);
        r += 1;
    }
}

#[inline(always)]
fn affine_block<S: Simd, const C: usize, const R: usize>(
    s: S,
    w: &[S::E],
    stride: usize,
    parts: [&[Row<S>]; 2],
    start: Start<'_, S>,
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
                acc[i] = [s.splat(bias[r + i]); C];
            }
        }
        Start::Column(bias, column) => {
            for i in 0..R {
                acc[i] = [bias[r + i][column]; C];
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

/// `sum[r] += sum_c d[r][c]`, lane by lane: the gradient of a bias.
#[inline(always)]
pub fn column_sums<S: Simd>(s: S, d: &[Row<S>], cols: usize, sum: &mut [S::V]) {
    let cols = cols.min(TILE);
    for (row, total) in d.iter().zip(sum) {
        let mut t = *total;
        for c in 0..cols {
            t = s.add(t, row[c]);
        }
        *total = t;
    }
}

/// Loads one tile's scalars from a flat buffer; what is missing is zero.
#[inline(always)]
pub fn load_row<S: Simd>(flat: &[S::E]) -> Row<S> {
    let mut row: Row<S> = Zeroable::zeroed();
    if flat.len() == TILE * S::LANES {
        // a copy of the whole would be merged with the one below, into a call
        for (to, from) in row.iter_mut().zip(flat.chunks_exact(S::LANES)) {
            *to = bytemuck::pod_read_unaligned(bytemuck::cast_slice(from));
        }
    } else {
        bytemuck::cast_slice_mut::<_, S::E>(&mut row)[..flat.len()].copy_from_slice(flat);
    }
    row
}

/// Writes the first scalars of a row to a flat buffer.
#[inline(always)]
pub fn store_row<S: Simd>(row: &Row<S>, flat: &mut [S::E]) {
    if flat.len() == TILE * S::LANES {
        for (to, from) in flat.chunks_exact_mut(S::LANES).zip(row) {
            to.copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(from)));
        }
    } else {
        let from: &[S::E] = bytemuck::cast_slice(row);
        flat.copy_from_slice(&from[..flat.len()]);
    }
}

/// The lanes of all columns of a row.
#[inline(always)]
pub fn lanes_mut<S: Simd>(row: &mut Row<S>) -> &mut [S::E] {
    bytemuck::cast_slice_mut(row)
}

/// A row before the step: from the state before it, or, where that is being overwritten, what `now`
/// still holds.
#[inline(always)]
pub fn before<'a, V>(
    old: Option<&'a [[V; TILE]]>,
    now: &'a [[V; TILE]],
    row: usize,
) -> &'a [V; TILE] {
    match old {
        Some(old) => &old[row],
        None => &now[row],
    }
}

/// Copies the first `cols` columns, or a few more: moves of a length known to the compiler, where a
/// loop would become a call.
#[inline(always)]
pub fn copy_columns<V: Copy>(from: &[V; TILE], to: &mut [V; TILE], cols: usize) {
    if cols == 1 {
        to[0] = from[0];
    } else {
        *to = *from;
    }
}
