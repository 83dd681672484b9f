//! Mistakes that raise no error are told of once, through `tracing`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::{
    Given, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, ParameterGroup, Schedule,
    TensorShape,
};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the text of every event.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "lopt"
    }

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
                write!(self.0, "{value:?}").unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What is told while `run` runs.
fn told(run: impl FnOnce()) -> Vec<String> {
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), run);
    let told = heard.0.lock().unwrap().clone();
    // of the build, not of what was run
    told.into_iter().filter(|text| !text.contains("without optimization")).collect()
}

fn layout() -> Layout {
    Layout::new(["a", "b", "c"].map(|name| TensorShape::new(name, [2])).to_vec()).unwrap()
}

fn optimizer() -> LearnedOptimizer {
    LearnedOptimizer::pretrained(&layout()).unwrap()
}

/// Steps of `x^2` whose gradient is taken at the attended point, or where the parameters are.
fn steps(optimizer: &mut LearnedOptimizer, count: usize, attended: bool) {
    let mut params = vec![1.0_f32; 6];
    for _ in 0..count {
        let at = if attended { optimizer.attended(&params) } else { &params[..] };
        let grads = at.to_vec();
        optimizer.step(&mut params, &grads).unwrap();
    }
}

fn is_one_of_a_rate(told: &[String]) -> bool {
    matches!(told, [one] if one.contains("not a learning rate"))
}

#[test]
fn a_first_multiplier_that_looks_like_a_learning_rate() {
    let set = |multipliers: &[f32]| {
        told(|| {
            let mut optimizer = optimizer();
            multipliers.iter().for_each(|&x| optimizer.set_lr_multiplier(x));
        })
    };
    let once = set(&[1e-3, 5e-4, 1e-4]);
    assert!(is_one_of_a_rate(&once), "{once:?}");
    assert!(once[0].contains("is 0.001") && once[0].contains("1000 times as slow"), "{once:?}");
    for fine in [&[1.0, 1e-3, 0.0][..], &[0.0, 1.0], &[0.05], &[1.0 / 8.0]] {
        assert!(set(fine).is_empty(), "{fine:?}");
    }
}

#[test]
fn settings_that_look_like_learning_rates() {
    let made = |config: LearnedOptimizerConfig| told(|| drop(config.init(&layout()).unwrap()));
    let group = |name: &str, x: f32| ParameterGroup::new(name).with_step_multiplier(x);
    let plain = LearnedOptimizerConfig::new;
    let exponential = Schedule::Exponential { rate: 1e-3 };
    for wrong in [
        plain().with_group(group("*", 1e-3)),
        plain().with_group(group("a", 1e-3)).with_group(group("*", 1e-4)),
        plain().with_schedule(exponential.clone()),
        plain().with_schedule(exponential.after_warmup(10)),
    ] {
        let told = made(wrong.clone());
        assert!(is_one_of_a_rate(&told), "{wrong:?}: {told:?}");
    }
    for fine in [
        plain(),
        plain().with_group(group("a", 1e-3)),
        plain().with_group(ParameterGroup::new("*").frozen()),
        plain().with_schedule(Schedule::Constant.after_warmup(1000)),
        plain().with_schedule(Schedule::Exponential { rate: 0.999 }),
        plain().with_schedule(Schedule::OneCycle { steps: 100, warmup: 30, start: 0.04, end: 0.0 }),
    ] {
        assert!(made(fine.clone()).is_empty(), "{fine:?}");
    }
}

#[test]
fn an_attended_point_that_nobody_asks_for() {
    let forgotten = told(|| steps(&mut optimizer(), 90, false));
    assert!(
        matches!(&forgotten[..], [one] if one.contains("nobody asks for `attended`")),
        "{forgotten:?}"
    );
    assert!(told(|| steps(&mut optimizer(), 90, true)).is_empty());
    // a gradient that is the same everywhere, some of the time
    let now_and_then = || {
        let mut optimizer = optimizer();
        for _ in 0..5 {
            steps(&mut optimizer, 9, false);
            steps(&mut optimizer, 1, true);
        }
    };
    assert!(told(now_and_then).is_empty());
    let minimize = || {
        let (mut optimizer, mut params) = (optimizer(), vec![1.0_f32; 6]);
        for _ in 0..90 {
            optimizer.minimize(&mut params, |at| (1.0, at.to_vec())).unwrap();
        }
    };
    assert!(told(minimize).is_empty());
}

#[test]
fn tensors_that_never_had_a_gradient() {
    let group = ParameterGroup::new("frozen").frozen();
    let names = ["used", "zero", "missing", "frozen", "late"];
    let layout = Layout::new(names.map(|name| TensorShape::new(name, [2])).to_vec()).unwrap();
    let mut optimizer = LearnedOptimizerConfig::new().with_group(group).init(&layout).unwrap();
    let mut params = vec![1.0_f32; 10];
    assert_eq!(optimizer.without_gradient(), ["used", "zero", "missing", "late"]);
    let mut run = |from: usize, to: usize| {
        told(|| {
            for step in from..to {
                let mut grads = optimizer.attended(&params).to_vec();
                grads[2..4].fill(0.0);
                let has = [true, true, false, true, step >= 50];
                let given = Given { has_gradient: &has, ..Given::default() };
                optimizer.step_given(&mut params, &grads, given).unwrap();
            }
        })
    };
    assert!(run(0, 99).is_empty());
    let told = run(99, 300);
    assert!(
        matches!(&told[..], [one] if one.contains("2 tensors have had no gradient in 100 steps: `zero`, `missing`; if")),
        "{told:?}"
    );
    assert_eq!(optimizer.without_gradient(), ["zero", "missing"]);
    let saved = optimizer.to_bytes(&params).unwrap();
    optimizer.reset();
    assert_eq!(optimizer.without_gradient().len(), 4);
    optimizer.from_bytes(&saved).unwrap();
    assert_eq!(optimizer.without_gradient(), ["zero", "missing"]);
}
