//! The running mean of the iterates, which pretrained weights hand out: `mean_n = mean_{n-1} + w_n
//! (theta_n - mean_{n-1})`, `w_n = (eta + 1) / (n + eta)`. With `meta_loss.averaging` the meta-loss is
//! that of the mean, so that training sees what users get.

use crate::precision::Precision;
use crate::slot::Slot;
use lopt_core::simd::Element;

/// `w` and `1 - w` of every lane for the point after step `n` of the unroll.
fn weights<P: Precision>(slot: &Slot<P>, eta: f64, n: usize) -> Vec<[P::E; 2]> {
    let now = slot.steps + n as u64 + 1;
    let of_lane = |&began: &u64| {
        let w = (eta + 1.0) / ((now - began) as f64 + eta);
        [w, 1.0 - w].map(P::E::from_f64)
    };
    slot.began.iter().map(of_lane).collect()
}

/// Takes the parameters after step `n` of the unroll into the mean.
pub(crate) fn advance<P: Precision>(slot: &mut Slot<P>, eta: f64, n: usize) {
    if slot.mean.is_empty() {
        return;
    }
    let weights = weights(slot, eta, n);
    let Slot { mean, theta, .. } = slot;
    for (means, points) in mean.chunks_exact_mut(P::LANES).zip(theta.chunks_exact(P::LANES)) {
        for ((mean, &point), &[new, old]) in means.iter_mut().zip(points).zip(&weights) {
            *mean = old * *mean + new * point;
        }
    }
}

/// Adjoint of [`advance`]: from that of the new mean to that of the old one, and adds to `theta`'s.
pub(crate) fn adjoint<P: Precision>(
    slot: &Slot<P>,
    eta: f64,
    n: usize,
    adj_mean: &mut [P::E],
    adj_theta: &mut [P::E],
) {
    if adj_mean.is_empty() {
        return;
    }
    let weights = weights(slot, eta, n);
    let groups = adj_mean.chunks_exact_mut(P::LANES).zip(adj_theta.chunks_exact_mut(P::LANES));
    for (means, points) in groups {
        for ((mean, point), &[new, old]) in means.iter_mut().zip(points).zip(&weights) {
            *point = *point + new * *mean;
            *mean = old * *mean;
        }
    }
}
