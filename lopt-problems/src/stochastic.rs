//! Problems with data of their own: a winding path to infinity, projections, sums of quadratics.
//!
//! Their losses are quadratic in the data, so that a batch enters through sums over its rows only.
//! [`Problem::batch`] hands over those sums, computed in double precision: a step costs `O(n)`
//! whatever the batch, and sums that cancel exactly do so here too.

use std::f64::consts::PI;

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::data::{Recipe, Source};
use crate::instance::{Array, Instance};
use crate::problem::{Problem, Scalar, normals, single};

/// Snake `sum_b D_b0 / (||x|| + 1e-6) + sum_(b,i) ((x_(i+1) - pi cos x_i) D_b(i+1))^2` over `n`
/// parameters, `D` random bits.
///
/// Infimum 0, approached only as `||x||` grows along a winding curve: there is no minimum to
/// settle in. Teaches to keep going when progress is slow and curved.
#[derive(Debug, Clone)]
pub struct OutwardSnake {
    data: RowSums,
}

impl OutwardSnake {
    /// The snake over `dimensions >= 2` parameters, with `rows` rows of data in batches of `batch`.
    ///
    /// # Panics
    ///
    /// If there are fewer dimensions, or `batch` is 0.
    pub fn new(dimensions: usize, rows: usize, batch: usize) -> Self {
        assert!(dimensions > 1, "a snake has at least two dimensions");
        let recipe = Recipe::Binary { features: dimensions, rows };
        Self { data: RowSums::new(recipe, dimensions, batch) }
    }
}

impl Problem for OutwardSnake {
    fn name(&self) -> String {
        self.data.name("outward-snake")
    }

    fn layout(&self) -> Layout {
        single([self.data.dimensions])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        self.data.instance(rng)
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.data.dimensions)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        // Bits are their own squares.
        vec![Array::new([self.data.dimensions], row_sums(instance, rows, |bit| bit))]
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.data.batch)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (x, sums, links) = (params[0], batch[0], self.data.dimensions - 1);
        let pull = sums.slice(0, 0, 1) / (x.square().sum().sqrt() + RADIUS_OFFSET);
        let bend = x.slice(0, 1, links) - x.slice(0, 0, links).cos() * PI;
        pull + (bend.square() * sums.slice(0, 1, links)).sum()
    }
}

/// Projections `sum_(b,i) (x_i D_bi)^2` over `n` parameters, `D` normal.
///
/// Minimum 0 at the origin. A bowl whose curvature differs from batch to batch: teaches to live
/// with noise that vanishes at the minimum.
#[derive(Debug, Clone)]
pub struct ProjectionQuadratic {
    data: RowSums,
}

impl ProjectionQuadratic {
    /// Over `dimensions >= 1` parameters, with `rows` rows of data in batches of `batch`.
    ///
    /// # Panics
    ///
    /// If `rows` is odd, or one of the others 0.
    pub fn new(dimensions: usize, rows: usize, batch: usize) -> Self {
        assert!(rows.is_multiple_of(2), "rows come in pairs, got {rows}");
        let recipe = Recipe::Symmetric { features: dimensions, rows };
        Self { data: RowSums::new(recipe, dimensions, batch) }
    }
}

impl Problem for ProjectionQuadratic {
    fn name(&self) -> String {
        self.data.name("projection-quadratic")
    }

    fn layout(&self) -> Layout {
        single([1, self.data.dimensions])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        self.data.instance(rng)
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.data.dimensions)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        vec![Array::new([1, self.data.dimensions], row_sums(instance, rows, |x| x * x))]
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.data.batch)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        (params[0].square() * batch[0]).sum()
    }

    fn minimum(&self) -> Option<f64> {
        Some(0.0)
    }
}

/// Quadratics `sum_b (||x - D_b||^2 - ||D_b||^2) + 1e-12` over `n` parameters.
///
/// The rows `D_b` come in pairs of opposite sign, so that the whole data set puts the minimum
/// 1e-12 at the origin, while each batch has its own, and a loss below zero there. Teaches to
/// average noise that does not vanish at the minimum. Computed as
/// `B ||x||^2 - 2 <x, sum_b D_b> + 1e-12`: the released form rounds to negative losses.
#[derive(Debug, Clone)]
pub struct SumOfQuadratics {
    data: RowSums,
}

impl SumOfQuadratics {
    /// Over `dimensions >= 1` parameters, with `rows` rows of data in batches of `batch`.
    ///
    /// # Panics
    ///
    /// If `rows` is odd, or one of the others 0.
    pub fn new(dimensions: usize, rows: usize, batch: usize) -> Self {
        assert!(rows.is_multiple_of(2), "rows come in pairs, got {rows}");
        let recipe = Recipe::Symmetric { features: dimensions, rows };
        Self { data: RowSums::new(recipe, dimensions, batch) }
    }
}

impl Problem for SumOfQuadratics {
    fn name(&self) -> String {
        self.data.name("sum-of-quadratics")
    }

    fn layout(&self) -> Layout {
        single([1, self.data.dimensions])
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        self.data.instance(rng)
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        normals(rng, self.data.dimensions)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        let sums = Array::new([1, self.data.dimensions], row_sums(instance, rows, |x| x));
        let count = rows.map_or(self.data.source.rows(), <[usize]>::len);
        vec![sums, Array::new([1], vec![count as f32])]
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.data.batch)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (x, sums, count) = (params[0], batch[0], batch[1]);
        x.square().sum() * count - (x * sums).sum() * 2.0 + LOSS_OFFSET
    }

    fn minimum(&self) -> Option<f64> {
        Some(LOSS_OFFSET)
    }
}

/// What the three problems with data share: a source of rows and a batch size.
#[derive(Debug, Clone)]
struct RowSums {
    dimensions: usize,
    batch: usize,
    source: Source,
}

impl RowSums {
    fn new(recipe: Recipe, dimensions: usize, batch: usize) -> Self {
        assert!(dimensions > 0 && batch > 0, "dimensions and batch are at least 1");
        Self { dimensions, batch, source: Source::fresh(recipe) }
    }

    fn name(&self, family: &str) -> String {
        format!("{family}-{}-b{}", self.dimensions, self.batch)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }
}

/// Sums `term` of every feature over the rows, `[n]`, in the order of the rows.
fn row_sums(instance: &Instance, rows: Option<&[usize]>, term: impl Fn(f64) -> f64) -> Vec<f32> {
    let dataset = instance.dataset.as_ref().expect("the instance has a data set");
    let mut sums = vec![0.0_f64; dataset.features.row_len()];
    let mut add = |row: usize| {
        for (sum, &x) in sums.iter_mut().zip(dataset.features.row(row)) {
            *sum += term(f64::from(x));
        }
    };
    match rows {
        Some(rows) => rows.iter().for_each(|&row| add(row)),
        None => (0..dataset.len()).for_each(&mut add),
    }
    sums.iter().map(|&sum| sum as f32).collect()
}

/// Keeps the pull towards infinity finite at the origin.
const RADIUS_OFFSET: f64 = 1e-6;

/// Keeps the logarithm of a loss finite at its minimum.
const LOSS_OFFSET: f64 = 1e-12;
