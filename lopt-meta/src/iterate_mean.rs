//! The running mean of the iterates, which pretrained weights hand out: `mean_n = mean_{n-1} + w_n
//! (theta_n - mean_{n-1})`, `w_n = (eta + 1) / (n + eta)`. With `meta_loss.averaging` the meta-loss is
//! that of the mean, so that training sees what users get; lanes beyond `averaging_share` have `w = 1`.

use crate::config::MetaLossConfig;
use crate::precision::Precision;
use crate::slot::Slot;
use lopt_core::simd::Element;

/// `w` and `1 - w` of every lane for the point after step `n` of the unroll.
fn weights<P: Precision>(slot: &Slot<P>, config: &MetaLossConfig, n: usize) -> Vec<[P::E; 2]> {
    let now = slot.steps + n as u64 + 1;
    let (eta, share) = (config.averaging, config.averaging_share * P::LANES as f64);
    let of_lane = |(lane, &began): (usize, &u64)| {
        let averaged = (lane as f64) < share;
        let w = if averaged { (eta + 1.0) / ((now - began) as f64 + eta) } else { 1.0 };
        [w, 1.0 - w].map(P::E::from_f64)
    };
    slot.began.iter().enumerate().map(of_lane).collect()
}

/// Takes the parameters after step `n` of the unroll into the mean.
pub(crate) fn advance<P: Precision>(slot: &mut Slot<P>, config: &MetaLossConfig, n: usize) {
    if slot.mean.is_empty() {
        return;
    }
    let weights = weights(slot, config, n);
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
    config: &MetaLossConfig,
    n: usize,
    adj_mean: &mut [P::E],
    adj_theta: &mut [P::E],
) {
    if adj_mean.is_empty() {
        return;
    }
    let weights = weights(slot, config, n);
    let groups = adj_mean.chunks_exact_mut(P::LANES).zip(adj_theta.chunks_exact_mut(P::LANES));
    for (means, points) in groups {
        for ((mean, point), &[new, old]) in means.iter_mut().zip(points).zip(&weights) {
            *point = *point + new * *mean;
            *mean = old * *mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::advance;
    use crate::Recipe;
    use crate::config::QUADRATIC20;
    use crate::precision::Single;
    use crate::slot::Slot;
    use lopt_core::meta_params::MetaLayout;
    use lopt_core::network::Network;
    use lopt_core::rng::stream;
    use lopt_problems::paper_list;

    #[test]
    fn a_share_of_the_lanes_is_averaged_as_users_are() {
        let mut recipe = Recipe::parse(QUADRATIC20).expect("our own recipe");
        (recipe.meta_loss.averaging, recipe.meta_loss.averaging_share) = (8.0, 0.25);
        let config = recipe.optimizer_config().expect("our own recipe");
        let psi = MetaLayout::new(&config).initialize(&config, &mut stream(1, &[]));
        let net = Network::<f32>::new(&config, &psi);
        let mut slot = Slot::<Single>::start(&recipe, &paper_list()[..1], &net, 0, 0, 0.0);
        let mut expected = vec![0.0_f32; slot.theta.len()];
        for n in 0..5 {
            slot.theta.iter_mut().enumerate().for_each(|(i, x)| *x = (i + 7 * n) as f32);
            // as `HierarchicalRnn::with_averaging` counts
            let weight = 9.0 / (n as f32 + 1.0 + 8.0);
            for (mean, &x) in expected.iter_mut().zip(slot.theta.iter()) {
                *mean += weight * (x - *mean);
            }
            advance(&mut slot, &recipe.meta_loss, n);
        }
        for (i, (&mean, &average)) in slot.mean.iter().zip(&expected).enumerate() {
            let expected = if i % 16 < 4 { average } else { slot.theta[i] };
            assert!((mean - expected).abs() < 1e-3, "{i}: {mean}, expected {expected}");
        }
    }
}
