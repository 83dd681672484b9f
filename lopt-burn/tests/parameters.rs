//! Parameters that are not like the others: tied, unused, frozen, in groups, running statistics.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, Relu};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use lopt_burn::{LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup};
use model::{Model, bits, data, device, flat, linear, tensor};

#[derive(Module, Debug)]
struct Tied {
    encoder: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    decoder: Param<Tensor<2>>,
}

impl Tied {
    fn loss(&self, x: &Tensor<2>) -> Tensor<1> {
        let code = x.clone().matmul(self.encoder.val()).tanh() + self.bias.val().unsqueeze();
        (code.matmul(self.decoder.val().transpose()) - x.clone()).square().mean()
    }
}

#[test]
fn tied_parameters_are_one_tensor_with_the_sum_of_their_gradients() {
    let device = device();
    let x = tensor([10, 6], 3, &device) * 3.0;
    let weight = Param::from_tensor(tensor([6, 4], 1, &device));
    let bias = Param::from_tensor(tensor([4], 2, &device));
    let mut module = Tied { encoder: weight.clone(), bias, decoder: weight };
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let names: Vec<&str> = optimizer.effective_step().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["encoder", "bias"]);
    let mut losses = Vec::new();
    for _ in 0..60 {
        let loss;
        (module, loss) = optimizer
            .step(module, |attended| {
                let loss = attended.loss(&x);
                let value = loss.clone().into_scalar();
                let backward = loss.backward();
                // two places with tensors of their own would each have a part of the gradient
                let own = attended.encoder.val().grad(&backward).unwrap();
                let other = attended.decoder.val().grad(&backward).unwrap();
                let of = |t: Tensor<2>| bits(&t.try_into_vec_as::<f32>().unwrap());
                assert_eq!(of(own), of(other));
                (value, GradientsParams::from_grads(backward, attended))
            })
            .unwrap();
        let of = |p: &Param<Tensor<2>>| bits(&p.val().try_into_vec_as::<f32>().unwrap());
        assert_eq!(of(&module.encoder), of(&module.decoder));
        losses.push(loss);
    }
    assert!(losses[59] < 0.7 * losses[0], "{losses:?}");
}

#[test]
fn unused_parameters_stay_and_the_others_learn() {
    let device = device();
    let (x, y) = data(16, &device);
    let mut module = (Model::new(&device), linear(3, 2, 9, &device));
    let before = flat(&module.1, None);
    let mut optimizer =
        LearnedOptimizerConfig::new().with_weight_decay(0.001).init(&module).unwrap();
    let mut losses = Vec::new();
    for _ in 0..30 {
        let loss;
        (module, loss) = optimizer
            .step(module, |attended: &(Model, Linear)| {
                let loss = attended.0.loss(&x, &y);
                let value = loss.clone().into_scalar();
                (value, GradientsParams::from_grads(loss.backward(), attended))
            })
            .unwrap();
        losses.push(loss);
    }
    assert_eq!(bits(&flat(&module.1, None)), bits(&before));
    assert!(losses[29] < losses[0]);
    let steps = optimizer.effective_step();
    assert_eq!(steps[10..], [("1.weight", 0.0), ("1.bias", 0.0)]);
    assert!(steps[..10].iter().all(|(_, step)| *step > 0.0), "{steps:?}");
}

#[test]
fn parameters_without_require_grad_are_left_out() {
    let device = device();
    let (x, y) = data(16, &device);
    let mut module = Model::new(&device);
    module.hidden = module.hidden.no_grad();
    let frozen: Vec<f32> = module.hidden.weight.val().try_into_vec_as().unwrap();
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    assert_eq!(optimizer.core().layout().tensor_count(), 8);
    for _ in 0..10 {
        module = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap().0;
    }
    assert!(!module.hidden.weight.is_require_grad());
    let after: Vec<f32> = module.hidden.weight.val().try_into_vec_as().unwrap();
    assert_eq!(bits(&after), bits(&frozen));

    // frozen later on: no gradient, so it stays; thawed later on: the optimizer has no state for it
    let before: Vec<f32> = module.mixer.val().try_into_vec_as().unwrap();
    module.mixer = module.mixer.set_require_grad(false);
    module = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap().0;
    let after: Vec<f32> = module.mixer.val().try_into_vec_as().unwrap();
    assert_eq!(bits(&after), bits(&before));
    assert!(!module.mixer.is_require_grad());
    module.hidden.weight = module.hidden.weight.set_require_grad(true);
    let error = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`hidden.weight` requires a gradient but was frozen when the optimizer was made; \
         make another"
    );
}

#[test]
fn groups_go_by_names() {
    let device = device();
    let (x, y) = data(16, &device);
    let mut module = Model::new(&device);
    let before = module.clone();
    let mut optimizer = LearnedOptimizerConfig::new()
        .with_group(ParameterGroup::new("conv.*").frozen())
        .with_group(ParameterGroup::new("*.bias").frozen())
        .init(&module)
        .unwrap();
    for _ in 0..5 {
        module = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap().0;
    }
    assert_eq!(bits(&flat(&module.conv, None)), bits(&flat(&before.conv, None)));
    let bias = |linear: &Linear| bits(&flat(linear, None)[16 * 2..]);
    assert_eq!(bias(&module.head), bias(&before.head));
    let weight = |linear: &Linear| bits(&flat(linear, None)[..16 * 2]);
    assert_ne!(weight(&module.head), weight(&before.head));
    let none = LearnedOptimizerConfig::new().with_group(ParameterGroup::new("encoder.*"));
    let error = none.init(&module).unwrap_err().to_string();
    assert!(error.starts_with("no tensor matches the group `encoder.*`"), "{error}");
}

#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: BatchNorm,
}

#[test]
fn running_statistics_of_the_attended_module_reach_the_true_one() {
    let device = device();
    let (x, _) = data(16, &device);
    let norm = BatchNormConfig::new(5).init(&device);
    let mut module = Normed { first: linear(36, 5, 1, &device), norm };
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    assert_eq!(optimizer.core().layout().tensor_count(), 4);
    for _ in 0..5 {
        module = optimizer
            .step(module, |attended: &Normed| {
                let y = attended.norm.forward::<2>(attended.first.forward(x.clone()));
                let loss = (y - 1.0).square().mean();
                let value = loss.clone().into_scalar();
                (value, GradientsParams::from_grads(loss.backward(), attended))
            })
            .unwrap()
            .0;
    }
    let mean: Vec<f32> = module.norm.running_mean.value_sync().try_into_vec_as().unwrap();
    assert!(mean.iter().all(|x| *x != 0.0), "{mean:?}");
    assert!(!module.norm.running_mean.value_sync().is_require_grad());
}

#[test]
fn nothing_to_train_is_said_with_its_cause() {
    let of = |module: &Model| {
        let error = LearnedOptimizer::pretrained(module).unwrap_err();
        // what a `main` prints that returns the error
        assert_eq!(format!("{error:?}"), error.to_string());
        error.to_string()
    };
    let start = |sentence: String| sentence.split(':').next().unwrap().to_owned();
    let model = Model::new(&device());
    let no_autodiff =
        "no parameter requires a gradient, as the module is not on a device with autodiff";
    assert_eq!(start(of(&model.valid())), no_autodiff);
    assert_eq!(start(of(&Model::new(&Device::default()))), no_autodiff);
    let frozen = of(&model.freeze());
    assert!(frozen.contains("all of them are frozen (`no_grad`, `freeze`)"), "{frozen}");
    let error = LearnedOptimizer::pretrained(&Relu::new()).unwrap_err().to_string();
    assert_eq!(error, "the module has no float parameter, so there is nothing to train");
}
