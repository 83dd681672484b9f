//! The guard at work in an optimizer: replicas, parameters that are spoilt, gradients that fade.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::rng::{normal, stream};
use lopt_core::{
    Decision, Given, GuardEvent, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
};
use std::sync::{Arc, Mutex};

const SIZE: usize = 36;

fn layout() -> Layout {
    Layout::single(SIZE).unwrap()
}

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

fn with_events(config: &LearnedOptimizerConfig) -> (LearnedOptimizer, Events) {
    let events = Events::default();
    let heard = Arc::clone(&events);
    let optimizer = config.init(&layout()).unwrap();
    (optimizer.on_event(move |event| heard.lock().unwrap().push(event.clone())), events)
}

/// Trains two replicas on the same gradients; one of them sees a local loss of 1e4 for 60 steps.
fn replicas(shared: bool) -> [Vec<f32>; 2] {
    let (leader, events) = with_events(&LearnedOptimizerConfig::new());
    let mut optimizers = [leader, LearnedOptimizer::pretrained(&layout()).unwrap()];
    let mut params = [vec![1.0; SIZE], vec![1.0; SIZE]];
    for n in 0..300 {
        let at = optimizers[0].attended(&params[0]).to_vec();
        let (loss, grads) = quadratic(&at, n);
        let local = [if (128..188).contains(&n) { 1e4 } else { loss }, loss];
        let given = |loss| Given { loss: Some(loss), ..Given::default() };
        let decision = shared.then(|| {
            let decision = optimizers[0].decide(&params[0], &grads, given(local[0])).unwrap();
            Decision::from_code(decision.code()).unwrap()
        });
        for ((optimizer, params), loss) in optimizers.iter_mut().zip(&mut params).zip(local) {
            if shared {
                assert_eq!(optimizer.attended(params).to_vec(), at, "step {n}");
            }
            optimizer.step_given(params, &grads, Given { decision, ..given(loss) }).unwrap();
        }
    }
    let compared = |event: &GuardEvent| matches!(event, GuardEvent::Compared { .. });
    assert!(events.lock().unwrap().iter().any(compared));
    params
}

#[test]
fn replicas_that_share_decisions_stay_equal() {
    let [one, other] = replicas(false);
    assert_ne!(one, other);
    let [one, other] = replicas(true);
    assert_eq!(one, other);
}

#[test]
fn parameters_that_are_spoilt_come_back_at_the_next_attended_point() {
    let config = LearnedOptimizerConfig::new().with_averaging(None);
    for bad in [f32::NAN, f32::INFINITY, 1e25] {
        let (mut optimizer, events) = with_events(&config);
        let mut params = vec![1.0; SIZE];
        let mut best = f32::INFINITY;
        for n in 0..120 {
            if n == 100 {
                params[7] = bad;
            }
            let (loss, grads) = quadratic(optimizer.attended(&params), n);
            if n < 100 {
                best = best.min(loss);
            }
            optimizer.step_with_loss(&mut params, &grads, loss).unwrap();
            let at = optimizer.attended(&params);
            // where parameters are finite, losses decide which of two points is to blame
            if n == 100 || n > 106 {
                let (loss, _) = quadratic(at, n);
                assert!(loss < 2.0, "{bad}, step {n}: {loss}, before {best}");
            }
        }
        let restored = |event: &&GuardEvent| matches!(event, GuardEvent::Restored { .. });
        assert_eq!(events.lock().unwrap().iter().filter(restored).count(), 1, "{bad}");
        assert!(params.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn gradients_that_move_nothing_are_told() {
    let told = |scale: f32| {
        let (mut optimizer, events) = with_events(&LearnedOptimizerConfig::new());
        let mut params = vec![1.0; SIZE];
        for _ in 0..100 {
            let (loss, grads) = quadratic(optimizer.attended(&params), 0);
            let grads: Vec<f32> = grads.iter().map(|g| scale * g).collect();
            optimizer.step_with_loss(&mut params, &grads, scale * loss).unwrap();
        }
        let moved = params.iter().any(|x| (x - 1.0).abs() > 1e-3);
        let events = events.lock().unwrap();
        assert!(events.iter().all(|event| matches!(event, GuardEvent::NothingMoves { .. })));
        (events.len(), moved)
    };
    assert_eq!(told(1e-10), (1, false));
    assert_eq!(told(1e-4), (0, true));
}

#[test]
fn a_run_without_losses_is_the_bare_one() {
    let trained = |config: LearnedOptimizerConfig| {
        let (mut optimizer, events) = with_events(&config);
        let mut params = vec![1.0; SIZE];
        for n in 0..500 {
            let (_, grads) = quadratic(optimizer.attended(&params), n);
            optimizer.step(&mut params, &grads).unwrap();
        }
        assert!(events.lock().unwrap().is_empty());
        params
    };
    let guarded = trained(LearnedOptimizerConfig::new());
    assert_eq!(guarded, trained(LearnedOptimizerConfig::new().with_guard(None)));
}
