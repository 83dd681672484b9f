//! What `docs/coming-from-adamw.md` says of the pretrained optimizer is so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::AdamW;
use lopt_core::rng::{normal, stream};
use lopt_core::{BuildError, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer};
use std::fs;

/// A bowl with noisy gradients, trained with gradients at the attended point and at the parameters.
#[test]
fn gradients_belong_at_the_attended_point() {
    let layout = Layout::single(32).unwrap();
    let end = |steps: u64, right: bool| {
        let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
        let mut params = vec![0.1_f32; layout.len()];
        for n in 0..steps {
            let mut rng = stream(n, &[]);
            let at = if right { optimizer.attended(&params) } else { &params };
            let slope = |x: &f32| 2.0 * (x - 1.0) + 0.1 * normal(&mut rng) as f32;
            let grads: Vec<f32> = at.iter().map(slope).collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        params.iter().map(|x| (x - 1.0).powi(2)).sum::<f32>()
    };
    for (steps, factor) in [(300, 10.0), (1000, 100.0)] {
        let (right, wrong) = (end(steps, true), end(steps, false));
        assert!(factor * right < wrong, "{steps} steps: {right} {wrong}");
    }
}

/// Mean of parameters whose noisy gradients lead to 1.
fn pulled_to_one(optimizer: &mut dyn Optimizer, params: usize) -> f32 {
    let mut x = vec![0.5_f32; params];
    for n in 0..4000 {
        let mut rng = stream(n, &[]);
        let at = optimizer.attended(&x).iter();
        let grads: Vec<f32> = at.map(|x| 0.5 * (x - 1.0) + normal(&mut rng) as f32).collect();
        optimizer.step(&mut x, &grads).unwrap();
    }
    x.iter().sum::<f32>() / params as f32
}

#[test]
fn a_decay_is_a_fraction_of_a_step() {
    let layout = Layout::single(256).unwrap();
    let learned = |decay: f32| {
        let config = LearnedOptimizerConfig::new().with_weight_decay(decay).with_guard(None);
        pulled_to_one(&mut config.init(&layout).unwrap(), layout.len())
    };
    let adamw = pulled_to_one(&mut AdamW::new(&layout, 1e-3, 0.01), layout.len());
    let (none, translated) = (learned(0.0), learned(1e-5));
    assert!((none - 1.0).abs() < 0.1 && (adamw - 1.0).abs() < 0.1, "{none} {adamw}");
    assert!((translated - none).abs() < 0.02, "{translated} {none}");
    let copied = LearnedOptimizerConfig::new().with_weight_decay(0.01).init(&layout);
    assert!(matches!(copied, Err(BuildError::WeightDecay { .. })));
}

#[test]
fn the_tests_that_the_page_names_exist() {
    let page = include_str!("../../docs/coming-from-adamw.md");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut tests = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "rs") {
            tests.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut seen = 0;
    for row in rows {
        let name = row.trim_end_matches(" |").rsplit('|').next().unwrap().trim();
        let name = name.trim_matches('`');
        assert!(tests.contains(&format!("fn {name}(")), "no test {name}");
        seen += 1;
    }
    assert!(seen > 10, "{seen} rows");
}
