//! Tensors in buffers of their own, packed and unpacked on the device.

use crate::on_device::client;
use lopt_burn::device::packing::Packing;
use lopt_core::gpu::{DeviceError, DeviceLearnedOptimizer, Handle};
use lopt_core::rng::{normal, stream};
use lopt_core::{Layout, LearnedOptimizerConfig, TensorShape};

/// More tensors than a launch takes, and one that is cut into several jobs.
const SIZES: [usize; 17] = [3, 64, 1, 700, 9001, 65, 130, 2, 5, 8, 1, 1, 4096, 4097, 63, 7, 12];

fn layout(sizes: &[usize]) -> Layout {
    let shapes = sizes.iter().enumerate();
    Layout::new(shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()).unwrap()
}

fn parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, &[3]);
    (0..layout.len()).map(|_| 0.3 * normal(&mut rng) as f32).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_ne_bytes()).collect()
}

fn read(handle: &Handle) -> Vec<u8> {
    client().read_one(handle.clone()).unwrap().to_vec()
}

fn optimizer(layout: &Layout) -> DeviceLearnedOptimizer {
    let config = LearnedOptimizerConfig::new().with_guard(None);
    config.init_on_device(&client(), layout).unwrap()
}

#[test]
fn there_and_back_changes_no_bit() {
    let layout = layout(&SIZES);
    let values = parameters(&layout, 1);
    let (packing, flat) = (Packing::new(&client(), &layout).unwrap(), optimizer(&layout));
    assert_eq!(packing.launches(), 3 + 2);
    let from = flat.upload(&values).unwrap();
    let apart = packing.unpack(&from).unwrap();
    for (t, handle) in apart.iter().enumerate() {
        assert_eq!(read(handle), bytes(&values[layout.range(t)]), "tensor {t}");
    }
    let to = flat.upload(&vec![0.0; layout.len()]).unwrap();
    let apart: Vec<_> = apart.into_iter().map(Some).collect();
    packing.pack(&apart, &to).unwrap();
    assert_eq!(flat.download(&to).unwrap(), values);
}

#[test]
fn tensors_that_are_not_there_keep_their_place() {
    let layout = layout(&SIZES);
    let values = parameters(&layout, 2);
    let (packing, flat) = (Packing::new(&client(), &layout).unwrap(), optimizer(&layout));
    let apart = packing.unpack(&flat.upload(&values).unwrap()).unwrap();
    let there = |t: usize| t % 3 != 1 && t < 14;
    let apart: Vec<_> = apart.into_iter().enumerate().map(|(t, h)| there(t).then_some(h)).collect();
    let to = flat.upload(&vec![7.0; layout.len()]).unwrap();
    packing.pack(&apart, &to).unwrap();
    let packed = flat.download(&to).unwrap();
    for (t, range) in layout.ranges().enumerate() {
        let expected =
            if there(t) { values[range.clone()].to_vec() } else { vec![7.0; range.len()] };
        assert_eq!(packed[range], expected, "tensor {t}");
    }
}

#[test]
fn buffers_that_do_not_fit_are_refused() {
    let layout = layout(&[10, 3]);
    let packing = Packing::new(&client(), &layout).unwrap();
    let flat = client().empty(4 * 13);
    let error = packing.pack(&[None], &flat).unwrap_err();
    assert!(matches!(error, DeviceError::Mismatch { .. }), "{error}");
    let short = client().empty(36);
    let error = packing.pack(&[Some(short.clone()), None], &flat).unwrap_err();
    assert_eq!(error.to_string(), "expected 40 bytes in `tensor`, got 36");
    let error = packing.unpack(&short).unwrap_err();
    assert_eq!(error.to_string(), "expected 52 bytes in `flat`, got 36");
}
