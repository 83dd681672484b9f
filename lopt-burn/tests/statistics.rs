//! Running statistics of a batch norm: in state files, and renewed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use lopt_burn::{LearnedOptimizer, renew_statistics};
use model::{bits, data, device, flat, linear};

#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: BatchNorm,
    second: Linear,
    /// Takes part in the forward pass without being trained.
    frozen: Param<Tensor<1>>,
}

impl Normed {
    fn new(device: &Device) -> Self {
        Self {
            first: linear(36, 5, 1, device),
            norm: BatchNormConfig::new(5).init(device),
            second: linear(5, 2, 2, device),
            frozen: Param::from_tensor(Tensor::ones([5], device)).set_require_grad(false),
        }
    }

    fn loss(&self, x: &Tensor<2>, y: &Tensor<2>) -> Tensor<1> {
        let x = self.norm.forward::<2>(self.first.forward(x.clone())).tanh();
        (self.second.forward(x * self.frozen.val().unsqueeze()) - y.clone()).square().mean()
    }

    fn statistics(&self) -> Vec<u32> {
        let [mean, variance] = [&self.norm.running_mean, &self.norm.running_var];
        [mean, variance]
            .iter()
            .flat_map(|state| bits(&state.value_sync().try_into_vec_as().unwrap()))
            .collect()
    }
}

fn run(optimizer: &mut LearnedOptimizer, mut module: Normed, steps: usize) -> Normed {
    let (x, y) = data(16, &device());
    for _ in 0..steps {
        let gradients = |at: &Normed| {
            let loss = at.loss(&x, &y);
            (loss.clone().into_scalar(), GradientsParams::from_grads(loss.backward(), at))
        };
        module = optimizer.step(module, gradients).unwrap().0;
    }
    module
}

#[test]
fn a_resumed_model_has_the_statistics_too() {
    let (folder, device) = (tempfile::tempdir().unwrap(), device());
    let path = folder.path().join("run.state");
    let mut module = Normed::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    module = run(&mut optimizer, module, 20);
    optimizer.save(&path, &module).unwrap();
    let (x, y) = data(16, &device);
    let loss_of = |module: &Normed| -> f32 { module.valid().loss(&x, &y).into_scalar() };
    let (saved, loss) = (module.statistics(), loss_of(&module));

    let mut again = Normed::new(&device);
    let mut resumed = LearnedOptimizer::pretrained(&again).unwrap();
    // a forward pass of before must not come after the file
    let _ = again.loss(&x, &y);
    again = resumed.load(&path, again).unwrap();
    assert_eq!(again.statistics(), saved);
    assert_eq!(loss_of(&again), loss);
    assert!(!again.norm.running_mean.value().is_require_grad());

    module = run(&mut optimizer, module, 20);
    again = run(&mut resumed, again, 20);
    assert_eq!(bits(&flat(&again, None)), bits(&flat(&module, None)));
    assert_eq!(again.statistics(), module.statistics());
}

#[test]
fn a_file_without_them_leaves_them_and_one_of_others_is_refused() {
    let device = device();
    let module = Normed::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let mut module = run(&mut optimizer, module, 3);
    let bytes = optimizer.to_bytes(&module).unwrap();
    let without = core_of(&optimizer).to_bytes(optimizer.parameters()).unwrap();
    let saved = module.statistics();
    module = optimizer.from_bytes(&without, module).unwrap();
    assert_eq!(module.statistics(), saved);

    let mut other = module;
    other.norm = BatchNormConfig::new(5).init(&device);
    other.norm.running_var = burn::module::RunningState::new(Tensor::ones([4], &device));
    let error = LearnedOptimizer::pretrained(&other).unwrap().from_bytes(&bytes, other);
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "saved with the untrained tensors `norm.running_mean [5], norm.running_var [5]`, here they \
         are `norm.running_mean [5], norm.running_var [4]`"
    );
}

fn core_of(optimizer: &LearnedOptimizer) -> &lopt_core::LearnedOptimizer {
    optimizer.core()
}

/// The bias of a layer in front of a batch norm has gradients that are rounding errors. It stays where it is, so that
/// running statistics, which are those of the attended point, fit the true parameters.
#[test]
fn a_bias_in_front_of_a_norm_does_not_wander() {
    let device = device();
    let (x, y) = data(64, &device);
    let module = Normed::new(&device);
    let bias = |module: &Normed| -> Vec<f32> {
        module.first.bias.as_ref().unwrap().val().try_into_vec_as().unwrap()
    };
    let before = bias(&module);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let module = run(&mut optimizer, module, 500);
    for (before, after) in before.iter().zip(bias(&module)) {
        assert!((before - after).abs() < 0.01, "{before} {after}");
    }
    let loss: f32 = module.valid().loss(&x, &y).into_scalar();
    let module = renew_statistics(module, 0..50, |module, _| drop(module.loss(&x, &y))).unwrap();
    let renewed: f32 = module.valid().loss(&x, &y).into_scalar();
    assert!((loss - renewed).abs() < 0.1 * renewed, "{loss} {renewed}");
}

#[test]
fn renewed_statistics_are_those_of_the_true_parameters() {
    let device = device();
    let (x, y) = data(64, &device);
    let module = Normed::new(&device);
    let mut optimizer = LearnedOptimizer::pretrained(&module).unwrap();
    let module = run(&mut optimizer, module, 20);
    let before = flat(&module, None);
    let module = renew_statistics(module, 0..200, |module, _| {
        let _ = module.loss(&x, &y);
    })
    .unwrap();
    assert_eq!(bits(&flat(&module, None)), bits(&before));
    let hidden = module.first.forward(x);
    let mean: Vec<f32> = hidden.mean_dim(0).try_into_vec_as().unwrap();
    let renewed: Vec<f32> = module.norm.running_mean.value().try_into_vec_as().unwrap();
    for (mean, renewed) in mean.iter().zip(renewed) {
        assert!((mean - renewed).abs() < 1e-4, "{mean} {renewed}");
    }
    // the optimizer goes on with that module
    let module = run(&mut optimizer, module, 1);

    let plain = data(64, &Device::default());
    let error = renew_statistics(module, [plain], |module, (x, y)| {
        let _ = module.valid().loss(&x, &y);
    });
    assert!(error.unwrap_err().to_string().starts_with("no running statistic has changed"));
}
