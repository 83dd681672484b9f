//! States back and forth, single tensors, repetition, and what is refused.

use crate::pair::{Pair, client, difference, gradients, layout, parameters, pretrained};
use lopt_core::gpu::{DeviceError, DeviceOptimizer, Runtime};
use lopt_core::simd::Level;
use lopt_core::tensor_step::TensorStep;
use lopt_core::{HierarchicalRnn, Layout, Optimizer};

#[test]
fn states_go_back_and_forth() {
    let layout = layout(&[70, 5, 1000]);
    let mut alone = HierarchicalRnn::pretrained(&layout).unwrap();
    let mut theta = parameters(&layout, 1);
    let mut pair = Pair::new(HierarchicalRnn::pretrained(&layout).unwrap(), theta.clone());
    for step in 0..9 {
        let grads = gradients(&layout, 1, step);
        alone.step(&mut theta, &grads).unwrap();
        if step / 3 == 1 {
            let grads = pair.device.upload(&grads).unwrap();
            pair.device.step(&pair.params, &grads).unwrap();
        } else {
            pair.host.step(&mut pair.theta, &grads).unwrap();
        }
        match step {
            2 => {
                pair.device.upload_state(&pair.host).unwrap();
                pair.params = pair.device.upload(&pair.theta).unwrap();
                // there and back without a step changes no bit
                pair.device.download_state(&mut pair.back).unwrap();
                assert_eq!(pair.back.state().buffers(), pair.host.state().buffers());
            }
            5 => {
                pair.device.download_state(&mut pair.host).unwrap();
                pair.theta = pair.device.download(&pair.params).unwrap();
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
    let (config, psi) = pretrained();
    let all = layout(&[100, 100, 30]);
    let (start, grads) = (parameters(&all, 4), gradients(&all, 4, 0));
    let moved = |layout: &Layout, steps: &[TensorStep<f32>]| {
        let first = all.len() - layout.len();
        let host = HierarchicalRnn::new(&config, &psi, layout, Level::detect());
        let mut device = DeviceOptimizer::new(&client(), &host).unwrap();
        device.set_tensor_steps(steps).unwrap();
        let params = device.upload(&start[first..]).unwrap();
        device.step(&params, &device.upload(&grads[first..]).unwrap()).unwrap();
        device.download(&params).unwrap()
    };
    let whole = TensorStep::whole();
    let held = TensorStep { held: true, ..whole };
    let rest = moved(&all, &[held, whole, whole]);
    let slowed = moved(&all, &[held, TensorStep { multiplier: 0.5, ..whole }, whole]);
    assert_eq!(slowed[..100], start[..100]);
    assert_eq!(slowed[200..], rest[200..]);
    for i in 100..200 {
        let (half, one) = (slowed[i] - start[i], rest[i] - start[i]);
        assert!((half - 0.5 * one).abs() < 1e-6, "{half} {one}");
    }
    // a held tensor counts in nothing
    let alone = moved(&layout(&[100, 30]), &[]);
    assert!(difference(&rest[100..], &alone) < 1e-6);
    assert!(difference(&moved(&all, &[])[100..], &alone) > 1e-6);
}

#[test]
fn repetition_changes_no_bit() {
    let layout = layout(&[5000, 3, 70_000]);
    let run = || {
        let host = HierarchicalRnn::pretrained(&layout).unwrap();
        let mut device = DeviceOptimizer::new(&client(), &host).unwrap();
        let params = device.upload(&parameters(&layout, 2)).unwrap();
        for step in 0..5 {
            let grads = device.upload(&gradients(&layout, 2, step)).unwrap();
            device.step(&params, &grads).unwrap();
        }
        device.download(&params).unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_cannot_be_is_refused() {
    let layout = layout(&[10]);
    let host = HierarchicalRnn::pretrained(&layout).unwrap();
    let mut device = DeviceOptimizer::new(&client(), &host).unwrap();
    let params = device.upload(&[0.5; 10]).unwrap();
    let error = device.upload(&[0.0; 9]).unwrap_err();
    assert_eq!(error.to_string(), "expected 40 bytes in `values`, got 36");
    let short = client().create_from_slice(&[0; 36]);
    assert!(matches!(device.step(&params, &short), Err(DeviceError::Length { .. })));
    let compact = host.with_compact_state();
    assert!(matches!(device.upload_state(&compact), Err(DeviceError::CompactState)));
    let other = HierarchicalRnn::pretrained(&Layout::single(11).unwrap()).unwrap();
    let error = device.upload_state(&other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the optimizer on the host has another model than the one on the device"
    );
    if !cfg!(feature = "cuda") {
        let error = Runtime::Cuda.client().err().unwrap();
        assert!(
            error.to_string().starts_with("no cuda device: this build does not link"),
            "{error}"
        );
    }
}
