//! `docs/performance.md` says how many bytes optimizers keep, and they do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::AdamW;
use lopt_core::{
    Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, TensorShape, Weights,
};

const PAGE: &str = include_str!("../../docs/performance.md");

/// Bytes per parameter in the row of this name.
fn on_the_page(name: &str) -> usize {
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| {name} | ")));
    let row = row.unwrap_or_else(|| panic!("no row for {name}"));
    row.split(" | ").nth(1).unwrap().parse().unwrap()
}

/// Bytes after so many steps, with a loss or without.
fn kept(optimizer: &mut dyn Optimizer, parameters: usize, steps: usize, loss: bool) -> usize {
    let mut params = vec![0.5_f32; parameters];
    for _ in 0..steps {
        let grads: Vec<f32> = optimizer.attended(&params).iter().map(|x| x - 1.0).collect();
        if loss {
            optimizer.observe(grads.iter().map(|g| g * g).sum());
        }
        optimizer.step(&mut params, &grads).unwrap();
    }
    optimizer.memory_bytes()
}

fn learned(weights: &str) -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new().with_weights(Weights::embedded(weights).unwrap())
}

#[test]
fn bytes_per_parameter_are_those_of_the_page() {
    let layout = Layout::single(64_000).unwrap();
    let check = |name: &str, optimizer: &mut dyn Optimizer, steps: usize, loss: bool| {
        let bytes = kept(optimizer, layout.len(), steps, loss) as f64 / layout.len() as f64;
        assert_eq!(bytes.round() as usize, on_the_page(name), "{name}: {bytes}");
    };
    let build = |config: LearnedOptimizerConfig| config.init(&layout).unwrap();
    check("`LearnedOptimizer`, default", &mut build(learned("recommended")), 3, true);
    check("`LearnedOptimizer`, default", &mut build(learned("recommended")), 201, false);
    let unguarded = learned("recommended").with_guard(None);
    check("the same, guard off", &mut build(unguarded), 3, true);
    let older = "`LearnedOptimizer`, weights `hierarchical-rnn`";
    check(older, &mut build(learned("hierarchical-rnn")), 3, true);
    let compact = learned("hierarchical-rnn").with_compact_state();
    check("the same with `with_compact_state()`", &mut build(compact), 3, true);
    check("AdamW", &mut AdamW::new(&layout, 1e-3, 0.01), 3, true);
}

#[test]
fn a_tensor_costs_as_many_bytes_as_the_page_says() {
    let tensor = |i: usize| TensorShape::new(format!("t{i}"), [1]);
    let layout = Layout::new((0..1000).map(tensor).collect()).unwrap();
    let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
    let bytes = kept(&mut optimizer, layout.len(), 3, true) as f64 / 1000.0 - 20.0;
    let said = PAGE.split("Each tensor costs some ").nth(1).unwrap();
    let said: f64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!((bytes / said - 1.0).abs() < 0.05, "{bytes}, on the page {said}");
}
