//! Matrix products in register blocks.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// Sizes and transpositions of `out (m, n) = A (m, k) B (k, n)`, all row-major in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatMulShape {
    /// Rows of the product.
    pub(crate) m: usize,
    /// The summed extent.
    pub(crate) k: usize,
    /// Columns of the product.
    pub(crate) n: usize,
    /// `a` holds the transpose of `A`, `(k, m)`.
    pub(crate) transpose_a: bool,
    /// `b` holds the transpose of `B`, `(n, k)`.
    pub(crate) transpose_b: bool,
    /// Add to `out` instead of overwriting it.
    pub(crate) accumulate: bool,
    /// The operand whose tangents are all zero: its tangents are neither read nor multiplied.
    pub(crate) still: Still,
}

/// Which operand of a product has no tangent, if one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    Neither,
    A,
    B,
}

/// The values of [`Still`] as they appear in const generics.
const NEITHER: u8 = 0;
const STILL_A: u8 = 1;
const STILL_B: u8 = 2;

/// `out (+)= A B`.
pub(crate) struct MatMul<'a, R> {
    pub(crate) shape: MatMulShape,
    pub(crate) a: &'a [R],
    pub(crate) b: &'a [R],
    pub(crate) out: &'a mut [R],
}

impl<R> Kernel<R> for MatMul<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(mut self, c: C) {
        match self.shape.still {
            Still::A if C::TANGENTS => self.cover::<C, STILL_A>(c),
            Still::B if C::TANGENTS => self.cover::<C, STILL_B>(c),
            _ => self.cover::<C, NEITHER>(c),
        }
    }
}

impl<R> MatMul<'_, R> {
    /// Covers `out` with the largest blocks whose sums fit in registers. Eight sums or more are
    /// needed to hide the latency of the fused multiply and add.
    #[inline(always)]
    fn cover<C: Registers<R>, const S: u8>(&mut self, c: C) {
        if C::ACCUMULATORS >= 8 {
            if self.shape.n == 1 {
                self.blocks::<C, S, 8, 1>(c);
            } else {
                self.blocks::<C, S, 4, 2>(c);
            }
        } else if C::ACCUMULATORS >= 4 {
            if self.shape.n == 1 {
                self.blocks::<C, S, 4, 1>(c);
            } else {
                self.blocks::<C, S, 2, 2>(c);
            }
        } else {
            self.blocks::<C, S, 2, 1>(c);
        }
    }

    #[inline(always)]
    fn blocks<C: Registers<R>, const S: u8, const I: usize, const J: usize>(&mut self, c: C) {
        let (m, n) = (self.shape.m, self.shape.n);
        let (whole_m, whole_n) = (m - m % I, n - n % J);
        for j in (0..whole_n).step_by(J) {
            for i in (0..whole_m).step_by(I) {
                self.block::<C, S, I, J>(c, i, j);
            }
            for i in whole_m..m {
                self.block::<C, S, 1, J>(c, i, j);
            }
        }
        for j in whole_n..n {
            for i in 0..m {
                self.block::<C, S, 1, 1>(c, i, j);
            }
        }
    }

    /// Computes the `I x J` block at `(i, j)`.
    #[inline(always)]
    fn block<C: Registers<R>, const S: u8, const I: usize, const J: usize>(
        &mut self,
        c: C,
        i: usize,
        j: usize,
    ) {
        let s = self.shape;
        let (a_row, a_step) = if s.transpose_a { (1, s.m) } else { (s.k, 1) };
        let (b_step, b_column) = if s.transpose_b { (1, s.k) } else { (s.n, 1) };
        let a = &self.a[i * a_row..];
        let b = &self.b[j * b_column..];
        let mut sums = [[c.constant(0.0); J]; I];
        for k in 0..s.k {
            let mut column = [c.constant(0.0); J];
            for (dj, x) in column.iter_mut().enumerate() {
                let x_in = &b[k * b_step + dj * b_column];
                *x = if S == STILL_B { c.load_still(x_in) } else { c.load(x_in) };
            }
            for (di, sums) in sums.iter_mut().enumerate() {
                let x_in = &a[k * a_step + di * a_row];
                let x = if S == STILL_A { c.load_still(x_in) } else { c.load(x_in) };
                for (sum, y) in sums.iter_mut().zip(column) {
                    *sum = match S {
                        STILL_A => y.mul_add_still(x, *sum),
                        STILL_B => x.mul_add_still(y, *sum),
                        _ => x.mul_add(y, *sum),
                    };
                }
            }
        }
        for (di, sums) in sums.into_iter().enumerate() {
            for (dj, sum) in sums.into_iter().enumerate() {
                let out = &mut self.out[(i + di) * s.n + j + dj];
                let sum = if s.accumulate { c.load(out) + sum } else { sum };
                *out = c.store(sum);
            }
        }
    }
}
