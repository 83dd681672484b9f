//! A network with running statistics, its data, and a record of the parameters that steps saw.

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
use lopt_core::rng::{normal, stream};
use std::sync::{Arc, Mutex};

/// Rows of the set, for training and validation.
pub(crate) const ROWS: usize = 64;
const INPUTS: usize = 4;

#[derive(Module, Debug)]
pub(crate) struct Network {
    pub(crate) hidden: Linear,
    norm: Option<BatchNorm>,
    head: Linear,
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut rng = stream(seed, &[]);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| 0.5 * normal(&mut rng) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Network {
    /// Always with the same values.
    pub(crate) fn new(normed: bool) -> Self {
        let device = Device::default().autodiff();
        let linear = |inputs, outputs, seed| {
            let mut layer = LinearConfig::new(inputs, outputs).init(&device);
            layer.weight = Param::from_tensor(tensor([inputs, outputs], seed, &device));
            layer.bias = Some(Param::from_tensor(tensor([outputs], seed + 100, &device)));
            layer
        };
        let norm = normed.then(|| BatchNormConfig::new(8).init(&device));
        Self { hidden: linear(INPUTS, 8, 1), norm, head: linear(8, 1, 2) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.hidden.forward(x);
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        self.head.forward(x.tanh())
    }

    pub(crate) fn loss(&self, x: &Tensor<2>, y: &Tensor<2>) -> Tensor<1> {
        (self.forward(x.clone()) - y.clone()).square().mean()
    }

    /// Parameters that are trained, of a model in any state.
    pub(crate) fn floats(&self) -> Vec<f32> {
        let mut floats = Floats::default();
        self.hidden.visit(&mut floats);
        self.head.visit(&mut floats);
        floats.0
    }

    fn output(&self, batch: Batch) -> RegressionOutput {
        let loss = self.loss(&batch.x, &batch.y);
        RegressionOutput::new(loss, self.forward(batch.x), batch.y)
    }
}

#[derive(Default)]
struct Floats(Vec<f32>);

impl ModuleVisitor for Floats {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().try_into_vec_as::<f32>().unwrap());
    }
}

/// All parameters and running statistics.
pub(crate) fn all_bits(network: &Network) -> Vec<u32> {
    let mut floats = Floats::default();
    network.visit(&mut floats);
    floats.0.iter().map(|x| x.to_bits()).collect()
}

/// All parameters that are trained except those of the norm.
pub(crate) fn bits(network: &Network) -> Vec<u32> {
    network.floats().iter().map(|x| x.to_bits()).collect()
}

/// Parameters at every step of a training run and at every validation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<[Vec<Vec<u32>>; 2]>>);

impl Seen {
    pub(crate) fn trained(&self) -> Vec<Vec<u32>> {
        self.0.lock().unwrap()[0].clone()
    }

    pub(crate) fn validated(&self) -> Vec<Vec<u32>> {
        self.0.lock().unwrap()[1].clone()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Batch {
    x: Tensor<2>,
    y: Tensor<2>,
    seen: Seen,
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        batch.seen.0.lock().unwrap()[0].push(bits(self));
        let output = self.loss(&batch.x, &batch.y);
        let item = RegressionOutput::new(output.clone(), batch.y.clone(), batch.y);
        TrainOutput::new(self, output.backward(), item)
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        batch.seen.0.lock().unwrap()[1].push(bits(self));
        self.output(batch)
    }
}

struct Rows(Seen);

impl Batcher<usize, Batch> for Rows {
    fn batch(&self, rows: Vec<usize>, device: &Device) -> Batch {
        let (x, y) = set(&Device::default());
        let first = rows[0];
        let chosen = |all: Tensor<2>| {
            let part = all.narrow(0, first, rows.len());
            Tensor::from_data(part.into_data(), device)
        };
        Batch { x: chosen(x), y: chosen(y), seen: self.0.clone() }
    }
}

fn set(device: &Device) -> (Tensor<2>, Tensor<2>) {
    let x = tensor([ROWS, INPUTS], 7, device) * 3.0;
    let y = x.clone().narrow(1, 0, 1).sin() + x.clone().narrow(1, 1, 1);
    (x, y)
}

/// The set in batches, in order.
pub(crate) fn batches(rows: usize) -> Vec<(Tensor<2>, Tensor<2>)> {
    let (x, y) = set(&Device::default().autodiff());
    let starts = (0..ROWS).step_by(rows);
    starts.map(|at| (x.clone().narrow(0, at, rows), y.clone().narrow(0, at, rows))).collect()
}

pub(crate) fn loader(rows: usize, seen: &Seen) -> Arc<dyn DataLoader<Batch>> {
    let rows_in_order = InMemDataset::new((0..ROWS).collect());
    DataLoaderBuilder::new(Rows(seen.clone())).batch_size(rows).build(rows_in_order)
}
