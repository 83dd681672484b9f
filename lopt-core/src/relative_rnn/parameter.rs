//! The Parameter level: what happens to every element of a tensor in a step.
//!
//! ```text
//! a <- z - x
//! m <- b1 m + (1 - b1) g                                     g: gradient at y
//! v <- b2 v + (1 - b2) g^2
//! i <- 1 / (sqrt(v / w2) + 1e-12)
//! d <- i (b1 m / w1' + (1 - b1) g / w1)
//! u <- d / sqrt(1 + (d / 4)^2)
//! z <- k z - step u                                          k: keep where u z > 0, else 1
//! x <- x + share (z - x)
//! y <- x + mix (z - x)
//! ```
//!
//! `w1`, `w2` are the sums of the weights in `m` and `v`, `w1'` what `w1` is a step later: with constant
//! decays `1 - b^n`. Beside the step, sums over the tensor are taken: from those the networks see
//! whether steps are too long or too short. Weight decay acts only where the step goes towards zero, too,
//! so that it does not hold a parameter away from where the loss is least (Chen et al. 2025, "Cautious
//! weight decay"). There is no fused operation, so that every SIMD level gives
//! the same bits.

use std::ops::Add;

use crate::simd::{Element, Kernel, Simd};

/// Elements that one kernel call works on; sums are taken in double precision over such blocks.
pub(super) const BLOCK: usize = 4096;

/// Least `sqrt(v)`: below it, a gradient is as good as none.
pub(crate) const EPSILON: f64 = 1e-12;

/// What is the same for all elements of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// `b1` and `b2`.
    pub decays: [f64; 2],
    /// `w1`, `w1'`, `w2`.
    pub weights: [f64; 3],
    /// Length of the step where `u` is 1.
    pub step: f64,
    /// What weight decay leaves of an element whose step goes towards zero.
    pub keep: f64,
    /// Part of the way that the average goes to the iterate.
    pub share: f64,
    /// Where between average (0) and iterate (1) the next gradient is taken.
    pub mix: f64,
}

/// Elements of one tensor, or a run of them.
#[derive(Debug)]
pub(super) struct Elements<'a, E> {
    pub gradient: &'a [E],
    /// `m`.
    pub mean: &'a mut [E],
    /// `v`.
    pub square: &'a mut [E],
    /// `z`.
    pub iterate: &'a mut [E],
    /// `y`.
    pub attended: &'a mut [E],
    /// `x`.
    pub average: &'a mut [E],
}

impl<'a, E> Elements<'a, E> {
    pub(super) fn len(&self) -> usize {
        self.gradient.len()
    }

    /// The first `count` elements and the others.
    pub(super) fn split(self, count: usize) -> [Self; 2] {
        let gradient = self.gradient.split_at(count);
        let mean = self.mean.split_at_mut(count);
        let square = self.square.split_at_mut(count);
        let iterate = self.iterate.split_at_mut(count);
        let attended = self.attended.split_at_mut(count);
        let average = self.average.split_at_mut(count);
        let first = Self {
            gradient: gradient.0,
            mean: mean.0,
            square: square.0,
            iterate: iterate.0,
            attended: attended.0,
            average: average.0,
        };
        let second = Self {
            gradient: gradient.1,
            mean: mean.1,
            square: square.1,
            iterate: iterate.1,
            attended: attended.1,
            average: average.1,
        };
        [first, second]
    }
}

/// Sums over the elements of a tensor, in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// `(g i)^2`, `(g i)(m i)`, `(m i)^2`, with `m` before the step.
    pub scaled: [f64; 3],
    /// `g a`, `a^2`, `g^2`.
    pub along: [f64; 3],
    /// `u^2`.
    pub direction: f64,
    /// `z^2` after the step.
    pub size: f64,
    /// Gradients that are not 0.
    pub present: f64,
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let each = |a: [f64; 3], b: [f64; 3]| std::array::from_fn(|i| a[i] + b[i]);
        Self {
            scaled: each(self.scaled, other.scaled),
            along: each(self.along, other.along),
            direction: self.direction + other.direction,
            size: self.size + other.size,
            present: self.present + other.present,
        }
    }
}

/// The step of at most [`BLOCK`] elements.
#[derive(Debug)]
pub(super) struct Step<'a, E> {
    pub rates: Rates,
    pub elements: Elements<'a, E>,
}

impl<E: Element> Kernel<E> for Step<'_, E> {
    type Output = Sums;

    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) -> Sums {
        let Self { rates, elements } = self;
        let constants = Constants::new(s, &rates);
        let mut sums = [s.zero(); SUMS];
        let count = elements.len();
        let whole = count - count % S::LANES;
        let [body, rest] = elements.split(whole);
        let rows = body.gradient.chunks_exact(S::LANES);
        let rows = rows.zip(body.mean.chunks_exact_mut(S::LANES));
        let rows = rows.zip(body.square.chunks_exact_mut(S::LANES));
        let rows = rows.zip(body.iterate.chunks_exact_mut(S::LANES));
        let rows = rows.zip(body.attended.chunks_exact_mut(S::LANES));
        let rows = rows.zip(body.average.chunks_exact_mut(S::LANES));
        for (((((g, m), v), z), y), x) in rows {
            let old = [s.load(g), s.load(m), s.load(v), s.load(z), s.load(x)];
            let new = constants.move_row(s, old, &mut sums);
            for (place, row) in [m, v, z, x, y].into_iter().zip(&new) {
                place.copy_from_slice(s.lanes(row));
            }
        }
        if rest.len() > 0 {
            // zeros move nothing and add nothing
            let fill = |values: &[E]| {
                let mut row = s.zero();
                bytemuck::cast_slice_mut(std::slice::from_mut(&mut row))[..values.len()]
                    .copy_from_slice(values);
                row
            };
            let Elements { gradient, mean, square, iterate, attended, average } = rest;
            let old = [gradient, &*mean, &*square, &*iterate, &*average].map(fill);
            let new = constants.move_row(s, old, &mut sums);
            for (place, row) in [mean, square, iterate, average, attended].into_iter().zip(&new) {
                let count = place.len();
                place.copy_from_slice(&s.lanes(row)[..count]);
            }
        }
        let sum = |i: usize| -> f64 { s.sum_lanes(sums[i]).into() };
        Sums {
            scaled: [sum(0), sum(1), sum(2)],
            along: [sum(3), sum(4), sum(5)],
            direction: sum(6),
            size: sum(7),
            present: sum(8),
        }
    }
}

const SUMS: usize = 9;

/// [`Rates`] in every lane.
struct Constants<S: Simd> {
    keep: [S::V; 2],
    blend: [S::V; 2],
    of_mean: S::V,
    of_gradient: S::V,
    inflate: S::V,
    epsilon: S::V,
    sixteenth: S::V,
    step: S::V,
    left: S::V,
    share: S::V,
    mix: S::V,
    one: S::V,
}

impl<S: Simd> Constants<S> {
    #[inline(always)]
    fn new(s: S, rates: &Rates) -> Self {
        let Rates { decays: [b1, b2], weights: [w1, next_w1, w2], step, keep, share, mix } = *rates;
        Self {
            keep: [s.constant(b1), s.constant(b2)],
            blend: [s.constant(1.0 - b1), s.constant(1.0 - b2)],
            of_mean: s.constant(b1 / next_w1),
            of_gradient: s.constant((1.0 - b1) / w1),
            inflate: s.constant(1.0 / w2),
            epsilon: s.constant(EPSILON),
            sixteenth: s.constant(1.0 / 16.0),
            step: s.constant(step),
            left: s.constant(keep),
            share: s.constant(share),
            mix: s.constant(mix),
            one: s.constant(1.0),
        }
    }

    /// `[m, v, z, x, y]` after the step from `[g, m, v, z, x]`.
    #[inline(always)]
    fn move_row(&self, s: S, [g, m0, v0, z0, x0]: [S::V; 5], sums: &mut [S::V; SUMS]) -> [S::V; 5] {
        let m = s.add(s.mul(self.keep[0], m0), s.mul(self.blend[0], g));
        let square = s.mul(g, g);
        let v = s.add(s.mul(self.keep[1], v0), s.mul(self.blend[1], square));
        let root = s.add(s.sqrt(s.mul(v, self.inflate)), self.epsilon);
        let inverse = s.div(self.one, root);
        let raw = s.add(s.mul(self.of_mean, m), s.mul(self.of_gradient, g));
        let d = s.mul(raw, inverse);
        let u = s.div(d, s.sqrt(s.add(self.one, s.mul(s.mul(d, d), self.sixteenth))));
        let along = s.sub(z0, x0);
        let left = s.select_gt(s.mul(u, z0), s.zero(), self.left, self.one);
        let z = s.sub(s.mul(left, z0), s.mul(self.step, u));
        let x = s.add(x0, s.mul(self.share, s.sub(z, x0)));
        let y = s.add(x, s.mul(self.mix, s.sub(z, x)));
        let (gi, mi) = (s.mul(g, inverse), s.mul(m0, inverse));
        let terms = [
            s.mul(gi, gi),
            s.mul(gi, mi),
            s.mul(mi, mi),
            s.mul(g, along),
            s.mul(along, along),
            square,
            s.mul(u, u),
            s.mul(z, z),
            s.select_gt(s.abs(g), s.zero(), self.one, s.zero()),
        ];
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum = s.add(*sum, term);
        }
        [m, v, z, x, y]
    }
}
