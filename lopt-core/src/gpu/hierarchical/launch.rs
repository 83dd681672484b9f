//! The three launches of a step, and the memory they work on.

use super::DeviceHierarchicalRnn;
use super::move_pass::{Move, move_pass};
use super::parameter_pass::parameter_pass;
use super::upper_pass::upper_pass;
use crate::gpu::Handle;
use crate::gpu::memory::{Memory, argument};
use crate::gpu::tables::{StepTable, UPPER_THREADS};
use cubecl::prelude::*;

/// What does not change.
#[derive(Debug)]
pub(super) struct Constant {
    pub weights: Memory,
    pub upper_weights: Memory,
    /// Stands for buffers that a configuration does not have.
    pub nothing: Memory,
}

/// From one launch to the next.
#[derive(Debug)]
pub(super) struct Work {
    pub out: Memory,
    pub sums: Memory,
    pub scratch: Memory,
    pub squares: Memory,
}

/// What each cohort of tensors has of its own, see `cohorts.rs`.
#[derive(Debug)]
pub(super) struct Part {
    /// Hidden vector of the Global RNN.
    pub global: Memory,
    /// How tensors take part in its steps.
    pub steps: StepTable,
    /// Parameters of its tensors.
    pub parameters: f32,
}

impl DeviceHierarchicalRnn {
    /// Steps of a cohort before the one under way, which has been counted.
    fn steps_before(&self, cohort: usize) -> u64 {
        self.cohorts.steps(cohort).saturating_sub(1)
    }

    pub(super) fn parameter_pass(&self, cohort: usize, grads: &Handle) {
        let (state, fixed, work) = (&self.state, &self.constant, &self.work);
        let (at, part) = (&self.update, &self.parts[cohort]);
        let largest = self.config.log_largest(self.steps_before(cohort)) as f32;
        let (groups, threads) = self.model.over_jobs();
        #[allow(unsafe_code, reason = "the kernel does not check its indices")]
        // SAFETY: every index comes from the tables, which were made for buffers of these lengths.
        unsafe {
            parameter_pass::launch_unchecked(
                &self.model.client,
                groups,
                threads,
                state.tiles.arg(),
                argument(grads, self.model.layout.len()),
                fixed.weights.arg(),
                self.model.jobs.arg(),
                state.rows.arg(),
                work.squares.arg(),
                part.steps.memory.arg(),
                work.out.arg(),
                work.sums.arg(),
                part.parameters,
                at.momentum,
                at.max_log_rate as f32,
                largest,
                self.config.log_wide_from() as f32,
                self.shape,
            );
        }
    }

    /// `moves`: false for the biases of the Parameter RNN alone, after hidden vectors were replaced.
    pub(super) fn upper_pass(&self, cohort: usize, moves: bool) {
        let (state, fixed, work) = (&self.state, &self.constant, &self.work);
        let part = &self.parts[cohort];
        let clock = self.config.clock_reading(self.steps_before(cohort)) as f32;
        let least_square = self.config.least_gradient.powi(2) as f32;
        #[allow(unsafe_code, reason = "the kernel does not check its indices")]
        // SAFETY: every index comes from the tables, which were made for buffers of these lengths.
        unsafe {
            upper_pass::launch_unchecked(
                &self.model.client,
                CubeCount::Static(1, 1, 1),
                CubeDim::new_1d(UPPER_THREADS as u32),
                work.sums.arg(),
                fixed.upper_weights.arg(),
                self.model.tensors.arg(),
                self.model.chunks.arg(),
                part.steps.memory.arg(),
                part.global.arg(),
                state.hidden.arg(),
                state.rows.arg(),
                work.scratch.arg(),
                part.parameters,
                clock,
                least_square,
                self.shape,
                self.upper_at,
                moves,
            );
        }
    }

    pub(super) fn move_points(&self, cohort: usize, params: &Handle, moved: Move) {
        let (state, fixed, work) = (&self.state, &self.constant, &self.work);
        let part = &self.parts[cohort];
        let params = || argument(params, self.model.layout.len());
        let (theta, mean) = match self.averaging {
            Some(_) => (state.inner.arg(), params()),
            None => (params(), fixed.nothing.arg()),
        };
        let pace = self.config.log_pace(self.steps_before(cohort)) as f32;
        let number = self.cohorts.steps(cohort) as f32;
        let weight = self.averaging.map_or(0.0, |eta| (eta + 1.0) / (number + eta));
        let (groups, threads) = self.model.over_jobs();
        #[allow(unsafe_code, reason = "the kernel does not check its indices")]
        // SAFETY: every index comes from the tables, which were made for buffers of these lengths.
        unsafe {
            move_pass::launch_unchecked(
                &self.model.client,
                groups,
                threads,
                work.out.arg(),
                self.model.jobs.arg(),
                state.rows.arg(),
                part.steps.memory.arg(),
                theta,
                state.phi.arg(),
                mean,
                work.squares.arg(),
                self.update.offset + pace,
                self.update.attended_offset + pace,
                weight,
                moved,
                self.averaging.is_some(),
                self.shape,
            );
        }
    }
}
