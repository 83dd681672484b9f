//! Gradient and Hessian-vector product of every operation against finite differences, in `f64`.

mod cases;

use cases::{Case, distinct};
use lopt_grad::{Operation, Real, ScalarFn, Tape, Var, check};
use proptest::prelude::*;

/// Errors of the finite differences themselves stay below it.
const TOLERANCE: f64 = 1e-6;
const STEP: f64 = 1e-5;

fn check_case(case: &Case, seed: u64) {
    let shapes = case.shapes();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let x = distinct(case.elements(), seed);
    let v = distinct(case.elements(), seed ^ 0x5555);
    let error = check::gradient_error(case, &shapes, &x, STEP);
    assert!(error < TOLERANCE, "gradient of {case:?} off by {error:e}");
    let error = check::hessian_vector_error(case, &shapes, &x, &v, STEP);
    assert!(error < TOLERANCE, "Hessian-vector product of {case:?} off by {error:e}");
}

#[test]
fn every_operation_has_a_case_that_records_it() {
    for &operation in Operation::ALL {
        for variant in 0..12 {
            let case = Case { operation, sizes: [2, 3, 2, 3], variant };
            let tape = Tape::<f64>::new();
            let x: Vec<_> = case
                .shapes()
                .iter()
                .map(|s| tape.variable(s, &distinct(s.iter().product(), 1)))
                .collect();
            let loss = case.eval(&tape, &x);
            assert!(tape.operations().contains(&operation), "{case:?} does not use it");
            tape.backward(loss);
            // The finishing sum and product alone would hide an operation without pullback.
            let gradient_is_zero = x
                .iter()
                .all(|v| tape.with_gradient(*v, |g| g.is_none_or(|g| g.iter().all(|g| *g == 0.0))));
            let constant = operation == Operation::Powi && variant as i32 % 9 == 4;
            assert_eq!(gradient_is_zero, constant, "{case:?}");
        }
    }
}

#[test]
fn every_operation_every_variant() {
    for &operation in Operation::ALL {
        for variant in 0..64 {
            check_case(&Case { operation, sizes: [2, 3, 2, 3], variant }, variant as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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

/// A matrix that is both operands of a product and an operand of others.
struct Reused;

impl ScalarFn for Reused {
    fn eval<'t, R: Real>(&self, _: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        let square = x[0].matmul(x[0]);
        (square.matmul(x[1]) + x[0]).matmul(x[0] * x[1]).sum()
    }
}

#[test]
fn a_product_adds_to_what_others_gave() {
    let x = distinct(18, 5);
    let error = check::gradient_error(&Reused, &[&[3, 3], &[3, 3]], &x, STEP);
    assert!(error < TOLERANCE, "off by {error:e}");
}
