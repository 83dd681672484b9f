//! The optimizer as one uses it, with its steps on a device, against the one of the CPU.

use crate::pair::{client, difference, fields, gradients, layout, parameters};
use lopt_core::gpu::{DeviceError, DeviceLearnedOptimizer};
use lopt_core::{
    Given, Layout, LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup, Schedule, Weights,
};

fn config() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new()
        .with_weights(weights)
        .with_guard(None)
        .with_group(ParameterGroup::new("t0").with_step_multiplier(0.5))
        .with_group(ParameterGroup::new("t2").frozen())
        .with_schedule(Schedule::Cosine { steps: 20, floor: 0.1 })
}

fn model() -> Layout {
    layout(&[70, 130, 20, 9])
}

/// The tensor without a gradient at each step.
fn present(step: u64) -> [bool; 4] {
    std::array::from_fn(|t| step % 5 != 3 || t != 3)
}

fn on_host(optimizer: &mut LearnedOptimizer, params: &mut [f32], step: u64) {
    let grads = gradients(&model(), 6, step);
    let given = Given { has_gradient: &present(step), ..Given::default() };
    optimizer.step_given(params, &grads, given).unwrap();
}

fn on_device(
    optimizer: &mut DeviceLearnedOptimizer,
    params: &lopt_core::gpu::Handle,
    step: u64,
) -> Vec<f32> {
    let grads = optimizer.upload(&gradients(&model(), 6, step)).unwrap();
    optimizer.step(params, &grads, &present(step)).unwrap();
    optimizer.download(params).unwrap()
}

#[test]
fn groups_schedules_and_missing_gradients_are_those_of_the_cpu() {
    let start = parameters(&model(), 6);
    let mut host = config().init(&model()).unwrap();
    let mut device = config().init_on_device(&client(), &model()).unwrap();
    host.set_lr_multiplier(0.7);
    device.set_lr_multiplier(0.7);
    let (mut theta, params) = (start.clone(), device.upload(&start).unwrap());
    for step in 0..20 {
        assert_eq!(device.lr_multiplier(), host.lr_multiplier());
        on_host(&mut host, &mut theta, step);
        let moved = on_device(&mut device, &params, step);
        let worst = difference(&moved, &theta);
        assert!(worst < 1e-5, "step {step}: {worst}");
        assert_eq!(moved[200..220], start[200..220], "frozen");
    }
    assert_eq!((device.steps(), host.steps()), (20, 20));
}

#[test]
fn either_goes_on_from_the_file_of_the_other() {
    let start = parameters(&model(), 7);
    let mut device = config().init_on_device(&client(), &model()).unwrap();
    device.set_lr_multiplier(0.9);
    let params = device.upload(&start).unwrap();
    (0..6).for_each(|step| drop(on_device(&mut device, &params, step)));
    let bytes = device.to_host().unwrap().to_bytes(&device.download(&params).unwrap());

    let mut host = device.blank_host().unwrap();
    let mut theta = host.from_bytes(&bytes.unwrap()).unwrap();
    let mut again = config().init_on_device(&client(), &model()).unwrap();
    again.go_on_from(&host).unwrap();
    let copied = again.upload(&theta).unwrap();
    for step in 6..12 {
        let moved = on_device(&mut device, &params, step);
        assert_eq!(on_device(&mut again, &copied, step), moved, "step {step}");
        on_host(&mut host, &mut theta, step);
        assert!(difference(&moved, &theta) < 1e-5, "step {step}");
    }
    again.reset().unwrap();
    let mut anew = config().init(&model()).unwrap();
    let mut theta = start.clone();
    anew.set_lr_multiplier(0.9);
    on_host(&mut anew, &mut theta, 0);
    let params = again.upload(&start).unwrap();
    assert!(difference(&on_device(&mut again, &params, 0), &theta) < 1e-5);
}

#[test]
fn settings_of_the_host_are_refused_with_a_sentence() {
    let refused = |config: LearnedOptimizerConfig| {
        config.init_on_device(&client(), &model()).err().unwrap().to_string()
    };
    let rest = " needs the host at every step, so an optimizer on a device cannot have it";
    let guard = "the guard (on by default; `with_guard(None)` goes without)";
    assert_eq!(refused(LearnedOptimizerConfig::new()), format!("{guard}{rest}"));
    assert_eq!(refused(config().with_weight_decay(1e-5)), format!("weight decay{rest}"));
    assert_eq!(refused(config().with_clipping_norm(1.0)), format!("clipping{rest}"));
    let compact = config().with_compact_state();
    let error = compact.init_on_device(&client(), &model()).err().unwrap();
    assert!(matches!(error, DeviceError::CompactState), "{error}");
    let none = config().with_group(ParameterGroup::new("nothing"));
    assert!(refused(none).starts_with("no tensor matches the group `nothing`"));
}

#[test]
fn a_tensor_that_joins_late_trains_as_on_the_cpu() {
    let start = parameters(&model(), 8);
    let paper = Weights::embedded("paper").unwrap();
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let plain = LearnedOptimizerConfig::new().with_weights(weights).with_guard(None);
    let configs = [
        ("averaged", plain.clone()),
        ("not averaged", plain.clone().with_averaging(None)),
        ("attention, averaged", plain.with_weights(paper)),
    ];
    for (name, config) in configs {
        let mut host = config.init(&model()).unwrap();
        let mut device = config.init_on_device(&client(), &model()).unwrap();
        let (mut theta, mut params) = (start.clone(), device.upload(&start).unwrap());
        for step in 0..40 {
            let has = match step {
                // nobody, then all but the second tensor, then all, then the second alone
                3 => [false; 4],
                0..25 => [true, false, true, true],
                25..32 => [true; 4],
                _ => [false, true, false, false],
            };
            if step == 20 {
                // written to before its first gradient
                theta = device.download(&params).unwrap();
                theta[70..200].iter_mut().for_each(|x| *x += 1.0);
                params = device.upload(&theta).unwrap();
            }
            let grads = gradients(&model(), 8, step);
            let given = Given { has_gradient: &has, ..Given::default() };
            host.step_given(&mut theta, &grads, given).unwrap();
            let grads = device.upload(&grads).unwrap();
            device.step(&params, &grads, &has).unwrap();
            let worst = difference(&device.download(&params).unwrap(), &theta);
            assert!(worst < 1e-5, "{name}, step {step}: {worst}");
        }
        let back = device.to_host().unwrap();
        assert_eq!(
            back.hierarchical_rnn().unwrap().own_steps(),
            host.hierarchical_rnn().unwrap().own_steps()
        );
        assert_eq!(back.hierarchical_rnn().unwrap().own_steps(), [31, 15, 31, 31]);
        assert_eq!(back.hierarchical_rnn().unwrap().steps(), 39);
        let (there, here) = (fields(&back), fields(&host));
        for (field, (a, b)) in there.iter().zip(&here).enumerate() {
            assert!(difference(a, b) < 1e-5, "{name}, field {field}: {}", difference(a, b));
        }
    }
}

/// A device limits how large one buffer may be, and the state is one.
#[test]
fn a_model_that_is_too_large_for_a_buffer_is_refused() {
    let client = client();
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    let of = weights.hierarchical_rnn().unwrap();
    let fields = of.parameter_hidden + of.timescales + of.mean_squares() + 3;
    let most = client.properties().memory.max_page_size as usize / 4 / fields;
    if most > 40_000_000 {
        println!("skipped: the host's memory may not do for {most} parameters");
        return;
    }
    let config = LearnedOptimizerConfig::new().with_weights(weights).with_guard(None);
    let refused = config.init_on_device(&client, &Layout::single(most + 64).unwrap());
    let sentence = refused.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(sentence.ends_with(&format!("a device takes at most {most}")), "{sentence}");
}
