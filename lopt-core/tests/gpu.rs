//! The step on a device against the step on the CPU, on whatever device wgpu finds (in CI: Mesa's
//! lavapipe, which is the CPU again).

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "the figures of docs/gpu.md")]

mod reference;

use lopt_core::gpu::{Client, DeviceError, DeviceOptimizer, Runtime};
use lopt_core::hierarchical_rnn::ExactHierarchicalRnn;
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::simd::Level;
use lopt_core::tensor_step::TensorStep;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer, TensorShape, Weights};
use proptest::prelude::*;
use reference::variants::variants;

/// Parameters of one tile, lanes of one vector.
const ROW: usize = 64;

/// The first device, of the runtime that `LOPT_GPU` named when this was built.
fn client() -> Client {
    let name = option_env!("LOPT_GPU").unwrap_or("wgpu");
    Runtime::named(name).unwrap().client().unwrap()
}

fn layout(sizes: &[usize]) -> Layout {
    let shapes = sizes.iter().enumerate();
    Layout::new(shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()).unwrap()
}

fn random_psi(config: &HierarchicalRnnConfig) -> Vec<f64> {
    MetaLayout::new(config).initialize(config, &mut stream(7, &[1]))
}

fn pretrained() -> (HierarchicalRnnConfig, Vec<f64>) {
    let weights = Weights::embedded("recommended").unwrap();
    (weights.config, weights.psi_f64())
}

/// Gradients whose sizes differ from tensor to tensor by orders of magnitude.
fn gradients(layout: &Layout, seed: u64, step: u64) -> Vec<f32> {
    let mut rng = stream(seed, &[2, step]);
    let mut all = Vec::new();
    for t in 0..layout.tensor_count() {
        let size = 10.0_f64.powi(t as i32 % 7 - 5);
        all.extend(layout.range(t).map(|_| (size * normal(&mut rng)) as f32));
    }
    all
}

fn parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, &[3]);
    (0..layout.len()).map(|_| 0.3 * normal(&mut rng) as f32).collect()
}

/// Largest difference in units of the largest value.
fn difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0.0_f64, |m, &x| m.max(f64::from(x).abs()));
    let worst = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    // a NaN counts as a difference without bounds
    worst.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { d.max(m) }) / most.max(1e-30)
}

/// The values of every field of the state, without padding.
fn fields(optimizer: &HierarchicalRnn) -> Vec<Vec<f32>> {
    let config = optimizer.config();
    let [tiles, tensor, global, mean_rate] = optimizer.state().buffers();
    let count = config.parameter_hidden + config.timescales + config.mean_squares() + 3;
    let mut all = vec![Vec::new(); count];
    let mut tile = 0;
    for range in optimizer.layout().ranges() {
        for first in (0..range.len()).step_by(ROW) {
            let used = ROW.min(range.len() - first);
            for (field, values) in all.iter_mut().enumerate() {
                values.extend(&tiles[(tile * count + field) * ROW..][..used]);
            }
            tile += 1;
        }
    }
    all.extend([tensor.to_vec(), global.to_vec(), mean_rate.to_vec()]);
    all
}

struct Pair {
    host: HierarchicalRnn,
    device: DeviceOptimizer,
    back: HierarchicalRnn,
    theta: Vec<f32>,
    params: lopt_core::gpu::Handle,
}

impl Pair {
    fn new(host: HierarchicalRnn, theta: Vec<f32>) -> Self {
        let device = DeviceOptimizer::new(&client(), &host).unwrap();
        let params = device.upload(&theta).unwrap();
        Self { back: host.clone(), host, device, theta, params }
    }

    fn step(&mut self, grads: &[f32]) {
        self.host.step(&mut self.theta, grads).unwrap();
        let grads = self.device.upload(grads).unwrap();
        self.device.step(&self.params, &grads).unwrap();
    }

    /// Largest difference of parameters and attended point.
    fn difference_of_points(&self) -> f64 {
        let theta = self.device.download(&self.params).unwrap();
        let attended = self.device.download(self.device.attended(&self.params)).unwrap();
        difference(&theta, &self.theta).max(difference(&attended, self.host.attended(&self.theta)))
    }

    /// Every field of the state, on the device and on the host.
    fn fields(&mut self) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        self.device.download_state(&mut self.back).unwrap();
        (fields(&self.back), fields(&self.host))
    }
}

/// Largest difference over some steps of points and state. Without `asinh` single hidden vectors of
/// a large model may be rounded by more than the bound on the CPU too: there the device must be as
/// near to it as it is to the exact step.
fn worst_over(host: HierarchicalRnn, psi: &[f64], layout: &Layout, seed: u64, steps: u64) -> f64 {
    let rates: Vec<f64> = host.log_rates().iter().map(|&x| f64::from(x)).collect();
    let mut exact = ExactHierarchicalRnn::new(host.config(), psi, layout, &rates);
    let mut pair = Pair::new(host, parameters(layout, seed));
    let mut theta: Vec<f64> = pair.theta.iter().map(|&x| f64::from(x)).collect();
    let mut worst = 0.0_f64;
    for step in 0..steps {
        let grads = gradients(layout, seed, step);
        pair.step(&grads);
        let grads: Vec<f64> = grads.iter().map(|&x| f64::from(x)).collect();
        exact.step(&mut theta, &grads);
        worst = worst.max(pair.difference_of_points());
        let (device, host) = pair.fields();
        for (i, (device, host)) in device.iter().zip(&host).enumerate() {
            let apart = difference(device, host);
            let rounded = apart > 1e-5 && i + 3 < host_fields(&pair.host) && {
                let field: Vec<f32> = exact.field(i).iter().map(|&x| x as f32).collect();
                apart < 3.0 * difference(host, &field)
            };
            worst = worst.max(if rounded { 0.0 } else { apart });
        }
    }
    worst
}

/// Fields of the state, the three of tensors and model included.
fn host_fields(host: &HierarchicalRnn) -> usize {
    let config = host.config();
    config.parameter_hidden + config.timescales + config.mean_squares() + 6
}

#[test]
fn every_switch_agrees() {
    let layout = layout(&[3, 64, 1, 700, 65, 130]);
    for (name, config) in variants() {
        let psi = random_psi(&config);
        let host = HierarchicalRnn::new(&config, &psi, &layout, Level::detect());
        let worst = worst_over(host, &psi, &layout, 5, 6);
        println!("{name}: {worst:.1e}");
        assert!(worst < 1e-5, "{name}: {worst}");
    }
}

/// 1 to 300 tensors of 1 to a million elements, a million and a half together.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let tensor =
        (0.0..=1.0_f64, 1.0..=6.0_f64).prop_map(|(u, top)| 10.0_f64.powf(u * top) as usize);
    (0.0..=1.0_f64)
        .prop_flat_map(move |u| prop::collection::vec(tensor.clone(), 300.0_f64.powf(u) as usize))
        .prop_map(|mut sizes| {
            let mut left = 1_500_000_usize;
            sizes.retain(|&n| {
                let fits = n <= left;
                left -= if fits { n } else { 0 };
                fits
            });
            sizes
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_agrees(sizes in sizes(), attention: bool, averaging: bool, seed in 0_u64..1000) {
        let layout = layout(&sizes);
        let (config, psi) = if attention {
            let config = HierarchicalRnnConfig::paper();
            (config, random_psi(&config))
        } else {
            pretrained()
        };
        let mut host = HierarchicalRnn::new(&config, &psi, &layout, Level::detect());
        if averaging {
            host = host.with_averaging(8.0);
        }
        let worst = worst_over(host, &psi, &layout, seed, 4);
        println!("{} tensors, {} parameters: {worst:.1e}", sizes.len(), layout.len());
        prop_assert!(worst < 1e-5, "{worst}");
    }
}

/// A network with one hidden layer on 64 rows of random data, its gradient written out.
struct Network {
    inputs: Vec<[f32; 8]>,
    targets: Vec<f32>,
}

const UNITS: usize = 16;

impl Network {
    fn new() -> Self {
        let mut rng = stream(9, &[]);
        let mut draw = || normal(&mut rng) as f32;
        let inputs: Vec<[f32; 8]> = (0..64).map(|_| std::array::from_fn(|_| draw())).collect();
        let targets = inputs.iter().map(|x| (x[0] * x[1]).sin() + 0.5 * x[2]).collect();
        Self { inputs, targets }
    }

    /// `W [16, 8], b [16], w [16], c`.
    fn layout() -> Layout {
        layout(&[8 * UNITS, UNITS, UNITS, 1])
    }

    /// Loss and gradient.
    fn gradient(&self, p: &[f32]) -> (f32, Vec<f32>) {
        let (b, w, c) = (8 * UNITS, 9 * UNITS, 10 * UNITS);
        let mut grads = vec![0.0; p.len()];
        let mut loss = 0.0;
        for (x, y) in self.inputs.iter().zip(&self.targets) {
            let unit = |j: usize| {
                let sum: f32 = (0..8).map(|i| p[8 * j + i] * x[i]).sum();
                (sum + p[b + j]).tanh()
            };
            let h: [f32; UNITS] = std::array::from_fn(unit);
            let error = (0..UNITS).map(|j| p[w + j] * h[j]).sum::<f32>() + p[c] - y;
            loss += error * error / 64.0;
            let up = 2.0 * error / 64.0;
            grads[c] += up;
            for j in 0..UNITS {
                grads[w + j] += up * h[j];
                let back = up * p[w + j] * (1.0 - h[j] * h[j]);
                grads[b + j] += back;
                (0..8).for_each(|i| grads[8 * j + i] += back * x[i]);
            }
        }
        (loss, grads)
    }
}

/// Largest differences after 10, 100 and 1000 steps of one training: between CPU and device, and
/// between two SIMD levels of the CPU, which differ by rounding alone.
fn drift(
    name: &str,
    layout: &Layout,
    problem: impl Fn(&[f32]) -> (f32, Vec<f32>),
) -> [[f64; 2]; 3] {
    let weights = Weights::embedded(name).unwrap();
    let on = |level| {
        HierarchicalRnn::new(&weights.config, &weights.psi_f64(), layout, level).with_averaging(8.0)
    };
    let mut pair = Pair::new(on(Level::detect()), parameters(layout, 3));
    let mut portable = on(Level::Portable);
    let mut other = pair.theta.clone();
    let first = problem(&pair.theta).0;
    let mut seen = [[0.0; 2]; 3];
    for step in 1..=1000 {
        let grads = problem(portable.attended(&other)).1;
        portable.step(&mut other, &grads).unwrap();
        let at = pair.device.attended(&pair.params);
        let grads = problem(&pair.device.download(at).unwrap()).1;
        let grads = pair.device.upload(&grads).unwrap();
        pair.device.step(&pair.params, &grads).unwrap();
        let grads = problem(pair.host.attended(&pair.theta)).1;
        pair.host.step(&mut pair.theta, &grads).unwrap();
        if let Some(i) = [10, 100, 1000].iter().position(|&at| at == step) {
            let theta = pair.device.download(&pair.params).unwrap();
            seen[i] = [difference(&theta, &pair.theta), difference(&other, &pair.theta)];
            let losses = [&theta, &pair.theta].map(|p| problem(p).0);
            let [device, levels] = seen[i];
            println!(
                "{name}, step {step}: CPU and device {device:.1e} apart, two levels of the CPU \
                 {levels:.1e}; losses {losses:?} of {first}"
            );
        }
    }
    seen
}

/// A bowl with curvatures from 0.1 to 10 around a point: all trainings end there.
fn bowl(p: &[f32]) -> (f32, Vec<f32>) {
    let (mut loss, mut grads) = (0.0, Vec::with_capacity(p.len()));
    for (i, x) in p.iter().enumerate() {
        let curvature = 10.0_f32.powf((i % 21) as f32 / 10.0 - 1.0);
        let away = x - (i as f32 * 0.7).sin();
        loss += 0.5 * curvature * away * away;
        grads.push(curvature * away);
    }
    (loss, grads)
}

#[test]
fn a_thousand_steps_end_together() {
    for name in ["recommended", "paper"] {
        let seen = drift(name, &layout(&[300, 7, 64]), bowl);
        for [device, _] in seen {
            assert!(device < 1e-3, "{name}: {seen:?}");
        }
    }
}

/// Along the valleys of a network rounding grows: there is no tolerance but that of the CPU itself.
#[test]
fn rounding_grows_as_on_the_cpu() {
    let problem = Network::new();
    for name in ["recommended", "paper"] {
        let seen = drift(name, &Network::layout(), |p| problem.gradient(p));
        assert!(seen[0][0] < 1e-5, "{name}: {seen:?}");
    }
}

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
    let layout = layout(&[100, 100, 30]);
    let (config, psi) = pretrained();
    let start = parameters(&layout, 4);
    let grads = gradients(&layout, 4, 0);
    let moved = |steps: &[TensorStep<f32>]| {
        let host = HierarchicalRnn::new(&config, &psi, &layout, Level::detect());
        let mut device = DeviceOptimizer::new(&client(), &host).unwrap();
        device.set_tensor_steps(steps).unwrap();
        let params = device.upload(&start).unwrap();
        device.step(&params, &device.upload(&grads).unwrap()).unwrap();
        device.download(&params).unwrap()
    };
    let whole = TensorStep::whole();
    let alike = moved(&[]);
    let held = TensorStep { held: true, ..whole };
    let some = moved(&[held, TensorStep { multiplier: 0.5, ..whole }, whole]);
    assert_eq!(some[..100], start[..100]);
    assert_eq!(some[200..], alike[200..]);
    for i in 100..200 {
        let (half, one) = (some[i] - start[i], alike[i] - start[i]);
        assert!((half - 0.5 * one).abs() < 1e-6, "{half} {one}");
    }
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
