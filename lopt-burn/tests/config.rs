//! Settings inside a struct with burn's `Config`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use burn::config::Config;
use lopt_burn::{LearnedOptimizerConfig, ParameterGroup, Schedule, Weights};

#[derive(Config, Debug, PartialEq)]
struct TrainingConfig {
    epochs: usize,
    #[config(default = "LearnedOptimizerConfig::new()")]
    optimizer: LearnedOptimizerConfig,
}

#[test]
fn settings_are_a_field_of_a_burn_config() {
    let optimizer = LearnedOptimizerConfig::new()
        .with_weights(Weights::embedded("hierarchical-rnn").unwrap())
        .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
        .with_weight_decay(1e-5)
        .with_schedule(Schedule::warmup_cosine(1000, 50));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.json");
    let config = TrainingConfig::new(3).with_optimizer(optimizer.clone());
    config.save(&path).unwrap();
    assert_eq!(TrainingConfig::load(&path).unwrap(), config);
    optimizer.save(&path).unwrap();
    assert_eq!(LearnedOptimizerConfig::load(&path).unwrap(), optimizer);

    let json = br#"{ "epochs": 3, "optimizer": { "weight_decay": 7 } }"#;
    let error = TrainingConfig::load_binary(json).unwrap_err().to_string();
    assert!(error.contains("the weight decay is 7, expected at least 0"), "{error}");
    let json = br#"{ "epochs": 3, "optimizer": {} }"#;
    assert_eq!(TrainingConfig::load_binary(json).unwrap(), TrainingConfig::new(3));
}
