//! Finite differences in `f64`, for tests of anything built on the tape.

use crate::gradient::{ScalarFn, gradient, hessian_vector_product};

/// Largest error of the gradient of `f` at `x` against central finite differences of its value.
///
/// Each entry's error is relative to the entry, or absolute where the entry is below one. `shapes`
/// and `x` are those of [`gradient`].
pub fn gradient_error(f: &impl ScalarFn, shapes: &[&[usize]], x: &[f64], step: f64) -> f64 {
    let (_, slope) = gradient(f, shapes, x);
    let mut x = x.to_vec();
    let mut value = |i: usize, by: f64| {
        let center = x[i];
        x[i] = center + by;
        let (value, _) = gradient(f, shapes, &x);
        x[i] = center;
        value
    };
    let pairs = slope.iter().enumerate();
    worst(pairs.map(|(i, &s)| [s, (value(i, step) - value(i, -step)) / (2.0 * step)]))
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
    let differences = above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * step));
    worst(product.into_iter().zip(differences).map(|(p, d)| [p, d]))
}

/// `|a - b|` relative to the larger of the two, or absolute where both are below one.
pub fn relative_error(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

/// The largest error; NaN wins, so that it cannot pass a check.
fn worst(pairs: impl Iterator<Item = [f64; 2]>) -> f64 {
    let errors = pairs.map(|[a, b]| relative_error(a, b));
    errors.fold(0.0, |most, error| if error > most || error.is_nan() { error } else { most })
}
