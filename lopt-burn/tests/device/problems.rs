//! The same problem on two devices: models with the same values, losses over the same data.

use crate::model::{Model, data, linear, tensor};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use lopt_burn::{DeviceOptimizer, LearnedOptimizer, LearnedOptimizerConfig};

/// A model and its loss; made from constants, so that two devices get the same.
pub(crate) trait Problem {
    type Model: Module;
    fn new(device: &Device) -> (Self, Self::Model)
    where
        Self: Sized;
    fn loss(&self, model: &Self::Model) -> Tensor<1>;

    fn gradients(&self, model: &Self::Model) -> (Tensor<1>, GradientsParams) {
        let loss = self.loss(model);
        (loss.clone(), GradientsParams::from_grads(loss.backward(), model))
    }
}

/// The CPU by pure Rust.
pub(crate) fn cpu() -> Device {
    Device::flex().autodiff()
}

/// The first device of the first runtime in this build.
pub(crate) fn gpu() -> Device {
    Device::default().autodiff()
}

pub(crate) fn config() -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new().with_guard(None)
}

pub(crate) fn with_weights(name: &str) -> LearnedOptimizerConfig {
    let weights = lopt_core::Weights::embedded(name).unwrap();
    config().with_weights(weights)
}

/// A problem with its optimizer on the CPU.
pub(crate) struct OnCpu<P: Problem>(pub(crate) P, pub(crate) P::Model, LearnedOptimizer);

/// A problem with its optimizer on a device.
pub(crate) struct OnDevice<P: Problem>(
    pub(crate) P,
    pub(crate) P::Model,
    pub(crate) DeviceOptimizer,
);

impl<P: Problem> OnCpu<P> {
    pub(crate) fn new(config: &LearnedOptimizerConfig) -> Self {
        let (problem, model) = P::new(&cpu());
        let optimizer = config.init(&model).unwrap();
        Self(problem, model, optimizer)
    }

    pub(crate) fn step(&mut self) {
        let gradients = |attended: &P::Model| (0.0, self.0.gradients(attended).1);
        self.1 = self.2.step(self.1.clone(), gradients).unwrap().0;
    }

    pub(crate) fn parameters(&self) -> &[f32] {
        self.2.parameters()
    }

    pub(crate) fn load(&mut self, bytes: &[u8]) {
        self.1 = self.2.from_bytes(bytes, self.1.clone()).unwrap();
    }
}

impl<P: Problem> OnDevice<P> {
    pub(crate) fn new(config: &LearnedOptimizerConfig) -> Self {
        let (problem, model) = P::new(&gpu());
        let optimizer = config.init_on_device(&model).unwrap();
        Self(problem, model, optimizer)
    }

    pub(crate) fn step(&mut self) {
        // the loss that the CPU is told
        self.2.observe(0.0);
        let gradients = |attended: &P::Model| self.0.gradients(attended);
        self.1 = self.2.step(self.1.clone(), gradients).unwrap().0;
    }
}

/// A multilayer perceptron on 64 rows.
pub(crate) struct Mlp(Tensor<2>, Tensor<2>);

impl Problem for Mlp {
    type Model = (Linear, Linear);

    fn new(device: &Device) -> (Self, Self::Model) {
        let x = tensor::<2>([64, 8], 3, device) * 3.0;
        let y = x.clone().slice([0..64, 0..1]).sin();
        (Self(x, y), (linear(8, 32, 1, device), linear(32, 1, 2, device)))
    }

    fn loss(&self, model: &Self::Model) -> Tensor<1> {
        let hidden = model.0.forward(self.0.clone()).tanh();
        (model.1.forward(hidden) - self.1.clone()).square().mean()
    }
}

/// A convolutional network with a batched product, a norm and a gain: tensors of ranks 1 to 4.
pub(crate) struct ConvNet(Tensor<2>, Tensor<2>);

impl Problem for ConvNet {
    type Model = Model;

    fn new(device: &Device) -> (Self, Model) {
        let (x, y) = data(16, device);
        (Self(x, y), Model::new(device))
    }

    fn loss(&self, model: &Model) -> Tensor<1> {
        model.loss(&self.0, &self.1)
    }
}

/// Softmax regression with a penalty: strictly convex, all training runs end at one point.
pub(crate) struct Regression(Tensor<2>, Tensor<1, Int>);

impl Problem for Regression {
    type Model = Linear;

    fn new(device: &Device) -> (Self, Linear) {
        let x = tensor::<2>([64, 20], 5, device) * 3.0;
        let labels: Vec<i32> = (0..64).map(|row| (row * row + row / 3) % 4).collect();
        let labels = Tensor::from_data(TensorData::new(labels, [64]), device);
        (Self(x, labels), linear(20, 4, 6, device))
    }

    fn loss(&self, model: &Linear) -> Tensor<1> {
        let logs = log_softmax(model.forward(self.0.clone()), 1);
        let right = logs.gather(1, self.1.clone().reshape([64, 1])).mean();
        let bias = model.bias.as_ref().unwrap().val().square().sum();
        (model.weight.val().square().sum() + bias) * 0.01 - right
    }
}

/// Three tensors of a bowl with curvatures from 0.1 to 10.
#[derive(Module, Debug)]
pub(crate) struct Bowl {
    a: Param<Tensor<1>>,
    b: Param<Tensor<3>>,
    c: Param<Tensor<2>>,
}

/// Curvatures and lowest points of the three.
pub(crate) struct InBowl([(Tensor<1>, Tensor<1>); 3]);

impl Problem for InBowl {
    type Model = Bowl;

    fn new(device: &Device) -> (Self, Bowl) {
        let of = |first: usize, len: usize| {
            let all = |f: fn(usize) -> f32| {
                let values: Vec<f32> = (first..first + len).map(f).collect();
                Tensor::<1>::from_data(TensorData::new(values, [len]), device)
            };
            let curvature = all(|i| 10.0_f32.powf((i % 21) as f32 / 10.0 - 1.0));
            (curvature, all(|i| (i as f32 * 0.7).sin()))
        };
        let model = Bowl {
            a: Param::from_tensor(tensor([300], 1, device)),
            b: Param::from_tensor(tensor([1, 7, 1], 2, device)),
            c: Param::from_tensor(tensor([8, 8], 3, device)),
        };
        (Self([of(0, 300), of(300, 7), of(307, 64)]), model)
    }

    fn loss(&self, model: &Bowl) -> Tensor<1> {
        let [a, b, c] = &self.0;
        let half = |x: Tensor<1>, (curvature, lowest): &(Tensor<1>, Tensor<1>)| {
            ((x - lowest.clone()).square() * curvature.clone()).sum() * 0.5
        };
        half(model.a.val(), a)
            + half(model.b.val().flatten(0, 2), b)
            + half(model.c.val().flatten(0, 1), c)
    }
}
