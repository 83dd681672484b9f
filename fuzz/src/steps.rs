//! Steps of the `f32` optimizer: its levels against themselves, and against the plain reference.

use lopt_core::hierarchical_rnn::draw_log_rates;
use lopt_core::optimizer::LARGEST_GRADIENT_NORM;
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer, TensorShape, Weights};

use super::bytes::Bytes;
use super::reference::{Reference, two_tensors, variants::variants};

const STEPS: usize = 3;

fn layout(bytes: &mut Bytes<'_>, most_tensors: usize, most_elements: usize) -> Layout {
    let tensors = 1 + bytes.below(most_tensors);
    let shape = |i| TensorShape::new(format!("t{i}"), [1 + bytes.below(most_elements)]);
    Layout::new((0..tensors).map(shape).collect()).expect("tensors with elements")
}

/// A few numbers from the input, repeated over the parameters.
fn gradients(bytes: &mut Bytes<'_>, n: usize) -> Vec<f32> {
    let period = 1 + bytes.below(24);
    let some: Vec<f32> = (0..period).map(|_| bytes.float()).collect();
    some.iter().copied().cycle().take(n).collect()
}

fn start(n: usize) -> Vec<f32> {
    (0..n).map(|i| (0.7 * i as f32).sin()).collect()
}

/// Any layout and gradients: a level repeats its steps bit for bit, and AVX2 and AVX-512 end close together.
pub fn step_levels_agree(data: &[u8]) {
    let levels = [Level::Avx2, Level::Avx512];
    if !levels.iter().all(|level| level.available()) {
        return;
    }
    let mut bytes = Bytes(data);
    let layout = layout(&mut bytes, 12, 256);
    let grads = gradients(&mut bytes, layout.len());
    let weights = Weights::embedded("hierarchical-rnn").expect("embedded weights are sound");
    let psi = weights.psi_f64();
    let end = |level| {
        let mut optimizer = HierarchicalRnn::new(
            &weights.hierarchical_rnn().expect("weights of that kind"),
            &psi,
            &layout,
            level,
        );
        let mut params = start(layout.len());
        for _ in 0..STEPS {
            if optimizer.step(&mut params, &grads).is_err() {
                break;
            }
        }
        params
    };
    let ends: [Vec<f32>; 2] = levels.map(end);
    for (level, first) in levels.into_iter().zip(&ends) {
        assert!(same_bits(&end(level), first), "{level:?} repeats itself");
    }
    close(&ends[0], &ends[1]);
}

/// Any switches, layout, level and gradients: a gradient that is not finite or too long is refused and changes
/// nothing, any other is a step of the plain reference.
pub fn step_matches_reference(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (config, psi) = model(&mut bytes);
    let level = [Level::Portable, Level::Avx2, Level::Avx512][bytes.below(3)];
    if !level.available() {
        return;
    }
    let layout = layout(&mut bytes, 3, 70);
    let log_rates: Vec<f32> = draw_log_rates(&config, &layout, 0);
    let mut optimizer = HierarchicalRnn::new(&config, &psi, &layout, level);
    let mut params = start(layout.len());

    let single: Vec<f32> = psi.iter().map(|&x| x as f32).collect();
    let oracle = Reference::new(&config, &single);
    let split =
        |flat: &[f32]| -> Vec<Vec<f32>> { layout.ranges().map(|r| flat[r].to_vec()).collect() };
    let mut state = oracle.start(&split(&params), &split(&log_rates));
    for _ in 0..STEPS {
        let grads = gradients(&mut bytes, layout.len());
        let before = params.clone();
        let norm = |of: &[f32]| of.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        // a NaN is no norm to stay below
        let usable = layout.ranges().all(|range| norm(&grads[range]) <= LARGEST_GRADIENT_NORM);
        assert_eq!(optimizer.step(&mut params, &grads).is_ok(), usable, "{grads:?}");
        if usable {
            state = oracle.step(&state, &grads);
        } else {
            assert!(same_bits(&params, &before), "a refused gradient changed the parameters");
        }
        close(&params, &state.theta());
        close(optimizer.attended(&params), &state.attended());
    }
}

fn model(bytes: &mut Bytes<'_>) -> (HierarchicalRnnConfig, Vec<f64>) {
    let mut all = variants();
    let which = bytes.below(all.len() + 1);
    if which == all.len() {
        let weights = Weights::embedded("hierarchical-rnn").expect("embedded weights are sound");
        let psi = weights.psi_f64();
        return (weights.hierarchical_rnn().expect("weights of that kind"), psi);
    }
    let (_, config) = all.swap_remove(which);
    let psi = two_tensors::psi(&config);
    (config, psi)
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Within what three steps make of rounding; both may leave the range of `f32`.
fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.is_finite(), b.is_finite(), "element {i}: {a} {b}");
        assert!(!a.is_finite() || (a - b).abs() <= 1e-3 * a.abs().max(1.0), "element {i}: {a} {b}");
    }
}
