//! Known minima: the value is the stated one and the gradient vanishes there.

mod support;

use std::f64::consts::PI;
use std::sync::Arc;

use lopt_problems::{
    AnyProblem, Bowl, DependencyChain, Literature, LogObjective, MatMulAlgorithm, MinMaxWell, Norm,
    Problem, ProjectionQuadratic, Quadratic, Rescale, SumOfQuadratics, SumTask,
};
use support::{Draw, all_entries, norm};

fn draw(problem: impl Problem) -> Draw {
    let problem: Arc<dyn AnyProblem> = Arc::new(problem);
    Draw::new(&problem, 3)
}

/// The loss at `point` is the known minimum, and the gradient is below `slope`.
fn check(draw: &Draw, point: &[f64], slope: f64) {
    let (name, least) = (draw.problem.name(), draw.problem.minimum().expect("a known minimum"));
    let (loss, gradient) = draw.gradient(point);
    assert!((loss - least).abs() < 1e-5, "{name}: {loss} at the minimum, expected {least}");
    assert!(norm(&gradient) < slope, "{name}: gradient {gradient:?} at the minimum");
}

#[test]
fn literature() {
    for (function, point) in [
        (Literature::Ackley, [0.0, 0.0]),
        (Literature::Beale, [3.0, 0.5]),
        (Literature::Booth, [1.0, 3.0]),
        (Literature::Branin, [-PI, 12.275]),
        (Literature::Branin, [PI, 2.275]),
        (Literature::Branin, [3.0 * PI, 2.475]),
        (Literature::LogSumExp, [-0.346_573_59, 0.0]),
        (Literature::Matyas, [0.0, 0.0]),
        (Literature::Michalewicz, [2.185_32, PI / 2.0]),
        (Literature::Rosenbrock, [1.0, 1.0]),
        (Literature::StyblinskiTang, [-2.903_534, -2.903_534]),
    ] {
        check(&draw(function), &point, 1e-3);
    }
}

/// No random point lies below the stated minimum.
#[test]
fn stated_minima_are_lower_bounds() {
    for entry in all_entries() {
        let Some(least) = entry.problem.minimum() else { continue };
        if entry.problem.layout().len() > 300 {
            continue;
        }
        let draw = Draw::new(&entry.problem, 5);
        for scale in [1.0, 0.3, 0.01] {
            let point: Vec<f64> = draw.params.iter().map(|x| x * scale).collect();
            let loss = draw.loss(&point);
            assert!(loss >= least - 1e-5, "{}: {loss} < {least}", entry.problem.name());
        }
    }
}

#[test]
fn bowls_and_transformations_at_the_origin() {
    check(&draw(Bowl::new(5.0, 45.0)), &[0.0; 2], 1e-9);
    check(&draw(Rescale::new(Bowl::new(0.1, 0.0), 50.0)), &[0.0; 2], 1e-9);
    check(&draw(LogObjective::new(Bowl::new(5.0, 0.0))), &[0.0; 2], 1e-9);
    check(&draw(ProjectionQuadratic::new(6, 100, 10)), &[0.0; 6], 1e-9);
    check(&draw(SumOfQuadratics::new(6, 100, 10)), &[0.0; 6], 1e-9);
    check(&draw(DependencyChain::new(6)), &[0.0; 7], 1e-9);
}

#[test]
fn wells_at_any_signs_of_one() {
    let draw = draw(MinMaxWell::new(4));
    let (loss, _) = draw.gradient(&[1.0_f64, -1.0, 1.0, -1.0]);
    // A kink: the gradient jumps there.
    assert!((loss - 1e-12).abs() < 1e-15);
}

/// With `y = W x` planted, `x` is the minimiser.
#[test]
fn linear_maps_at_the_planted_solution() {
    let plant = |mut draw: Draw| {
        let n = draw.params.len();
        let solution = draw.params.clone();
        let (matrix, target) = draw.instance.constants.split_at_mut(1);
        for (y, row) in target[0].values.iter_mut().zip(matrix[0].values.chunks_exact(n)) {
            *y = row.iter().zip(&solution).map(|(w, x)| f64::from(*w) * x).sum::<f64>() as f32;
        }
        (draw, solution)
    };
    let (quadratic, solution) = plant(draw(Quadratic::new(20)));
    check(&quadratic, &solution, 1e-3);
    let (norm, solution) = plant(draw(Norm::new(18, 2.0)));
    assert!(norm.loss(&solution) < 1e-4);
}

#[test]
fn sums_add_minima() {
    let parts: Vec<Arc<dyn AnyProblem>> =
        vec![Arc::new(Literature::Branin), Arc::new(Literature::Booth)];
    let sum = draw(SumTask::new("sum", parts));
    check(&sum, &[PI, 2.275, 1.0, 3.0], 1e-3);
}

/// Strassen's seven products multiply 2 x 2 matrices.
#[test]
fn strassen_is_a_minimum() {
    // Rows: a11 a12 a21 a22; columns: the products m1..m7.
    let left = [
        [1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, -1.0],
    ];
    let right = [
        [1.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0],
    ];
    let point = [left.as_flattened(), right.as_flattened()].concat();
    check(&draw(MatMulAlgorithm::new(2, 7)), &point, 1e-3);
    let fewer = draw(MatMulAlgorithm::new(2, 6));
    assert!(fewer.problem.minimum().is_none());
}
