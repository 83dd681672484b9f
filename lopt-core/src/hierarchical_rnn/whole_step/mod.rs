//! A step of the bare optimizer, one cohort of tensors after the other: [`engine`] chooses the kernel, and
//! [`step`] strings the stages together.

pub mod cohorts;
pub mod engine;
mod jobs;
mod moves;
pub mod plan;
pub mod record;
pub mod step;
#[doc(hidden)]
pub mod tile_pass;

use super::HierarchicalRnn;
use crate::flush::FlushToZero;
use crate::simd::{Portable, Simd};
use crate::tensor_step::TensorStep;
use engine::{Engine, Forward, Pace};
use step::{Memory, Moved};

impl HierarchicalRnn {
    /// A step whose arguments have been checked; `tensors`: how each takes part, or empty.
    pub(crate) fn advance(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        tensors: &[TensorStep<f32>],
    ) {
        let _flush = FlushToZero::set();
        if self.steps == 0 {
            self.state.reset(&self.network, &self.plan, &self.log_rates, |_| true);
        }
        for parent in self.cohorts.part(tensors) {
            self.other_globals.push_copy(parent, &self.state.global, Portable::LANES);
        }
        if !(0..self.cohorts.count()).any(|cohort| self.cohorts.takes_part(cohort)) {
            return;
        }
        if self.steps == 0 {
            self.begin_at(params, None);
        }
        self.steps += 1;
        for cohort in 0..self.cohorts.count() {
            if self.cohorts.takes_part(cohort) {
                self.advance_cohort(cohort, params, grads, tensors);
            }
        }
    }

    /// The step of the tensors of one cohort.
    fn advance_cohort(
        &mut self,
        cohort: usize,
        params: &mut [f32],
        grads: &[f32],
        tensors: &[TensorStep<f32>],
    ) {
        let steps = self.cohorts.steps(cohort);
        if steps == 0 && self.cohorts.count() > 1 {
            let belongs = |t: usize| self.cohorts.of(t) == cohort;
            let (net, plan) = (&self.network, &self.plan);
            self.state.reset_mean_rate(net, plan, &self.log_rates, belongs, |_| true);
            self.begin_at(params, Some(cohort));
        }
        if let Some(compact) = &mut self.state.compact {
            compact.first_step = steps == 0;
        }
        let config = &self.network.config;
        let pace = [config.log_pace(steps) as f32; Portable::LANES];
        let largest = [config.log_largest(steps) as f32; Portable::LANES];
        let clock = [config.clock_reading(steps) as f32; Portable::LANES];
        self.other_globals.exchange(cohort, &mut self.state.global, Portable::LANES);
        self.cohorts.steps_in(cohort, tensors, &mut self.own);
        self.cohorts.count_step(cohort);
        let (tensors, phi) = (&self.own[..], &mut self.attended[..]);
        let moved = match self.averaging {
            Some(eta) => {
                let weight = (eta + 1.0) / (self.cohorts.steps(cohort) as f32 + eta);
                Moved { theta: &mut self.inner, phi, mean: (params, weight), tensors }
            }
            None => Moved { theta: params, phi, mean: (&mut [], 0.0), tensors },
        };
        let call = Forward {
            net: &self.network,
            plan: &self.plan,
            memory: Memory::InPlace(&mut self.state),
            work: &mut self.work,
            grads,
            point: None,
            pace: Pace { log: &pace, log_largest: &largest, clock: &clock },
            moved,
        };
        f32::forward(self.level, call);
        self.other_globals.exchange(cohort, &mut self.state.global, Portable::LANES);
    }

    /// Puts the points of all tensors, or of those of one cohort, where the parameters are.
    fn begin_at(&mut self, params: &[f32], cohort: Option<usize>) {
        for t in 0..self.layout.tensor_count() {
            if cohort.is_none_or(|cohort| self.cohorts.of(t) == cohort) {
                self.begin_tensor_at(params, t);
            }
        }
    }

    /// Has the points of tensors that have taken no step follow the parameters.
    pub(crate) fn follow(&mut self, params: &[f32]) {
        for t in 0..self.layout.tensor_count() {
            if self.steps > 0 && self.cohorts.steps_of(t) == 0 {
                self.begin_tensor_at(params, t);
            }
        }
    }

    fn begin_tensor_at(&mut self, params: &[f32], t: usize) {
        let range = self.layout.range(t);
        for point in [&mut self.inner, &mut self.attended] {
            if !point.is_empty() {
                point[range.clone()].copy_from_slice(&params[range.clone()]);
            }
        }
    }
}
