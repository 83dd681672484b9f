//! What a problem or a recipe adds to gradients and parameters, from streams that give the same again
//! on the way back.

use crate::precision::Precision;
use crate::slot::Slot;
use lopt_core::rng::{normal, unit};
use lopt_core::simd::Element;

/// Gradient noise and sparsity of the problem at step `n` of the unroll.
pub(crate) fn perturb_gradient<P: Precision>(slot: &Slot<P>, grads: &mut [P::E], n: usize) {
    let sigma = slot.problem.gradient_noise();
    if sigma > 0.0 {
        let mut rng = slot.step_rng(2 * (slot.steps + n as u64));
        for group in grads.chunks_exact_mut(P::LANES) {
            for (g, &k) in group.iter_mut().zip(&slot.inverse) {
                // the noise belongs to the raw problem, so it is rescaled with the gradient
                *g = *g + P::E::from_f64(sigma * normal(&mut rng)) * k;
            }
        }
    }
    mask::<P>(slot, grads, n);
}

/// Zeroes the entries that the problem's sparsity hides at step `n`.
pub(crate) fn mask<P: Precision>(slot: &Slot<P>, values: &mut [P::E], n: usize) {
    let sparsity = slot.problem.gradient_sparsity();
    if sparsity > 0.0 {
        let mut rng = slot.step_rng(2 * (slot.steps + n as u64) + 1);
        for v in values {
            if unit(&mut rng) < sparsity {
                *v = P::E::from_f64(0.0);
            }
        }
    }
}

/// Appendix D.1: noise on the parameters after the step.
pub(crate) fn add_parameter_noise<P: Precision>(slot: &mut Slot<P>, n: usize) {
    if slot.noise.iter().all(|&v| v == P::E::from_f64(0.0)) {
        return;
    }
    let mut rng = slot.step_rng((1 << 40) + slot.steps + n as u64);
    let Slot { theta, phi, noise, .. } = &mut *slot;
    for (i, group) in theta.chunks_exact_mut(P::LANES).enumerate() {
        for (lane, v) in group.iter_mut().enumerate() {
            let change = P::E::from_f64(normal(&mut rng)) * noise[lane];
            *v = *v + change;
            if let Some(p) = phi.get_mut(i * P::LANES + lane) {
                *p = *p + change;
            }
        }
    }
}
