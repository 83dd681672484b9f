//! Matrix factorisation: a product of matrices that should equal a given one.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal, unit};
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// Mean square of the observed entries of `F_1 F_2 ... F_k - M`, where `M = sum_i s_i u_i v_i'` has
/// unit mean square, normal `u_i, v_i`, and `s_i` falling evenly on a logarithmic scale.
///
/// Minimum 0 if the inner width is at least the rank. A test problem: a saddle at the origin, a
/// curvature that grows with the solution, and directions that matter `10^(2 decades)` times less
/// than others. The gradient is exact.
#[derive(Debug, Clone)]
pub struct Factorisation {
    name: String,
    rows: usize,
    columns: usize,
    rank: usize,
    width: usize,
    factors: usize,
    decades: f64,
    observed: f64,
}

impl Factorisation {
    /// A `rows x columns` matrix of the given rank as a product of two factors of the same inner
    /// width, all entries observed, all `s_i` equal.
    ///
    /// # Panics
    ///
    /// If a size is 0.
    pub fn new(name: impl Into<String>, rows: usize, columns: usize, rank: usize) -> Self {
        assert!(rows > 0 && columns > 0 && rank > 0, "sizes are at least 1");
        let (name, width) = (name.into(), rank);
        Self { name, rows, columns, rank, width, factors: 2, decades: 0.0, observed: 1.0 }
    }

    /// The product of `factors` factors of the inner width `width`.
    ///
    /// # Panics
    ///
    /// If there are fewer than two, or the width is less than the rank.
    #[must_use]
    pub fn with_factors(mut self, factors: usize, width: usize) -> Self {
        assert!(factors > 1 && width >= self.rank, "two factors at least, as wide as the rank");
        (self.factors, self.width) = (factors, width);
        self
    }

    /// Lets `s_i` fall by this many decades from the first to the last.
    #[must_use]
    pub fn with_spectrum(mut self, decades: f64) -> Self {
        self.decades = decades;
        self
    }

    /// Shows each entry with this probability: matrix completion.
    ///
    /// # Panics
    ///
    /// If it is not in `(0, 1]`.
    #[must_use]
    pub fn with_observed(mut self, probability: f64) -> Self {
        assert!(probability > 0.0 && probability <= 1.0, "a share of the entries is observed");
        self.observed = probability;
        self
    }
}

impl Problem for Factorisation {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let factor = |i: usize| {
            let rows = if i == 0 { self.rows } else { self.width };
            let columns = if i + 1 == self.factors { self.columns } else { self.width };
            TensorShape::new(format!("factor{i}"), [rows, columns])
        };
        layout_of((0..self.factors).map(factor).collect())
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let (rows, columns) = (self.rows, self.columns);
        let mut target = vec![0.0_f64; rows * columns];
        for i in 0..self.rank {
            let place = i as f64 / (self.rank - 1).max(1) as f64;
            let scale = 10_f64.powf(-self.decades * place);
            let left: Vec<f64> = (0..rows).map(|_| scale * normal(rng)).collect();
            let right: Vec<f64> = (0..columns).map(|_| normal(rng)).collect();
            for (row, u) in target.chunks_exact_mut(columns).zip(&left) {
                row.iter_mut().zip(&right).for_each(|(entry, v)| *entry += u * v);
            }
        }
        let mean_square = target.iter().map(|x| x * x).sum::<f64>() / target.len() as f64;
        let unit_scale = mean_square.sqrt().recip();
        let target = target.into_iter().map(|x| (x * unit_scale) as f32).collect();
        let mut shown: Vec<f32> =
            (0..rows * columns).map(|_| f32::from(unit(rng) < self.observed)).collect();
        // Without any entry there would be no loss.
        shown[0] = 1.0;
        let weight = shown.iter().sum::<f32>().recip();
        shown.iter_mut().for_each(|shown| *shown *= weight);
        Instance::of(vec![Array::new([rows, columns], target), Array::new([rows, columns], shown)])
    }

    /// Normal entries of deviation `1 / sqrt(width)`.
    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let deviation = (self.width as f64).sqrt().recip();
        (0..self.layout().len()).map(|_| (deviation * normal(rng)) as f32).collect()
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let product = params[1..].iter().fold(params[0], |product, &next| product.matmul(next));
        ((product - constants[0]).square() * constants[1]).sum()
    }

    fn minimum(&self) -> Option<f64> {
        Some(0.0)
    }
}
