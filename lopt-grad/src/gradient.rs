//! Gradients and Hessian-vector products of a function object.

use crate::dual::Dual;
use crate::real::Real;
use crate::tape::Tape;
use crate::var::Var;

/// A function of several tensors with one element as its value, generic over the scalar.
pub trait ScalarFn {
    /// Computes it on `tape`.
    fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R>;
}

/// Value and gradient of `f` at `x`.
///
/// * `shapes`: of the tensors `f` takes.
/// * `x`: their elements, one tensor after another; the gradient has the same layout.
///
/// # Panics
///
/// If `x` has not as many elements as the shapes together.
pub fn gradient<R: Real>(f: &impl ScalarFn, shapes: &[&[usize]], x: &[R]) -> (R, Vec<R>) {
    let tape = Tape::new();
    let variables = split(&tape, shapes, x);
    let loss = f.eval(&tape, &variables);
    tape.backward(loss);
    let mut gradient = vec![R::default(); x.len()];
    let mut at = 0;
    for v in variables {
        let n = v.shape().elements();
        tape.gradient_into(v, &mut gradient[at..at + n]);
        at += n;
    }
    (loss.item(), gradient)
}

/// Value, gradient and product of the Hessian with `v`, of `f` at `x`: the gradient computed on
/// [`Dual`] numbers whose tangent is `v`.
///
/// # Panics
///
/// If `x` or `v` has not as many elements as the shapes together.
pub fn hessian_vector_product<R: Real>(
    f: &impl ScalarFn,
    shapes: &[&[usize]],
    x: &[R],
    v: &[R],
) -> (R, Vec<R>, Vec<R>) {
    assert_eq!(x.len(), v.len(), "a direction for {} parameters", x.len());
    let dual: Vec<_> = x.iter().zip(v).map(|(&re, &eps)| Dual { re, eps }).collect();
    let (value, gradient) = gradient(f, shapes, &dual);
    let product = gradient.iter().map(|g| g.eps).collect();
    (value.re, gradient.into_iter().map(|g| g.re).collect(), product)
}

fn split<'t, R: Real>(tape: &'t Tape<R>, shapes: &[&[usize]], x: &[R]) -> Vec<Var<'t, R>> {
    let mut rest = x;
    let variables = shapes
        .iter()
        .map(|shape| {
            let n = shape.iter().product();
            assert!(n <= rest.len(), "{} elements for shapes {shapes:?}", x.len());
            let (head, tail) = rest.split_at(n);
            rest = tail;
            tape.variable(shape, head)
        })
        .collect();
    assert!(rest.is_empty(), "{} elements for shapes {shapes:?}", x.len());
    variables
}
