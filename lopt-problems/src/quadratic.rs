//! Least squares in its simplest forms: random quadratics, two-dimensional bowls, p-norms.

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Instance};
use crate::problem::{Problem, Scalar, normals, single};

/// Random quadratic `0.5 ||W x - y||^2` in `n` dimensions, `W` and `y` standard normal.
///
/// Minimum 0, at `x = W^-1 y`. The condition number of the Hessian `W'W` grows like `n^2` (its
/// median is 3e3 at 20 dimensions and 2e5 at 100), the loss at the start like `n^2 / 2`. Teaches
/// to pick a step length from the gradients alone, and patience along flat directions.
#[derive(Debug, Clone)]
pub struct Quadratic {
    dimensions: usize,
}

impl Quadratic {
    /// The quadratic in `dimensions >= 1` dimensions.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(dimensions: usize) -> Self {
        assert!(dimensions > 0, "a quadratic has at least one dimension");
        Self { dimensions }
    }
}

impl Problem for Quadratic {
    fn name(&self) -> String {
        format!("quadratic-{}", self.dimensions)
    }

    fn layout(&self) -> Layout {
        single([self.dimensions, 1])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        linear_map(self.dimensions, rng)
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.dimensions)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        (constants[0].matmul(params[0]) - constants[1]).square().sum() * 0.5
    }

    fn minimum(&self) -> Option<f64> {
        Some(0.0)
    }
}

/// Two-dimensional bowl `0.5 ||A x||^2` with `A = diag(sqrt(k), 1) Rot(angle)`.
///
/// Minimum 0 at the origin; the curvatures are `k` and 1. Teaches the plain case, and at 45
/// degrees that the axes of the parameters need not be those of the problem.
#[derive(Debug, Clone)]
pub struct Bowl {
    condition: f64,
    degrees: f64,
}

impl Bowl {
    /// The bowl of curvatures `condition >= 0` and 1, turned by `degrees`.
    ///
    /// # Panics
    ///
    /// If it is negative.
    pub fn new(condition: f64, degrees: f64) -> Self {
        assert!(condition >= 0.0, "a bowl opens upwards, got curvature {condition}");
        Self { condition, degrees }
    }
}

impl Problem for Bowl {
    fn name(&self) -> String {
        if self.degrees == 0.0 {
            format!("bowl-{}", self.condition)
        } else {
            format!("bowl-{}-{}deg", self.condition, self.degrees)
        }
    }

    fn layout(&self) -> Layout {
        single([2, 1])
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, 2)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (x, y) = (params[0].slice(0, 0, 1), params[0].slice(0, 1, 1));
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let first = (x * cos - y * sin).square() * self.condition;
        let second = (x * sin + y * cos).square();
        (first + second).sum() * 0.5
    }

    fn minimum(&self) -> Option<f64> {
        Some(0.0)
    }
}

/// Norm of a random residual, `(sum_i (|W x - y|_i + 1e-6)^p)^(1/p)` in `n` dimensions.
///
/// Minimum `1e-6 n^(1/p)` where `W x = y`. The gradient keeps its length up to the minimum, so
/// that a fixed step never settles: teaches to let steps shrink. This is the released form of the
/// monotone transformations.
#[derive(Debug, Clone)]
pub struct Norm {
    dimensions: usize,
    power: f64,
}

impl Norm {
    /// The `power`-norm, `power >= 1`, in `dimensions >= 1` dimensions.
    ///
    /// # Panics
    ///
    /// If one of them is less.
    pub fn new(dimensions: usize, power: f64) -> Self {
        assert!(dimensions > 0, "a norm has at least one dimension");
        assert!(power >= 1.0, "a norm has a power of at least 1, got {power}");
        Self { dimensions, power }
    }
}

impl Problem for Norm {
    fn name(&self) -> String {
        format!("norm-{}-p{}", self.dimensions, self.power)
    }

    fn layout(&self) -> Layout {
        single([self.dimensions, 1])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        linear_map(self.dimensions, rng)
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.dimensions)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let residual = (constants[0].matmul(params[0]) - constants[1]).abs() + NORM_OFFSET;
        if self.power == 1.0 {
            return residual.sum();
        }
        residual.powf(self.power).sum().powf(1.0 / self.power)
    }

    fn minimum(&self) -> Option<f64> {
        Some(NORM_OFFSET * (self.dimensions as f64).powf(1.0 / self.power))
    }
}

/// `W` of shape `(n, n)` and `y` of shape `(n, 1)`, standard normal.
fn linear_map(n: usize, rng: &mut Rng) -> Instance {
    let matrix = Array::new([n, n], normals(rng, n * n));
    let target = Array::new([n, 1], normals(rng, n));
    Instance::of(vec![matrix, target])
}

/// Keeps the power of a zero residual differentiable.
const NORM_OFFSET: f64 = 1e-6;
