//! Any layout and gradients: AVX2 and AVX-512 take the same step bit for bit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, Layout, Optimizer, TensorShape, Weights};

fuzz_target!(|input: (Vec<u8>, Vec<f32>)| {
    let (sizes, gradients) = input;
    let shapes: Vec<TensorShape> = sizes
        .iter()
        .take(12)
        .enumerate()
        .map(|(i, &n)| TensorShape::new(format!("t{i}"), [usize::from(n) + 1]))
        .collect();
    let Ok(layout) = Layout::new(shapes) else { return };
    let levels = [Level::Avx2, Level::Avx512];
    if gradients.is_empty() || !levels.iter().all(|l| l.available()) {
        return;
    }
    let grads: Vec<f32> = gradients.iter().copied().cycle().take(layout.len()).collect();
    let weights = Weights::embedded("recommended").expect("embedded weights are sound");
    let ends = levels.map(|level| {
        let mut optimizer =
            HierarchicalRnn::new(&weights.config, &weights.psi_f64(), &layout, level);
        let mut params = vec![0.5; layout.len()];
        for _ in 0..3 {
            if optimizer.step(&mut params, &grads).is_err() {
                break;
            }
        }
        params.iter().map(|x: &f32| x.to_bits()).collect::<Vec<_>>()
    });
    assert_eq!(ends[0], ends[1]);
});
