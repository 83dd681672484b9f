//! Moving elements: transposes, reshapes, slices, concatenations, gathers.

use super::{Op, Pullback};
use crate::arena::NONE;
use crate::kernel::{Add, AddRows, StridedAdd};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// The transpose of a matrix, or of each matrix of a stack: `(b, m, n) -> (b, n, m)`.
    ///
    /// # Panics
    ///
    /// If it is neither.
    pub fn t(self) -> Self {
        let shape = self.shape();
        assert!(matches!(shape.len(), 2 | 3), "t() of shape {shape:?}");
        let (m, n) = (shape.trailing(1), shape.trailing(0));
        let swapped = shape.with(shape.len() - 2, n).with(shape.len() - 1, m);
        self.tape.record(Op::Transpose, [self.index, NONE], swapped, 0, |inputs, _, y| {
            for (x, y) in inputs.get(0).chunks_exact(m * n).zip(y.chunks_exact_mut(m * n)) {
                for (j, row) in y.chunks_exact_mut(m).enumerate() {
                    for (i, y) in row.iter_mut().enumerate() {
                        *y = x[i * n + j];
                    }
                }
            }
        })
    }

    /// The same elements in another shape.
    ///
    /// # Panics
    ///
    /// If the number of elements differs.
    pub fn reshape(self, shape: &[usize]) -> Self {
        let shape = Shape::new(shape);
        let old = self.shape();
        assert_eq!(old.elements(), shape.elements(), "reshape of {old:?} to {shape:?}");
        self.tape.record(Op::Reshape, [self.index, NONE], shape, 0, |inputs, _, y| {
            y.copy_from_slice(inputs.get(0));
        })
    }

    /// `length` elements along `axis` from `start`.
    ///
    /// # Panics
    ///
    /// If they are not all there.
    pub fn slice(self, axis: usize, start: usize, length: usize) -> Self {
        let shape = self.shape();
        let (_, extent, inner) = shape.around(axis);
        assert!(
            length > 0 && start + length <= extent,
            "slice {start}..{} along axis {axis} of shape {shape:?}",
            start + length
        );
        let (op, new) = (Op::Slice { axis, start }, shape.with(axis, length));
        self.tape.record(op, [self.index, NONE], new, 0, |inputs, _, y| {
            let slabs = inputs.get(0).chunks_exact(extent * inner);
            for (x, y) in slabs.zip(y.chunks_exact_mut(length * inner)) {
                y.copy_from_slice(&x[start * inner..(start + length) * inner]);
            }
        })
    }

    /// The tensors one after another along `axis`; all other extents are equal.
    ///
    /// # Panics
    ///
    /// If there is none, or the shapes do not fit.
    pub fn concat(tensors: &[Self], axis: usize) -> Self {
        assert!(!tensors.is_empty(), "concat of no tensors");
        let first = tensors[0];
        let mut shape = first.shape();
        let mut extent = 0;
        for v in tensors {
            first.same_tape(*v);
            let other = v.shape();
            assert!(axis < other.len(), "axis {axis} is not an axis of shape {other:?}");
            assert_eq!(shape, other.with(axis, shape[axis]), "concat along axis {axis}");
            extent += other[axis];
        }
        shape = shape.with(axis, extent);
        let tape = first.tape;
        let parts = tensors.len();
        let list = tape.list(tensors.iter().map(|v| v.index));
        let op = Op::Concat { axis, first: list, parts };
        tape.record(op, [NONE; 2], shape, 0, |inputs, _, y| {
            let (_, extent, inner) = shape.around(axis);
            let mut at = 0;
            for &part in inputs.list(list, parts) {
                let run = inputs.shape(part)[axis] * inner;
                let slabs = inputs.of(part).chunks_exact(run);
                for (x, y) in slabs.zip(y.chunks_exact_mut(extent * inner)) {
                    y[at..at + run].copy_from_slice(x);
                }
                at += run;
            }
        })
    }

    /// The given rows of a matrix, in order, repetitions allowed; the adjoint adds up.
    ///
    /// # Panics
    ///
    /// If it is not a matrix, no row is asked for, or one is not there.
    pub fn gather_rows(self, rows: &[usize]) -> Self {
        let shape = self.shape();
        assert_eq!(shape.len(), 2, "gather_rows of shape {shape:?}");
        assert!(!rows.is_empty(), "gather_rows of no rows");
        assert!(rows.iter().all(|&row| row < shape[0]), "rows {rows:?} of shape {shape:?}");
        let width = shape[1];
        let first = self.tape.list(rows.iter().copied());
        let op = Op::GatherRows { first, rows: rows.len() };
        self.tape.record(op, [self.index, NONE], shape.with(0, rows.len()), 0, |inputs, _, y| {
            let x = inputs.get(0);
            for (&row, y) in rows.iter().zip(y.chunks_exact_mut(width)) {
                y.copy_from_slice(&x[row * width..(row + 1) * width]);
            }
        })
    }
}

pub(super) fn pull_back_transpose<R: Real>(mut p: Pullback<'_, R>) {
    let (g, n, m) = (p.g, p.node.shape.trailing(1), p.node.shape.trailing(0));
    if let Some(y) = p.adjoint(0) {
        let (x_strides, y_strides) = ((1, m), (n, 1));
        for (x, y) in g.chunks_exact(m * n).zip(y.chunks_exact_mut(m * n)) {
            R::execute(StridedAdd { extents: (m, n), x, x_strides, y, y_strides }.into());
        }
    }
}

pub(super) fn pull_back_reshape<R: Real>(mut p: Pullback<'_, R>) {
    let x = p.g;
    if let Some(y) = p.adjoint(0) {
        R::execute(Add { x, y }.into());
    }
}

pub(super) fn pull_back_slice<R: Real>(mut p: Pullback<'_, R>, axis: usize, start: usize) {
    let (outer, extent, inner) = p.input(0).shape.around(axis);
    let run = p.node.shape[axis] * inner;
    let x = p.g;
    if let Some(y) = p.adjoint(0) {
        let y = &mut y[start * inner..];
        let (x_strides, y_strides) = ((run, 1), (extent * inner, 1));
        R::execute(StridedAdd { extents: (outer, run), x, x_strides, y, y_strides }.into());
    }
}

pub(super) fn pull_back_concat<R: Real>(
    mut p: Pullback<'_, R>,
    axis: usize,
    first: usize,
    parts: usize,
) {
    let (outer, extent, inner) = p.node.shape.around(axis);
    let (nodes, indices, g) = (p.nodes, p.indices, p.g);
    let mut at = 0;
    for &part in &indices[first..first + parts] {
        let run = nodes[part].shape[axis] * inner;
        if let Some(y) = p.adjoint_of(part) {
            let x = &g[at..];
            let (x_strides, y_strides) = ((extent * inner, 1), (run, 1));
            R::execute(StridedAdd { extents: (outer, run), x, x_strides, y, y_strides }.into());
        }
        at += run;
    }
}

pub(super) fn pull_back_gather<R: Real>(mut p: Pullback<'_, R>, first: usize, rows: usize) {
    let (x, width) = (p.g, p.node.shape[1]);
    let rows = &p.indices[first..first + rows];
    if let Some(y) = p.adjoint(0) {
        R::execute(AddRows { rows, width, x, y }.into());
    }
}
