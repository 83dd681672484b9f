//! Matrix products and positive definite systems.

use super::{Op, Pullback};
use crate::kernel::{MatMul, MatMulShape, SpdBackward, SpdForward, Still};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// The matrix product `(m, k) x (k, n) -> (m, n)`, or that of stacks of matrices,
    /// `(b, m, k) x (b, k, n) -> (b, m, n)` and `(b, m, k) x (k, n) -> (b, m, n)`.
    ///
    /// # Panics
    ///
    /// If the shapes are not of these forms.
    pub fn matmul(self, other: Self) -> Self {
        self.same_tape(other);
        let (a, b) = (self.shape(), other.shape());
        let fit =
            matches!((a.len(), b.len()), (2 | 3, 2)) || (a.len(), b.len(), a[0]) == (3, 3, b[0]);
        assert!(fit && a.trailing(0) == b.trailing(1), "matmul of shapes {a:?} and {b:?}");
        let inputs = [self.index, other.index];
        let sizes = MatMulShape { still: self.tape.still(inputs), ..sizes(&a, &b) };
        let shape = a.with(a.len() - 1, b.trailing(0));
        self.tape.record(Op::MatMul, inputs, shape, 0, |inputs, _, out| {
            multiply(sizes, inputs.get(0), inputs.get(1), out);
        })
    }

    /// The solution `x` `(n, m)` of `self x = rhs`, `self` being symmetric positive definite
    /// `(n, n)`.
    ///
    /// Only the lower triangle of `self` is read, while the adjoint is that of a full matrix:
    /// right for any matrix that is symmetric by construction. A matrix that is not positive
    /// definite gives NaN.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    pub fn solve_spd(self, rhs: Self) -> Self {
        self.same_tape(rhs);
        let (a, b) = (self.shape(), rhs.shape());
        assert!(
            a.len() == 2 && a[0] == a[1] && b.len() == 2 && b[0] == a[0],
            "solve_spd of shapes {a:?} and {b:?}"
        );
        let (n, elements) = (a[0], b.elements());
        let inputs = [self.index, rhs.index];
        // The factor is kept behind the solution, for the pullback.
        self.tape.record(Op::SolveSpd, inputs, b, n * n, |inputs, _, out| {
            let (x, factor) = out.split_at_mut(elements);
            let (a, rhs) = (inputs.get(0), inputs.get(1));
            R::execute(SpdForward { n, a, rhs, factor, x }.into());
        })
    }
}

/// A product without transposes that overwrites.
pub(super) const fn product(m: usize, k: usize, n: usize) -> MatMulShape {
    MatMulShape {
        m,
        k,
        n,
        transpose_a: false,
        transpose_b: false,
        accumulate: false,
        still: Still::Neither,
    }
}

/// The sizes of each product of a stack. A stack times one matrix is a single product, of all rows.
fn sizes(a: &Shape, b: &Shape) -> MatMulShape {
    let m = if b.len() == 3 { a[1] } else { a.elements() / a.trailing(0) };
    product(m, a.trailing(0), b.trailing(0))
}

/// All products of a stack, operands and results being one after another.
fn multiply<R: Real>(shape: MatMulShape, a: &[R], b: &[R], out: &mut [R]) {
    let MatMulShape { m, k, n, .. } = shape;
    let operands = a.chunks_exact(m * k).zip(b.chunks_exact(k * n));
    for ((a, b), out) in operands.zip(out.chunks_exact_mut(m * n)) {
        R::execute(MatMul { shape, a, b, out }.into());
    }
}

/// `dA += g B^T`, `dB += A^T g`; `=` where the adjoint is fresh.
pub(super) fn pull_back_matmul<R: Real>(mut p: Pullback<'_, R>) {
    let (a, b, g) = (p.value(0), p.value(1), p.g);
    let MatMulShape { m, k, n, .. } = sizes(&p.input(0).shape, &p.input(1).shape);
    let [accumulate_a, accumulate_b] = p.fresh.map(|fresh| !fresh);
    let (still_a, still_b) = (p.input(0).still, p.input(1).still);
    if let Some(out) = p.adjoint(0) {
        let still = if still_b { Still::B } else { Still::Neither };
        let shape =
            MatMulShape { transpose_b: true, accumulate: accumulate_a, still, ..product(m, n, k) };
        multiply(shape, g, b, out);
    }
    if let Some(out) = p.adjoint(1) {
        let still = if still_a { Still::A } else { Still::Neither };
        let shape =
            MatMulShape { transpose_a: true, accumulate: accumulate_b, still, ..product(k, m, n) };
        multiply(shape, a, g, out);
    }
}

/// `w = A^-1 g`, `d_rhs += w`, `dA -= w x^T`.
pub(super) fn pull_back_solve_spd<R: Real>(p: Pullback<'_, R>) {
    let n = p.node.shape[0];
    let x = p.result();
    let behind = p.node.range().end;
    let factor = &p.values[behind..behind + n * n];
    let [matrix, right] = [p.input(0), p.input(1)];
    let w = p.scratch;
    // Two calls, because the adjoints of the inputs may be one and the same slice.
    for (node, is_matrix) in [(right, false), (matrix, true)] {
        let Some(at) = node.adjoint else { continue };
        let d = &mut p.adjoints[at..at + node.shape.elements()];
        w.clear();
        w.extend_from_slice(p.g);
        let (d_rhs, d_a) = if is_matrix { (&mut [][..], d) } else { (d, &mut [][..]) };
        R::execute(SpdBackward { n, factor, x, w, d_rhs, d_a }.into());
    }
}
