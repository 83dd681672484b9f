//! What it costs to have an optimizer before it has done anything, and to look at it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "memory is read from Linux alone"))]

use lopt_baselines::AdamW;
use lopt_core::{
    HierarchicalRnn, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, TensorShape,
    Weights,
};

fn learned(weights: &str) -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new().with_weights(Weights::embedded(weights).unwrap())
}

#[test]
fn debug_output_is_short() {
    let tensors = (0..41).map(|i| TensorShape::new(format!("t{i}"), [10])).collect();
    let layout = Layout::new(tensors).unwrap();
    let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
    let mut params = vec![1.0; 410];
    for _ in 0..3 {
        optimizer.minimize(&mut params, |at| (1.0, at.to_vec())).unwrap();
    }
    let said = "LearnedOptimizer { parameters: 410, tensors: 41, steps: 3, .. }";
    assert_eq!(format!("{optimizer:?}"), said);
    let paper = HierarchicalRnn::pretrained(&layout).unwrap();
    let said = "HierarchicalRnn { parameters: 410, tensors: 41, steps: 0, .. }";
    assert_eq!(format!("{paper:?}"), said);
    let adam = AdamW::new(&layout, 1e-3, 0.01);
    assert_eq!(format!("{adam:?}"), "adamw { parameters: 410, tensors: 41, steps: 0, .. }");
}

/// Bytes of memory that this process has now, and had at most since [`forget_peak`].
#[cfg(target_os = "linux")]
fn resident() -> [usize; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    })
}

#[cfg(target_os = "linux")]
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The page says what an optimizer needs at the most, from its making to its third step.
#[test]
#[cfg(target_os = "linux")]
fn the_peak_is_that_of_the_page() {
    const PAGE: &str = include_str!("../../docs/performance.md");
    let on_the_page = |name: &str| -> f64 {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {name} | ")));
        row.unwrap().split(" | ").nth(2).unwrap().parse().unwrap()
    };
    let parameters = 9_000_000;
    let layout = Layout::single(parameters).unwrap();
    // every page of these is there before
    let mut params: Vec<f32> = (0..parameters).map(|i| 1.0 + (i % 7) as f32).collect();
    let grads: Vec<f32> = params.iter().map(|x| 0.1 * x).collect();
    let build = |config: LearnedOptimizerConfig| config.init(&layout).unwrap();
    let older = || learned("hierarchical-rnn");
    type Make<'a> = Box<dyn Fn() -> LearnedOptimizer + 'a>;
    let rows: [(&str, Make<'_>); 4] = [
        ("`LearnedOptimizer`, default", Box::new(|| build(learned("recommended")))),
        ("the same, guard off", Box::new(|| build(learned("recommended").with_guard(None)))),
        ("`LearnedOptimizer`, weights `hierarchical-rnn`", Box::new(|| build(older()))),
        ("the same with `with_compact_state()`", Box::new(|| build(older().with_compact_state()))),
    ];
    for (name, make) in rows {
        forget_peak();
        let [before, _] = resident();
        let mut optimizer = make();
        let [made, peak] = resident().map(|bytes| bytes.saturating_sub(before));
        // the initial rates of a hierarchical RNN at the most
        assert!(made.max(peak) < 6 * parameters, "{name}: {made} {peak}");
        for _ in 0..3 {
            optimizer.step(&mut params, &grads).unwrap();
        }
        let peak = (resident()[1] - before) as f64 / parameters as f64;
        drop(optimizer);
        let said = on_the_page(name);
        assert!((peak - said).abs() < 1.5, "{name}: {peak} bytes per parameter, said are {said}");
    }
}
