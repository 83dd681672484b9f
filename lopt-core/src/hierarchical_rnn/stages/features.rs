//! Inputs of the Parameter RNN from the accumulators (Wichrowska et al. 2017, eq. 3, 4, 17).
//!
//! Rows, in this order: S scaled gradients `m_s`; S-1 products `m_s m_{s+1}`; S relative log mean
//! squares; the relative log rate; the extreme-rate indicator; the log-rate shortcut; the log rate
//! relative to the size of the parameters. Nothing here knows the absolute scale of the loss.

use crate::hierarchical_rnn::psi::config::{HierarchicalRnnConfig, RelativeRate};
use crate::simd::{Row, Simd, TILE};

/// Added to mean squares before roots and logarithms.
pub const EPSILON: f64 = 1e-16;
/// Log rates at which the extreme indicator starts, and the reference of the rate shortcut.
pub const LOWEST_LOG_RATE: f64 = -13.815_510_557_964_274;
const SHORTCUT_LOG_RATE: f64 = -6.907_755_278_982_137;
/// The middle of the last input, which spans decades: steps of a hundredth, of 50 parameters.
const SCALE_CENTRE: f64 = -3.627_164_434_591_523;
/// Slope of the last input.
pub const SCALE_GAIN: f64 = 0.25;

/// Which inputs there are.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    pub timescales: usize,
    pub asinh: bool,
    pub products: bool,
    pub log_mean_squares: bool,
    pub relative_rate: bool,
    pub extreme_indicator: bool,
    pub rate_shortcut: bool,
    pub parameter_scale: bool,
    /// Index of the first mean square whose logarithm is fed.
    pub first_logged: usize,
}

impl Inputs {
    pub(crate) fn new(config: &HierarchicalRnnConfig) -> Self {
        Self {
            timescales: config.timescales,
            asinh: config.asinh,
            products: config.gradient_products,
            log_mean_squares: config.log_mean_squares,
            relative_rate: config.relative_rate != RelativeRate::Off,
            extreme_indicator: config.extreme_indicator,
            rate_shortcut: config.rate_shortcut,
            parameter_scale: config.parameter_scale,
            first_logged: usize::from(config.previous_scale),
        }
    }
}

/// Fills `x` (F rows) from the new averages, the new mean squares and the log rate before the step.
/// `mean_rate`: mean log rate of the reference set; `log_scale`: log size of the tensor's parameters.
#[inline(always)]
pub fn forward<S: Simd>(
    s: S,
    inputs: Inputs,
    avg: &[Row<S>],
    ms: &[Row<S>],
    log_rate: &Row<S>,
    mean_rate: S::V,
    log_scale: S::V,
    x: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = inputs.timescales;
    let epsilon = s.constant(EPSILON);
    for k in 0..n {
        for c in 0..cols {
            let ratio = s.div(avg[k][c], s.sqrt(s.add(ms[k][c], epsilon)));
            x[k][c] = if inputs.asinh { s.asinh(ratio) } else { ratio };
        }
    }
    let mut at = n;
    if inputs.products {
        for k in 0..n - 1 {
            for c in 0..cols {
                x[at][c] = s.mul(x[k][c], x[k + 1][c]);
            }
            at += 1;
        }
    }
    if inputs.log_mean_squares {
        let per_scale = s.constant(1.0 / n as f64);
        for c in 0..cols {
            let mut total = s.zero();
            for k in 0..n {
                let log = s.ln(s.add(ms[inputs.first_logged + k][c], epsilon));
                x[at + k][c] = log;
                total = s.add(total, log);
            }
            let mean = s.mul(total, per_scale);
            for k in 0..n {
                x[at + k][c] = s.sub(x[at + k][c], mean);
            }
        }
        at += n;
    }
    if inputs.relative_rate {
        for c in 0..cols {
            x[at][c] = s.sub(log_rate[c], mean_rate);
        }
        at += 1;
    }
    if inputs.extreme_indicator {
        for c in 0..cols {
            let high = s.at_least(log_rate[c], 0.0);
            let low = s.at_least(s.sub(s.constant(LOWEST_LOG_RATE), log_rate[c]), 0.0);
            x[at][c] = s.sub(high, low);
        }
        at += 1;
    }
    if inputs.rate_shortcut {
        for c in 0..cols {
            x[at][c] = s.sub(log_rate[c], s.constant(SHORTCUT_LOG_RATE));
        }
        at += 1;
    }
    if inputs.parameter_scale {
        let (gain, centre) = (s.constant(SCALE_GAIN), s.constant(SCALE_CENTRE));
        for c in 0..cols {
            x[at][c] = s.mul(gain, s.sub(s.sub(log_rate[c], log_scale), centre));
        }
    }
}
