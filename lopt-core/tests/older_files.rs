//! Files of every version that is read. `tests/data/files` has one of each, written by the program of
//! that version (those before weights of version 6 and the state of version 7 by hand, after what those
//! programs wrote); 3 and 4 got a field each without a new number, so there are two of them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::config::{GlobalInput, Normalization, RelativeRate, StepOffset};
use lopt_core::learned::Given;
use lopt_core::weights::{OptimizerConfig, TrainingRecord};
use lopt_core::{
    HierarchicalRnnConfig, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
    RelativeRnnConfig, TensorShape, Weights,
};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)
}

/// No field is what another one of its kind is beside it, so that none can be read for another.
fn full() -> HierarchicalRnnConfig {
    HierarchicalRnnConfig {
        parameter_hidden: 4,
        tensor_hidden: 5,
        global_hidden: 6,
        timescales: 2,
        attention: false,
        gradient_products: true,
        asinh: false,
        rms_decay_per_scale: true,
        previous_scale: false,
        normalization: Normalization::MeanNorm,
        step_offset: StepOffset::Attention,
        relative_rate: RelativeRate::Tensor,
        global_input: GlobalInput::LastTensor,
        learnable_decay: false,
        learnable_gradient_decay: true,
        dynamic_output_scale: true,
        zero_init_rate: false,
        log_mean_squares: true,
        extreme_indicator: false,
        rate_shortcut: true,
        parameter_scale: true,
        gradient_shortcut: false,
        learnable_initial_state: true,
        max_log_rate: 12.5,
        initial_rate: (1e-4, 1e-3),
        warmup: 20.0,
        decay: 2000.0,
        largest_decay: 300.0,
        clock: 1500.0,
        wide_from: 100.0,
        least_gradient: 3e-8,
    }
}

fn relative_config() -> OptimizerConfig {
    let others = RelativeRnnConfig::default();
    RelativeRnnConfig { tensor_hidden: 2, global_hidden: 1, ..others }.into()
}

/// Its files lack what a model's depth does.
fn numbers() -> RelativeRnnConfig {
    RelativeRnnConfig {
        tensor_hidden: 2,
        global_hidden: 1,
        agreement: 2.0,
        warm_up: 20.0,
        power_in_noise: 0.5,
        weight_decay: 0.03,
        ..RelativeRnnConfig::default()
    }
}

/// None of its numbers is what files mean that lack it.
fn depth_config() -> OptimizerConfig {
    RelativeRnnConfig {
        warm_up_per_matrix: 6.0,
        shorter_with_depth: 0.7,
        doubt_with_depth: 0.9,
        ..numbers()
    }
    .into()
}

/// What every one of the files holds beside its configuration.
fn weights(config: OptimizerConfig) -> Weights {
    let count = config.meta_parameters();
    let psi = (0..count).map(|i| ((i * 7 % 31) as f32 - 15.0) / 64.0).collect();
    let record = TrainingRecord {
        recipe: "seed = 3\n".to_owned(),
        seed: 3,
        updates: 20,
        instance_steps: 500,
        validation: -0.75,
        commit: "abc123".to_owned(),
    };
    Weights::new(config, psi, record).unwrap()
}

/// Every weights file, and what it says.
fn weights_files() -> Vec<(&'static str, Weights)> {
    let version_5 = full();
    let version_4 = HierarchicalRnnConfig { least_gradient: 0.0, ..version_5 };
    let early_4 = HierarchicalRnnConfig { wide_from: 0.0, ..version_4 };
    let version_3 = HierarchicalRnnConfig { clock: 0.0, ..early_4 };
    let early_3 = HierarchicalRnnConfig { largest_decay: 0.0, ..version_3 };
    let version_2 = HierarchicalRnnConfig { warmup: 0.0, decay: 0.0, ..early_3 };
    let version_1 = HierarchicalRnnConfig { parameter_scale: false, ..version_2 };
    let files = [
        ("weights-1.lopt", version_1),
        ("weights-2.lopt", version_2),
        ("weights-3-early.lopt", early_3),
        ("weights-3.lopt", version_3),
        ("weights-4-early.lopt", early_4),
        ("weights-4.lopt", version_4),
        ("weights-5.lopt", version_5),
        ("weights-6.lopt", version_5),
        ("weights-7.lopt", version_5),
    ];
    let files = files.into_iter().map(|(name, config)| (name, weights(config.into())));
    let relative = [
        ("weights-7-relative.lopt", weights(relative_config())),
        ("weights-7-numbers.lopt", weights(numbers().into())),
        ("weights-7-depth.lopt", weights(depth_config())),
    ];
    files.chain(relative).collect()
}

#[test]
fn weights_of_every_version_are_read() {
    for (name, expected) in weights_files() {
        assert_eq!(Weights::read(&path(name)).unwrap(), expected, "{name}");
    }
    // files that are written are those of the newest version, byte for byte
    for (name, config) in
        [("weights-7.lopt", full().into()), ("weights-7-depth.lopt", depth_config())]
    {
        let written = weights(config).to_bytes().unwrap();
        assert!(std::fs::read(path(name)).unwrap() == written, "{name}");
    }
}

/// Before they had names, contents were in bincode's legacy format, as bincode 2.0.1 writes it.
#[test]
fn what_has_no_names_is_bincodes() {
    let w = weights(full().into());
    let r = w.record();
    let record = (&r.recipe, r.seed, r.updates, r.instance_steps, r.validation, &r.commit);
    // an enum is the number of its variant and what is in it
    let parts = (0_u32, full(), w.psi(), record);
    let expected = bincode::serde::encode_to_vec(parts, bincode::config::legacy()).unwrap();
    // after magic, version, checksum and length
    assert_eq!(std::fs::read(path("weights-6.lopt")).unwrap()[28..], expected);
}

/// A changed version is found, too, though the checksum is that of the contents.
#[test]
fn no_damaged_bit_makes_a_file_one_of_another_version() {
    for (name, _) in weights_files() {
        let bytes = std::fs::read(path(name)).unwrap();
        for bit in 0..32 {
            let mut damaged = bytes.clone();
            damaged[8 + bit / 8] ^= 1 << (bit % 8);
            assert!(Weights::from_bytes(&damaged).is_err(), "{name}, bit {bit}");
        }
        // contents cut or changed with the checksum of what is left
        for length in (28..bytes.len()).step_by(7) {
            let version = u32::from(bytes[8]);
            let cut = lopt_core::sealed::seal(&bytes[28..length], b"LOPTWGTS", version);
            assert!(Weights::from_bytes(&cut).is_err(), "{name}, cut at {length}");
        }
    }
}

fn optimizer(weights: &Weights) -> LearnedOptimizer {
    let tensors = vec![TensorShape::new("weight", [2, 3]), TensorShape::new("bias", [3])];
    let layout = Layout::new(tensors).unwrap();
    LearnedOptimizerConfig::new().with_weights(weights.clone()).init(&layout).unwrap()
}

/// The run of all state files: the second tensor joins at step 10, the file is of step 30.
fn step(optimizer: &mut LearnedOptimizer, params: &mut [f32]) {
    let at = optimizer.attended(params).to_vec();
    let grads: Vec<f32> = at.iter().zip(1..).map(|(x, i)| x * i as f32).collect();
    let loss = grads.iter().zip(&at).map(|(g, x)| g * x).sum();
    let has_gradient = [true, optimizer.steps() >= 10];
    let given = Given { loss: Some(loss), has_gradient: &has_gradient, ..Given::default() };
    optimizer.step_given(params, &grads, given).unwrap();
}

/// All files of one run say the same, but for what the guard of each version watched.
#[test]
fn a_run_goes_on_from_a_state_of_every_version() {
    let runs = [
        (full().into(), "hierarchical", &[7, 8, 9][..]),
        (relative_config(), "relative", &[9]),
        (numbers().into(), "numbers", &[]),
        (depth_config(), "depth", &[]),
    ];
    for (config, kind, earlier) in runs {
        let weights = weights(config);
        let read = |version: u32| {
            let mut optimizer = optimizer(&weights);
            let name = format!("state-{version}-{kind}.lopt");
            let params = optimizer.load(path(&name)).unwrap();
            assert_eq!((optimizer.steps(), optimizer.lr_multiplier()), (30, 0.3), "{name}");
            (optimizer, params)
        };
        let written = |version| {
            let (optimizer, params) = read(version);
            optimizer.to_bytes(&params).unwrap()
        };
        let newest = std::fs::read(path(&format!("state-10-{kind}.lopt"))).unwrap();
        // some lack numbers, which are written since
        assert!(["relative", "numbers"].contains(&kind) || written(10) == newest, "{kind}");
        assert!(earlier.iter().all(|&version| written(version) == written(9)), "{kind}");
        let later = |version| {
            let (mut optimizer, mut params) = read(version);
            (0..10).for_each(|_| step(&mut optimizer, &mut params));
            assert!(!optimizer.has_fallen_back() && optimizer.skipped_steps() == 0);
            params
        };
        assert!(earlier.is_empty() || later(9) == later(10), "{kind}");
    }
}

/// Fixed bits: whoever changes the rule of the relative RNN changes where runs under way end.
#[test]
fn a_run_of_an_earlier_version_ends_at_the_same_bits() {
    for name in ["state-9-relative.lopt", "state-10-relative.lopt"] {
        let mut optimizer = optimizer(&weights(relative_config()));
        let mut params = optimizer.load(path(name)).unwrap();
        (0..10).for_each(|_| step(&mut optimizer, &mut params));
        let bits: Vec<u32> = params.iter().map(|x| x.to_bits()).collect();
        let weight = [0x3e69_6b5c, 0x3e69_6b5c, 0x3e69_6b58, 0x3e69_6b5c, 0x3e69_6b58, 0x3e69_6b58];
        let bias = [0x3f13_dde1, 0x3f13_dde1, 0x3f13_dde2];
        assert_eq!(bits, [weight.as_slice(), &bias].concat(), "{name}");
    }
}

/// Adam was at work when this state was saved: it goes on, and hands back after a quiet time.
#[test]
fn an_adam_of_version_9_goes_on() {
    let mut optimizer = optimizer(&weights(relative_config()));
    let mut params = optimizer.load(path("state-9-fallen-back.lopt")).unwrap();
    assert!(optimizer.has_fallen_back());
    step(&mut optimizer, &mut params);
    assert!(optimizer.has_fallen_back());
    (0..4000).for_each(|_| step(&mut optimizer, &mut params));
    assert!(!optimizer.has_fallen_back());
}

#[test]
fn a_name_nobody_knows_in_a_state_is_refused() {
    let bytes = std::fs::read(path("state-10-relative.lopt")).unwrap();
    let (length, rest) = bytes[28..].split_first_chunk::<8>().unwrap();
    let (text, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let text = format!("color = 3\n{}", str::from_utf8(text).unwrap());
    let mut payload = (text.len() as u64).to_le_bytes().to_vec();
    payload.extend(text.as_bytes());
    payload.extend(rest);
    let file = lopt_core::sealed::seal(&payload, b"LOPTSTAT", 10);
    let mut optimizer = optimizer(&weights(relative_config()));
    let error = optimizer.from_bytes(&file).unwrap_err().to_string();
    let expected = "not usable as an optimizer state: unknown field `color`";
    assert!(error.starts_with(expected), "{error}");
}
