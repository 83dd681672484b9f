//! Settings out of range are refused with a sentence, and none of them makes a parameter NaN.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::{
    BuildError, GuardConfig, HierarchicalRnn, Layout, LearnedOptimizer, LearnedOptimizerConfig,
    Optimizer, ParameterGroup, Schedule, Weights,
};

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

fn layout() -> Layout {
    Layout::single(8).unwrap()
}

fn config() -> LearnedOptimizerConfig {
    hierarchical()
}

fn refused(config: LearnedOptimizerConfig) -> String {
    let error = config.init(&layout()).unwrap_err();
    assert!(!matches!(error, BuildError::Value { .. }));
    error.to_string()
}

fn guarded(change: impl Fn(&mut GuardConfig)) -> LearnedOptimizerConfig {
    let mut guard = GuardConfig::default();
    change(&mut guard);
    config().with_guard(Some(guard))
}

#[test]
fn schedules_out_of_range_are_refused() {
    let floor = Schedule::Cosine { steps: 10, floor: 1e300 };
    assert!(
        refused(config().with_schedule(floor)).starts_with("the floor of the schedule is 1000")
    );
    let rate = Schedule::Exponential { rate: f64::NAN }.after_warmup(3);
    assert_eq!(
        refused(config().with_schedule(rate)),
        "the rate of the schedule is NaN, expected a number from 0 to 1"
    );
}

#[test]
fn guards_out_of_range_are_refused() {
    for cut in [100.0, -1.0, 0.0, f32::NAN] {
        let sentence = refused(guarded(|guard| guard.cut = cut));
        let expected = format!("the guard's cut is {cut}, expected more than 0 and at most 1");
        assert_eq!(sentence, expected);
    }
    for rate in [f64::NAN, -1e-3, 0.0, f64::INFINITY] {
        let sentence = refused(guarded(|guard| guard.fallback_rate = rate));
        assert!(sentence.starts_with("the guard's fallback_rate is"), "{sentence}");
    }
    for growth in [f64::NAN, 0.5] {
        let sentence = refused(guarded(|guard| guard.most_growth = growth));
        assert!(sentence.starts_with("the guard's most_growth is"), "{sentence}");
    }
}

/// Loss after steps whose gradients point away from the minimum half of the time.
fn diverging(config: &LearnedOptimizerConfig, with_loss: bool) -> (LearnedOptimizer, Vec<f32>) {
    let mut optimizer = config.init(&layout()).unwrap();
    let mut params = vec![1.0; 8];
    for n in 0..400_u16 {
        let at = optimizer.attended(&params).to_vec();
        let grads: Vec<f32> = at.iter().map(|x| if n < 60 { 2.0 * x } else { -2.0 * x }).collect();
        let loss = at.iter().map(|x| x * x).sum::<f32>();
        if with_loss {
            optimizer.step_with_loss(&mut params, &grads, loss).unwrap();
        } else {
            optimizer.step(&mut params, &grads).unwrap();
        }
        assert!(params.iter().all(|x| x.is_finite()), "step {n}");
    }
    (optimizer, params)
}

#[test]
fn the_largest_counts_of_a_guard_overflow_nothing() {
    for with_loss in [true, false] {
        for quiet in [0, u64::MAX] {
            diverging(&guarded(|guard| (guard.quiet, guard.most_growth) = (quiet, 1.0)), with_loss);
        }
    }
}

#[test]
fn decays_and_multipliers_of_groups_are_refused() {
    for decay in [5.0, 0.01, 0.005, -0.1, f32::NAN] {
        let sentence =
            refused(config().with_group(ParameterGroup::new("x").with_weight_decay(decay)));
        let expected = format!(
            "the weight decay of group `x` is {decay}, expected at least 0 and less than 0.005: \
             it is AdamW's decay times its learning rate, such as 0.01 times 1e-3"
        );
        assert_eq!(sentence, expected);
    }
    for multiplier in [f32::INFINITY, -1.0, f32::NAN] {
        let group = ParameterGroup::new("x").with_step_multiplier(multiplier);
        let sentence = refused(config().with_group(group));
        assert!(sentence.starts_with("the step multiplier of group `x` is"), "{sentence}");
    }
}

fn panics(run: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(run).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn multipliers_and_rates_set_by_hand_panic_out_of_range() {
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        let sentence = panics(move || {
            hierarchical().init(&layout()).unwrap().set_lr_multiplier(bad);
        });
        assert_eq!(sentence, format!("expected a finite multiplier of at least 0, got {bad}"));
        let bare = || HierarchicalRnn::pretrained(&layout()).unwrap();
        panics(move || drop(bare().with_initial_rate(bad)));
        panics(move || drop(bare().with_averaging(bad)));
    }
}

fn read(json: &str) -> Result<LearnedOptimizerConfig, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn settings_are_the_same_after_json() {
    let mut guard = GuardConfig::default();
    (guard.cut, guard.most_growth) = (0.25, f64::INFINITY);
    let (config, mut psi, record) = Weights::embedded("paper").unwrap().into_parts();
    psi[0] += 0.1;
    let own = Weights::new(config, psi, record).unwrap();
    let all = hierarchical()
        .with_initial_rate(1e-4)
        .with_averaging(None)
        .with_compact_state()
        .with_group(ParameterGroup::new("a.*").with_step_multiplier(0.3))
        .with_group(ParameterGroup::new("*").with_weight_decay(1e-4).frozen())
        .with_weight_decay(1e-5)
        .with_clipping_value(0.7)
        .with_clipping_norm(1.1)
        .with_schedule(Schedule::Exponential { rate: 0.99 }.after_warmup(3))
        .with_guard(Some(guard));
    let bare = LearnedOptimizerConfig::new().with_guard(None).with_weights(own);
    for config in [all, bare, LearnedOptimizerConfig::new()] {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&json).unwrap(), config, "{json}");
    }
    let json = serde_json::to_string(&hierarchical()).unwrap();
    assert!(json.contains(r#""weights":"hierarchical-rnn""#), "{json}");
    assert_eq!(read("{}").unwrap(), LearnedOptimizerConfig::new());
    assert_eq!(read(r#"{ "guard": {} }"#).unwrap(), LearnedOptimizerConfig::new());
}

#[test]
fn nonsense_in_json_is_refused_with_a_sentence() {
    for (json, sentence) in [
        (r#"{ "weight_decay": -0.1 }"#, "the weight decay is -0.1, expected at least 0"),
        (r#"{ "initial_rate": 0 }"#, "the initial rate is 0, expected a positive number"),
        (r#"{ "clipping": { "norm": -1 } }"#, "the clipping norm is -1, expected"),
        (r#"{ "guard": { "cut": 3 } }"#, "the guard's cut is 3, expected more than 0"),
        (r#"{ "guard": { "most_growth": "much" } }"#, "expected a number or \"infinite\""),
        (r#"{ "schedule": { "exponential": { "rate": 2 } } }"#, "the rate of the schedule is 2"),
        (r#"{ "groups": [{ "pattern": "b", "step_multiplier": -1 }] }"#, "the step multiplier of"),
        (r#"{ "groups": [{ "pattern": "b", "weight_decay": 1 }] }"#, "the weight decay of group"),
        (r#"{ "weights": "recomended" }"#, "no embedded weights named \"recomended\""),
        (r#"{ "learning_rate": 1e-3 }"#, "unknown field `learning_rate`"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.starts_with(sentence), "{json}: {error}");
    }
}
