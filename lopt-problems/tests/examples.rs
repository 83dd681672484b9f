//! The examples do what they say, small.

#![allow(clippy::duplicate_mod, reason = "both examples share their comparison")]

mod support;

use std::sync::Arc;

use lopt_core::rng::stream;
use lopt_grad::Tape;
use lopt_problems::{AnyProblem, Problem};
use support::{Draw, along, direction, dot, norm};

#[allow(dead_code, reason = "the examples' main is not called")]
#[path = "../examples/coordinate_network.rs"]
mod coordinate_network;
#[allow(dead_code, reason = "the examples' main is not called")]
#[path = "../examples/physics_informed.rs"]
mod physics_informed;

use coordinate_network::Siren;
use physics_informed::Burgers;

const BURGERS: Burgers = Burgers { hidden: (2, 8), points: 32 };
const SIREN: Siren = Siren { hidden: (2, 8), points: 32 };

#[test]
fn gradients_equal_differences() {
    let problems: [Arc<dyn AnyProblem>; 2] = [Arc::new(BURGERS), Arc::new(SIREN)];
    for problem in problems {
        let draw = Draw::new(&problem, 3);
        let (_, gradient) = draw.gradient(&draw.params);
        for seed in 0..5 {
            let v = direction(&draw.params, seed);
            let [ahead, behind] = [1e-5, -1e-5].map(|h| draw.loss(&along(&draw.params, &v, h)));
            let (slope, scale) = (dot(&gradient, &v), norm(&gradient) * norm(&v));
            let gap = (ahead - behind) / 2e-5 - slope;
            assert!(gap.abs() < 1e-6 * scale, "{}: {gap:e} of {scale:e}", problem.name());
        }
    }
}

#[test]
fn derivatives_by_inputs_equal_differences() {
    let problem = BURGERS;
    let params = problem.init(&problem.instance(&mut stream(0, &[])), &mut stream(1, &[]));
    let at = |x: f64, t: f64| {
        let tape = Tape::<f64>::new();
        let layout = problem.layout();
        let tensors = layout.tensors().iter().zip(layout.ranges());
        let variables: Vec<_> = tensors
            .map(|(tensor, range)| {
                tape.constant_from(&tensor.shape, |i| f64::from(params[range.start + i]))
            })
            .collect();
        let point = tape.constant(&[1, 2], &[x, t]);
        Burgers::derivatives(&tape, &variables, point).map(|value| value.item())
    };
    let ([x, t], h) = ([0.3, 0.6], 1e-4);
    let [u, u_x, u_t, u_xx] = at(x, t);
    let [left, right] = [at(x - h, t)[0], at(x + h, t)[0]];
    let [before, after] = [at(x, t - h)[0], at(x, t + h)[0]];
    let found = [
        ((right - left) / (2.0 * h), u_x),
        ((after - before) / (2.0 * h), u_t),
        ((right - 2.0 * u + left) / (h * h), u_xx),
    ];
    for (difference, derivative) in found {
        assert!(derivative.abs() > 1e-3, "{derivative} says little");
        assert!((difference - derivative).abs() < 1e-6, "{difference} {derivative}");
    }
}

#[test]
fn small_and_short_runs_end_below_adamw() {
    let (mut physics, mut image) = (Vec::new(), Vec::new());
    physics_informed::compare::compare(BURGERS, 300, 2, |row| {
        physics.push((row.name.clone(), row.training));
    })
    .unwrap();
    coordinate_network::compare::compare(SIREN, 300, 2, |row| {
        image.push((row.name.clone(), row.training));
    })
    .unwrap();
    for rows in [physics, image] {
        let loss = |name: &str| rows.iter().find(|row| row.0 == name).unwrap().1;
        let (ours, adamw) = (loss("lopt"), loss("AdamW, rate 1e-3"));
        assert!(ours < adamw && adamw < 1.0, "{rows:?}");
    }
}
