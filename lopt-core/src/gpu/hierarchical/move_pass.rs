//! Third launch: the parameters take their step (eq. 5 to 9, 18, 19), and their squares are added up
//! for the next one.

use super::shape::Shape;
use crate::gpu::tables::{JOB, LANES, STEP, STEP_BEGINS, STEP_HELD, add_threads};
use cubecl::prelude::*;

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// Before a step: the points of tensors that begin, to where the parameters are.
    Beginnings,
    /// The parameters, and all points with them.
    Parameters,
}

/// * `steps`: [`STEP`] floats per tensor.
/// * `phi`: next attended point, of one element without attention; `mean`: with averaging the parameters
///   as users have them, the running mean of `theta`; else of one element.
/// * `squares`: sum of squares of every job, at the point where the next gradient is taken.
#[cube(launch_unchecked)]
pub(super) fn move_pass(
    out: &[f32],
    jobs: &[u32],
    tensors: &[f32],
    steps: &[f32],
    theta: &mut [f32],
    phi: &mut [f32],
    mean: &mut [f32],
    squares: &mut [f32],
    offset: f32,
    attended_offset: f32,
    weight: f32,
    #[comptime] moved: Move,
    #[comptime] averaged: bool,
    #[comptime] s: Shape,
) {
    let lane = UNIT_POS as usize;
    let job = CUBE_POS;
    let entry = job * comptime!(JOB);
    let tensor = jobs[entry] as usize;
    let first_tile = jobs[entry + 1] as usize;
    let first = jobs[entry + 3] as usize;
    let scalars = jobs[entry + 4] as usize;
    let row = tensor * comptime!(s.tensor_row()) + comptime!(3 * s.hidden + 1);
    let step = tensor * comptime!(STEP);
    let held = steps[step + comptime!(STEP_HELD)] > 0.5;
    let begins = steps[step + comptime!(STEP_BEGINS)] > 0.5;
    let mut fade = 1.0f32;
    if comptime!(s.fades) {
        fade = tensors[row + 2];
    }
    let mut total = 0.0f32;
    let mut local = lane;
    while local < scalars {
        let at = first + local;
        let mut point = theta[at];
        let mut next = point;
        if comptime!(s.attention) {
            next = phi[at];
        }
        if comptime!(moved == Move::Beginnings) {
            if begins {
                if comptime!(averaged) {
                    point = mean[at];
                    theta[at] = point;
                }
                if comptime!(s.attention) {
                    phi[at] = point;
                }
                next = point;
            }
        } else {
            let tile = first_tile + local / comptime!(LANES);
            let out_at = tile * comptime!(s.outs * LANES) + lane;
            if !held {
                let mut rate = 1.0f32;
                let mut attended_rate = 1.0f32;
                if comptime!(s.learned_rate) {
                    let l = out[out_at + comptime!((s.outs - 1) * LANES)];
                    rate = f32::exp(l + offset);
                    if comptime!(s.attention) {
                        attended_rate = f32::exp(l + attended_offset);
                    }
                }
                if comptime!(s.attention) {
                    let unit = out[out_at + comptime!(LANES)] * (tensors[row + 1] * fade);
                    next = point - attended_rate * unit;
                    phi[at] = next;
                }
                point -= rate * (out[out_at] * (tensors[row] * fade));
                theta[at] = point;
                if comptime!(!s.attention) {
                    next = point;
                }
                if comptime!(averaged) {
                    let old = mean[at];
                    mean[at] = fma(weight, point - old, old);
                }
            }
        }
        total = fma(next, next, total);
        local += comptime!(LANES);
    }
    if comptime!(s.parameter_scale) {
        let mut own = Array::<f32>::new(1usize);
        own[0] = total;
        add_threads(&own, squares, job, lane, 1usize);
    }
}
