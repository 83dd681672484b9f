//! A small model with tensors of ranks 1 to 4, and its data.
#![allow(dead_code, reason = "every test file uses some of it")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use lopt_core::rng::{normal, stream};

#[derive(Module, Debug)]
pub(crate) struct Model {
    pub(crate) conv: Conv2d,
    pub(crate) mixer: Param<Tensor<3>>,
    pub(crate) hidden: Linear,
    pub(crate) norm: LayerNorm,
    pub(crate) gain: Param<Tensor<1>>,
    pub(crate) head: Linear,
    pub(crate) steps_seen: Param<Tensor<1, Int>>,
}

/// A device that nothing else draws from.
pub(crate) fn device() -> Device {
    Device::default().autodiff()
}

/// Uniform numbers that do not depend on the generator of the device, which tests share.
pub(crate) fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut rng = stream(seed, &[]);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| 0.3 * normal(&mut rng) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A layer with weights of this seed.
pub(crate) fn linear(inputs: usize, outputs: usize, seed: u64, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(inputs, outputs).init(device);
    layer.weight = Param::from_tensor(tensor([inputs, outputs], seed, device));
    layer.bias = Some(Param::from_tensor(tensor([outputs], seed + 1000, device)));
    layer
}

impl Model {
    pub(crate) fn new(device: &Device) -> Self {
        let mut conv = Conv2dConfig::new([1, 2], [3, 3]).init(device);
        conv.weight = Param::from_tensor(tensor([2, 1, 3, 3], 1, device));
        conv.bias = Some(Param::from_tensor(tensor([2], 2, device)));
        Self {
            conv,
            mixer: Param::from_tensor(tensor([2, 4, 4], 3, device)),
            hidden: linear(32, 16, 4, device),
            norm: LayerNormConfig::new(16).init(device),
            gain: Param::from_tensor(Tensor::ones([1], device)),
            head: linear(16, 2, 5, device),
            steps_seen: Param::initialized(
                burn::module::ParamId::new(),
                Tensor::from_data([7, 8], device),
            ),
        }
    }

    /// * `x`: `[B, 36]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let rows = x.dims()[0];
        let x = self.conv.forward(x.reshape([rows, 1, 6, 6])).tanh();
        let x = x.reshape([rows as i32 * 2, 4, 4]);
        let mixer = self.mixer.val().repeat_dim(0, rows);
        let x = x.matmul(mixer).reshape([rows, 32]);
        let x = self.norm.forward(self.hidden.forward(x)).tanh();
        self.head.forward(x * self.gain.val().unsqueeze())
    }

    pub(crate) fn loss(&self, x: &Tensor<2>, y: &Tensor<2>) -> Tensor<1> {
        (self.forward(x.clone()) - y.clone()).square().mean()
    }

    /// Loss and gradients, as `step` wants them.
    pub(crate) fn gradients(&self, x: &Tensor<2>, y: &Tensor<2>) -> (f32, GradientsParams) {
        let loss = self.loss(x, y);
        (loss.clone().into_scalar(), GradientsParams::from_grads(loss.backward(), self))
    }
}

/// Inputs and targets.
pub(crate) fn data(rows: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let x = tensor([rows, 36], 77, device) * 3.0;
    let y =
        x.clone().slice([0..rows, 0..2]).sin() + x.clone().slice([0..rows, 2..4]).mul_scalar(0.5);
    (x, y)
}

/// All trained parameters or their gradients in the order of a visit, by other means than the crate.
pub(crate) fn flat<M: Module>(module: &M, grads: Option<&GradientsParams>) -> Vec<f32> {
    struct Flatten<'a>(Vec<f32>, Option<&'a GradientsParams>);
    impl ModuleVisitor for Flatten<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = match self.1 {
                Some(grads) => grads.get::<D>(param.id),
                None => param.is_require_grad().then(|| param.val()),
            };
            self.0.extend(tensor.into_iter().flat_map(|t| t.try_into_vec_as::<f32>().unwrap()));
        }
    }
    let mut flatten = Flatten(Vec::new(), grads);
    module.visit(&mut flatten);
    flatten.0
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}
