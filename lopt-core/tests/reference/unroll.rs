//! Running the reference for some steps, and the meta-loss of such an unroll (eq. 14).

use super::number::Number;
use super::state::State;
use super::{Reference, mean};

/// A function to minimise, with its gradient written out, so that differentiating through the
/// gradient gives exact second derivatives.
pub(crate) trait Problem {
    /// The loss at the flat parameters.
    fn loss<N: Number>(&self, theta: &[N]) -> N;
    /// Its gradient, flat.
    fn gradient<N: Number>(&self, theta: &[N]) -> Vec<N>;
}

/// Whether meta-gradients flow through the gradients of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Gradients count as constants.
    First,
    /// Gradients depend on the parameters, through the Hessian.
    Second,
}

/// Where the released meta-loss puts its `epsilon = 1e-6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// `ln(f / (f_init + eps) + eps)`, the default of the released code.
    OnRatio,
    /// `ln((f + eps) / (f_init + eps))`, equation (14).
    OnBoth,
}

/// Takes `steps` steps. Returns the losses at theta before each of them and the last state.
pub(crate) fn unroll<N: Number, P: Problem>(
    reference: &Reference<'_, N>,
    problem: &P,
    mut state: State<N>,
    steps: usize,
    order: Order,
) -> (Vec<N>, State<N>) {
    let mut losses = Vec::new();
    for _ in 0..steps {
        losses.push(problem.loss(&state.theta()));
        let mut grads = problem.gradient(&state.attended());
        if order == Order::First {
            grads = grads.into_iter().map(Number::detach).collect();
        }
        state = reference.step(&state, &grads);
    }
    (losses, state)
}

/// The released list of objectives: the loss at the start counts twice, that at the end never.
pub(crate) fn released_objectives<N: Number>(losses: &[N]) -> Vec<N> {
    losses[..1].iter().chain(losses).copied().collect()
}

/// Mean log objective relative to `initial`, the loss at the start of the whole run.
pub(crate) fn meta_loss<N: Number>(objectives: &[N], initial: f64, floor: Floor) -> N {
    const EPSILON: f64 = 1e-6;
    mean(objectives.iter().map(|&f| match floor {
        Floor::OnRatio => (f / f.like(initial + EPSILON)).plus(EPSILON).ln(),
        Floor::OnBoth => (f.plus(EPSILON) / f.like(initial + EPSILON)).ln(),
    }))
}
