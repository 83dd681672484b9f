//! The running mean of the iterates, which pretrained weights hand out: `mean_n = mean_{n-1} + w_n
//! (theta_n - mean_{n-1})`, `w_n = (eta + 1) / (n + eta)`. With `meta_loss.averaging` the meta-loss is
//! that of a mean, too, so that training sees what users get.
//!
//! It begins anew with every unroll: that of a long run hardly moves within one, so that iterates
//! which run away would cost nothing.

use crate::precision::Precision;
use crate::slot::Slot;
use lopt_core::simd::Element;

/// `w` and `1 - w` of the point after step `n` of the unroll.
fn weights<P: Precision>(eta: f64, n: usize) -> [P::E; 2] {
    let w = (eta + 1.0) / ((n + 1) as f64 + eta);
    [w, 1.0 - w].map(P::E::from_f64)
}

/// Begins at the parameters.
pub(crate) fn begin<P: Precision>(slot: &mut Slot<P>) {
    let Slot { mean, theta, .. } = slot;
    let points = mean.len();
    mean.copy_from_slice(&theta[..points]);
}

/// Takes the parameters after step `n` of the unroll into the mean.
pub(crate) fn advance<P: Precision>(slot: &mut Slot<P>, eta: f64, n: usize) {
    let [new, old] = weights::<P>(eta, n);
    let Slot { mean, theta, .. } = slot;
    for (mean, &point) in mean.iter_mut().zip(theta.iter()) {
        *mean = old * *mean + new * point;
    }
}

/// Adjoint of [`advance`]: from that of the new mean to that of the old one, and adds to `theta`'s.
pub(crate) fn adjoint<P: Precision>(
    eta: f64,
    n: usize,
    adj_mean: &mut [P::E],
    adj_theta: &mut [P::E],
) {
    let [new, old] = weights::<P>(eta, n);
    for (mean, point) in adj_mean.iter_mut().zip(adj_theta) {
        *point = *point + new * *mean;
        *mean = old * *mean;
    }
}
