//! Inputs of the Parameter RNN from the accumulators (Wichrowska et al. 2017, eq. 3, 4, 17).
//!
//! Rows, in this order: S scaled gradients `m_s`; S-1 products `m_s m_{s+1}`; S relative log mean
//! squares; the relative log rate; the extreme-rate indicator; the log-rate shortcut; the log rate
//! relative to the size of the parameters. Nothing here knows the absolute scale of the loss.

use crate::config::{HierarchicalRnnConfig, RelativeRate};
use crate::simd::{Row, Simd, TILE};

/// Added to mean squares before roots and logarithms.
const EPSILON: f64 = 1e-16;
/// Log rates at which the extreme indicator starts, and the reference of the rate shortcut.
const LOWEST_LOG_RATE: f64 = -13.815_510_557_964_274;
const SHORTCUT_LOG_RATE: f64 = -6.907_755_278_982_137;
/// The middle of the last input, which spans decades: steps of a hundredth, of 50 parameters.
const SCALE_CENTRE: f64 = -3.627_164_434_591_523;
const SCALE_GAIN: f64 = 0.25;

/// Which inputs there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs {
    timescales: usize,
    asinh: bool,
    products: bool,
    log_mean_squares: bool,
    relative_rate: bool,
    extreme_indicator: bool,
    rate_shortcut: bool,
    parameter_scale: bool,
    /// Index of the first mean square whose logarithm is fed.
    first_logged: usize,
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
pub(crate) fn forward<S: Simd>(
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

/// Adjoint of [`forward`].
///
/// `x`, `avg`, `ms`: as after [`forward`]. `adj_x`: adjoint of `x` (clobbered), to whose first S
/// rows the caller has added what reaches `m` by other ways. Adds to `adj_avg`, `adj_ms`,
/// `adj_rate`; returns the sums over columns of the adjoints of the relative rate, which the caller
/// owes to the mean of the reference set, and of the rate relative to the parameters, which it owes
/// to their log size.
#[inline(always)]
pub(crate) fn adjoint<S: Simd>(
    s: S,
    inputs: Inputs,
    x: &[Row<S>],
    avg: &[Row<S>],
    ms: &[Row<S>],
    log_rate: &Row<S>,
    adj_x: &mut [Row<S>],
    adj_avg: &mut [Row<S>],
    adj_ms: &mut [Row<S>],
    adj_rate: &mut Row<S>,
    cols: usize,
) -> (S::V, S::V) {
    let cols = cols.min(TILE);
    let n = inputs.timescales;
    let epsilon = s.constant(EPSILON);
    let mut at = n;
    if inputs.products {
        for k in 0..n - 1 {
            for c in 0..cols {
                let up = adj_x[at][c];
                adj_x[k][c] = s.fma(up, x[k + 1][c], adj_x[k][c]);
                adj_x[k + 1][c] = s.fma(up, x[k][c], adj_x[k + 1][c]);
            }
            at += 1;
        }
    }
    if inputs.log_mean_squares {
        let per_scale = s.constant(1.0 / n as f64);
        for c in 0..cols {
            let mut total = s.zero();
            for k in 0..n {
                total = s.add(total, adj_x[at + k][c]);
            }
            let mean = s.mul(total, per_scale);
            for k in 0..n {
                let slot = inputs.first_logged + k;
                let up = s.sub(adj_x[at + k][c], mean);
                adj_ms[slot][c] = s.add(adj_ms[slot][c], s.div(up, s.add(ms[slot][c], epsilon)));
            }
        }
        at += n;
    }
    let mut to_mean = s.zero();
    if inputs.relative_rate {
        for c in 0..cols {
            to_mean = s.add(to_mean, adj_x[at][c]);
            adj_rate[c] = s.add(adj_rate[c], adj_x[at][c]);
        }
        at += 1;
    }
    if inputs.extreme_indicator {
        let (zero, low) = (s.zero(), s.constant(LOWEST_LOG_RATE));
        for c in 0..cols {
            let up = adj_x[at][c];
            let high = s.select_gt(log_rate[c], zero, up, zero);
            let below = s.select_gt(low, log_rate[c], up, zero);
            adj_rate[c] = s.add(adj_rate[c], s.add(high, below));
        }
        at += 1;
    }
    if inputs.rate_shortcut {
        for c in 0..cols {
            adj_rate[c] = s.add(adj_rate[c], adj_x[at][c]);
        }
        at += 1;
    }
    let mut to_scale = s.zero();
    if inputs.parameter_scale {
        let gain = s.constant(SCALE_GAIN);
        for c in 0..cols {
            let up = s.mul(gain, adj_x[at][c]);
            adj_rate[c] = s.add(adj_rate[c], up);
            to_scale = s.add(to_scale, up);
        }
    }
    let minus_half = s.constant(-0.5);
    for k in 0..n {
        for c in 0..cols {
            let square = s.add(ms[k][c], epsilon);
            // with asinh: 1 / sqrt(square) / sqrt(1 + ratio^2)
            let under = if inputs.asinh { s.fma(avg[k][c], avg[k][c], square) } else { square };
            let scaled = s.div(adj_x[k][c], s.sqrt(under));
            adj_avg[k][c] = s.add(adj_avg[k][c], scaled);
            // d ratio / d ms = -ratio / (2 (ms + eps))
            let slope = s.mul(s.mul(scaled, avg[k][c]), s.div(minus_half, square));
            adj_ms[k][c] = s.add(adj_ms[k][c], slope);
        }
    }
    (to_mean, to_scale)
}
