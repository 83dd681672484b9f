//! The whole-step kernel: `f32` on every SIMD level, compiled once, and `f64` with one lane.
//!
//! Code that is generic over the precision calls [`Engine::forward`] instead of instantiating the kernel again.

use super::plan::Plan;
use super::step::{self, Memory, Moved};
use crate::hierarchical_rnn::memory::state::Work;
use crate::hierarchical_rnn::psi::network::Network;
use crate::simd::{Double, Element, Kernel, Level, Simd};

/// An element type that kernels exist for.
pub trait Engine: Element {
    /// Runs a kernel; `level` matters for `f32` only.
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;

    /// One step, see [`step::forward`].
    fn forward(level: Level, call: Forward<'_, '_, Self>);
}

/// What depends on time, one value per lane of a vector.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a, E> {
    /// [`log_pace`](crate::HierarchicalRnnConfig::log_pace).
    pub log: &'a [E],
    /// [`log_largest`](crate::HierarchicalRnnConfig::log_largest).
    pub log_largest: &'a [E],
    /// [`clock_reading`](crate::HierarchicalRnnConfig::clock_reading).
    pub clock: &'a [E],
}

/// Arguments of a step.
#[derive(Debug)]
pub struct Forward<'a, 'r, E: Element> {
    /// The network.
    pub net: &'a Network<E>,
    /// The geometry.
    pub plan: &'a Plan,
    /// State, updated or kept for the way back.
    pub memory: Memory<'a, 'r, E>,
    /// Buffers.
    pub work: &'a mut Work<E>,
    /// Gradient at the attended point, flat.
    pub grads: &'a [E],
    /// Attended point, flat; `None` where it stands in `moved`.
    pub point: Option<&'a [E]>,
    /// What depends on time.
    pub pace: Pace<'a, E>,
    /// Parameters and what moves with them.
    pub moved: Moved<'a, E>,
}

impl<E: Element> Kernel<E> for Forward<'_, '_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) {
        let Self { net, plan, memory, work, grads, point, pace, moved } = self;
        step::forward(s, net, plan, memory, work, grads, point, pace, moved);
    }
}

impl Engine for f32 {
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output {
        level.dispatch(kernel)
    }

    fn forward(level: Level, call: Forward<'_, '_, Self>) {
        level.dispatch(call);
    }
}

impl Engine for f64 {
    fn dispatch<K: Kernel<Self>>(_: Level, kernel: K) -> K::Output {
        Double.run(kernel)
    }

    // inline, so that only programs that take exact steps compile them
    #[inline]
    fn forward(_: Level, call: Forward<'_, '_, Self>) {
        Double.run(call);
    }
}
