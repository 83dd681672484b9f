//! A gradient from the samples of one estimator, or of two that are weighted.

/// Samples of a gradient, each divided by their number.
pub(super) type Samples = Vec<Vec<f64>>;

/// Adds the sum of the samples, or where both estimators have some that of each meta-parameter's, weighted by the
/// inverse of their variances.
pub(super) fn add(gradient: &mut [f64], [one, other]: &[Samples; 2]) {
    let mixed = !one.is_empty() && !other.is_empty();
    for (i, g) in gradient.iter_mut().enumerate() {
        let weights = if mixed { weights([spread(one, i), spread(other, i)]) } else { [1.0; 2] };
        for (samples, weight) in [one, other].into_iter().zip(weights) {
            samples.iter().for_each(|sample| *g += weight * sample[i]);
        }
    }
}

/// Variance of the sum of the samples.
fn spread(samples: &Samples, i: usize) -> f64 {
    let count = samples.len() as f64;
    let mean = samples.iter().map(|sample| sample[i]).sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample[i] - mean).powi(2)).sum();
    squares * count / (count - 1.0).max(1.0)
}

fn weights([one, other]: [f64; 2]) -> [f64; 2] {
    let both = one + other;
    if both > 0.0 { [other / both, one / both] } else { [0.5; 2] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_without_variance_decides() {
        let sure = vec![vec![0.5], vec![0.5]];
        let mut gradient = [0.0];
        add(&mut gradient, &[sure.clone(), vec![vec![-3.0], vec![9.0]]]);
        assert_eq!(gradient, [1.0]);
        add(&mut gradient, &[Vec::new(), sure]);
        assert_eq!(gradient, [2.0]);
        assert_eq!(weights([1.0, 3.0]), [0.75, 0.25]);
    }
}
