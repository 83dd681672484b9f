//! Every optimizer can be copied, sent to another thread and kept anywhere.

use lopt_core::baselines::{
    Adam, AdamW, DAdaptAdam, Lion, Momentum, Muon, NAdamW, Prodigy, RelativeAdam, RmsProp,
    ScheduleFreeAdamW, Sgd,
};
use lopt_core::{HierarchicalRnn, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, Weights};

fn is_plain<T: Clone + Send + Sync + 'static>() {}

fn is_plain_optimizer<T: Optimizer + Clone + Send + Sync + 'static>() {
    is_plain::<T>();
}

#[test]
fn optimizers_are_plain_values() {
    is_plain_optimizer::<LearnedOptimizer>();
    is_plain_optimizer::<HierarchicalRnn>();
    is_plain_optimizer::<Sgd>();
    is_plain_optimizer::<Momentum>();
    is_plain_optimizer::<RmsProp>();
    is_plain_optimizer::<Adam>();
    is_plain_optimizer::<AdamW>();
    is_plain_optimizer::<NAdamW>();
    is_plain_optimizer::<Lion>();
    is_plain_optimizer::<Muon>();
    is_plain_optimizer::<ScheduleFreeAdamW>();
    is_plain_optimizer::<Prodigy>();
    is_plain_optimizer::<RelativeAdam>();
    is_plain_optimizer::<DAdaptAdam>();
    is_plain::<LearnedOptimizerConfig>();
    is_plain::<Weights>();
}
