//! The whole-step kernels, compiled once: `f32` on every SIMD level, `f64` with one lane.
//!
//! Code that is generic over the precision calls these instead of instantiating the kernels again.

use crate::adjoint::Adjoint;
use crate::backward::{self, BackwardStep};
use crate::network::Network;
use crate::plan::Plan;
use crate::simd::Buffer;
use crate::simd::{Double, Element, Kernel, Level, Simd};
use crate::state::Work;
use crate::step::{self, Memory, Moved};

/// An element type the kernels exist for.
pub trait Engine: Element {
    /// Runs a kernel; `level` matters for `f32` only.
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;

    /// One step, see [`step::forward`].
    fn forward(level: Level, call: Forward<'_, '_, Self>);

    /// The way back through one step, see [`backward::backward`]; adds to the lane-wise `gradient`.
    fn backward(level: Level, call: Backward<'_, '_, Self>);

    /// The end of the way back, see [`Adjoint::finish`].
    fn finish(level: Level, call: Finish<'_, Self>);
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

/// Arguments of the way back through a step.
#[derive(Debug)]
pub struct Backward<'a, 'r, E: Element> {
    /// The network.
    pub net: &'a Network<E>,
    /// The geometry, in the shape of instances.
    pub plan: &'a Plan,
    /// The step.
    pub step: BackwardStep<'a, 'r, E>,
    /// Adjoints after the step, replaced by those before it.
    pub adjoint: &'a mut Adjoint<E>,
    /// Sums over psi, `[meta-parameter][lane]`.
    pub gradient: &'a mut Buffer<E>,
    /// Limit of each lane's adjoint, 0 for none; see [`Adjoint::clip_lanes`].
    pub limit: f64,
}

impl<E: Element> Kernel<E> for Backward<'_, '_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) {
        let Self { net, plan, step, adjoint, gradient, limit } = self;
        if limit > 0.0 {
            adjoint.clip_lanes(s, net, plan, step.record, limit);
        }
        backward::backward(s, net, plan, &step, adjoint, gradient.as_vectors_mut::<S>());
    }
}

/// Arguments of the end of the way back.
#[derive(Debug)]
pub struct Finish<'a, E: Element> {
    /// The network.
    pub net: &'a Network<E>,
    /// The geometry.
    pub plan: &'a Plan,
    /// Adjoints before the first step of the unroll.
    pub adjoint: &'a mut Adjoint<E>,
    /// Sums over psi.
    pub gradient: &'a mut Buffer<E>,
    /// One for lanes that started their run in this unroll, else zero.
    pub fresh: &'a [E],
}

impl<E: Element> Kernel<E> for Finish<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) {
        let fresh = s.load(self.fresh);
        let gradient = self.gradient.as_vectors_mut::<S>();
        self.adjoint.finish(s, self.net, self.plan, fresh, gradient);
    }
}

macro_rules! engine {
    ($element:ty, |$level:ident, $kernel:ident| $run:expr) => {
        impl Engine for $element {
            fn dispatch<K: Kernel<Self>>($level: Level, $kernel: K) -> K::Output {
                $run
            }
            fn forward(level: Level, call: Forward<'_, '_, Self>) {
                Self::dispatch(level, call);
            }
            fn backward(level: Level, call: Backward<'_, '_, Self>) {
                Self::dispatch(level, call);
            }
            fn finish(level: Level, call: Finish<'_, Self>) {
                Self::dispatch(level, call);
            }
        }
    };
}

engine!(f32, |level, kernel| level.dispatch(kernel));
engine!(f64, |_level, kernel| Double.run(kernel));
