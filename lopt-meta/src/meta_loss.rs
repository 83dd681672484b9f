//! Relative loss, by default its logarithm, and the weights of its steps (Wichrowska et al. 2017, eq. 14).

use crate::config::MetaLossConfig;

/// `log(f/(f0 + 1e-6) + eps)`, or `log((f + eps)/(f0 + eps))`, or `f/(f0 + 1e-6)`, and its derivative
/// in `f`.
#[must_use]
pub fn relative(config: &MetaLossConfig, f: f64, f0: f64) -> (f64, f64) {
    let eps = config.epsilon;
    if !config.log {
        let unit = f0 + 1e-6;
        return (f / unit, 1.0 / unit);
    }
    if config.numerator_epsilon {
        (((f + eps) / (f0 + eps)).ln(), 1.0 / (f + eps))
    } else {
        let unit = f0 + 1e-6;
        ((f / unit + eps).ln(), 1.0 / (f + eps * unit))
    }
}

/// Weight of the loss after each of `n` steps: part uniform, part a rising ramp; they sum to one.
#[must_use]
pub fn step_weights(config: &MetaLossConfig, n: usize) -> Vec<f64> {
    let total = (n * (n + 1)) as f64 / 2.0;
    let weight = |i: usize| (1.0 - config.ramp) / n as f64 + config.ramp * (i + 1) as f64 / total;
    (0..n).map(weight).collect()
}
