//! Attend and apply in two calls: accumulation, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use lopt_burn::{Error, LearnedOptimizer, LearnedOptimizerConfig};
use model::{Model, bits, data, device, flat, linear, tensor};

#[test]
fn the_two_phases_are_a_step() {
    let device = device();
    let (x, y) = data(16, &device);
    let (mut a, mut b) = (Model::new(&device), Model::new(&device));
    let mut one = LearnedOptimizer::pretrained(&a).unwrap();
    let mut two = LearnedOptimizer::pretrained(&b).unwrap();
    for _ in 0..10 {
        a = one.step(a, |attended| attended.gradients(&x, &y)).unwrap().0;
        let attended = two.attend(&b).unwrap();
        let (loss, grads) = attended.gradients(&x, &y);
        b = two.apply(b, attended, grads, loss).unwrap();
    }
    assert_eq!(bits(&flat(&a, None)), bits(&flat(&b, None)));
}

#[test]
fn two_half_batches_are_a_whole_one_up_to_rounding() {
    let device = device();
    let (x, y) = data(32, &device);
    let half = |n: usize| {
        let rows = 16 * n..16 * (n + 1);
        (x.clone().slice([rows.clone(), 0..36]), y.clone().slice([rows, 0..2]))
    };
    let (mut whole, mut halves) = (Model::new(&device), Model::new(&device));
    let mut a = LearnedOptimizer::pretrained(&whole).unwrap();
    let mut b = LearnedOptimizer::pretrained(&halves).unwrap();
    for _ in 0..5 {
        whole = a.step(whole, |attended| attended.gradients(&x, &y)).unwrap().0;
        let attended = b.attend(&halves).unwrap();
        let (mut sum, mut accumulator) = (0.0, GradientsAccumulator::new());
        for (x, y) in [half(0), half(1)] {
            let loss = attended.loss(&x, &y) / 2.0;
            sum += loss.clone().into_scalar::<f32>();
            let grads = GradientsParams::from_grads(loss.backward(), &*attended);
            accumulator.accumulate(&*attended, grads);
        }
        halves = b.apply(halves, attended, accumulator.grads(), sum).unwrap();
    }
    let (a, b) = (flat(&whole, None), flat(&halves, None));
    let most = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(most < 1e-4, "{most}");
}

#[test]
fn without_a_loss_the_step_is_the_same() {
    let device = device();
    let (x, y) = data(16, &device);
    let mut module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    for _ in 0..5 {
        let attended = optimizer.attend(&module).unwrap();
        let (_, grads) = attended.gradients(&x, &y);
        module = optimizer.apply(module, attended, grads, None).unwrap();
    }
    assert_eq!(optimizer.steps(), 5);
}

#[test]
fn an_attended_module_serves_one_step() {
    let device = device();
    let (x, y) = data(8, &device);
    let module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let attended = optimizer.attend(&module).unwrap();
    let again = attended.clone();
    let (loss, grads) = attended.gradients(&x, &y);
    let module = optimizer.apply(module, attended, grads, loss).unwrap();
    let before = optimizer.parameters().to_vec();
    let (loss, grads) = again.gradients(&x, &y);
    let error = optimizer.apply(module, again, grads, loss).unwrap_err();
    assert!(matches!(error, Error::Stale { expected: 1, got: 0 }), "{error}");
    assert_eq!(bits(optimizer.parameters()), bits(&before));
}

#[test]
fn a_module_that_others_wrote_to_is_noticed() {
    let device = device();
    let (x, y) = data(8, &device);
    let mut module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    // before the first step nothing is remembered: what is there counts
    module.head = linear(16, 2, 50, &device);
    module = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap().0;

    let kept = module.clone();
    let mut changed = module;
    let twice = |b: Tensor<1>| Tensor::from_inner(b.inner().mul_scalar(2.0)).require_grad();
    changed.hidden.bias = changed.hidden.bias.map(|bias| bias.map(twice));
    let error = optimizer.step(changed.clone(), |m| m.gradients(&x, &y)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`hidden.bias` was changed outside of the optimizer; `sync` begins anew from the module's \
         parameters, `restore` undoes the change"
    );
    let restored = optimizer.restore(changed.clone()).unwrap();
    assert_eq!(bits(&flat(&restored, None)), bits(&flat(&kept, None)));
    let (mut other, restored) = (optimizer.clone(), restored);
    other.sync(&restored).unwrap();
    assert_eq!(other.steps(), 1);

    optimizer.sync(&changed).unwrap();
    assert_eq!(optimizer.steps(), 0);
    let mut anew = LearnedOptimizer::pretrained(&changed).unwrap();
    let a = optimizer.step(changed.clone(), |m| m.gradients(&x, &y)).unwrap().0;
    let b = anew.step(changed, |m| m.gradients(&x, &y)).unwrap().0;
    assert_eq!(bits(&flat(&a, None)), bits(&flat(&b, None)));
}

#[test]
fn what_does_not_fit_is_refused_with_a_sentence() {
    let device = device();
    let (x, y) = data(8, &device);
    let module = Model::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let other = linear(36, 2, 1, &device);
    let error = optimizer.attend(&other).unwrap_err().to_string();
    assert_eq!(error, "the optimizer was made for a module of 10 float parameters, this one has 2");
    let mut wider = module.clone();
    wider.head = linear(16, 3, 1, &device);
    let error = optimizer.attend(&wider).unwrap_err().to_string();
    assert_eq!(
        error,
        "the optimizer was made for a module with `head.weight [16, 2]` where this one has \
         `head.weight [16, 3]`"
    );
    let attended = optimizer.attend(&module).unwrap();
    let none = GradientsParams::new();
    let error = optimizer.apply(module.clone(), attended, none, 1.0).unwrap_err().to_string();
    assert_eq!(
        error,
        "none of the 10 tensors has a gradient; take gradients from the attended module"
    );
    let attended = optimizer.attend(&module).unwrap();
    let (loss, mut grads) = attended.gradients(&x, &y);
    grads.register(module.gain.id, tensor([3], 1, &device).inner());
    let error = optimizer.apply(module, attended, grads, loss).unwrap_err().to_string();
    assert_eq!(error, "the gradient of `gain` has shape [3], expected [1]");

    let plain = LinearConfig::new(2, 2).init(&burn::tensor::Device::default());
    let error = LearnedOptimizer::pretrained(&plain).unwrap_err().to_string();
    let expected =
        "no parameter requires a gradient, as the module is not on a device with autodiff";
    assert!(error.starts_with(expected), "{error}");
    let bad = LearnedOptimizerConfig::new().with_weight_decay(2.0);
    let error = bad.init(&other).unwrap_err().to_string();
    assert!(error.starts_with("the weight decay is 2, expected"), "{error}");
    assert!(other.no_grad().weight.id.val() > 0);
}
