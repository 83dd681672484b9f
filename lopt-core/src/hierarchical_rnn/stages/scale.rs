//! Size of the parameters of a tensor: what a step length is large or small against.
//!
//! `log_scale_t = log(q_t + 0.01 q + 1e-4) / 2 - log(N_t) / 4` with the mean squares `q_t` of the
//! tensor and `q` of the whole problem, at the point where the gradient is taken, and the number of
//! elements `N_t`. Tensors that start at zero (biases) borrow from the others; a problem that starts
//! at zero counts as one of size 0.01. The last term is for steps that agree in sign: of a square
//! layer's inputs, `sqrt(N_t)` add up where random weights cancel to `N_t^(1/4)`, so that wide layers
//! want smaller steps (Yang & Hu 2021). That is too small for the widest: on MNIST steps of half the
//! exponent train wide networks faster (`wide_from`, meta-training/log.md). Log rates are held below `log_scale_t` + `LARGEST_LOG_STEP`,
//! with a straight-through gradient: no initial rate can overwrite a model before the network acts. With
//! `largest_decay` that bound falls with time ([`log_largest`](crate::HierarchicalRnnConfig::log_largest)).

use crate::hierarchical_rnn::whole_step::plan::{Job, Lanes, Plan};
use crate::simd::tile::load_row;
use crate::simd::{Row, Simd};
use crate::tensor_step::{Present, TensorStep, is_held};
use rayon::prelude::*;

/// What a tensor borrows from the mean square of the whole problem.
pub const BORROWED: f64 = 0.01;
/// Log of the largest step relative to the size, a half: chosen on validation.
pub(crate) const LARGEST_LOG_STEP: f64 = -std::f64::consts::LN_2;
/// Square of the smallest size.
const FLOOR: f64 = 1e-4;

/// Writes `q_t + 0.01 q + 1e-4` of every tensor that is not held, `q` being that of all of these;
/// `sums`: room for one vector per job.
#[inline(always)]
pub(crate) fn mean_squares<S: Simd>(
    s: S,
    plan: &Plan,
    threads: usize,
    tensors: &[TensorStep<S::E>],
    present: Present,
    point: &[S::E],
    sums: &mut [S::V],
    squares: &mut [S::V],
) {
    let sums = &mut sums[..plan.jobs.len()];
    let takes_part = |job: &Job| !is_held(tensors, job.tensor);
    if plan.pays_threads(threads) {
        let jobs = plan.jobs.par_iter().zip(sums.par_iter_mut());
        jobs.with_min_len(8).filter(|(job, _)| takes_part(job)).for_each(|(job, sum)| {
            *sum = s.run(JobSquares { token: s, point: &point[job.scalars.clone()] });
        });
    } else {
        for (job, sum) in plan.jobs.iter().zip(sums.iter_mut()).filter(|(job, _)| takes_part(job)) {
            *sum = squares_of(s, &point[job.scalars.clone()]);
        }
    }
    let mut total = s.zero();
    let all = plan.tensors.iter().zip(squares.iter_mut()).enumerate();
    for (_, (tensor, square)) in all.filter(|(t, _)| !is_held(tensors, *t)) {
        let mut sum = s.zero();
        for &of_job in &sums[tensor.jobs.clone()] {
            sum = s.add(sum, of_job);
        }
        if plan.lanes == Lanes::Parameters {
            sum = s.splat(s.sum_lanes(sum));
        }
        total = s.add(total, sum);
        *square = s.mul(sum, s.constant(1.0 / tensor.elements));
    }
    let share = s.constant(BORROWED / present.parameters);
    let floor = s.fma(total, share, s.constant(FLOOR));
    for square in &mut squares[..plan.tensors.len()] {
        *square = s.add(*square, floor);
    }
}

struct JobSquares<'a, S: Simd> {
    token: S,
    point: &'a [S::E],
}

impl<S: Simd> crate::simd::Kernel<S::E> for JobSquares<'_, S> {
    type Output = S::V;
    #[inline(always)]
    fn run<Ignored: Simd<E = S::E>>(self, _: Ignored) -> S::V {
        squares_of(self.token, self.point)
    }
}

#[inline(always)]
fn squares_of<S: Simd>(s: S, point: &[S::E]) -> S::V {
    let mut total = s.zero();
    for part in point.chunks(size_of::<Row<S>>() / size_of::<S::E>()) {
        for v in load_row::<S>(part) {
            total = s.fma(v, v, total);
        }
    }
    total
}

/// `log_scale_t` from what `mean_squares` wrote.
#[inline(always)]
pub fn log_scale<S: Simd>(s: S, square: S::V, log_width: f64) -> S::V {
    s.fma(s.constant(0.5), s.ln(square), s.constant(-log_width))
}
