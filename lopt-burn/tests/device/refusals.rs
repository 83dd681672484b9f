//! What is refused, and what is noticed.

use crate::model::{Model, bits, flat, linear};
use crate::problems::{ConvNet, OnDevice, Problem, config, cpu, gpu};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};
use lopt_burn::{DeviceOptimizer, Error, LearnedOptimizerConfig};

#[test]
fn what_a_device_cannot_have_is_refused_with_a_sentence() {
    let model = Model::new(&gpu());
    let error = LearnedOptimizerConfig::new().init_on_device(&model).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the guard (on by default; `with_guard(None)` goes without) needs the host at every step, \
         so an optimizer on a device cannot have it"
    );
    for config in [config().with_weight_decay(1e-5), config().with_clipping_value(1.0)] {
        let error = config.init_on_device(&model).err().unwrap();
        assert!(matches!(error, Error::Device(_)), "{error}");
    }
    let on_host = Model::new(&cpu());
    let error = DeviceOptimizer::pretrained(&on_host).err().unwrap().to_string();
    assert!(error.starts_with("`conv.weight` is on "), "{error}");
    assert!(error.ends_with("expected a device of burn's cubecl backend"), "{error}");

    let mut spread = model.clone();
    spread.head = linear(16, 2, 5, &cpu());
    let error = DeviceOptimizer::pretrained(&spread).err().unwrap();
    assert!(matches!(error, Error::Elsewhere { .. }), "{error}");
    let mut optimizer = DeviceOptimizer::pretrained(&model).unwrap();
    assert!(matches!(optimizer.restore(on_host), Err(Error::Elsewhere { .. })));
    assert!(matches!(optimizer.attend(&spread), Err(Error::Elsewhere { .. })));
}

/// Casts every float parameter and leaves it a leaf that requires a gradient.
struct Half;

impl ModuleMapper for Half {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| Tensor::from_inner(tensor.inner().cast(FloatDType::F16)).require_grad())
    }
}

#[test]
fn sixteen_bits_are_refused() {
    let half = linear(2, 2, 1, &gpu()).map(&mut Half);
    let error = DeviceOptimizer::pretrained(&half).err().unwrap().to_string();
    assert_eq!(error, "`weight` is of type F16, an optimizer on a device takes F32");
}

#[test]
fn an_attended_module_serves_one_step() {
    let OnDevice(problem, model, mut optimizer) = OnDevice::<ConvNet>::new(&config());
    let attended = optimizer.attend(&model).unwrap();
    let again = attended.clone();
    let grads = problem.gradients(&attended).1;
    let model = optimizer.apply(model, attended, grads).unwrap();
    let before = flat(&model, None);
    let grads = problem.gradients(&again).1;
    let error = optimizer.apply(model.clone(), again, grads).unwrap_err();
    assert!(matches!(error, Error::Stale { expected: 1, got: 0 }), "{error}");
    let attended = optimizer.attend(&model).unwrap();
    let error = optimizer.apply(model, attended, GradientsParams::new()).unwrap_err();
    assert!(matches!(error, Error::NoGradients { tensors: 10 }), "{error}");
    assert_eq!(optimizer.parameters().unwrap(), before);
}

#[test]
fn a_module_that_others_wrote_to_is_noticed() {
    let OnDevice(problem, mut model, mut optimizer) = OnDevice::<ConvNet>::new(&config());
    // before the first step nothing is remembered: what is there counts
    model.head = linear(16, 2, 50, &gpu());
    let mut of_that = DeviceOptimizer::pretrained(&model).unwrap();
    let same = of_that.step(model.clone(), |m| problem.gradients(m)).unwrap().0;
    model = optimizer.step(model, |m| problem.gradients(m)).unwrap().0;
    let moved = flat(&model, None);
    assert_eq!(bits(&moved), bits(&flat(&same, None)));

    // burn may write in place where it holds the only tensor, but not to what the optimizer keeps
    let mut changed = model;
    let twice = |b: Tensor<1>| Tensor::from_inner(b.inner().mul_scalar(2.0)).require_grad();
    changed.hidden.bias = changed.hidden.bias.map(|bias| bias.map(twice));
    let error = optimizer.step(changed.clone(), |m| problem.gradients(m)).unwrap_err();
    assert!(matches!(&error, Error::Changed { name } if name == "hidden.bias"), "{error}");
    let restored = optimizer.restore(changed.clone()).unwrap();
    assert_eq!(bits(&flat(&restored, None)), bits(&moved));
    optimizer.sync(&restored).unwrap();
    assert_eq!(optimizer.steps(), 1);

    optimizer.sync(&changed).unwrap();
    assert_eq!(optimizer.steps(), 0);
    let mut anew = DeviceOptimizer::pretrained(&changed).unwrap();
    let a = optimizer.step(changed.clone(), |m| problem.gradients(m)).unwrap().0;
    let b = anew.step(changed, |m| problem.gradients(m)).unwrap().0;
    assert_eq!(bits(&flat(&a, None)), bits(&flat(&b, None)));
}

/// One tensor alone: fewest handles there can be to its buffer.
#[test]
fn a_single_tensor_is_not_written_to_in_place() {
    let x = Tensor::<2>::ones([4, 4], &gpu());
    let gradients = |m: &Param<Tensor<2>>| {
        let loss = (m.val() - x.clone()).square().sum();
        ((), GradientsParams::from_grads(loss.backward(), m))
    };
    let model = Param::from_tensor(crate::model::tensor::<2>([4, 4], 1, &gpu()));
    let mut optimizer = DeviceOptimizer::pretrained(&model).unwrap();
    let mut model = optimizer.step(model, gradients).unwrap().0;
    let before = flat(&model, None);
    for _ in 0..2 {
        // the module's own handle is the only one beside those of the optimizer
        model = model.map(|t| Tensor::from_inner(t.inner().mul_scalar(2.0)).require_grad());
        assert!(matches!(optimizer.step(model.clone(), gradients), Err(Error::Changed { .. })));
        model = optimizer.restore(model).unwrap();
        assert_eq!(flat(&model, None), before);
    }
}
