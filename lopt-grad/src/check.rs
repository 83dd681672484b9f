//! Finite differences in `f64`, for tests of anything built on the tape.

use crate::gradient::{ScalarFn, gradient, hessian_vector_product};

/// Largest error of the gradient of `f` at `x` against central finite differences of its value.
///
/// Each entry's error is relative to the entry, or absolute where the entry is below one. `shapes`
/// and `x` are those of [`gradient`].
pub fn gradient_error(f: &impl ScalarFn, shapes: &[&[usize]], x: &[f64], step: f64) -> f64 {
    let (_, g) = gradient(f, shapes, x);
    let mut x = x.to_vec();
    let mut worst = 0.0;
    for i in 0..x.len() {
        let center = x[i];
        x[i] = center + step;
        let (above, _) = gradient(f, shapes, &x);
        x[i] = center - step;
        let (below, _) = gradient(f, shapes, &x);
        x[i] = center;
        worst = larger(worst, relative_error(g[i], (above - below) / (2.0 * step)));
    }
    worst
}

/// Largest error of the Hessian-vector product of `f` at `x` along `v` against central finite
/// differences of its gradient; relative as in [`gradient_error`].
pub fn hessian_vector_error(
    f: &impl ScalarFn,
    shapes: &[&[usize]],
    x: &[f64],
    v: &[f64],
    step: f64,
) -> f64 {
    let (_, _, product) = hessian_vector_product(f, shapes, x, v);
    let moved = |by: f64| -> Vec<f64> { x.iter().zip(v).map(|(x, v)| x + by * v).collect() };
    let (_, above) = gradient(f, shapes, &moved(step));
    let (_, below) = gradient(f, shapes, &moved(-step));
    let mut worst = 0.0;
    for i in 0..x.len() {
        let difference = (above[i] - below[i]) / (2.0 * step);
        worst = larger(worst, relative_error(product[i], difference));
    }
    worst
}

/// `|a - b|` relative to the larger of the two, or absolute where both are below one.
pub fn relative_error(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

/// The larger; NaN wins, so that it cannot pass a check.
const fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}
