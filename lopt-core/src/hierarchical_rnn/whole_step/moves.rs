//! The move of the parameters, spread over threads as [`jobs`](super::jobs) are.

use super::plan::{Job, Plan};
use super::tile_pass::out_count;
use crate::flush::FlushToZero;
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::update;
use crate::simd::tile::{load_row, store_row};
use crate::simd::{Kernel, Row, Simd};
use crate::tensor_step::{TensorStep, is_held};
use bytemuck::Zeroable;

/// What the move of the parameters reads.
#[derive(Debug)]
pub(crate) struct MoveContext<'a, S: Simd> {
    pub net: &'a Network<S::E>,
    pub plan: &'a Plan,
    pub out: &'a [Row<S>],
    pub inverse: &'a [S::V],
    /// `[tensor][factor, slope]`.
    pub fade: &'a [S::V],
    /// How each tensor takes part, or empty.
    pub tensors: &'a [TensorStep<S::E>],
    /// Weight of the new point in the running mean.
    pub weight: S::E,
    /// Logarithm of the factor of all learned step lengths.
    pub pace: S::V,
    pub threads: usize,
}

/// What it writes, all flat: the parameters, the next attended point, the running mean of the
/// parameters; the last two may be empty.
#[derive(Debug)]
pub(crate) struct Points<'a, E> {
    pub theta: &'a mut [E],
    pub phi: &'a mut [E],
    pub mean: &'a mut [E],
}

impl<'a, E> Points<'a, E> {
    fn split_at(self, n: usize) -> (Self, Self) {
        let cut =
            |x: &'a mut [E]| if x.is_empty() { (x, Default::default()) } else { x.split_at_mut(n) };
        let (theta, phi, mean) = (cut(self.theta), cut(self.phi), cut(self.mean));
        let left = Points { theta: theta.0, phi: phi.0, mean: mean.0 };
        (left, Points { theta: theta.1, phi: phi.1, mean: mean.1 })
    }
}

/// Subtracts the steps.
#[inline(always)]
pub(crate) fn move_parameters<S: Simd>(
    s: S,
    context: &MoveContext<'_, S>,
    points: Points<'_, S::E>,
) {
    let plan = context.plan;
    if points.theta.is_empty() {
        // a step done again: the parameters are where they were
        return;
    }
    if plan.pays_threads(context.threads) {
        split_moves(s, context, &plan.jobs, points);
    } else {
        s.run(MoveKernel { context, jobs: &plan.jobs, points, token: s });
    }
}

fn split_moves<S: Simd>(
    s: S,
    context: &MoveContext<'_, S>,
    jobs: &[Job],
    points: Points<'_, S::E>,
) {
    if Plan::is_leaf(jobs) {
        let _flush = FlushToZero::set();
        s.run(MoveKernel { context, jobs, points, token: s });
        return;
    }
    let (left, right) = jobs.split_at(jobs.len() / 2);
    let (l, r) = points.split_at(right[0].scalars.start - left[0].scalars.start);
    rayon::join(|| split_moves(s, context, left, l), || split_moves(s, context, right, r));
}

/// A function of its own, as in [`jobs`](super::jobs).
struct MoveKernel<'a, 'b, S: Simd> {
    context: &'a MoveContext<'b, S>,
    jobs: &'a [Job],
    points: Points<'a, S::E>,
    token: S,
}

impl<S: Simd> Kernel<S::E> for MoveKernel<'_, '_, S> {
    type Output = ();
    #[inline(always)]
    fn run<Ignored: Simd<E = S::E>>(self, _: Ignored) {
        move_jobs(self.token, self.context, self.jobs, self.points);
    }
}

#[inline(always)]
fn move_jobs<S: Simd>(s: S, context: &MoveContext<'_, S>, jobs: &[Job], points: Points<'_, S::E>) {
    let (outs, w) = (out_count(context.net), &context.net.update);
    let Points { theta, phi, mean } = points;
    let weight = s.splat(context.weight);
    let offset = s.add(s.splat(w.offset), context.pace);
    let attended_offset = s.add(s.splat(w.attended_offset), context.pace);
    let Some(first) = jobs.first().map(|j| j.scalars.start) else { return };
    for job in jobs.iter().filter(|job| !is_held(context.tensors, job.tensor)) {
        let fade = context.fade[2 * job.tensor];
        for span in context.plan.spans(job) {
            let out = &context.out[span.tile * outs..(span.tile + 1) * outs];
            let l = &out[outs - 1];
            let at = span.scalars.start - first..span.scalars.end - first;
            let mut point = load_row::<S>(&theta[at.clone()]);
            let mut step: Row<S> = Zeroable::zeroed();
            if !phi.is_empty() {
                let length = s.mul(context.inverse[2 * job.tensor + 1], fade);
                update::step(s, w, attended_offset, &out[1], l, length, &mut step, span.cols);
                for c in 0..span.cols {
                    step[c] = s.sub(point[c], step[c]);
                }
                store_row::<S>(&step, &mut phi[at.clone()]);
            }
            let length = s.mul(context.inverse[2 * job.tensor], fade);
            update::step(s, w, offset, &out[0], l, length, &mut step, span.cols);
            for c in 0..span.cols {
                point[c] = s.sub(point[c], step[c]);
            }
            store_row::<S>(&point, &mut theta[at.clone()]);
            if !mean.is_empty() {
                let mut average = load_row::<S>(&mean[at.clone()]);
                for c in 0..span.cols {
                    average[c] = s.fma(weight, s.sub(point[c], average[c]), average[c]);
                }
                store_row::<S>(&average, &mut mean[at]);
            }
        }
    }
}
