//! Scalar products.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// Independent partial sums, so that additions overlap.
const PARTIAL: usize = 8;

/// `out[0] = sum a[i] b[i]`.
pub(crate) struct Dot<'a, R> {
    pub(crate) a: &'a [R],
    pub(crate) b: &'a [R],
    pub(crate) out: &'a mut [R],
}

/// `y[i] += alpha[0] x[i]`.
pub(crate) struct Axpy<'a, R> {
    pub(crate) alpha: &'a [R],
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

impl<R> Kernel<R> for Dot<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let mut sums = [c.constant(0.0); PARTIAL];
        let (a, a_rest) = self.a.as_chunks::<PARTIAL>();
        let (b, b_rest) = self.b.as_chunks::<PARTIAL>();
        for (a, b) in a.iter().zip(b) {
            for i in 0..PARTIAL {
                sums[i] = c.load(&a[i]).mul_add(c.load(&b[i]), sums[i]);
            }
        }
        for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            sums[i] = c.load(a).mul_add(c.load(b), sums[i]);
        }
        self.out[0] = c.store(fold(sums));
    }
}

impl<R> Kernel<R> for Axpy<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let alpha = c.load(&self.alpha[0]);
        for (x, y) in self.x.iter().zip(self.y.iter_mut()) {
            *y = c.store(alpha.mul_add(c.load(x), c.load(y)));
        }
    }
}

/// The sum of the partial sums, pairwise.
#[inline(always)]
pub(super) fn fold<T: Arithmetic>(s: [T; PARTIAL]) -> T {
    ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}
