//! Modules in 16 bits: the optimizer's own copy of the parameters is in full precision.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::Linear;
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};
use lopt_burn::LearnedOptimizer;
use model::{bits, device, flat, linear, tensor};

/// Casts every float parameter and leaves it a leaf that requires a gradient.
struct To(FloatDType);

impl ModuleMapper for To {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| Tensor::from_inner(tensor.inner().cast(self.0)).require_grad())
    }
}

type Mlp = (Linear, Linear);

fn trained(dtype: FloatDType) -> (Mlp, LearnedOptimizer, f32, f32) {
    let device = device();
    let mlp: Mlp = (linear(6, 16, 1, &device), linear(16, 1, 2, &device));
    let mut module = mlp.map(&mut To(dtype));
    let x = (tensor::<2>([32, 6], 3, &device) * 3.0).cast(dtype);
    let y = x.clone().slice([0..32, 0..1]).tanh();
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let (mut first, mut last) = (0.0, 0.0);
    for step in 0..100 {
        (module, last) = optimizer
            .step(module, |attended: &Mlp| {
                let hidden = attended.0.forward(x.clone()).tanh();
                let loss = (attended.1.forward(hidden) - y.clone()).square().mean();
                let value: f32 = loss.clone().into_scalar();
                (value, GradientsParams::from_grads(loss.backward(), attended))
            })
            .unwrap();
        first = if step == 0 { last } else { first };
    }
    (module, optimizer, first, last)
}

#[test]
fn sixteen_bits_train_and_the_module_is_the_rounded_master_copy() {
    for (dtype, named) in [(FloatDType::F16, DType::F16), (FloatDType::BF16, DType::BF16)] {
        let (module, optimizer, first, last) = trained(dtype);
        assert!(last < 0.1 * first, "{named:?}: {last} from {first}");
        assert_eq!(module.0.weight.val().dtype(), named);
        assert!(module.1.weight.is_require_grad());
        let rounded = |x: &f32| Tensor::<1>::from_floats([*x], &device()).cast(dtype);
        let expected: Vec<f32> = optimizer
            .parameters()
            .iter()
            .flat_map(|x| rounded(x).try_into_vec_as::<f32>().unwrap())
            .collect();
        assert_eq!(bits(&flat(&module, None)), bits(&expected));
        assert_ne!(bits(optimizer.parameters()), bits(&expected), "nothing was rounded");
    }
}

#[test]
fn a_resumed_run_in_sixteen_bits_has_the_master_copy() {
    let (module, mut optimizer, _, _) = trained(FloatDType::F16);
    let bytes = optimizer.to_bytes(&module).unwrap();
    let before = optimizer.parameters().to_vec();
    let mut again = LearnedOptimizer::pretrained(&module).unwrap();
    assert_ne!(bits(again.parameters()), bits(&before));
    let loaded = again.from_bytes(&bytes, module.clone()).unwrap();
    assert_eq!(bits(again.parameters()), bits(&before));
    assert_eq!(bits(&flat(&loaded, None)), bits(&flat(&module, None)));
    optimizer.sync(&loaded).unwrap();
    assert_eq!(optimizer.steps(), 100);
}

#[test]
fn doubles_are_refused_with_a_sentence() {
    let module = linear(2, 2, 1, &device()).map(&mut To(FloatDType::F64));
    let error = LearnedOptimizer::pretrained(&module).unwrap_err().to_string();
    assert_eq!(error, "`weight` is of type F64, expected F32, F16, BF16 or Flex32");
}
