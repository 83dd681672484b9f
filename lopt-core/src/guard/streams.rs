//! The guard on streams of losses without a network: the model is one number, 0 while it is sound and 1
//! once the optimizer has spoilt it, and what the loss is then is up to the stream.

use super::*;
use crate::rng::{Rng, normal, stream, unit};

/// What a guard did on a stream.
#[derive(Debug, Default)]
struct Log {
    compared: Vec<u64>,
    restored: Vec<(u64, Stage)>,
    eased: Vec<(u64, Stage)>,
    faint: Vec<String>,
    skipped: usize,
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
            GuardEvent::NothingMoves { .. } => self.faint.push(event.to_string()),
        }
    }
}

/// Shows a guard one step, and acts on what it decides.
fn step(guard: &mut Guard, params: &mut [f32], gradient: f32, loss: Option<f32>) -> Decision {
    let layout = Layout::single(params.len()).unwrap();
    let decision = guard.judge(&Shown {
        layout: &layout,
        params,
        attended: params,
        counts: &|_| true,
        gradient: Ok(gradient),
        loss,
        least_gradient: 3e-8,
    });
    guard.apply(decision, params);
    decision
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
        let decision = step(&mut guard, &mut params, 1.0, Some(loss(n, at == 1.0)));
        guard.take_events().iter().for_each(|event| log.take(event));
        if decision.takes_step() && spoils(n, &guard) {
            params[0] = 1.0;
        }
    }
    (guard, log)
}

/// What a stream of losses that do not depend on the model makes a guard do.
fn harmless(steps: u64, mut loss: impl FnMut(u64) -> f64) -> Log {
    watched(steps, |_, _| false, |n, _| loss(n) as f32).1
}

type Losses = Box<dyn FnMut(u64) -> f64>;

fn noisy(seed: u64, mut loss: impl FnMut(u64, &mut Rng) -> f64 + 'static) -> Losses {
    let mut rng = stream(seed, &[1]);
    Box::new(move |n| loss(n, &mut rng))
}
/// The level of a loss that falls.
fn falling(n: u64) -> f64 {
    0.3 + 2.0 / (1.0 + n as f64 / 100.0)
}

fn lognormal(seed: u64, deviation: f64) -> Losses {
    noisy(seed, move |n, rng| falling(n) * (deviation * normal(rng)).exp())
}

/// Streams that a guard has to leave alone, for every seed.
fn quiet_streams(seed: u64) -> Vec<(&'static str, Losses)> {
    vec![
        ("log-normal noise of 0.4", lognormal(seed, 0.4)),
        (
            "negative log-likelihood from 2 to -5",
            noisy(seed, |n, rng| 2.0 - 7.0 * (1.0 - (-(n as f64) / 500.0).exp()) + normal(rng)),
        ),
        (
            "negative log-likelihood from -100 to -1000",
            noisy(seed, |n, rng| {
                -1000.0 + 900.0 * (-(n as f64) / 500.0).exp() + 30.0 * normal(rng)
            }),
        ),
        ("tiny and negative", noisy(seed, |_, rng| -1e-9 * unit(rng))),
        ("an offset of 1e5", noisy(seed, move |n, rng| 1e5 + falling(n) + normal(rng))),
        ("an offset of 1e7", noisy(seed, move |n, rng| 1e7 + falling(n) + normal(rng))),
        ("policy gradients of mean 0", noisy(seed, |_, rng| 3.0 * normal(rng))),
        ("a plateau", Box::new(|_| 1.0)),
        ("a plateau of 0", Box::new(|_| 0.0)),
        ("falling for ever", Box::new(|n| -(n as f64))),
        (
            "a batch of one row, mostly right and sometimes quite wrong",
            noisy(seed, |_, rng| if unit(rng) < 0.7 { 0.01 * unit(rng) } else { 5.0 * unit(rng) }),
        ),
        (
            "a second term whose weight rises over 2000 steps",
            noisy(seed, |n, rng| {
                let terms = (2.0 + 8.0 / (1.0 + n as f64 / 100.0), n.min(2000) as f64 / 700.0);
                (terms.0 + terms.1) * (0.3 * normal(rng)).exp()
            }),
        ),
        (
            "every 100th loss 100 times larger",
            noisy(seed, move |n, rng| {
                let outlier = if n % 100 == 99 { 100.0 } else { 1.0 };
                outlier * falling(n) * (0.4 * normal(rng)).exp()
            }),
        ),
        (
            "first losses of 0",
            noisy(
                seed,
                move |n, rng| if n < 1 + seed % 8 { 0.0 } else { falling(n) + normal(rng).abs() },
            ),
        ),
        (
            "one batch 1e4 times larger",
            noisy(seed, move |n, rng| {
                let outlier = if n == 300 { 1e4 } else { 1.0 };
                outlier * falling(n) * (0.4 * normal(rng)).exp()
            }),
        ),
    ]
}

#[test]
fn healthy_streams_stay_quiet() {
    for seed in 0..20 {
        for (name, loss) in quiet_streams(seed) {
            let log = harmless(5000, loss);
            assert!(log.is_quiet(), "{name}, seed {seed}: {log:?}");
        }
    }
}

#[test]
fn losses_that_rise_or_leap_whatever_the_model_take_nothing_back() {
    for seed in 0..20 {
        let mut rng = stream(seed, &[2]);
        let mut drift = 0.0;
        let streams: Vec<(&str, Losses)> = vec![
            ("log-normal noise of 1.5", lognormal(seed, 1.5)),
            ("log-normal noise of 2", lognormal(seed, 2.0)),
            ("rising", Box::new(|n| 1.0 + n as f64)),
            ("rising ever faster", Box::new(|n| 1.001_f64.powi(n as i32))),
            ("sources in blocks", Box::new(|n| if n / 100 % 2 == 0 { 0.5 } else { 5.0 })),
            ("oscillating", Box::new(|n| 1.0 + (n as f64 / 60.0).sin())),
            ("a first loss of almost nothing", Box::new(|n| if n == 0 { 1e-6 } else { 0.5 })),
            (
                "drifting",
                Box::new(move |_| {
                    drift = 0.99 * drift + normal(&mut rng);
                    drift
                }),
            ),
        ];
        for (name, loss) in streams {
            let log = harmless(20_000, loss);
            assert!(log.restored.is_empty(), "{name}, seed {seed}: {log:?}");
            assert!(log.compared.len() <= 12, "{name}, seed {seed}: {log:?}");
        }
    }
}

const FULL: Stage = Stage::Networks { multiplier: 1.0 };
const SHORT: Stage = Stage::Networks { multiplier: 0.1 };
const FALLBACK: Stage = Stage::Adam { rate: 1e-3 };

/// Falls from 2 to 0.1, with noise; `bad` where the model is spoilt.
fn falling_or(bad: f32) -> impl FnMut(u64, bool) -> f32 {
    let mut rng = stream(7, &[3]);
    move |n, spoilt| {
        let loss = if spoilt { bad } else { 0.1 + 2.0 * (-(n as f32) / 50.0).exp() };
        loss * (0.3 * normal(&mut rng)).exp() as f32
    }
}

#[test]
fn a_run_that_dies_at_the_level_of_guessing_is_taken_back() {
    for dies in [200, 375, 391, 1000] {
        let (guard, log) = watched(dies + 400, |n, _| n == dies, falling_or(2.1));
        let [(at, FULL)] = log.restored[..] else { panic!("{log:?}") };
        assert!(at - dies < 120, "{log:?}");
        assert_eq!(guard.multiplier(), 1.0);
    }
}

#[test]
fn what_is_not_finite_is_left_out_and_if_it_stays_taken_back() {
    let (_, log) = watched(500, |n, _| n == 300, falling_or(f32::NAN));
    // the first loss that is none, and two rounds
    assert_eq!(log.restored, [(306, FULL)]);
    // the data are to blame, for one step or for many
    for bad in [1, 2, 3, 50] {
        let not_finite = |n: u64| (300..300 + bad).contains(&n);
        let log = harmless(1000, |n| if not_finite(n) { f64::NAN } else { 1.0 });
        assert!(log.restored.is_empty() && log.skipped == bad as usize, "{log:?}");
    }
}

#[test]
fn parameters_that_are_not_finite_are_taken_back_at_once() {
    let mut guard = Guard::new(GuardConfig::default());
    let mut params = [1.0, 2.0];
    for _ in 0..9 {
        step(&mut guard, &mut params, 1.0, Some(1.0));
    }
    params[1] = f32::INFINITY;
    step(&mut guard, &mut params, 1.0, Some(f32::NAN));
    assert_eq!(params, [1.0, 2.0]);
}

#[test]
fn measures_grow_from_restore_to_restore_and_are_taken_back_in_quiet_times() {
    // more than 100 full steps in a row spoil the model, up to step 3000
    let spoils = |n: u64, guard: &Guard| {
        let full = guard.fallback().is_none() && guard.multiplier() == 1.0;
        full && n < 3000 && guard.steps - guard.changed_at > 100
    };
    let (guard, log) = watched(9000, spoils, falling_or(3.0));
    let stages: Vec<Stage> = log.restored.iter().map(|&(_, stage)| stage).collect();
    assert_eq!(stages, [FULL, SHORT, SHORT], "{log:?}");
    let eased: Vec<Stage> = log.eased.iter().map(|&(_, stage)| stage).collect();
    assert_eq!(eased, [FULL, FULL], "{log:?}");
    assert_eq!((guard.caution, guard.multiplier()), (0, 1.0));
}

#[test]
fn networks_that_have_won_nothing_give_way_to_adam_and_get_another_chance() {
    let climbs = |n: u64, guard: &Guard| n < 500 && guard.fallback().is_none();
    let loss = |_, spoilt| if spoilt { 1e6 } else { 1.0 };
    let (_, log) = watched(5000, climbs, loss);
    assert_eq!(log.restored, [(40, FALLBACK)]);
    assert_eq!(log.eased, [(2040, SHORT), (4040, FULL)]);
}

#[test]
fn gradients_too_small_to_move_anything_are_told_once() {
    let told = |gradient: &dyn Fn(u64) -> f32| {
        let mut guard = Guard::new(GuardConfig::default());
        let (mut params, mut log) = ([1.0], Log::default());
        for n in 0..200 {
            step(&mut guard, &mut params, gradient(n), Some(1.0));
            guard.take_events().iter().for_each(|event| log.take(event));
        }
        log.faint
    };
    let sentence = "step 16: nothing moves, as no gradient entry was above 1.0e-10 and steps fade out \
                    below 3e-8: multiply the loss by a constant";
    assert_eq!(told(&|_| 1e-10), [sentence]);
    // empty batches are no reason, and a model that was trained may be solved
    assert!(told(&|n| if n < 50 { 0.0 } else { 1.0 }).is_empty());
    assert!(told(&|n| if n < 5 { 1e-3 } else { 1e-12 }).is_empty());
    assert!(told(&|_| 0.0).is_empty());
}

#[test]
fn without_a_loss_parameters_that_grow_are_taken_back() {
    let mut guard = Guard::new(GuardConfig::default());
    let (mut params, mut log) = ([1.0], Log::default());
    for n in 0..2000 {
        let decision = step(&mut guard, &mut params, 1.0, None);
        guard.take_events().iter().for_each(|event| log.take(event));
        assert!(decision.takes_step() || params[0] < 10.0);
        params[0] *= if (1000..1200).contains(&n) { 1.1 } else { 1.0 };
    }
    assert_eq!(log.restored.len(), 2, "{log:?}");
}
