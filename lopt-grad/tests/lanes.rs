//! Sixteen lanes compute what sixteen scalars would, on every level, for every operation.

mod cases;

use cases::{Case, distinct};
use lopt_grad::{F32x16, Level, Operation, Real, fix_level, gradient, hessian_vector_product};
use proptest::prelude::*;

/// The lanes' inputs: `[lane][element]`.
fn inputs(case: &Case, seed: u64) -> Vec<Vec<f64>> {
    (0..16).map(|lane| distinct(case.elements(), seed.wrapping_add(lane))).collect()
}

fn pack(lanes: &[Vec<f64>]) -> Vec<F32x16> {
    (0..lanes[0].len()).map(|i| F32x16::from_lanes(|lane| lanes[lane][i] as f32)).collect()
}

/// Compares two vectors relative to the largest entry.
fn close(what: &str, case: &Case, got: &[f64], want: &[f64], tolerance: f64) {
    let scale = want.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= tolerance * scale,
            "{what} of {case:?}, element {i}: {got} instead of {want} ({:?})",
            Level::current()
        );
    }
}

fn lane(values: &[F32x16], lane: usize) -> Vec<f64> {
    values.iter().map(|x| x.lane(lane)).collect()
}

fn check_case(case: &Case, seed: u64) {
    let shapes = case.shapes();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let (x, v) = (inputs(case, seed), inputs(case, seed ^ 0x7777));
    // Constants differ between lanes in some matrix products; those lanes have no scalar twin.
    let twins = if case.operation == Operation::MatMul && case.variant % 4 < 2 { 1 } else { 16 };
    for level in Level::ALL {
        fix_level(level);
        let (value, g) = gradient(case, &shapes, &pack(&x));
        let (_, _, product) = hessian_vector_product(case, &shapes, &pack(&x), &pack(&v));
        for l in 0..twins {
            let x32: Vec<f32> = x[l].iter().map(|x| *x as f32).collect();
            let (want, want_g) = gradient(case, &shapes, &x32);
            let want_g: Vec<f64> = want_g.into_iter().map(f64::from).collect();
            close("value", case, &[value.lane(l)], &[f64::from(want)], 1e-5);
            close("gradient", case, &lane(&g, l), &want_g, 1e-5);
            let (_, _, want) = hessian_vector_product(case, &shapes, &x[l], &v[l]);
            close("product", case, &lane(&product, l), &want, 1e-4);
        }
    }
}

#[test]
fn every_operation() {
    for &operation in Operation::ALL {
        for variant in [0, 1, 2, 3, 9, 21, 42] {
            check_case(&Case { operation, sizes: [3, 2, 3, 2], variant }, variant as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_operation_any_sizes(
        operation in proptest::sample::select(Operation::ALL),
        sizes in prop::array::uniform4(1_usize..5),
        variant in 0_usize..64,
        seed: u64,
    ) {
        check_case(&Case { operation, sizes, variant }, seed);
    }
}
