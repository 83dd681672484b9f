//! What the network reads of a gradient: its size on a log scale, and its sign (appendix A).
//!
//! `max(ln(|g| + eps) / p, -1)` and `clamp(e^p g, -1, 1)` with `p = 5`. But for `eps`, which the
//! published code adds, this is the paper's rule: above `e^-p` size and sign, below `-1` and `e^p g`.

use super::psi::INPUTS;
use lopt_core::simd::{Row, Simd, TILE};

/// `p`.
const RANGE: f64 = 5.0;
/// Keeps the logarithm finite: the machine epsilon of `f32`, in every precision.
const EPSILON: f64 = f32::EPSILON as f64;

/// The inputs of one tile of gradients.
#[inline(always)]
pub(super) fn inputs<S: Simd>(s: S, grads: &Row<S>) -> [Row<S>; INPUTS] {
    let mut out = [[s.zero(); TILE]; INPUTS];
    for c in 0..TILE {
        let g = grads[c];
        let size = s.ln(s.add(s.abs(g), s.constant(EPSILON)));
        out[0][c] = s.at_least(s.mul(size, s.constant(1.0 / RANGE)), -1.0);
        let sign = s.mul(g, s.constant(RANGE.exp()));
        out[1][c] = s.at_least(s.at_most(sign, 1.0), -1.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopt_core::simd::Double;

    #[test]
    fn size_and_sign_are_limited() {
        let [size, sign] = inputs(Double, &[0.0, -1.0, 1e-3, f64::NAN]);
        assert_eq!((size[0], sign[0]), (-1.0, 0.0));
        assert!((size[1] - EPSILON / 5.0).abs() < 1e-12 && sign[1] == -1.0);
        assert_eq!(size[2], -1.0);
        assert!((sign[2] - 1e-3 * 5.0_f64.exp()).abs() < 1e-15);
        assert!(size[3].is_nan() && sign[3].is_nan());
    }
}
