//! State files, and the guard through the adapter.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::tensor::Tensor;
use lopt_burn::{GuardEvent, LearnedOptimizer, LearnedOptimizerConfig, Weights};
use model::{Model, bits, data, device, flat, linear};
use std::sync::{Arc, Mutex};

fn hierarchical() -> Weights {
    Weights::embedded("hierarchical-rnn").unwrap()
}

type Data = (Tensor<2>, Tensor<2>);

fn run(optimizer: &mut LearnedOptimizer, mut module: Model, data: &Data, steps: usize) -> Model {
    for _ in 0..steps {
        module = optimizer.step(module, |m| m.gradients(&data.0, &data.1)).unwrap().0;
    }
    module
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let device = device();
    let data = data(16, &device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.state");
    let config = LearnedOptimizerConfig::new().with_weight_decay(1e-4);
    for config in [config.clone(), config.with_weights(hierarchical()).with_compact_state()] {
        let mut module = Model::new(&device);
        let mut optimizer = config.init(&module).unwrap();
        module = run(&mut optimizer, module, &data, 20);
        optimizer.save(&path, &module).unwrap();
        module = run(&mut optimizer, module, &data, 20);

        // another process: a module of other values, with parameter ids of its own
        let mut again = Model::new(&device);
        again.head = linear(16, 2, 99, &device);
        let mut resumed = config.init(&again).unwrap();
        again = resumed.load(&path, again).unwrap();
        assert_eq!(resumed.steps(), 20);
        again = run(&mut resumed, again, &data, 20);
        assert_eq!(bits(&flat(&module, None)), bits(&flat(&again, None)));
        assert_eq!(resumed.effective_step(), optimizer.effective_step());
    }
}

#[test]
fn another_module_or_a_damaged_file_is_refused_and_nothing_changes() {
    let device = device();
    let data = data(8, &device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.state");
    let module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let module = run(&mut optimizer, module, &data, 3);
    optimizer.save(&path, &module).unwrap();

    let other = linear(36, 2, 1, &device);
    let mut foreign = LearnedOptimizer::pretrained(&other).unwrap();
    let before = foreign.to_bytes(&other).unwrap();
    let error = foreign.load(&path, other.clone()).unwrap_err().to_string();
    assert!(error.ends_with("or a model of 10 tensors, here there are 2"), "{error}");
    assert_eq!(foreign.to_bytes(&other).unwrap(), before);
    let error = optimizer.load(&path, other).unwrap_err().to_string();
    assert!(error.starts_with("the optimizer was made for a module of 10"), "{error}");

    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    let error = optimizer.from_bytes(&bytes, module.clone()).unwrap_err().to_string();
    assert!(error.starts_with("not usable as an optimizer state"), "{error}");
    assert!(optimizer.load(folder.path().join("none"), module.clone()).is_err());
    let mut changed = module.clone();
    changed.head = linear(16, 2, 51, &device);
    let error = optimizer.save(&path, &changed).unwrap_err().to_string();
    assert!(error.starts_with("`head.weight` was changed outside"), "{error}");
    run(&mut optimizer, module, &data, 1);
}

#[test]
fn a_skipped_step_leaves_the_module_and_is_told() {
    let device = device();
    let (x, y) = data(8, &device);
    let module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    optimizer = optimizer.on_event(move |event| events.lock().unwrap().push(event.clone()));
    let module = run(&mut optimizer, module, &(x.clone(), y.clone()), 3);
    let before = flat(&module, None);
    let bad = y * f32::NAN;
    let (module, loss) = optimizer.step(module, |m| m.gradients(&x, &bad)).unwrap();
    assert!(loss.is_nan());
    assert_eq!(bits(&flat(&module, None)), bits(&before));
    assert_eq!((optimizer.steps(), optimizer.core().skipped_steps()), (3, 1));
    let events = seen.lock().unwrap();
    assert!(matches!(events[..], [GuardEvent::Skipped { step: 4, .. }]), "{events:?}");

    let mut bare = LearnedOptimizerConfig::new().with_guard(None).init(&module).unwrap();
    let error = bare.step(module.clone(), |m| m.gradients(&x, &bad)).unwrap_err().to_string();
    assert!(error.starts_with("expected a finite gradient, got NaN at element 0"), "{error}");
    // the module that went in is lost with the error; the optimizer has its parameters
    let restored = bare.restore(module).unwrap();
    assert_eq!(bits(&flat(&restored, None)), bits(&before));
}

#[test]
fn adam_takes_over_from_weights_that_diverge() {
    let device = device();
    let data = data(16, &device);
    let (config, mut psi, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    psi.iter_mut().for_each(|x| *x = -*x);
    let poisoned = Weights::new(config, psi, record).unwrap();
    let mut module = Model::new(&device);
    let mut optimizer = LearnedOptimizerConfig::new().with_weights(poisoned).init(&module).unwrap();
    let first: f32 = module.loss(&data.0, &data.1).into_scalar();
    module = run(&mut optimizer, module, &data, 400);
    assert!(optimizer.has_fallen_back());
    let last: f32 = module.loss(&data.0, &data.1).into_scalar();
    assert!(last < 0.5 * first, "{last} {first}");
    optimizer.set_lr_multiplier(0.0);
    let before = flat(&module, None);
    module = run(&mut optimizer, module, &data, 1);
    assert_eq!(bits(&flat(&module, None)), bits(&before));
}
