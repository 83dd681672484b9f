//! One optimizer on the CPU and one on a device, side by side.

use lopt_core::gpu::{Client, DeviceOptimizer, Runtime};
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer, TensorShape, Weights};

/// Parameters of one tile, lanes of one vector.
pub(crate) const ROW: usize = 64;

/// The first device, of the runtime that `LOPT_GPU` named when this was built.
pub(crate) fn client() -> Client {
    let name = option_env!("LOPT_GPU").unwrap_or("wgpu");
    Runtime::named(name).unwrap().client().unwrap()
}

pub(crate) fn layout(sizes: &[usize]) -> Layout {
    let shapes = sizes.iter().enumerate();
    Layout::new(shapes.map(|(i, &n)| TensorShape::new(format!("t{i}"), [n])).collect()).unwrap()
}

pub(crate) fn random_psi(config: &HierarchicalRnnConfig) -> Vec<f64> {
    MetaLayout::new(config).initialize(config, &mut stream(7, &[1]))
}

pub(crate) fn pretrained() -> (HierarchicalRnnConfig, Vec<f64>) {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    (weights.hierarchical_rnn().unwrap(), weights.psi_f64())
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

/// The values of every field of the state, without padding.
pub(crate) fn fields(optimizer: &HierarchicalRnn) -> Vec<Vec<f32>> {
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
    pub(crate) host: HierarchicalRnn,
    pub(crate) device: DeviceOptimizer,
    pub(crate) back: HierarchicalRnn,
    pub(crate) theta: Vec<f32>,
    pub(crate) params: lopt_core::gpu::Handle,
}

impl Pair {
    pub(crate) fn new(host: HierarchicalRnn, theta: Vec<f32>) -> Self {
        let device = DeviceOptimizer::new(&client(), &host).unwrap();
        let params = device.upload(&theta).unwrap();
        Self { back: host.clone(), host, device, theta, params }
    }

    pub(crate) fn step(&mut self, grads: &[f32]) {
        self.host.step(&mut self.theta, grads).unwrap();
        let grads = self.device.upload(grads).unwrap();
        self.device.step(&self.params, &grads).unwrap();
    }

    /// Largest difference of parameters and attended point.
    pub(crate) fn difference_of_points(&self) -> f64 {
        let theta = self.device.download(&self.params).unwrap();
        let attended = self.device.download(self.device.attended(&self.params)).unwrap();
        difference(&theta, &self.theta).max(difference(&attended, self.host.attended(&self.theta)))
    }

    /// Every field of the state, on the device and on the host.
    pub(crate) fn fields(&mut self) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        self.device.download_state(&mut self.back).unwrap();
        (fields(&self.back), fields(&self.host))
    }
}
