//! A small network whose start and data are the same in every process.
#![allow(dead_code, reason = "every test file uses a part")]

use candle_core::{DType, Device, Module, Result, Tensor, Var};
use candle_nn::{Linear, VarBuilder, VarMap, linear};
use lopt_core::rng::{normal, stream};
use lopt_core::{Layout, TensorShape};

/// 5 inputs, 8 hidden units, one output.
pub(crate) struct Mlp {
    pub(crate) map: VarMap,
    hidden: Linear,
    out: Linear,
}

impl Mlp {
    pub(crate) fn new(dtype: DType) -> Self {
        let map = VarMap::new();
        let builder = VarBuilder::from_varmap(&map, dtype, &Device::Cpu);
        let hidden = linear(5, 8, builder.pp("hidden")).unwrap();
        let out = linear(8, 1, builder.pp("out")).unwrap();
        let mlp = Self { map, hidden, out };
        for (i, (_, var)) in mlp.named().iter().enumerate() {
            let mut rng = stream(3, &[i as u64]);
            let values = (0..var.elem_count()).map(|_| 0.5 * normal(&mut rng) as f32).collect();
            set(var, values);
        }
        mlp
    }

    /// Variables by name.
    pub(crate) fn named(&self) -> Vec<(String, Var)> {
        let data = self.map.data().lock().unwrap();
        let mut named: Vec<_> = data.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    pub(crate) fn var(&self, name: &str) -> Var {
        self.named().into_iter().find(|(n, _)| n == name).unwrap().1
    }

    pub(crate) fn layout(&self) -> Layout {
        let shape = |(name, var): &(String, Var)| TensorShape::new(name, var.dims());
        Layout::new(self.named().iter().map(shape).collect()).unwrap()
    }

    /// All values, flat, by name.
    pub(crate) fn values(&self) -> Vec<f32> {
        self.named().iter().flat_map(|(_, var)| values(var)).collect()
    }

    pub(crate) fn set_values(&self, flat: &[f32]) {
        let mut rest = flat;
        for (_, var) in self.named() {
            let (own, others) = rest.split_at(var.elem_count());
            set(&var, own.to_vec());
            rest = others;
        }
    }

    /// Mean squared error on a batch.
    pub(crate) fn loss(&self, (x, y): &(Tensor, Tensor)) -> Result<Tensor> {
        let out = self.out.forward(&self.hidden.forward(x)?.tanh()?)?;
        (out - y)?.sqr()?.mean_all()
    }
}

/// Inputs `(rows, 5)` and targets `(rows, 1)` of step `step`.
pub(crate) fn batch(rows: usize, step: u64, dtype: DType) -> (Tensor, Tensor) {
    let mut rng = stream(9, &[step]);
    let x: Vec<f32> = (0..5 * rows).map(|_| normal(&mut rng) as f32).collect();
    let y: Vec<f32> = x.chunks(5).map(|x| x[0].sin() - 0.5 * x[1] + 0.1 * x[2] * x[3]).collect();
    let tensor = |values: Vec<f32>, width| {
        let tensor = Tensor::from_vec(values, (rows, width), &Device::Cpu).unwrap();
        tensor.to_dtype(dtype).unwrap()
    };
    (tensor(x, 5), tensor(y, 1))
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    flat.to_vec1().unwrap()
}

pub(crate) fn set(var: &Var, values: Vec<f32>) {
    let tensor = Tensor::from_vec(values, var.shape(), var.device()).unwrap();
    var.set(&tensor.to_dtype(var.dtype()).unwrap()).unwrap();
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}
