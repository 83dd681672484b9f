//! Limits on the gradient before the networks see it.
//!
//! Averages of the gradient are scaled by their own size, so a constant factor changes nothing;
//! what clipping takes away is the influence of single outliers.

use crate::layout::Layout;
use serde::{Deserialize, Serialize};

/// Limits on gradients; value first, then norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clipping {
    /// Largest absolute value of an entry.
    pub value: Option<f32>,
    /// Largest Euclidean norm of the gradients of all tensors together (Pascanu et al. 2013);
    /// tensors that are frozen or without a gradient do not count.
    pub norm: Option<f32>,
}

impl Clipping {
    /// Whether there is nothing to do.
    pub(crate) fn is_off(&self) -> bool {
        self.value.is_none() && self.norm.is_none()
    }

    /// Writes the limited gradient to `out`, `[P]` both. Tensors for which `counts` does not say so
    /// have no part in the norm.
    pub(crate) fn apply(
        &self,
        layout: &Layout,
        grads: &[f32],
        counts: impl Fn(usize) -> bool,
        out: &mut Vec<f32>,
    ) {
        out.clear();
        match self.value {
            Some(most) => out.extend(grads.iter().map(|g| g.clamp(-most, most))),
            None => out.extend_from_slice(grads),
        }
        let Some(most) = self.norm else { return };
        let present = layout.ranges().enumerate().filter(|(t, _)| counts(*t));
        let values = present.flat_map(|(_, range)| &out[range]);
        let norm = values.map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        if norm > f64::from(most) {
            let factor = (f64::from(most) / norm) as f32;
            out.iter_mut().for_each(|g| *g *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::TensorShape;

    #[test]
    fn value_then_norm() {
        let layout = Layout::single(2).unwrap();
        let apply = |value, norm| {
            let mut out = Vec::new();
            Clipping { value, norm }.apply(&layout, &[3.0, -40.0], |_| true, &mut out);
            out
        };
        assert_eq!(apply(Some(4.0), None), [3.0, -4.0]);
        assert_eq!(apply(Some(4.0), Some(1.0)), [0.6, -0.8]);
        assert_eq!(apply(None, Some(100.0)), [3.0, -40.0]);
    }

    #[test]
    fn the_norm_is_that_of_tensors_that_count() {
        let scalar = |name: &str| TensorShape::new(name, []);
        let layout = Layout::new(vec![scalar("a"), scalar("b"), scalar("c")]).unwrap();
        for absent in [0.0, 1e6, f32::NAN] {
            let mut out = Vec::new();
            let clipping = Clipping { value: None, norm: Some(1.0) };
            clipping.apply(&layout, &[3.0, absent, 4.0], |t| t != 1, &mut out);
            assert_eq!([out[0], out[2]], [0.6, 0.8]);
        }
    }
}
