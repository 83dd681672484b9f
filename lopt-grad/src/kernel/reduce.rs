//! Sums along an axis and extrema of a whole tensor.

use super::product::fold;
use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// `out[o][i] = scale * sum_k x[o][k][i]`, `x` being `[outer][length][inner]`.
pub(crate) struct Sum<'a, R> {
    pub(crate) length: usize,
    pub(crate) inner: usize,
    pub(crate) scale: f64,
    pub(crate) x: &'a [R],
    pub(crate) out: &'a mut [R],
}

/// `dx[o][k][i] += scale * g[o][i]`.
pub(crate) struct SumAdjoint<'a, R> {
    pub(crate) length: usize,
    pub(crate) inner: usize,
    pub(crate) scale: f64,
    pub(crate) g: &'a [R],
    pub(crate) dx: &'a mut [R],
}

impl<R> Kernel<R> for Sum<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let zero = c.constant(0.0);
        let scale = c.constant(self.scale);
        if self.inner == 1 {
            for (o, out) in self.out.iter_mut().enumerate() {
                let row = &self.x[o * self.length..(o + 1) * self.length];
                let mut sums = [zero; 8];
                let (chunks, rest) = row.as_chunks::<8>();
                for chunk in chunks {
                    for i in 0..8 {
                        sums[i] = sums[i] + c.load(&chunk[i]);
                    }
                }
                for (i, x) in rest.iter().enumerate() {
                    sums[i] = sums[i] + c.load(x);
                }
                *out = c.store(scale * fold(sums));
            }
            return;
        }
        let slab = self.length * self.inner;
        for (o, out) in self.out.chunks_exact_mut(self.inner).enumerate() {
            for y in out.iter_mut() {
                *y = c.store(zero);
            }
            for row in self.x[o * slab..(o + 1) * slab].chunks_exact(self.inner) {
                for (y, x) in out.iter_mut().zip(row) {
                    *y = c.store(c.load(y) + c.load(x));
                }
            }
            for y in out.iter_mut() {
                *y = c.store(scale * c.load(y));
            }
        }
    }
}

impl<R> Kernel<R> for SumAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let scale = c.constant(self.scale);
        let slab = self.length * self.inner;
        for (o, g) in self.g.chunks_exact(self.inner).enumerate() {
            let dx = &mut self.dx[o * slab..(o + 1) * slab];
            if self.inner == 1 {
                let g = scale * c.load(&g[0]);
                for d in dx {
                    *d = c.store(c.load(d) + g);
                }
                continue;
            }
            for row in dx.chunks_exact_mut(self.inner) {
                for (d, g) in row.iter_mut().zip(g) {
                    *d = c.store(scale.mul_add(c.load(g), c.load(d)));
                }
            }
        }
    }
}

/// Largest or smallest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extremum {
    Max,
    Min,
}

impl Extremum {
    #[inline(always)]
    pub(super) fn of<T: Arithmetic>(self, a: T, b: T) -> T {
        match self {
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }

    /// `one` in the lanes where `x` is the extremum `y` and none was `taken` before.
    #[inline(always)]
    pub(super) fn first<T: Arithmetic>(self, x: T, y: T, taken: T) -> T {
        let free = x.constant(1.0) - taken;
        let zero = x.constant(0.0);
        match self {
            Self::Max => T::select_ge(x, y, free, zero),
            Self::Min => T::select_ge(y, x, free, zero),
        }
    }
}

/// `out[0]` = the extremum of `x`.
pub(crate) struct ExtremumForward<'a, R> {
    pub(crate) which: Extremum,
    pub(crate) x: &'a [R],
    pub(crate) out: &'a mut [R],
}

/// `dx += g` at the first extremum of each lane.
pub(crate) struct ExtremumAdjoint<'a, R> {
    pub(crate) which: Extremum,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) dx: &'a mut [R],
}

impl<R> Kernel<R> for ExtremumForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let mut best = c.load(&self.x[0]);
        for x in &self.x[1..] {
            best = self.which.of(best, c.load(x));
        }
        self.out[0] = c.store(best);
    }
}

impl<R> Kernel<R> for ExtremumAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let (y, g) = (c.load(&self.y[0]), c.load(&self.g[0]));
        let mut taken = c.constant(0.0);
        for (x, dx) in self.x.iter().zip(self.dx.iter_mut()) {
            let weight = self.which.first(c.load(x), y, taken);
            taken = taken + weight;
            *dx = c.store(g.mul_add(weight, c.load(dx)));
        }
    }
}
