//! The guard at work: runs that are disturbed, which it must not make worse, runs that are not, replicas,
//! parameters that are spoilt, gradients too small to move anything.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and shows the table"
)]

mod disturbances;

use disturbances::{BATCH, DISTURBANCES, Disturbance, End, Trainer};
use lopt_core::rng::{normal, stream};
use lopt_core::{
    Decision, Given, GuardEvent, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
    Weights,
};
use std::sync::{Arc, Mutex};

/// Both kinds of optimizers.
const WEIGHTS: [&str; 2] = ["recommended", "hierarchical-rnn"];

/// Below it the loss of the small network is rounding errors of single precision.
const SOLVED: f64 = 1e-7;

/// Geometric means over seeds of the final losses of a trainer, and the number of events.
fn over_seeds(disturbance: Option<&Disturbance>, trainer: Trainer, seeds: u64) -> (f64, usize) {
    let ends = (0..seeds).map(|seed| disturbances::run(BATCH, disturbance, trainer, seed));
    let ends: Vec<End> = ends.collect();
    let logs = ends.iter().map(|end| end.loss.max(SOLVED).ln()).sum::<f64>();
    ((logs / seeds as f64).exp(), ends.iter().map(|end| end.events).sum())
}

/// A row of the table, and whether the guard has kept its promise.
fn row(
    weights: &'static str,
    disturbance: Option<&Disturbance>,
    adam: f64,
    seeds: u64,
) -> (String, bool) {
    let of = |guard| over_seeds(disturbance, Trainer::Learned { weights, guard }, seeds);
    let ((guarded, events), (bare, _)) = (of(true), of(false));
    let name = disturbance.map_or("none", |disturbance| disturbance.name);
    let keeps = if bare < adam { guarded <= 2.0 * bare } else { guarded <= adam };
    let row = format!("| {name} | {guarded:.1e} | {bare:.1e} | {adam:.1e} | {events} |");
    (row, keeps && (events > 0 || guarded.to_bits() == bare.to_bits()))
}

fn all_keep(disturbances: &[Option<&Disturbance>], seeds: u64) {
    let mut broken = Vec::new();
    let adams: Vec<f64> =
        disturbances.iter().map(|d| over_seeds(*d, Trainer::Adam, seeds).0).collect();
    for weights in WEIGHTS {
        println!("{weights}: guarded, bare, Adam(1e-3), events");
        for (disturbance, adam) in disturbances.iter().zip(&adams) {
            let (row, keeps) = row(weights, *disturbance, *adam, seeds);
            println!("{row}{}", if keeps { "" } else { " broken" });
            if !keeps {
                broken.push(format!("{weights}: {row}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn disturbed_runs_end_no_worse_with_the_guard() {
    let all: Vec<Option<&Disturbance>> = DISTURBANCES.iter().map(Some).collect();
    all_keep(&all, 1);
}

/// The table of `docs/guard.md`:
/// `cargo test --release -p lopt-core --test guard -- --ignored --nocapture table`.
#[test]
#[ignore = "a table for the documentation; takes minutes"]
fn table_of_disturbances() {
    let all: Vec<Option<&Disturbance>> =
        std::iter::once(None).chain(DISTURBANCES.iter().map(Some)).collect();
    all_keep(&all, 5);
}

#[test]
fn the_guard_is_silent_on_healthy_runs_of_any_batch_size() {
    for weights in WEIGHTS {
        for batch in [1, 2, 8, 32] {
            let end = disturbances::run(batch, None, Trainer::Learned { weights, guard: true }, 3);
            assert_eq!(end.events, 0, "{weights}, batches of {batch}");
        }
    }
}

const SIZE: usize = 36;

/// Loss and gradient of a badly conditioned quadratic, with noise that depends on the step alone.
fn quadratic(at: &[f32], step: u64) -> (f32, Vec<f32>) {
    let mut rng = stream(step, &[5]);
    let curvature = |i: usize| 10.0_f32.powf((i % 3) as f32 - 1.0);
    let grads = at.iter().enumerate();
    let grads = grads.map(|(i, x)| curvature(i) * x + 0.1 * normal(&mut rng) as f32).collect();
    let loss = at.iter().enumerate().map(|(i, x)| 0.5 * curvature(i) * x * x).sum::<f32>();
    (loss, grads)
}

type Events = Arc<Mutex<Vec<GuardEvent>>>;

fn of_weights(name: &str) -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new().with_weights(Weights::embedded(name).unwrap())
}

fn with_events(config: &LearnedOptimizerConfig) -> (LearnedOptimizer, Events) {
    let events = Events::default();
    let heard = Arc::clone(&events);
    let optimizer = config.init(&Layout::single(SIZE).unwrap()).unwrap();
    (optimizer.on_event(move |event| heard.lock().unwrap().push(event.clone())), events)
}

fn is_restore(event: &&GuardEvent) -> bool {
    matches!(event, GuardEvent::Restored { .. })
}

/// Trains two replicas on the same gradients. For some steps one of them sees no finite loss but where the
/// model has been before.
fn replicas(weights: &str, shared: bool) -> [Vec<f32>; 2] {
    let (leader, events) = with_events(&of_weights(weights));
    let follower = of_weights(weights).init(leader.layout()).unwrap();
    let (mut optimizers, mut params) = ([leader, follower], [vec![1.0; SIZE], vec![1.0; SIZE]]);
    let (mut known, mut have_fallen_back) = (Vec::new(), false);
    for n in 0..300 {
        let at = optimizers[0].attended(&params[0]).to_vec();
        let (loss, grads) = quadratic(&at, n);
        let is_bad = (128..188).contains(&n) && !known.contains(&at);
        let local = [if is_bad { f32::NAN } else { loss }, loss];
        if n < 128 {
            known.push(params[0].clone());
        }
        let given = |loss| Given { loss: Some(loss), ..Given::default() };
        let decision = shared.then(|| {
            let decision = optimizers[0].decide(&params[0], &grads, given(local[0])).unwrap();
            Decision::from_code(decision.code()).unwrap()
        });
        for ((optimizer, params), loss) in optimizers.iter_mut().zip(&mut params).zip(local) {
            if shared {
                assert_eq!(optimizer.attended(params).to_vec(), at, "step {n}");
            }
            let given = if shared { Given { decision, ..Given::default() } } else { given(loss) };
            optimizer.step_given(params, &grads, given).unwrap();
        }
        let [leader, follower] = &optimizers;
        assert!(!shared || leader.skipped_steps() == follower.skipped_steps(), "step {n}");
        have_fallen_back |= follower.has_fallen_back();
    }
    assert!(events.lock().unwrap().iter().filter(is_restore).count() >= 3);
    assert_eq!(have_fallen_back, shared);
    params
}

#[test]
fn replicas_that_share_decisions_stay_equal() {
    for weights in WEIGHTS {
        let [one, other] = replicas(weights, false);
        assert_ne!(one, other, "{weights}");
        let [one, other] = replicas(weights, true);
        assert_eq!(one, other, "{weights}");
    }
}

#[test]
fn parameters_that_are_spoilt_come_back_at_the_next_attended_point() {
    let config = of_weights("hierarchical-rnn").with_averaging(None);
    for bad in [f32::NAN, f32::INFINITY, 1e25] {
        let (mut optimizer, events) = with_events(&config);
        let mut params = vec![1.0; SIZE];
        let (first, _) = quadratic(&params, 0);
        for n in 0..120 {
            if n == 100 {
                params[7] = bad;
            }
            let (loss, grads) = quadratic(optimizer.attended(&params), n);
            optimizer.step_with_loss(&mut params, &grads, loss).unwrap();
            let at = optimizer.attended(&params);
            // a gradient that is too long is looked at once more
            if n != 101 {
                let (loss, _) = quadratic(at, n);
                assert!(loss <= 1.1 * first, "{bad}, step {n}: {loss}");
            }
        }
        assert_eq!(events.lock().unwrap().iter().filter(is_restore).count(), 1, "{bad}");
        assert!(params.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn gradients_that_move_nothing_are_told() {
    let mut still = 0;
    for weights in WEIGHTS {
        for scale in [1.0, 1e-4, 1e-8, 1e-10, 1e-20, 1e-30, 1e-40] {
            let (mut optimizer, events) = with_events(&of_weights(weights));
            let mut params = vec![1.0; SIZE];
            for _ in 0..60 {
                let (loss, grads) = quadratic(optimizer.attended(&params), 0);
                let grads: Vec<f32> = grads.iter().map(|g| scale * g).collect();
                optimizer.step_with_loss(&mut params, &grads, scale * loss).unwrap();
            }
            let moved = params.iter().map(|x| (x - 1.0).abs()).fold(0.0, f32::max);
            let events = events.lock().unwrap();
            assert!(events.iter().all(|event| matches!(event, GuardEvent::NothingMoves { .. })));
            assert!(moved > 1e-6 || events.len() == 1, "{weights}, times {scale}");
            assert!(moved < 1e-3 || events.is_empty(), "{weights}, times {scale}: {events:?}");
            still += usize::from(moved < 1e-6);
        }
    }
    assert!(still > 0);
}
