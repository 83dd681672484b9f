//! Solving with a symmetric positive definite matrix, by Cholesky in the scalar's own arithmetic.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// Factors `a` `(n, n)` into `factor` (lower triangle) and solves `a x = rhs` `(n, m)`.
///
/// Only the lower triangle of `a` is read. A matrix that is not positive definite gives NaN.
pub(crate) struct SpdForward<'a, R> {
    pub(crate) n: usize,
    pub(crate) a: &'a [R],
    pub(crate) rhs: &'a [R],
    pub(crate) factor: &'a mut [R],
    pub(crate) x: &'a mut [R],
}

/// `w = a^-1 g`; then `d_rhs += w` and `d_a -= w x^T`, whichever are wanted (not empty).
pub(crate) struct SpdBackward<'a, R> {
    pub(crate) n: usize,
    pub(crate) factor: &'a [R],
    pub(crate) x: &'a [R],
    /// The adjoint of the solution, overwritten by `w`.
    pub(crate) w: &'a mut [R],
    pub(crate) d_rhs: &'a mut [R],
    pub(crate) d_a: &'a mut [R],
}

impl<R: Copy> Kernel<R> for SpdForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let Self { n, a, rhs, factor, x } = self;
        for j in 0..n {
            for i in j..n {
                let mut sum = c.load(&a[i * n + j]);
                for k in 0..j {
                    sum = sum - c.load(&factor[i * n + k]) * c.load(&factor[j * n + k]);
                }
                let entry = if i == j { sum.sqrt() } else { sum / c.load(&factor[j * n + j]) };
                factor[i * n + j] = c.store(entry);
            }
        }
        x.copy_from_slice(rhs);
        solve(c, n, factor, x);
    }
}

/// Solves `L L^T x = x` in place, `x` being `(n, m)`.
#[inline(always)]
fn solve<R, C: Registers<R>>(c: C, n: usize, factor: &[R], x: &mut [R]) {
    let m = x.len() / n;
    for column in 0..m {
        for i in 0..n {
            let mut sum = c.load(&x[i * m + column]);
            for k in 0..i {
                sum = sum - c.load(&factor[i * n + k]) * c.load(&x[k * m + column]);
            }
            x[i * m + column] = c.store(sum / c.load(&factor[i * n + i]));
        }
        for i in (0..n).rev() {
            let mut sum = c.load(&x[i * m + column]);
            for k in i + 1..n {
                sum = sum - c.load(&factor[k * n + i]) * c.load(&x[k * m + column]);
            }
            x[i * m + column] = c.store(sum / c.load(&factor[i * n + i]));
        }
    }
}

impl<R: Copy> Kernel<R> for SpdBackward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let Self { n, factor, x, w, d_rhs, d_a } = self;
        solve(c, n, factor, w);
        for (d, w) in d_rhs.iter_mut().zip(w.iter()) {
            *d = c.store(c.load(d) + c.load(w));
        }
        let m = w.len() / n;
        for (entry, d) in d_a.iter_mut().enumerate() {
            let (i, j) = (entry / n, entry % n);
            let mut sum = c.load(d);
            for column in 0..m {
                sum = sum - c.load(&w[i * m + column]) * c.load(&x[j * m + column]);
            }
            *d = c.store(sum);
        }
    }
}
