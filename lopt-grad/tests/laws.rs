//! Laws of derivatives that need no differences, over every operation and any sizes: the adjoint belongs
//! to the tangent, Hessians are symmetric, products with them linear.

mod cases;

use cases::{Case, distinct};
use lopt_grad::{Dual, Operation, gradient, hessian_vector_product};

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn check(case: &Case, seed: u64) {
    let shapes = case.shapes();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let [x, u, v] = [0, 0x5555, 0xaaaa].map(|salt| distinct(case.elements(), seed ^ salt));
    let along: Vec<Dual<f64>> = x.iter().zip(&u).map(|(&re, &eps)| Dual { re, eps }).collect();
    let (value, g) = gradient(case, &shapes, &x);
    let (tangent, _) = gradient(case, &shapes, &along);
    let scale = 1.0 + norm(&g) * norm(&u);
    assert!((value - tangent.re).abs() <= 1e-11 * (1.0 + value.abs()), "{case:?}");
    assert!((dot(&g, &u) - tangent.eps).abs() <= 1e-11 * scale, "{case:?}: adjoint");

    let product = |direction: &[f64]| hessian_vector_product(case, &shapes, &x, direction).2;
    let (hu, hv) = (product(&u), product(&v));
    let scale = 1.0 + norm(&hu) * norm(&v) + norm(&hv) * norm(&u);
    assert!((dot(&hu, &v) - dot(&hv, &u)).abs() <= 1e-10 * scale, "{case:?}: symmetry");
    let mixed: Vec<f64> = u.iter().zip(&v).map(|(u, v)| 2.0 * u - 3.0 * v).collect();
    for ((mixed, u), v) in product(&mixed).iter().zip(&hu).zip(&hv) {
        assert!((mixed - (2.0 * u - 3.0 * v)).abs() <= 1e-10 * scale, "{case:?}: linearity");
    }
}

#[test]
fn adjoint_symmetry_and_linearity() {
    for &operation in Operation::ALL {
        for variant in 0..64 {
            let sizes = [0, 1, 2, 3].map(|axis| 1 + (variant * (2 * axis + 1) + variant / 4) % 4);
            check(&Case { operation, sizes, variant }, variant as u64);
        }
    }
}
