//! Softmax, log-softmax and log-sum-exp of rows.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// A function of one row; all subtract the row's maximum first, so none overflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RowFunction {
    Softmax,
    LogSoftmax,
    LogSumExp,
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

impl<R> Kernel<R> for RowForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let zero = c.constant(0.0);
        for (r, x) in self.x.chunks_exact(self.width).enumerate() {
            let mut largest = c.load(&x[0]);
            for v in &x[1..] {
                largest = largest.max(c.load(v));
            }
            let y = match self.function {
                RowFunction::LogSumExp => &mut self.y[r..=r],
                _ => &mut self.y[r * self.width..(r + 1) * self.width],
            };
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
