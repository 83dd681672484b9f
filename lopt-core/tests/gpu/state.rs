//! States back and forth, single tensors, repetition, and what is refused.

use crate::pair::{Pair, client, difference, embedded, fields, gradients, layout, parameters};
use lopt_core::gpu::{DeviceError, Runtime};
use lopt_core::{Layout, LearnedOptimizerConfig, Optimizer, ParameterGroup};

fn config() -> LearnedOptimizerConfig {
    embedded("hierarchical-rnn")
}

#[test]
fn states_go_back_and_forth() {
    let layout = layout(&[70, 5, 1000]);
    let mut alone = config().init(&layout).unwrap();
    let mut theta = parameters(&layout, 1);
    let mut pair = Pair::new(&config(), &layout, 1);
    for step in 0..9 {
        let grads = gradients(&layout, 1, step);
        alone.step(&mut theta, &grads).unwrap();
        if step / 3 == 1 {
            pair.on_device(&grads, &[], None);
        } else {
            pair.host.step(&mut pair.theta, &grads).unwrap();
        }
        match step {
            2 => {
                pair.take_host();
                // there and back without a step changes no bit
                let back = pair.device.to_host().unwrap();
                assert_eq!(fields(&back), fields(&pair.host));
                let [back, host] = [&back, &pair.host].map(|it| it.hierarchical_rnn().unwrap());
                assert_eq!(back.state().buffers(), host.state().buffers());
            }
            5 => {
                pair.host = pair.device.to_host().unwrap();
                pair.theta = pair.moved();
            }
            _ => (),
        }
    }
    assert_eq!(pair.host.steps(), 9);
    let worst = difference(&pair.theta, &theta);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn tensors_can_be_held_and_slowed() {
    let all = layout(&[100, 100, 30]);
    let (start, grads) = (parameters(&all, 4), gradients(&all, 4, 0));
    let moved = |layout: &Layout, config: LearnedOptimizerConfig| {
        let first = all.len() - layout.len();
        let mut device = config.init_on_device(&client(), layout).unwrap();
        let params = device.upload(&start[first..]).unwrap();
        device.step(&params, &device.upload(&grads[first..]).unwrap(), &[]).unwrap();
        device.download(&params).unwrap()
    };
    let held = || config().with_group(ParameterGroup::new("t0").frozen());
    let rest = moved(&all, held());
    let half = ParameterGroup::new("t1").with_step_multiplier(0.5);
    let slowed = moved(&all, held().with_group(half));
    assert_eq!(slowed[..100], start[..100]);
    assert_eq!(slowed[200..], rest[200..]);
    for i in 100..200 {
        let (half, one) = (slowed[i] - start[i], rest[i] - start[i]);
        assert!((half - 0.5 * one).abs() < 1e-6, "{half} {one}");
    }
    // a held tensor counts in nothing
    let alone = moved(&layout(&[100, 30]), config());
    assert!(difference(&rest[100..], &alone) < 1e-6);
    assert!(difference(&moved(&all, config())[100..], &alone) > 1e-6);
}

#[test]
fn repetition_changes_no_bit() {
    let layout = layout(&[5000, 3, 70_000]);
    let run = || {
        let mut pair = Pair::new(&config(), &layout, 2);
        (0..5).for_each(|step| pair.on_device(&gradients(&layout, 2, step), &[], None));
        pair.moved()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_cannot_be_is_refused() {
    let layout = layout(&[10]);
    let mut device = config().init_on_device(&client(), &layout).unwrap();
    let params = device.upload(&[0.5; 10]).unwrap();
    let error = device.upload(&[0.0; 9]).unwrap_err();
    assert_eq!(error.to_string(), "expected 40 bytes in `values`, got 36");
    let short = client().create_from_slice(&[0; 36]);
    assert!(matches!(device.step(&params, &short, &[]), Err(DeviceError::Length { .. })));
    let error = device.step(&params, &params, &[true; 2]).unwrap_err();
    assert!(matches!(error, DeviceError::Mismatch { what: "number of tensors" }), "{error}");
    let compact = config().with_compact_state().init(&layout).unwrap();
    assert!(matches!(device.go_on_from(&compact), Err(DeviceError::CompactState)));
    let other = config().init(&Layout::single(11).unwrap()).unwrap();
    let error = device.go_on_from(&other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the optimizer on the host has another model than the one on the device"
    );
    if !cfg!(feature = "cuda") {
        let error = Runtime::Cuda.client().err().unwrap();
        assert!(
            error
                .to_string()
                .starts_with("no device of the runtime Cuda: this build does not link"),
            "{error}"
        );
    }
}
