//! The two problems of the recorded runs, with their gradients written out.

use crate::reference::number::Number;
use crate::reference::sum;
use crate::reference::unroll::Problem;

/// Problem of a recorded run; parameters are flat, the tensors one after another.
pub(crate) enum TfProblem {
    /// `||W v - y||^2 / 2`, `W` row-major.
    Quadratic { w: Vec<f64>, y: Vec<f64> },
    /// `(1 - x)^2 + 100 (y - x^2)^2`.
    Rosenbrock,
}

/// `W v - y`.
fn residual<N: Number>(w: &[f64], y: &[f64], v: &[N]) -> Vec<N> {
    let row = |(w, &y): (&[f64], &f64)| sum(w.iter().zip(v).map(|(&w, &v)| v.times(w))).plus(-y);
    w.chunks(v.len()).zip(y).map(row).collect()
}

impl Problem for TfProblem {
    fn loss<N: Number>(&self, theta: &[N]) -> N {
        match self {
            Self::Quadratic { w, y } => {
                sum(residual(w, y, theta).into_iter().map(|r| r * r)).times(0.5)
            }
            Self::Rosenbrock => {
                let (x, y) = (theta[0], theta[1]);
                let (a, b) = (x.plus(-1.0), y - x * x);
                a * a + (b * b).times(100.0)
            }
        }
    }

    fn gradient<N: Number>(&self, theta: &[N]) -> Vec<N> {
        match self {
            Self::Quadratic { w, y } => {
                let (r, n) = (residual(w, y, theta), theta.len());
                (0..n).map(|j| sum((0..r.len()).map(|i| r[i].times(w[i * n + j])))).collect()
            }
            Self::Rosenbrock => {
                let (x, y) = (theta[0], theta[1]);
                let b = y - x * x;
                vec![x.plus(-1.0).times(2.0) - (x * b).times(400.0), b.times(200.0)]
            }
        }
    }
}
