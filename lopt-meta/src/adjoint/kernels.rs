//! The way back as kernels: arguments of [`Engine::dispatch`](lopt_core::engine::Engine::dispatch).

use super::Adjoint;
use super::backward::{self, BackwardStep};
use lopt_core::network::Network;
use lopt_core::plan::Plan;
use lopt_core::simd::{Buffer, Element, Kernel, Simd};

/// Arguments of the way back through a step.
#[derive(Debug)]
pub(crate) struct Backward<'a, 'r, E: Element> {
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
pub(crate) struct Finish<'a, E: Element> {
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
