//! Limits on the gradient before the networks see it.
//!
//! Averages of the gradient are scaled by their own size, so a constant factor changes nothing;
//! what clipping takes away is the influence of single outliers.

/// Limits on gradients; value first, then norm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clipping {
    /// Largest absolute value of an entry.
    pub value: Option<f32>,
    /// Largest Euclidean norm of the gradients of all tensors together (Pascanu et al. 2013).
    pub norm: Option<f32>,
}

impl Clipping {
    /// Whether there is nothing to do.
    pub(crate) fn is_off(&self) -> bool {
        self.value.is_none() && self.norm.is_none()
    }

    /// Writes the limited gradient to `out`. `[P]` both; tensors without a gradient hold zeros.
    pub(crate) fn apply(&self, grads: &[f32], out: &mut Vec<f32>) {
        out.clear();
        match self.value {
            Some(most) => out.extend(grads.iter().map(|g| g.clamp(-most, most))),
            None => out.extend_from_slice(grads),
        }
        let Some(most) = self.norm else { return };
        let norm = out.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        if norm > f64::from(most) {
            let factor = (f64::from(most) / norm) as f32;
            out.iter_mut().for_each(|g| *g *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_then_norm() {
        let mut out = Vec::new();
        Clipping { value: Some(4.0), norm: None }.apply(&[3.0, -40.0], &mut out);
        assert_eq!(out, [3.0, -4.0]);
        Clipping { value: Some(4.0), norm: Some(1.0) }.apply(&[3.0, -40.0], &mut out);
        assert_eq!(out, [0.6, -0.8]);
        Clipping { value: None, norm: Some(100.0) }.apply(&[3.0, -40.0], &mut out);
        assert_eq!(out, [3.0, -40.0]);
    }
}
