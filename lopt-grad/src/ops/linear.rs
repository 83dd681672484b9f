//! Matrix products and positive definite systems.

use super::{Op, Pullback};
use crate::kernel::{MatMul, MatMulShape, SpdBackward, SpdForward, Still};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// The matrix product `(m, k) x (k, n) -> (m, n)`.
    ///
    /// # Panics
    ///
    /// If either is not a matrix or the inner extents differ.
    pub fn matmul(self, other: Self) -> Self {
        self.same_tape(other);
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 2 && b.len() == 2 && a[1] == b[0], "matmul of shapes {a:?} and {b:?}");
        let inputs = [self.index, other.index];
        let still = self.tape.still(inputs);
        let sizes = MatMulShape { still, ..product(a[0], a[1], b[1]) };
        self.tape.record(Op::MatMul, inputs, Shape::new(&[a[0], b[1]]), 0, |inputs, _, out| {
            R::execute(MatMul { shape: sizes, a: inputs.get(0), b: inputs.get(1), out }.into());
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

/// `dA += g B^T`, `dB += A^T g`.
pub(super) fn pull_back_matmul<R: Real>(mut p: Pullback<'_, R>) {
    let (a, b, g) = (p.value(0), p.value(1), p.g);
    let (m, k, n) = (p.node.shape[0], p.input(0).shape[1], p.node.shape[1]);
    let (still_a, still_b) = (p.input(0).still, p.input(1).still);
    if let Some(out) = p.adjoint(0) {
        let still = if still_b { Still::B } else { Still::Neither };
        let shape = MatMulShape { transpose_b: true, accumulate: true, still, ..product(m, n, k) };
        R::execute(MatMul { shape, a: g, b, out }.into());
    }
    if let Some(out) = p.adjoint(1) {
        let still = if still_a { Still::A } else { Still::Neither };
        let shape = MatMulShape { transpose_a: true, accumulate: true, still, ..product(k, m, n) };
        R::execute(MatMul { shape, a, b: g, out }.into());
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
