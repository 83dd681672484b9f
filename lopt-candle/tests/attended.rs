//! Who sees which point: the loss the attended one, everybody else the true one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::Optimizer as _;
use lopt_candle::{Error, GuardEvent, LearnedOptimizer, LearnedOptimizerConfig};
use lopt_core::Optimizer as _;
use model::{Mlp, batch, bits, values};
use std::sync::{Arc, Mutex};

fn optimizer(mlp: &Mlp) -> LearnedOptimizer {
    LearnedOptimizer::new(&mlp.map, LearnedOptimizerConfig::new()).unwrap()
}

fn loss(mlp: &Mlp, step: u64) -> Tensor {
    mlp.loss(&batch(16, step, DType::F32)).unwrap()
}

fn minimize(optimizer: &mut LearnedOptimizer, mlp: &Mlp, steps: u64) {
    for step in 0..steps {
        optimizer.minimize(|| Ok(loss(mlp, step))).unwrap();
    }
}

#[test]
fn the_closure_sees_the_attended_point_and_nobody_else_does() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    for step in 0..10 {
        let before = mlp.values();
        assert_eq!(before, optimizer.parameters());
        let attended = optimizer.core().attended(&before).to_vec();
        assert_eq!(step > 1, attended != before, "step {step}");
        optimizer
            .minimize(|| {
                assert_eq!(mlp.values(), attended);
                Ok(loss(&mlp, step))
            })
            .unwrap();
        assert_ne!(mlp.values(), before);
    }
}

#[test]
fn a_closure_that_fails_leaves_the_truth_and_takes_no_step() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    minimize(&mut optimizer, &mlp, 5);
    let before = mlp.values();
    let error = optimizer.minimize(|| candle_core::bail!("no data")).unwrap_err();
    assert!(matches!(&error, Error::Candle(_)), "{error}");
    assert!(error.to_string().starts_with("no data"), "{error}");
    let second = |batch| if batch == 1 { candle_core::bail!("none") } else { Ok(loss(&mlp, 0)) };
    assert!(optimizer.minimize_batches(2, second).is_err());
    assert_eq!((mlp.values(), optimizer.core().steps()), (before, 5));
}

#[test]
fn a_panic_in_the_closure_does_not_lose_the_answer() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    minimize(&mut optimizer, &mlp, 5);
    let before = mlp.values();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        drop(optimizer.minimize(|| panic!("on purpose")));
    }));
    assert!(caught.is_err());
    assert_eq!(mlp.values(), before);
}

#[test]
fn a_step_from_the_true_parameters_is_refused() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    (0..3).for_each(|step| optimizer.backward_step(&loss(&mlp, step)).unwrap());
    let attended = mlp.values();
    optimizer.eval().unwrap();
    let truth = mlp.values();
    let error = optimizer.backward_step(&loss(&mlp, 3)).unwrap_err();
    assert!(matches!(Error::within(&error), Some(Error::Evaluating)), "{error}");
    assert!(error.to_string().starts_with("the variables hold the true parameters"), "{error}");
    assert_eq!((mlp.values(), optimizer.core().steps()), (truth, 3));
    optimizer.train().unwrap();
    assert_eq!(mlp.values(), attended);
    optimizer.backward_step(&loss(&mlp, 3)).unwrap();

    // `minimize` may come in between, and ends with the truth
    optimizer.minimize(|| Ok(loss(&mlp, 4))).unwrap();
    assert_eq!(mlp.values(), optimizer.parameters());
    assert!(optimizer.backward_step(&loss(&mlp, 5)).is_err());
}

#[test]
fn dropping_leaves_the_truth() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    (0..10).for_each(|step| optimizer.backward_step(&loss(&mlp, step)).unwrap());
    let truth = optimizer.parameters().to_vec();
    assert_ne!(mlp.values(), truth);
    drop(optimizer);
    assert_eq!(bits(&mlp.values()), bits(&truth));
}

#[test]
fn dropping_leaves_what_was_loaded_meanwhile() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = optimizer(&mlp);
    (0..10).for_each(|step| optimizer.backward_step(&loss(&mlp, step)).unwrap());
    let loaded: Vec<f32> = (0..mlp.values().len()).map(|i| i as f32).collect();
    mlp.set_values(&loaded);
    drop(optimizer);
    assert_eq!(mlp.values(), loaded);
}

#[test]
fn the_guard_hears_of_losses_and_its_events_are_heard() {
    for through_trait in [false, true] {
        let mlp = Mlp::new(DType::F32);
        let first = mlp.values();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let mut optimizer =
            optimizer(&mlp).on_event(move |event| seen.lock().unwrap().push(event.clone()));
        let mut step = |is_bad: &dyn Fn(&[f32]) -> bool| {
            let at_point = || loss(&mlp, 0) + if is_bad(&mlp.values()) { f64::NAN } else { 0.0 };
            if through_trait {
                return optimizer.backward_step(&at_point()?);
            }
            optimizer.minimize(at_point).map(drop).map_err(candle_core::Error::from)
        };
        (0..3).for_each(|_| step(&|_| false).unwrap());
        step(&|_| true).unwrap();
        assert!(matches!(events.lock().unwrap()[..], [GuardEvent::Skipped { step: 4, .. }]));
        // no number anywhere but at the first point: the guard goes back to it until Adam takes over
        (0..60).for_each(|_| step(&|values| values != first).unwrap());
        assert!(optimizer.has_fallen_back());
        optimizer.eval().unwrap();
        assert_eq!(mlp.values(), optimizer.parameters());
    }
}

#[test]
fn a_clone_goes_on_from_its_moment() {
    fn is_plain<T: Clone + Send + Sync + 'static>(_: &T) {}
    let var = Var::new(&[1.0_f32, -2.0, 0.5], &Device::Cpu).unwrap();
    let mut optimizer =
        LearnedOptimizer::new(vec![var.clone()], LearnedOptimizerConfig::new()).unwrap();
    is_plain(&optimizer);
    let step = |optimizer: &mut LearnedOptimizer| {
        let loss = var.sqr().unwrap().sum_all().unwrap();
        optimizer.backward_step(&loss).unwrap();
    };
    (0..3).for_each(|_| step(&mut optimizer));
    let attended = values(&var);
    let mut earlier = optimizer.clone();
    drop(optimizer.clone());
    assert_eq!(values(&var), attended);
    (0..3).for_each(|_| step(&mut optimizer));
    let later = optimizer.parameters().to_vec();
    drop(optimizer);
    earlier.restore().unwrap();
    assert_eq!(values(&var), earlier.parameters());
    earlier.train().unwrap();
    assert_eq!(values(&var), attended);
    (0..3).for_each(|_| step(&mut earlier));
    assert_eq!(earlier.parameters(), later);
}
