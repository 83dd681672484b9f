//! Loss, gradient and Hessian-vector product of a group of instances, all lanes at once.
//!
//! Each lane may be rescaled: `f(theta) = f_raw(theta / k)`, one `k` per lane.

use crate::precision::Precision;
use lopt_core::Layout;
use lopt_core::simd::Element;
use lopt_grad::{Real, Tape, Var};
use lopt_problems::{AnyProblem, Array, Scalar};
use std::sync::Arc;

/// Arrays with the lanes of a group side by side, for one kind of tape.
#[derive(Clone, Debug)]
pub struct Packed<R> {
    arrays: Vec<(Vec<usize>, Vec<R>)>,
}

impl<R> Packed<R> {
    /// Packs one list of arrays per lane for the plain tape.
    #[must_use]
    pub fn values<P: Precision<R = R>>(lanes: &[Vec<Array>]) -> Self {
        Self::pack::<P>(lanes, P::gather)
    }

    /// Packs one list of arrays per lane for the tape with tangents, which are zero.
    #[must_use]
    pub fn duals<P: Precision<D = R>>(lanes: &[Vec<Array>]) -> Self {
        let zeros = vec![P::E::from_f64(0.0); P::LANES];
        Self::pack::<P>(lanes, |values| P::gather_dual(values, &zeros))
    }

    fn pack<P: Precision>(lanes: &[Vec<Array>], gather: impl Fn(&[P::E]) -> R) -> Self {
        let mut one = vec![P::E::from_f64(0.0); P::LANES];
        let mut pack = |i: usize| {
            let mut values = Vec::with_capacity(lanes[0][i].values.len());
            for j in 0..lanes[0][i].values.len() {
                for (x, lane) in one.iter_mut().zip(lanes) {
                    *x = P::E::from_f64(f64::from(lane[i].values[j]));
                }
                values.push(gather(&one));
            }
            (lanes[0][i].shape.clone(), values)
        };
        Self { arrays: (0..lanes[0].len()).map(&mut pack).collect() }
    }

    /// Records the arrays as constants.
    fn put<'t>(&self, tape: &'t Tape<R>) -> Vec<Var<'t, R>>
    where
        R: Real,
    {
        self.arrays.iter().map(|a| tape.constant(&a.0, &a.1)).collect()
    }
}

/// Evaluates one problem for a group of lanes; its tapes are reused and hold the constants.
#[derive(Debug)]
pub struct Objective<P: Precision> {
    problem: Arc<dyn AnyProblem>,
    layout: Layout,
    tape: Tape<P::R>,
    dual: Tape<P::D>,
    /// Number of arrays of constants, the first frozen tensors of both tapes.
    constants: usize,
    /// Number of arrays of the whole data set, frozen behind the constants of the plain tape.
    full: usize,
    scaled: Vec<P::E>,
    tangent: Vec<P::E>,
}

impl<P: Precision> Objective<P> {
    /// For a problem, the constants of each lane and, where losses of whole data sets are wanted,
    /// those sets.
    #[must_use]
    pub fn new(
        problem: Arc<dyn AnyProblem>,
        constants: &[Vec<Array>],
        full: Option<&[Vec<Array>]>,
    ) -> Self {
        let layout = problem.layout();
        let scalars = layout.len() * P::LANES;
        let zeros = vec![P::E::from_f64(0.0); scalars];
        let (mut tape, mut dual) = (Tape::new(), Tape::new());
        let arrays = Packed::values::<P>(constants).put(&tape).len();
        let whole = full.map_or(0, |full| Packed::values::<P>(full).put(&tape).len());
        tape.freeze();
        Packed::duals::<P>(constants).put(&dual);
        dual.freeze();
        let scaled = zeros.clone();
        Self { problem, layout, tape, dual, constants: arrays, full: whole, scaled, tangent: zeros }
    }

    /// Loss of every lane, and the gradient into `grad`, both flat `[P][lane]`. `inverse`: `1 / k`
    /// per lane. `batch`: `None` for the whole data sets given to [`new`](Self::new).
    pub fn gradient(
        &mut self,
        theta: &[P::E],
        inverse: &[P::E],
        batch: Option<&Packed<P::R>>,
        grad: &mut [P::E],
    ) -> Vec<P::E> {
        scale(theta, inverse, &mut self.scaled);
        self.tape.clear();
        let tape = &self.tape;
        let scaled = &self.scaled;
        let params =
            variables(tape, &self.layout, |i| P::gather(&scaled[i * P::LANES..(i + 1) * P::LANES]));
        let constants = frozen(tape, 0..self.constants);
        let batch = match batch {
            Some(batch) => batch.put(tape),
            None => frozen(tape, self.constants..self.constants + self.full),
        };
        let loss = P::R::loss_of(&*self.problem, tape, &params, &constants, &batch);
        tape.backward(loss);
        for (t, &v) in params.iter().enumerate() {
            let range = self.layout.range(t);
            let to = &mut grad[range.start * P::LANES..range.end * P::LANES];
            tape.with_gradient(v, |g| match g {
                Some(g) => {
                    for (&x, to) in g.iter().zip(to.chunks_exact_mut(P::LANES)) {
                        P::scatter(x, to);
                    }
                }
                None => to.fill(P::E::from_f64(0.0)),
            });
        }
        scale_in_place(grad, inverse);
        let mut values = vec![P::E::from_f64(0.0); P::LANES];
        P::scatter(loss.item(), &mut values);
        values
    }

    /// Adds the Hessian at `theta` times `direction` to `out`, all flat `[P][lane]`.
    pub fn add_hessian_product(
        &mut self,
        theta: &[P::E],
        direction: &[P::E],
        inverse: &[P::E],
        batch: &Packed<P::D>,
        out: &mut [P::E],
    ) {
        scale(theta, inverse, &mut self.scaled);
        scale(direction, inverse, &mut self.tangent);
        self.dual.clear();
        let tape = &self.dual;
        let (value, tangent) = (&self.scaled, &self.tangent);
        let params = variables(tape, &self.layout, |i| {
            let range = i * P::LANES..(i + 1) * P::LANES;
            P::gather_dual(&value[range.clone()], &tangent[range])
        });
        let constants = frozen(tape, 0..self.constants);
        let loss = P::D::loss_of(&*self.problem, tape, &params, &constants, &batch.put(tape));
        tape.backward(loss);
        let mut lanes = vec![P::E::from_f64(0.0); P::LANES];
        for (t, &v) in params.iter().enumerate() {
            let range = self.layout.range(t);
            let to = &mut out[range.start * P::LANES..range.end * P::LANES];
            tape.with_gradient(v, |g| {
                let Some(g) = g else { return };
                for (&x, to) in g.iter().zip(to.chunks_exact_mut(P::LANES)) {
                    P::scatter_tangent(x, &mut lanes);
                    for ((to, &x), &k) in to.iter_mut().zip(&lanes).zip(inverse) {
                        *to = *to + x * k;
                    }
                }
            });
        }
    }
}

fn frozen<R: Real>(tape: &Tape<R>, which: std::ops::Range<usize>) -> Vec<Var<'_, R>> {
    which.map(|i| tape.frozen(i)).collect()
}

fn variables<'t, R: Real>(
    tape: &'t Tape<R>,
    layout: &Layout,
    value: impl Fn(usize) -> R,
) -> Vec<Var<'t, R>> {
    let tensor = |t: usize| {
        let first = layout.range(t).start;
        tape.variable_from(&layout.tensors()[t].shape, |i| value(first + i))
    };
    (0..layout.tensor_count()).map(tensor).collect()
}

fn scale<E: Copy + std::ops::Mul<Output = E>>(x: &[E], factors: &[E], out: &mut [E]) {
    let lanes = factors.len();
    for (x, out) in x.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
        for ((x, k), out) in x.iter().zip(factors).zip(out) {
            *out = *x * *k;
        }
    }
}

fn scale_in_place<E: Copy + std::ops::Mul<Output = E>>(x: &mut [E], factors: &[E]) {
    for x in x.chunks_exact_mut(factors.len()) {
        for (x, k) in x.iter_mut().zip(factors) {
            *x = *x * *k;
        }
    }
}
