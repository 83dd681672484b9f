//! The guard on streams of losses without a network: the model is one number, 0 while it is sound and 1
//! once the optimizer has spoilt it, and what the loss is then is up to the stream.

use super::*;
use crate::rng::{Rng, normal, stream, unit};

const FULL: Stage = Stage::Networks { multiplier: 1.0 };
const SHORT: Stage = Stage::Networks { multiplier: 0.1 };
const FALLBACK: Stage = Stage::Adam { rate: 1e-3 };

/// What a guard did on a stream.
#[derive(Debug, Default)]
struct Log {
    compared: Vec<u64>,
    restored: Vec<(u64, Stage)>,
    eased: Vec<(u64, Stage)>,
    skipped: usize,
    still: usize,
}

impl Log {
    fn is_quiet(&self) -> bool {
        self.compared.is_empty() && self.restored.is_empty() && self.skipped == 0
    }

    fn take(&mut self, event: &GuardEvent) {
        match *event {
            GuardEvent::Compared { step, .. } => self.compared.push(step),
            GuardEvent::Restored { step, stage, .. } => self.restored.push((step, stage)),
            GuardEvent::Eased { step, stage } => self.eased.push((step, stage)),
            GuardEvent::Skipped { .. } => self.skipped += 1,
            GuardEvent::NothingMoves { .. } => self.still += 1,
        }
    }
}

/// Shows a guard one step, and acts on what it decides. Returns whether the step is taken.
fn step(guard: &mut Guard, log: &mut Log, params: &mut [f32], loss: Option<f32>) -> bool {
    let layout = Layout::single(params.len()).unwrap();
    guard.begin(&layout, params, |_| true);
    let decision = guard.judge(&Shown {
        layout: &layout,
        params,
        attended: params,
        counts: &|_| true,
        grads: &vec![1.0; params.len()],
        gradient: Ok(()),
        loss,
    });
    guard.take_events().iter().for_each(|event| log.take(event));
    guard.apply(decision, &layout, params);
    decision.takes_step()
}

/// Runs a guard over a stream. `spoils`: whether a step spoils the model; `loss`: by step, and whether
/// the model is spoilt where the gradient is taken.
fn watched(
    steps: u64,
    mut spoils: impl FnMut(u64, &Guard) -> bool,
    mut loss: impl FnMut(u64, bool) -> f32,
) -> (Guard, Log) {
    let mut guard = Guard::new(GuardConfig::default());
    let (mut params, mut log) = ([0.0], Log::default());
    for n in 0..steps {
        let at = guard.looks_at().unwrap_or(&params)[0];
        if step(&mut guard, &mut log, &mut params, Some(loss(n, at == 1.0))) && spoils(n, &guard) {
            params[0] = 1.0;
        }
    }
    (guard, log)
}

/// What a stream of losses that do not depend on the model makes a guard do.
fn harmless(steps: u64, mut loss: impl FnMut(u64) -> f64) -> Log {
    watched(steps, |_, _| false, |n, _| loss(n) as f32).1
}

/// A stream of losses by step.
type Losses = Box<dyn FnMut(u64) -> f64>;

fn noisy(seed: u64, mut loss: impl FnMut(u64, &mut Rng) -> f64 + 'static) -> Losses {
    let mut rng = stream(seed, &[1]);
    Box::new(move |n| loss(n, &mut rng))
}

fn falling(n: u64) -> f64 {
    0.3 + 2.0 / (1.0 + n as f64 / 100.0)
}

/// Streams that a guard has to leave alone, for every seed.
fn quiet_streams(seed: u64) -> Vec<(&'static str, Losses)> {
    let of = |loss: fn(u64, &mut Rng) -> f64| noisy(seed, loss);
    let lognormal =
        |deviation: f64| noisy(seed, move |n, rng| falling(n) * (deviation * normal(rng)).exp());
    let fading = |n: u64| (-(n as f64) / 500.0).exp();
    vec![
        ("log-normal noise of 0.4", lognormal(0.4)),
        ("log-normal noise of 1.5", lognormal(1.5)),
        ("log-normal noise of 2", lognormal(2.0)),
        (
            "negative log-likelihood from 2 to -5",
            noisy(seed, move |n, rng| 7.0 * fading(n) - 5.0 + normal(rng)),
        ),
        (
            "negative log-likelihood from -100 to -1000",
            noisy(seed, move |n, rng| 900.0 * fading(n) - 1000.0 + 30.0 * normal(rng)),
        ),
        ("tiny and negative", of(|_, rng| -1e-9 * unit(rng))),
        ("an offset of 1e3", of(|n, rng| 1e3 + falling(n) + normal(rng))),
        ("an offset of 1e5", of(|n, rng| 1e5 + falling(n) + normal(rng))),
        ("an offset of 1e7", of(|n, rng| 1e7 + falling(n) + normal(rng))),
        ("policy gradients of mean 0", of(|_, rng| 3.0 * normal(rng))),
        ("a plateau", of(|_, _| 1.0)),
        ("a plateau of 0", of(|_, _| 0.0)),
        ("falling for ever", of(|n, _| -(n as f64))),
        (
            "a batch of one row, mostly right and sometimes quite wrong",
            of(|_, rng| if unit(rng) < 0.7 { 0.01 * unit(rng) } else { 5.0 * unit(rng) }),
        ),
        (
            "a second term whose weight rises over 2000 steps",
            of(|n, rng| {
                let first = 2.0 + 8.0 / (1.0 + n as f64 / 100.0);
                (first + n.min(2000) as f64 / 700.0) * (0.3 * normal(rng)).exp()
            }),
        ),
        (
            "every 100th loss 100 times larger",
            of(|n, rng| {
                let outlier = if n % 100 == 99 { 100.0 } else { 1.0 };
                outlier * falling(n) * (0.4 * normal(rng)).exp()
            }),
        ),
        (
            "first losses of 0",
            noisy(
                seed,
                move |n, rng| {
                    if n < 1 + seed % 8 { 0.0 } else { falling(n) + normal(rng).abs() }
                },
            ),
        ),
        (
            "a first loss of almost nothing",
            of(|n, rng| if n == 0 { 1e-6 } else { falling(n) * (0.4 * normal(rng)).exp() }),
        ),
        (
            "a huge first loss",
            of(|n, rng| if n == 0 { 1e9 } else { falling(n) * (0.4 * normal(rng)).exp() }),
        ),
        (
            "sources in blocks of 100 steps",
            of(|n, rng| {
                let level = if n / 100 % 2 == 0 { 0.5 } else { 5.0 };
                level * (0.2 * normal(rng)).exp()
            }),
        ),
        (
            "one batch 1e4 times larger",
            of(|n, rng| {
                let outlier = if n == 300 { 1e4 } else { 1.0 };
                outlier * falling(n) * (0.4 * normal(rng)).exp()
            }),
        ),
    ]
}

#[test]
fn healthy_streams_stay_quiet() {
    let mut loud = Vec::new();
    for seed in 0..20 {
        for (name, loss) in quiet_streams(seed) {
            let log = harmless(5000, loss);
            if !log.is_quiet() {
                loud.push(format!("{name}, seed {seed}: {log:?}"));
            }
        }
    }
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

#[test]
fn losses_that_rise_whatever_the_model_take_nothing_back() {
    for seed in 0..20 {
        let mut drift = 0.0;
        let streams: Vec<(&str, Losses)> = vec![
            ("rising", Box::new(|n| 1.0 + n as f64)),
            ("rising ever faster", Box::new(|n| 1.001_f64.powi(n as i32))),
            ("oscillating", Box::new(|n| 1.0 + (n as f64 / 60.0).sin())),
            (
                "drifting",
                noisy(seed, move |_, rng| {
                    drift = 0.99 * drift + normal(rng);
                    drift
                }),
            ),
        ];
        for (name, loss) in streams {
            let log = harmless(5000, loss);
            assert!(log.restored.is_empty() && log.compared.len() < 12, "{name}: {log:?}");
        }
    }
}

/// A loss that falls while the model is sound.
fn falling_or(spoilt: f32) -> impl FnMut(u64, bool) -> f32 {
    move |n, is_spoilt| if is_spoilt { spoilt } else { falling(n) as f32 }
}

#[test]
fn a_model_that_stands_at_the_level_of_guessing_goes_back() {
    // guessing is 2.3, and a large beginning hides nothing
    for first in [1.0, 2.0] {
        let mut loss = falling_or(2.3);
        let (guard, log) = watched(
            1500,
            |n, _| n == 375,
            move |n, spoilt| if n < 10 { 2.3 * first } else { loss(n, spoilt) },
        );
        assert_eq!(log.restored.len(), 1, "{log:?}");
        assert!(log.restored[0].0 < 620, "{log:?}");
        assert_eq!(guard.multiplier(), 1.0);
    }
}

#[test]
fn a_loss_that_is_not_finite_takes_the_model_back_at_once_if_the_model_is_to_blame() {
    let (guard, log) = watched(1000, |n, _| n == 400, falling_or(f32::NAN));
    assert_eq!((log.restored, log.skipped), (vec![(404, FULL)], 2));
    assert_eq!(guard.course.caution, 0);
    let (_, log) = watched(1000, |_, _| false, |n, _| if n == 400 { f32::NAN } else { 1.0 });
    assert_eq!((log.restored.len(), log.skipped), (0, 1));
    let mut guard = Guard::new(GuardConfig::default());
    let (mut params, mut log) = ([1.0, 2.0], Log::default());
    for _ in 0..9 {
        step(&mut guard, &mut log, &mut params, Some(1.0));
    }
    params[1] = f32::INFINITY;
    step(&mut guard, &mut log, &mut params, Some(f32::NAN));
    assert_eq!(params, [1.0, 2.0]);
}

#[test]
fn measures_grow_from_restore_to_restore_and_are_taken_back_in_quiet_times() {
    // more than 100 full steps in a row spoil the model, up to step 3000
    let spoils = |n: u64, guard: &Guard| {
        let full = guard.course.caution < CUT;
        full && n < 3000 && guard.course.steps - guard.course.changed_at > 100
    };
    let (guard, log) = watched(20_000, spoils, falling_or(3.0));
    let stages: Vec<Stage> = log.restored.iter().map(|&(_, stage)| stage).collect();
    assert_eq!(stages[..2], [FULL, SHORT], "{log:?}");
    assert!(log.eased.iter().all(|&(_, stage)| stage == FULL), "{log:?}");
    assert_eq!((guard.course.caution, guard.multiplier()), (0, 1.0));
}

#[test]
fn networks_that_have_won_nothing_give_way_to_adam_and_get_another_chance() {
    let climbs = |n: u64, guard: &Guard| (6..500).contains(&n) && guard.fallback().is_none();
    let loss = |_, spoilt| if spoilt { 1e6 } else { 1.0 };
    let (_, log) = watched(9000, climbs, loss);
    let [(at, FALLBACK)] = log.restored[..] else { panic!("{log:?}") };
    assert!(at < 40, "{log:?}");
    assert_eq!(log.eased, [(at + 2000, SHORT), (at + 4000, FULL)]);
}

#[test]
fn a_model_that_does_not_move_is_told_once() {
    let told = |way: f32| {
        let mut guard = Guard::new(GuardConfig::default());
        let (mut params, mut log) = ([1.0], Log::default());
        for _ in 0..200 {
            step(&mut guard, &mut log, &mut params, Some(1.0));
            params[0] += way;
        }
        log.still
    };
    assert_eq!((told(0.0), told(1e-3)), (1, 0));
}

#[test]
fn without_a_loss_parameters_that_grow_are_taken_back() {
    let mut guard = Guard::new(GuardConfig::default());
    let (mut params, mut log) = ([1.0], Log::default());
    for n in 0..2000 {
        let takes = step(&mut guard, &mut log, &mut params, None);
        assert!(takes || params[0] < 10.0);
        params[0] *= if (1000..1200).contains(&n) { 1.1 } else { 1.0 };
    }
    assert_eq!(log.restored.len(), 2, "{log:?}");
}
