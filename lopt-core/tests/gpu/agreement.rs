//! Every configuration and any layout, over a few steps.

use crate::pair::{Pair, difference, embedded, fields, gradients, layout, sizes, untrained};
use crate::reference::variants::variants;
use lopt_core::{HierarchicalRnnConfig, Layout, LearnedOptimizerConfig};
use proptest::prelude::*;

/// Largest difference over some steps of points and state.
fn worst_over(config: &LearnedOptimizerConfig, layout: &Layout, seed: u64, steps: u64) -> f64 {
    let mut pair = Pair::new(config, layout, seed);
    let mut worst = 0.0_f64;
    for step in 0..steps {
        pair.step(&gradients(layout, seed, step), &[], None);
        worst = worst.max(pair.difference_of_points());
        let (device, host) = (fields(&pair.device.to_host().unwrap()), fields(&pair.host));
        worst = device.iter().zip(&host).map(|(d, h)| difference(d, h)).fold(worst, f64::max);
    }
    worst
}

#[test]
fn every_switch_agrees() {
    let layout = layout(&[3, 64, 1, 700, 65, 130]);
    for (name, config) in variants() {
        let worst = worst_over(&untrained(&config), &layout, 5, 6);
        println!("{name}: {worst:.1e}");
        assert!(worst < 1e-5, "{name}: {worst}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_agrees(sizes in sizes(300.0, 1_500_000), attention: bool, averaging: bool, seed in 0_u64..1000) {
        let layout = layout(&sizes);
        let config = match attention {
            true => untrained(&HierarchicalRnnConfig::paper()),
            false => embedded("hierarchical-rnn"),
        };
        let config = config.with_averaging(averaging.then_some(8.0));
        let worst = worst_over(&config, &layout, seed, 4);
        println!("{} tensors, {} parameters: {worst:.1e}", sizes.len(), layout.len());
        prop_assert!(worst < 1e-5, "{worst}");
    }
}
