//! Large real matrix products, through `faer`.

use core::cell::RefCell;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use lopt_simd::Level;

use super::matmul::{MatMul, MatMulShape, Still};
use super::{Kind, Task};
use crate::dual::Dual;

/// Multiplications below which a plain loop is faster than `faer`'s packing.
const LARGE: usize = 4096;

/// The real numbers `faer` multiplies.
pub(crate) trait Dense: Copy + Default + 'static {
    fn multiply(shape: MatMulShape, a: &[Self], b: &[Self], out: &mut [Self]);
    /// Work space for the parts of duals, kept by the thread.
    fn with_parts<T>(f: impl FnOnce(&mut Vec<Self>) -> T) -> T;
}

macro_rules! dense {
    ($float:ident) => {
        impl Dense for $float {
            fn multiply(s: MatMulShape, a: &[Self], b: &[Self], out: &mut [Self]) {
                let matrix = |x, rows, columns, transposed| {
                    if transposed {
                        MatRef::from_column_major_slice(x, rows, columns)
                    } else {
                        MatRef::from_row_major_slice(x, rows, columns)
                    }
                };
                matmul(
                    MatMut::from_row_major_slice_mut(out, s.m, s.n),
                    if s.accumulate { Accum::Add } else { Accum::Replace },
                    matrix(a, s.m, s.k, s.transpose_a),
                    matrix(b, s.k, s.n, s.transpose_b),
                    1.0,
                    Par::Seq,
                );
            }

            fn with_parts<T>(f: impl FnOnce(&mut Vec<Self>) -> T) -> T {
                thread_local! {
                    static PARTS: RefCell<Vec<$float>> = const { RefCell::new(Vec::new()) };
                }
                PARTS.with(|parts| f(&mut parts.borrow_mut()))
            }
        }
    };
}
dense!(f32);
dense!(f64);

/// Whether `faer` multiplies: it chooses instructions by itself, so not if the level is fixed.
fn is_large(s: &MatMulShape) -> bool {
    s.m * s.k * s.n >= LARGE && !Level::is_fixed()
}

/// Does the task if it is a large product; gives any other back.
pub(crate) fn large_product<R: Dense>(task: Task<'_, R>) -> Option<Task<'_, R>> {
    match task.0 {
        Kind::MatMul(MatMul { shape, a, b, out }) if is_large(&shape) => {
            R::multiply(shape, a, b, out);
            None
        }
        other => Some(Task(other)),
    }
}

/// Does the task if it is a large product of duals, as two or three products of their parts;
/// gives any other back.
pub(crate) fn large_dual_product<R: Dense>(task: Task<'_, Dual<R>>) -> Option<Task<'_, Dual<R>>> {
    match task.0 {
        Kind::MatMul(MatMul { shape, a, b, out }) if is_large(&shape) => {
            R::with_parts(|parts| multiply_parts(shape, a, b, out, parts));
            None
        }
        other => Some(Task(other)),
    }
}

fn multiply_parts<R: Dense>(
    shape: MatMulShape,
    a: &[Dual<R>],
    b: &[Dual<R>],
    out: &mut [Dual<R>],
    parts: &mut Vec<R>,
) {
    parts.clear();
    for x in [a, b, &*out] {
        parts.extend(x.iter().map(|x| x.re));
        parts.extend(x.iter().map(|x| x.eps));
    }
    let (a_re, rest) = parts.split_at_mut(a.len());
    let (a_eps, rest) = rest.split_at_mut(a.len());
    let (b_re, rest) = rest.split_at_mut(b.len());
    let (b_eps, rest) = rest.split_at_mut(b.len());
    let (out_re, out_eps) = rest.split_at_mut(out.len());
    R::multiply(shape, a_re, b_re, out_re);
    match shape.still {
        Still::A => R::multiply(shape, a_re, b_eps, out_eps),
        Still::B => R::multiply(shape, a_eps, b_re, out_eps),
        Still::Neither => {
            R::multiply(shape, a_re, b_eps, out_eps);
            R::multiply(MatMulShape { accumulate: true, ..shape }, a_eps, b_re, out_eps);
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        *out = Dual { re: out_re[i], eps: out_eps[i] };
    }
}
