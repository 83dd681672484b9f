//! The small problem of the golden vectors, its start and its meta-parameters.

use super::names::spec_index;
use super::number::Number;
use super::state::State;
use super::unroll::Problem;
use super::{Reference, sum};
use lopt_core::config::HierarchicalRnnConfig;
use lopt_core::meta_params::MetaLayout;

/// Tensors A (3) and B (2).
pub(crate) struct TwoTensors;

impl Problem for TwoTensors {
    fn loss<N: Number>(&self, v: &[N]) -> N {
        let square = |x: N| x * x;
        let bowl = square(v[0]) + square(v[1]).times(4.0) + square(v[2]).times(9.0);
        let quartic = sum(v[..3].iter().map(|&a| square(square(a))));
        let valley = square(v[3] - v[0]).times(0.5) + square(v[4].plus(0.5)).times(12.5);
        bowl.times(0.5) + quartic.times(0.25) + valley
    }

    fn gradient<N: Number>(&self, v: &[N]) -> Vec<N> {
        let a = |i: usize, curvature: f64| v[i].times(curvature) + v[i] * v[i] * v[i];
        let gap = v[3] - v[0];
        vec![a(0, 1.0) - gap, a(1, 4.0), a(2, 9.0), gap, v[4].plus(0.5).times(25.0)]
    }
}

pub(crate) const THETA: [&[f64]; 2] = [&[1.0, -0.5, 0.25], &[0.3, -1.0]];
pub(crate) const LOG_RATE: [&[f64]; 2] = [&[-3.0, -4.0, -5.0], &[-2.5, -3.5]];

/// Meta-parameters of the specification: a base value and a sine, different in every entry.
pub(crate) fn psi(config: &HierarchicalRnnConfig) -> Vec<f64> {
    let layout = MetaLayout::new(config);
    let mut psi = Vec::new();
    for block in &layout.blocks {
        let a = spec_index(block.name);
        let base = match a {
            1 | 5 | 9 | 26 => 2.2,
            24 | 31 => 3.2,
            29 | 30 => 0.25,
            32 => -1.0,
            _ => 0.0,
        };
        let value = |k: usize| base + 0.2 * (1.0 + 0.7 * k as f64 + 2.1 * a as f64).sin();
        psi.extend((0..block.range.len()).map(value));
    }
    psi
}

/// The state before the first step.
pub(crate) fn start<N: Number>(reference: &Reference<'_, N>) -> State<N> {
    let lift = |list: [&[f64]; 2]| {
        list.map(|tensor| tensor.iter().map(|&x| reference.psi[0].like(x)).collect()).to_vec()
    };
    let lists: [Vec<Vec<N>>; 2] = [lift(THETA), lift(LOG_RATE)];
    reference.start(&lists[0], &lists[1])
}
