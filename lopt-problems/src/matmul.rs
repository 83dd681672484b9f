//! The search for fast matrix multiplication algorithms.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::instance::Instance;
use crate::problem::{Problem, Scalar, layout_of, normals};

/// Residual of an `n x n` matrix multiplication that uses `k` scalar products.
///
/// The parameters are two factor matrices of shape `(n^2, k)`: product `j` multiplies the
/// combination `left_j` of the entries of the first matrix with the combination `right_j` of the
/// second. For all `n^4` pairs of unit matrices the products form `p`, `(n^4, k)`; the third
/// factor follows by least squares, `third = (p'p)^-1 p'C`, and the loss is `||p third - C||^2`,
/// at most `n^3`. It is zero where the algorithm is exact: for `n = 2` from `k = 7` on (Strassen),
/// for `n = 3` from `k = 23` on (Laderman); `n = 3` with 21 or 22 products reaches it only in a
/// limit. A non-convex, scale-invariant problem with many degenerate stretches.
///
/// `p'p` gets `1e-5` of its mean diagonal added: it becomes singular along the way.
#[derive(Debug, Clone)]
pub struct MatMulAlgorithm {
    size: usize,
    products: usize,
}

impl MatMulAlgorithm {
    /// Matrices of `size x size`, `products >= 1` scalar products.
    ///
    /// # Panics
    ///
    /// If one of them is 0.
    pub fn new(size: usize, products: usize) -> Self {
        assert!(size > 0 && products > 0, "size and number of products are at least 1");
        Self { size, products }
    }

    /// Flat index of entry `(row, column)`.
    fn entry(&self, row: usize, column: usize) -> usize {
        row * self.size + column
    }

    /// `C`: for each pair of unit matrices their product, `(n^4, n^2)` row-major.
    fn targets(&self) -> Vec<f64> {
        let (n, entries) = (self.size, self.size * self.size);
        let mut targets = vec![0.0; entries.pow(3)];
        for row in 0..n {
            for inner in 0..n {
                for column in 0..n {
                    let pair = self.entry(row, inner) * entries + self.entry(inner, column);
                    targets[pair * entries + self.entry(row, column)] = 1.0;
                }
            }
        }
        targets
    }
}

impl Problem for MatMulAlgorithm {
    fn name(&self) -> String {
        format!("matmul-{}-{}", self.size, self.products)
    }

    fn layout(&self) -> Layout {
        let shape = [self.size * self.size, self.products];
        layout_of(vec![TensorShape::new("left", shape), TensorShape::new("right", shape)])
    }

    /// Standard normal, then every column of each factor scaled to length 1.
    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let (rows, columns) = (self.size * self.size, self.products);
        let mut params = normals(rng, 2 * rows * columns);
        for factor in params.chunks_exact_mut(rows * columns) {
            for column in 0..columns {
                let norm = factor[column..].iter().step_by(columns).map(|x| x * x).sum::<f32>();
                let scale = norm.sqrt().recip();
                factor[column..].iter_mut().step_by(columns).for_each(|x| *x *= scale);
            }
        }
        params
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (entries, k) = (self.size * self.size, self.products);
        let pairs = entries * entries;
        let left: Vec<usize> = (0..pairs).map(|pair| pair / entries).collect();
        let right: Vec<usize> = (0..pairs).map(|pair| pair % entries).collect();
        let products = params[0].gather_rows(&left) * params[1].gather_rows(&right);
        let target: Vec<R> = self.targets().into_iter().map(R::from_f64).collect();
        let target = tape.constant(&[pairs, entries], &target);
        let eye: Vec<R> = (0..k * k).map(|i| R::from_f64(f64::from(i % (k + 1) == 0))).collect();
        let eye = tape.constant(&[k, k], &eye);

        let gram = products.t().matmul(products);
        let ridge = (gram * eye).sum() * (RELATIVE_RIDGE / k as f64);
        let third = (gram + eye * ridge).solve_spd(products.t().matmul(target));
        (products.matmul(third) - target).square().sum()
    }

    fn minimum(&self) -> Option<f64> {
        let exact = match self.size {
            1 => self.products >= 1,
            2 => self.products >= 7,
            3 => self.products >= 23,
            n => self.products >= n.pow(3),
        };
        exact.then_some(0.0)
    }
}

/// Added to the Gram matrix, relative to its mean diagonal; well above single-precision rounding.
const RELATIVE_RIDGE: f64 = 1e-5;
