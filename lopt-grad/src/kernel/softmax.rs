//! Softmax, log-softmax, log-sum-exp and layer normalisation of rows.

use super::product::fold;
use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// A function of one row; those with exponentials subtract the row's maximum first, so none
/// overflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RowFunction {
    Softmax,
    /// Softmax of the elements up to the diagonal of each square matrix.
    CausalSoftmax,
    LogSoftmax,
    LogSumExp,
    /// `(x - mean) / sqrt(variance + epsilon)`.
    LayerNorm(f64),
}

/// Rows of `width` elements; `y` has rows of the same width, or one element per row for
/// log-sum-exp.
pub(crate) struct RowForward<'a, R> {
    pub(crate) function: RowFunction,
    pub(crate) width: usize,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

/// The adjoint of [`RowForward`]: adds to `dx`.
pub(crate) struct RowAdjoint<'a, R> {
    pub(crate) function: RowFunction,
    pub(crate) width: usize,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) dx: &'a mut [R],
}

/// The sum of a term over two rows, in eight parts so that additions overlap.
macro_rules! sum {
    ($c:ident, $a:ident, $b:ident, in $as:expr, $bs:expr => $term:expr) => {{
        let mut sums = [$c.constant(0.0); 8];
        let ((a, a_rest), (b, b_rest)) = ($as.as_chunks::<8>(), $bs.as_chunks::<8>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..8 {
                let ($a, $b) = ($c.load(&a[i]), $c.load(&b[i]));
                sums[i] = sums[i] + $term;
            }
        }
        for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            let ($a, $b) = ($c.load(a), $c.load(b));
            sums[i] = sums[i] + $term;
        }
        fold(sums)
    }};
}

/// Mean of a row and `1 / sqrt(variance + epsilon)`.
#[inline(always)]
fn moments<R, C: Registers<R>>(c: C, x: &[R], epsilon: f64) -> (C::Register, C::Register) {
    let part = c.constant(1.0 / x.len() as f64);
    let mean = part * sum!(c, x, _same, in x, x => x);
    let variance = part * sum!(c, x, _same, in x, x => (x - mean).square());
    (mean, (variance + c.constant(epsilon)).sqrt().recip())
}

/// The softmax of the first elements of a row, and zeros behind.
#[inline(always)]
fn causal_row<R, C: Registers<R>>(c: C, x: &[R], y: &mut [R], seen: usize) {
    let (y, hidden) = y.split_at_mut(seen);
    for y in hidden {
        *y = c.store(c.constant(0.0));
    }
    let x = &x[..seen];
    // In eight parts, as the sums, so that comparisons overlap.
    let mut parts = [c.load(&x[0]); 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for i in 0..8 {
            parts[i] = parts[i].max(c.load(&chunk[i]));
        }
    }
    let mut largest = parts[0];
    for part in &parts[1..] {
        largest = largest.max(*part);
    }
    for x in rest {
        largest = largest.max(c.load(x));
    }
    for (x, y) in x.iter().zip(y.iter_mut()) {
        *y = c.store((c.load(x) - largest).exp());
    }
    let inverse = sum!(c, y, _same, in y, y => y).recip();
    for y in y.iter_mut() {
        *y = c.store(c.load(y) * inverse);
    }
}

impl<R> Kernel<R> for RowForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let zero = c.constant(0.0);
        for (r, x) in self.x.chunks_exact(self.width).enumerate() {
            let y = match self.function {
                RowFunction::LogSumExp => &mut self.y[r..=r],
                _ => &mut self.y[r * self.width..(r + 1) * self.width],
            };
            if let RowFunction::LayerNorm(epsilon) = self.function {
                let (mean, inverse) = moments(c, x, epsilon);
                for (v, y) in x.iter().zip(y) {
                    *y = c.store((c.load(v) - mean) * inverse);
                }
                continue;
            }
            if self.function == RowFunction::CausalSoftmax {
                causal_row(c, x, y, r % self.width + 1);
                continue;
            }
            let mut largest = c.load(&x[0]);
            for v in &x[1..] {
                largest = largest.max(c.load(v));
            }
            let mut sum = zero;
            if self.function == RowFunction::Softmax {
                for (v, y) in x.iter().zip(y.iter_mut()) {
                    let e = (c.load(v) - largest).exp();
                    sum = sum + e;
                    *y = c.store(e);
                }
                let inverse = sum.recip();
                for y in y.iter_mut() {
                    *y = c.store(c.load(y) * inverse);
                }
                continue;
            }
            for v in x {
                sum = sum + (c.load(v) - largest).exp();
            }
            if self.function == RowFunction::LogSumExp {
                y[0] = c.store(largest + sum.ln());
                continue;
            }
            let log = sum.ln();
            for (v, y) in x.iter().zip(y.iter_mut()) {
                *y = c.store((c.load(v) - largest) - log);
            }
        }
    }
}

impl<R> Kernel<R> for RowAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let width = self.width;
        for (r, dx) in self.dx.chunks_exact_mut(width).enumerate() {
            let row = r * width..(r + 1) * width;
            match self.function {
                RowFunction::CausalSoftmax => {
                    let seen = row.start..=row.start + r % width;
                    let (y, g) = (&self.y[seen.clone()], &self.g[seen]);
                    let mean = sum!(c, y, g, in y, g => y * g);
                    for ((y, g), d) in y.iter().zip(g).zip(dx) {
                        *d = c.store(c.load(y).mul_add(c.load(g) - mean, c.load(d)));
                    }
                }
                RowFunction::Softmax => {
                    let (y, g) = (&self.y[row.clone()], &self.g[row]);
                    let mut mean = c.constant(0.0);
                    for (y, g) in y.iter().zip(g) {
                        mean = c.load(y).mul_add(c.load(g), mean);
                    }
                    for ((y, g), d) in y.iter().zip(g).zip(dx) {
                        *d = c.store(c.load(y).mul_add(c.load(g) - mean, c.load(d)));
                    }
                }
                RowFunction::LogSoftmax => {
                    let (y, g) = (&self.y[row.clone()], &self.g[row]);
                    let mut sum = c.constant(0.0);
                    for g in g {
                        sum = sum + c.load(g);
                    }
                    for ((y, g), d) in y.iter().zip(g).zip(dx) {
                        *d = c.store(c.load(d) + (c.load(g) - c.load(y).exp() * sum));
                    }
                }
                RowFunction::LayerNorm(epsilon) => {
                    let (x, y, g) = (&self.x[row.clone()], &self.y[row.clone()], &self.g[row]);
                    let (_, inverse) = moments(c, x, epsilon);
                    let part = c.constant(1.0 / width as f64);
                    let mean = part * sum!(c, g, _y, in g, y => g);
                    let along = part * sum!(c, g, y, in g, y => g * y);
                    for ((y, g), d) in y.iter().zip(g).zip(dx) {
                        let across = (c.load(g) - mean) - c.load(y) * along;
                        *d = c.store(inverse.mul_add(across, c.load(d)));
                    }
                }
                RowFunction::LogSumExp => {
                    let (y, g) = (c.load(&self.y[r]), c.load(&self.g[r]));
                    for (x, d) in self.x[row].iter().zip(dx) {
                        *d = c.store((c.load(x) - y).exp().mul_add(g, c.load(d)));
                    }
                }
            }
        }
    }
}
