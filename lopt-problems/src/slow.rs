//! Problems built to converge slowly: a chain of dependence and a well with extreme walls.

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::instance::Instance;
use crate::problem::{Problem, Scalar, normals, single};

/// Chain `n x_0^2 + sum_(i<n) x_(i+1)^2 / (x_i^2 + 1e-6)` over `n + 1` parameters.
///
/// Minimum 0 at the origin. Each parameter can only fall after the one behind it, and the
/// curvature along it grows without bound as the one before it shrinks: teaches per-parameter
/// step lengths that change by orders of magnitude. The first term counts `n` times, as in the
/// published code.
#[derive(Debug, Clone)]
pub struct DependencyChain {
    links: usize,
    number: Option<usize>,
}

impl DependencyChain {
    /// The chain of `links >= 1` links, `links + 1` parameters.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(links: usize) -> Self {
        assert!(links > 0, "a chain has at least one link");
        Self { links, number: None }
    }

    /// The same problem under a name that ends in `number`.
    #[must_use]
    pub fn numbered(mut self, number: usize) -> Self {
        self.number = Some(number);
        self
    }
}

impl Problem for DependencyChain {
    fn name(&self) -> String {
        match self.number {
            Some(number) => format!("dependency-chain-{}-b{number}", self.links),
            None => format!("dependency-chain-{}", self.links),
        }
    }

    fn layout(&self) -> Layout {
        single([self.links + 1])
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.links + 1)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let squares = params[0].square();
        let (before, after) = (squares.slice(0, 0, self.links), squares.slice(0, 1, self.links));
        squares.slice(0, 0, 1) * self.links as f64 + (after / (before + CHAIN_OFFSET)).sum()
    }

    fn minimum(&self) -> Option<f64> {
        Some(0.0)
    }
}

/// Well `max_i x_i^2 + 1 / min_i x_i^2 - 2 + 1e-12` over `n` parameters.
///
/// Minimum 1e-12 wherever every `|x_i| = 1`. Only the largest and the smallest parameter have a
/// gradient, which is enormous near zero: teaches to act on rare, extreme gradients. Computed as
/// `(max - min) + (min - 1)^2 / min`, which cannot round below zero.
#[derive(Debug, Clone)]
pub struct MinMaxWell {
    dimensions: usize,
}

impl MinMaxWell {
    /// The well over `dimensions >= 1` parameters.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(dimensions: usize) -> Self {
        assert!(dimensions > 0, "a well has at least one dimension");
        Self { dimensions }
    }
}

impl Problem for MinMaxWell {
    fn name(&self) -> String {
        format!("min-max-well-{}", self.dimensions)
    }

    fn layout(&self) -> Layout {
        single([self.dimensions])
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.dimensions)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let squares = params[0].square();
        let (largest, smallest) = (squares.max(), squares.min());
        (largest - smallest) + (smallest - 1.0).square() / smallest + LOSS_OFFSET
    }

    fn minimum(&self) -> Option<f64> {
        Some(LOSS_OFFSET)
    }
}

/// Keeps quotients finite where the denominator vanishes.
const CHAIN_OFFSET: f64 = 1e-6;

/// Keeps the logarithm of a loss finite at its minimum.
const LOSS_OFFSET: f64 = 1e-12;
