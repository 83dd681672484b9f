//! Any layout and gradients: a level repeats its steps bit for bit, and AVX2 and AVX-512 end close together.
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
    let end = |level| {
        let mut optimizer =
            HierarchicalRnn::new(&weights.config, &weights.psi_f64(), &layout, level);
        let mut params = vec![0.5; layout.len()];
        for _ in 0..3 {
            if optimizer.step(&mut params, &grads).is_err() {
                break;
            }
        }
        params
    };
    let ends: [Vec<f32>; 2] = levels.map(end);
    for (level, first) in levels.into_iter().zip(&ends) {
        assert!(end(level).iter().zip(first).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    for (a, b) in ends[0].iter().zip(&ends[1]) {
        assert_eq!(a.is_finite(), b.is_finite());
        assert!(!a.is_finite() || (a - b).abs() <= 1e-3 * a.abs().max(1.0), "{a} {b}");
    }
});
