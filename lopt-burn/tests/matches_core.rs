//! Every step on a module is the step of `lopt-core` on a flat vector, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use burn::module::Module;
use lopt_burn::{LearnedOptimizer, LearnedOptimizerConfig};
use lopt_core::{Layout, Optimizer, ParameterGroup, Schedule, TensorShape};
use model::{Model, bits, data, device, flat};

fn hierarchical() -> lopt_core::Weights {
    lopt_core::Weights::embedded("hierarchical-rnn").unwrap()
}

fn layout() -> Layout {
    let tensors: [(&str, &[usize]); 10] = [
        ("conv.weight", &[2, 1, 3, 3]),
        ("conv.bias", &[2]),
        ("mixer", &[2, 4, 4]),
        ("hidden.weight", &[32, 16]),
        ("hidden.bias", &[16]),
        ("norm.gamma", &[16]),
        ("norm.beta", &[16]),
        ("gain", &[1]),
        ("head.weight", &[16, 2]),
        ("head.bias", &[2]),
    ];
    Layout::new(tensors.map(|(name, shape)| TensorShape::new(name, shape)).to_vec()).unwrap()
}

fn configs() -> [lopt_core::LearnedOptimizerConfig; 3] {
    let new = lopt_core::LearnedOptimizerConfig::new;
    [
        new(),
        new()
            .with_weights(hierarchical())
            .with_averaging(None)
            .with_compact_state()
            .with_guard(None),
        new()
            .with_group(ParameterGroup::new("conv.*").with_step_multiplier(0.5))
            .with_group(ParameterGroup::new("*.bias").with_weight_decay(0.0))
            .with_weight_decay(1e-3)
            .with_clipping_norm(1.0)
            .with_schedule(Schedule::Cosine { steps: 50, floor: 0.1 }),
    ]
}

#[test]
fn the_optimizer_is_a_plain_value() {
    fn is_plain<T: Clone + Send + Sync + 'static>() {}
    is_plain::<LearnedOptimizer>();
}

#[test]
fn fifty_steps_are_those_of_the_core_bit_for_bit() {
    let device = device();
    let (x, y) = data(24, &device);
    for config in configs() {
        let mut module = Model::new(&device);
        let mut core = config.init(&layout()).unwrap();
        let mut params = flat(&module, None);
        let mut optimizer = LearnedOptimizerConfig::from(config).init(&module).unwrap();
        assert_eq!(*optimizer.core().layout(), layout());
        let (mut first, mut last) = (0.0, 0.0);
        for step in 0..50 {
            let loss;
            (module, loss) = optimizer
                .step(module, |attended: &Model| {
                    let at = core.attended(&params);
                    assert_eq!(bits(&flat(attended, None)), bits(at), "attended at {step}");
                    let (loss, grads) = attended.gradients(&x, &y);
                    core.step_with_loss(&mut params, &flat(attended, Some(&grads)), loss).unwrap();
                    (loss, grads)
                })
                .unwrap();
            assert_eq!(bits(&flat(&module, None)), bits(&params), "after {step}");
            assert_eq!(bits(optimizer.parameters()), bits(&params));
            (first, last) = (if step == 0 { loss } else { first }, loss);
        }
        assert!(last < 0.7 * first, "{last} {first}");
        assert_eq!(optimizer.steps(), 50);
        let sizes: Vec<f32> =
            optimizer.effective_step().into_iter().map(|(_, size)| size).collect();
        assert_eq!(sizes, core.effective_step());
        assert_eq!(optimizer.effective_step()[2].0, "mixer");
    }
}

#[test]
fn the_module_keeps_everything_but_its_values() {
    let device = device();
    let (x, y) = data(8, &device);
    let mut module = Model::new(&device);
    let before = module.clone();
    let mut optimizer = LearnedOptimizerConfig::new().init(&module).unwrap();
    for _ in 0..3 {
        module = optimizer.step(module, |attended| attended.gradients(&x, &y)).unwrap().0;
    }
    assert_eq!(module.conv.weight.id, before.conv.weight.id);
    assert_eq!(module.mixer.val().dtype(), before.mixer.val().dtype());
    assert_eq!(module.mixer.val().device(), before.mixer.val().device());
    assert!(module.mixer.is_require_grad() && module.mixer.val().is_autodiff());
    assert_eq!(module.steps_seen.val().try_into_vec_as::<i32>().unwrap(), [7, 8]);
    assert_ne!(bits(&flat(&module, None)), bits(&flat(&before, None)));
    // what is configured to be trained survives evaluation
    assert!(module.valid().train().head.weight.is_require_grad());
}
