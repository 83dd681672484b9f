//! Every optimizer can be copied, sent to another thread and kept anywhere.

use lopt_baselines::{Adam, AdamW};
use lopt_core::{HierarchicalRnn, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, Weights};

fn is_plain<T: Clone + Send + Sync + 'static>() {}

fn is_plain_optimizer<T: Optimizer + Clone + Send + Sync + 'static>() {
    is_plain::<T>();
}

#[test]
fn optimizers_are_plain_values() {
    is_plain_optimizer::<LearnedOptimizer>();
    is_plain_optimizer::<HierarchicalRnn>();
    is_plain_optimizer::<Adam>();
    is_plain_optimizer::<AdamW>();
    is_plain::<LearnedOptimizerConfig>();
    is_plain::<Weights>();
}
