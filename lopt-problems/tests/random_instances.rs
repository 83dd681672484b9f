//! Gradients and Hessian products of random instances at random points against finite differences.

mod support;

use lopt_core::rng::{below, stream};
use support::{Draw, all_entries, along, direction, dot, norm};

/// Relative errors of the slope and of the curvature along a random direction, by the best of four steps.
fn errors(draw: &Draw, seed: u64) -> (f64, f64) {
    let v = direction(&draw.params, seed);
    let (gradient, product) = draw.hessian_product(&draw.params, &v);
    let slope = dot(&gradient, &v);
    let of_slope = slope.abs() + 1e-3 * norm(&gradient) * norm(&v) + 1e-9;
    let of_product = norm(&product) + 1e-6 * norm(&gradient) + 1e-9;
    let mut best = (f64::INFINITY, f64::INFINITY);
    for step in [1e-4, 1e-5, 1e-6, 1e-7] {
        let [ahead, behind] = [step, -step].map(|h| draw.gradient(&along(&draw.params, &v, h)));
        let gap = ((ahead.0 - behind.0) / (2.0 * step) - slope).abs() / of_slope;
        let quotients = ahead.1.iter().zip(&behind.1).map(|(a, b)| (a - b) / (2.0 * step));
        let gaps: Vec<f64> = quotients.zip(&product).map(|(a, b)| a - b).collect();
        best = (best.0.min(gap), best.1.min(norm(&gaps) / of_product));
    }
    best
}

/// A kink or a cancellation within the step spoils a draw; a wrong derivative spoils all three.
#[test]
fn any_listed_problem_at_random_points() {
    let mut entries = all_entries();
    entries.retain(|entry| entry.problem.layout().len() <= 300);
    for case in 0..200 {
        let mut rng = stream(case, &[7]);
        let problem = &entries[below(&mut rng, entries.len())].problem;
        let tried = [(); 3].map(|()| {
            let seed = below(&mut rng, 1 << 30) as u64;
            let mut draw = Draw::new(problem, seed);
            draw.params = along(&draw.params, &direction(&draw.params, seed + 1), 0.3);
            errors(&draw, seed + 2)
        });
        let slope = tried.iter().map(|error| error.0).fold(f64::INFINITY, f64::min);
        let curvature = tried.iter().map(|error| error.1).fold(f64::INFINITY, f64::min);
        assert!(slope < 1e-5 && curvature < 1e-5, "{}: {tried:?}", problem.name());
    }
}
