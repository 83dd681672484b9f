//! Second derivatives of practice jobs, and gradients of their validation losses, against finite differences.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::rng::{normal, stream};
use lopt_grad::Tape;
use lopt_problems::{JobStart, practice};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn second_derivatives_are_right() {
    for number in 0..9 {
        let task = practice(number);
        let JobStart { params, mut objective } = task.job.start(3);
        let count = params.len();
        objective.next_batch();
        let mut gradient = vec![0.0; count];
        let loss = objective.validation_gradient(&params, &mut gradient).unwrap();
        let validation = objective.validate(&params).unwrap().loss;
        assert!((loss - validation).abs() < 1e-5 * validation.abs(), "{}", task.family);

        let mut rng = stream(number, &[]);
        let size = (dot(&params, &params) / count as f64).sqrt();
        let direction: Vec<f32> = (0..count).map(|_| (size * normal(&mut rng)) as f32).collect();
        let moved = |by: f32| -> Vec<f32> {
            params.iter().zip(&direction).map(|(x, d)| x + by * d).collect()
        };
        let (ahead, behind) = (moved(STEP), moved(-STEP));
        let mut at = |params: &[f32]| objective.validate(params).unwrap().loss;
        let expected = (at(&ahead) - at(&behind)) / f64::from(2.0 * STEP);
        let slope = dot(&gradient, &direction);
        let length = (dot(&gradient, &gradient) * dot(&direction, &direction)).sqrt();
        assert!((slope - expected).abs() < 0.01 * length, "{}: {slope} {expected}", task.family);

        let mut product = vec![0.0; count];
        let curvature = objective.curvature().unwrap();
        let (mut above, mut below) = (vec![0.0; count], vec![0.0; count]);
        objective.loss_and_gradient(&ahead, &mut above);
        objective.loss_and_gradient(&behind, &mut below);
        // the batch that was drawn then, not the present one
        objective.next_batch();
        curvature.product(&mut Tape::new(), &params, &direction, &mut product);
        let differences: Vec<f32> =
            above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect();
        let away: Vec<f32> = differences.iter().zip(&product).map(|(a, b)| a - b).collect();
        let size = dot(&product, &product).sqrt();
        let mut sorted: Vec<f32> = away.iter().map(|x| x.abs()).collect();
        sorted.sort_by(f32::total_cmp);
        let median = f64::from(sorted[count / 2]) * (count as f64).sqrt() / size;
        assert!(median < 0.01, "{}: {median}", task.family);
        // differences cross the kinks of relu, of which the curvature does not know
        if !["regression", "classification", "convolution", "autoencoder"].contains(&task.family) {
            let error = dot(&away, &away).sqrt() / size;
            assert!(error < 0.1, "{}: {error}", task.family);
        }
    }
}

/// Part of the direction that finite differences go.
const STEP: f32 = 3e-5;
