//! The nearest matrix with orthonormal rows or columns, roughly: the Newton-Schulz iteration of Muon.
//!
//! ```text
//! X = G / (|G|_F + 1e-7), transposed if it has more rows than columns
//! five times: A = X X^T,  X <- a X + (b A + c A A) X,  (a, b, c) = (3.4445, -4.7750, 2.0315)
//! ```
//!
//! The singular values of the result lie between about 0.7 and 1.2 where those of `X` were not tiny,
//! as the coefficients favour speed. All in `f32`; the norm is summed in double precision.

use lopt_core::simd::{Buffer, Kernel, Level, Simd};

const STEPS: usize = 5;
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// Vectors of 16 lanes at every level.
const LANES: usize = 16;
/// Rows and vectors of the block of the product that stays in registers.
const BLOCK: [usize; 2] = [4, 2];

/// Space for matrices up to a size; rows are padded with zeros to whole vectors.
#[derive(Debug, Clone)]
pub(super) struct Orthogonal {
    level: Level,
    /// `[m][n]` with `m <= n`: `X`, and the next `X`.
    matrices: [Buffer<f32>; 2],
    /// `[n][m]`: the transpose of `X`.
    transposed: Buffer<f32>,
    /// `[m][m]`: `A`, and `b A + c A A`.
    squares: [Buffer<f32>; 2],
}

impl Orthogonal {
    /// Space for all these `[rows, columns]`.
    pub(super) fn with_space_for(shapes: impl Iterator<Item = [usize; 2]>) -> Self {
        let (mut matrix, mut transposed, mut square) = (0, 0, 0);
        for [rows, columns] in shapes {
            let (m, n) = (rows.min(columns), rows.max(columns));
            matrix = matrix.max(m * padded(n));
            transposed = transposed.max(n * padded(m));
            square = square.max(m * padded(m));
        }
        Self {
            level: Level::detect(),
            matrices: [Buffer::zeros(matrix), Buffer::zeros(matrix)],
            transposed: Buffer::zeros(transposed),
            squares: [Buffer::zeros(square), Buffer::zeros(square)],
        }
    }

    /// Replaces `matrix`, `[rows, columns]` in row-major order.
    pub(super) fn apply(&mut self, matrix: &mut [f32], [rows, columns]: [usize; 2]) {
        let tall = rows > columns;
        let (m, n) = (rows.min(columns), rows.max(columns));
        self.matrices.iter_mut().for_each(|x| x.reshape(m * padded(n)));
        self.transposed.reshape(n * padded(m));
        self.squares.iter_mut().for_each(|x| x.reshape(m * padded(m)));

        let square: f64 = matrix.iter().map(|&x| f64::from(x).powi(2)).sum();
        let inverse = (1.0 / (square.sqrt() + 1e-7)) as f32;
        let at = |i: usize, j: usize| if tall { j * columns + i } else { i * columns + j };
        for i in 0..m {
            for j in 0..n {
                self.matrices[0][i * padded(n) + j] = inverse * matrix[at(i, j)];
            }
        }
        for _ in 0..STEPS {
            self.iterate(m, n);
        }
        for i in 0..m {
            for j in 0..n {
                matrix[at(i, j)] = self.matrices[0][i * padded(n) + j];
            }
        }
    }

    /// One step of the iteration on the matrix `[m][n]`.
    fn iterate(&mut self, m: usize, n: usize) {
        let [a, b, c] = COEFFICIENTS;
        let Self { level, matrices: [x, next], transposed, squares: [gram, polynomial] } = self;
        for i in 0..m {
            for j in 0..n {
                transposed[j * padded(m) + i] = x[i * padded(n) + j];
            }
        }
        let product =
            Product { out: gram, base: None, factor: 1.0, left: x, right: transposed, m, k: n };
        level.dispatch(product);
        let base = Some((b, &*gram));
        let product =
            Product { out: polynomial, base, factor: c, left: gram, right: gram, m, k: m };
        level.dispatch(product);
        let base = Some((a, &*x));
        let product = Product { out: next, base, factor: 1.0, left: polynomial, right: x, m, k: m };
        level.dispatch(product);
        std::mem::swap(x, next);
    }
}

/// Elements of a row with its padding.
fn padded(columns: usize) -> usize {
    columns.next_multiple_of(LANES)
}

/// `out = scale base + factor left right`, with `left` `[m][k]` and `right` `[k][columns]`, all padded.
struct Product<'a> {
    out: &'a mut Buffer<f32>,
    base: Option<(f32, &'a Buffer<f32>)>,
    factor: f32,
    left: &'a Buffer<f32>,
    right: &'a Buffer<f32>,
    m: usize,
    k: usize,
}

impl Kernel<f32> for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<E = f32>>(mut self, s: S) {
        let width = self.out.len() / self.m / LANES;
        let mut row = 0;
        while row < self.m {
            let tall = row + BLOCK[0] <= self.m;
            let mut column = 0;
            while column < width {
                let wide = column + BLOCK[1] <= width;
                match (tall, wide) {
                    (true, true) => self.block::<S, { BLOCK[0] }, { BLOCK[1] }>(s, row, column),
                    (true, false) => self.block::<S, { BLOCK[0] }, 1>(s, row, column),
                    (false, true) => self.block::<S, 1, { BLOCK[1] }>(s, row, column),
                    (false, false) => self.block::<S, 1, 1>(s, row, column),
                }
                column += if wide { BLOCK[1] } else { 1 };
            }
            row += if tall { BLOCK[0] } else { 1 };
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn block<S: Simd<E = f32>, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        s: S,
        row: usize,
        column: usize,
    ) {
        let out = self.out.as_vectors_mut::<S>();
        let width = out.len() / self.m;
        let right = self.right.as_vectors::<S>();
        let rows: [&[f32]; ROWS] =
            std::array::from_fn(|r| &self.left[(row + r) * padded(self.k)..][..self.k]);
        let mut sums = [[s.zero(); VECTORS]; ROWS];
        for (k, right) in right.chunks_exact(width).enumerate() {
            let right: [S::V; VECTORS] = std::array::from_fn(|v| right[column + v]);
            for r in 0..ROWS {
                let left = s.splat(rows[r][k]);
                for v in 0..VECTORS {
                    sums[r][v] = s.fma(left, right[v], sums[r][v]);
                }
            }
        }
        let factor = s.splat(self.factor);
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let at = (row + r) * width + column + v;
                let product = s.mul(factor, sums[r][v]);
                out[at] = match self.base {
                    Some((scale, base)) => {
                        s.fma(s.splat(scale), base.as_vectors::<S>()[at], product)
                    }
                    None => product,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopt_core::rng::{normal, stream};

    /// The iteration in double precision, without blocks and without transposing.
    fn plain(matrix: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
        let multiply = |left: &[f64], right: &[f64], [m, k, n]: [usize; 3]| -> Vec<f64> {
            let entry =
                |i: usize, j: usize| (0..k).map(|l| left[i * k + l] * right[l * n + j]).sum();
            (0..m * n).map(|at| entry(at / n, at % n)).collect()
        };
        let [a, b, c] = [3.4445, -4.7750, 2.0315];
        let norm = matrix.iter().map(|x| x * x).sum::<f64>().sqrt() + 1e-7;
        let mut x: Vec<f64> = matrix.iter().map(|x| x / norm).collect();
        for _ in 0..STEPS {
            let transposed: Vec<f64> =
                (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect();
            let gram = multiply(&x, &transposed, [rows, columns, rows]);
            let mut polynomial = multiply(&gram, &gram, [rows, rows, rows]);
            polynomial.iter_mut().zip(&gram).for_each(|(p, g)| *p = b * g + c * *p);
            let product = multiply(&polynomial, &x, [rows, rows, columns]);
            x.iter_mut().zip(&product).for_each(|(x, p)| *x = a * *x + p);
        }
        x
    }

    #[test]
    fn blocks_agree_with_plain_sums_at_every_size_and_level() {
        let shapes = [[1, 1], [1, 40], [33, 1], [4, 32], [7, 19], [40, 35], [65, 5]];
        let rng = &mut stream(3, &[]);
        for level in Level::ALL {
            let mut orthogonal = Orthogonal::with_space_for(shapes.into_iter());
            orthogonal.level = level;
            for shape in shapes {
                let mut matrix: Vec<f32> =
                    (0..shape[0] * shape[1]).map(|_| normal(rng) as f32).collect();
                let wide: Vec<f64> = matrix.iter().map(|&x| f64::from(x)).collect();
                orthogonal.apply(&mut matrix, shape);
                for (&got, expected) in matrix.iter().zip(plain(&wide, shape)) {
                    let error = (f64::from(got) - expected).abs();
                    assert!(error < 2e-5, "{level:?} {shape:?}: got {got}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn nothing_becomes_nothing() {
        let mut matrix = [0.0; 6];
        Orthogonal::with_space_for([[2, 3]].into_iter()).apply(&mut matrix, [2, 3]);
        assert_eq!(matrix, [0.0; 6]);
    }
}
