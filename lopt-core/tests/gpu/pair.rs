//! One optimizer on the CPU and one on a device, side by side.

use lopt_core::gpu::{Client, DeviceLearnedOptimizer, Handle, Runtime};
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::weights::TrainingRecord;
use lopt_core::{
    Given, HierarchicalRnnConfig, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
    TensorShape, Weights,
};
use proptest::prelude::*;

/// Parameters of one tile, lanes of one vector.
pub(crate) const ROW: usize = 64;

/// The first device, of the runtime that `LOPT_GPU` named when this was built.
pub(crate) fn client() -> Client {
    match option_env!("LOPT_GPU") {
        Some("cuda") => Runtime::Cuda.client().unwrap(),
        _ => Runtime::Wgpu.client().unwrap(),
    }
}

pub(crate) fn layout(sizes: &[usize]) -> Layout {
    let shapes = sizes.iter().enumerate();
    Layout::new(shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()).unwrap()
}

/// Without guard, with these weights of the crate.
pub(crate) fn embedded(name: &str) -> LearnedOptimizerConfig {
    let weights = Weights::embedded(name).unwrap();
    LearnedOptimizerConfig::new().with_weights(weights).with_guard(None)
}

/// Likewise, with weights as before a training and without averaging.
pub(crate) fn untrained(config: &HierarchicalRnnConfig) -> LearnedOptimizerConfig {
    let psi = MetaLayout::new(config).initialize(config, &mut stream(7, &[1]));
    let psi = psi.iter().map(|&x| x as f32).collect();
    let weights = Weights::new(*config, psi, TrainingRecord::default()).unwrap();
    embedded("hierarchical-rnn").with_weights(weights).with_averaging(None)
}

/// Gradients whose sizes differ from tensor to tensor by orders of magnitude.
pub(crate) fn gradients(layout: &Layout, seed: u64, step: u64) -> Vec<f32> {
    let mut rng = stream(seed, &[2, step]);
    let mut all = Vec::new();
    for t in 0..layout.tensor_count() {
        let size = 10.0_f64.powi(t as i32 % 7 - 5);
        all.extend(layout.range(t).map(|_| (size * normal(&mut rng)) as f32));
    }
    all
}

pub(crate) fn parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, &[3]);
    (0..layout.len()).map(|_| 0.3 * normal(&mut rng) as f32).collect()
}

/// Largest difference in units of the largest value.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0.0_f64, |m, &x| m.max(f64::from(x).abs()));
    let worst = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    // a NaN counts as a difference without bounds
    worst.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { d.max(m) }) / most.max(1e-30)
}

/// The values of every field of the state of a hierarchical RNN, without padding.
pub(crate) fn fields(optimizer: &LearnedOptimizer) -> Vec<Vec<f32>> {
    let optimizer = optimizer.hierarchical_rnn().unwrap();
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

pub(crate) struct Pair {
    pub(crate) host: LearnedOptimizer,
    pub(crate) device: DeviceLearnedOptimizer,
    pub(crate) theta: Vec<f32>,
    pub(crate) params: Handle,
}

impl Pair {
    pub(crate) fn new(config: &LearnedOptimizerConfig, layout: &Layout, seed: u64) -> Self {
        let host = config.init(layout).unwrap();
        let device = config.init_on_device(&client(), layout).unwrap();
        let theta = parameters(layout, seed);
        let params = device.upload(&theta).unwrap();
        Self { host, device, theta, params }
    }

    pub(crate) fn step(&mut self, grads: &[f32], has_gradient: &[bool], loss: Option<f32>) {
        let given = Given { has_gradient, loss, ..Given::default() };
        let before = self.host.own_steps();
        self.host.step_given(&mut self.theta, grads, given).unwrap();
        // the CPU looks away from a loss where no tensor takes a step
        let loss = loss.filter(|_| self.host.own_steps() != before);
        self.on_device(grads, has_gradient, loss);
    }

    pub(crate) fn on_device(&mut self, grads: &[f32], has_gradient: &[bool], loss: Option<f32>) {
        let grads = self.device.upload(grads).unwrap();
        if let Some(loss) = loss {
            self.device.observe(loss);
        }
        self.device.step(&self.params, &grads, has_gradient).unwrap();
    }

    /// Parameters of the device.
    pub(crate) fn moved(&self) -> Vec<f32> {
        self.device.download(&self.params).unwrap()
    }

    /// Goes on with the state and parameters of the CPU.
    pub(crate) fn take_host(&mut self) {
        self.device.go_on_from(&self.host).unwrap();
        self.params = self.device.upload(&self.theta).unwrap();
    }

    /// Largest difference of parameters and attended point.
    pub(crate) fn difference_of_points(&self) -> f64 {
        let attended = self.device.download(self.device.attended(&self.params)).unwrap();
        let apart = difference(&attended, self.host.attended(&self.theta));
        difference(&self.moved(), &self.theta).max(apart)
    }
}

/// 1 to `most` tensors of 1 to a million elements, together at most `elements`.
pub(crate) fn sizes(most: f64, elements: usize) -> impl Strategy<Value = Vec<usize>> {
    let tensor =
        (0.0..=1.0_f64, 1.0..=6.0_f64).prop_map(|(u, top)| 10.0_f64.powf(u * top) as usize);
    (0.0..=1.0_f64)
        .prop_flat_map(move |u| prop::collection::vec(tensor.clone(), most.powf(u) as usize))
        .prop_map(move |mut sizes| {
            let mut left = elements;
            sizes.retain(|&n| {
                let fits = n <= left;
                left -= if fits { n } else { 0 };
                fits
            });
            sizes
        })
}
