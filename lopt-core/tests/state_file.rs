//! State files: a run that goes on is the run that never stopped, and nothing else is accepted.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::{
    HierarchicalRnnConfig, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
    TensorShape, UntrainedTensor, Weights,
};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn hierarchical() -> LearnedOptimizerConfig {
    let weights = Weights::embedded("hierarchical-rnn").unwrap();
    LearnedOptimizerConfig::new().with_weights(weights)
}

fn layout() -> Layout {
    let tensors = [("weight", 90), ("bias", 7)];
    Layout::new(tensors.map(|(name, n)| TensorShape::new(name, [n])).to_vec()).unwrap()
}

fn gradient(at: &[f32], step: u64) -> Vec<f32> {
    let mut rng = stream(step, &[3]);
    let curvature = |i: usize| 10.0_f32.powf((i % 5) as f32 - 2.0);
    at.iter().enumerate().map(|(i, x)| curvature(i) * x + 0.1 * normal(&mut rng) as f32).collect()
}

fn step(optimizer: &mut LearnedOptimizer, params: &mut [f32]) {
    let at = optimizer.attended(params).to_vec();
    let loss: f32 = at.iter().map(|x| x * x).sum();
    let grads = gradient(&at, optimizer.steps());
    optimizer.step_with_loss(params, &grads, loss).unwrap();
}

/// Weights of the paper's configuration, with attention, that do something.
fn attentive() -> Weights {
    let (config, _, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    let config = HierarchicalRnnConfig { attention: true, ..config.hierarchical_rnn().unwrap() };
    let mut rng = stream(5, &[]);
    let count = MetaLayout::new(&config).len();
    let psi = (0..count).map(|_| 0.05 * normal(&mut rng) as f32).collect();
    Weights::new(config, psi, record).unwrap()
}

/// The weights `hierarchical-rnn` with other meta-parameters.
fn changed(change: fn(&mut [f32])) -> Weights {
    let (config, mut psi, record) = Weights::embedded("hierarchical-rnn").unwrap().into_parts();
    change(&mut psi);
    Weights::new(config, psi, record).unwrap()
}

fn configs() -> Vec<(&'static str, LearnedOptimizerConfig)> {
    let plain = hierarchical;
    let poison = changed(|psi| psi.iter_mut().for_each(|x| *x = -*x));
    vec![
        ("plain", plain()),
        ("compact", plain().with_compact_state()),
        ("no averaging, no guard", plain().with_averaging(None).with_guard(None)),
        ("attention", plain().with_weights(attentive()).with_guard(None)),
        ("fallen back", plain().with_weights(poison)),
    ]
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    for (name, config) in configs() {
        let mut whole = config.init(&layout()).unwrap();
        let mut params = vec![1.0; 97];
        let mut saved = Vec::new();
        for n in 0..200 {
            if [0, 1, 30, 131].contains(&n) {
                saved.push(whole.to_bytes(&params).unwrap());
            }
            step(&mut whole, &mut params);
        }
        let end = whole.to_bytes(&params).unwrap();
        assert_eq!(whole.has_fallen_back(), name == "fallen back");
        for (at, bytes) in [0, 1, 30, 131].into_iter().zip(saved) {
            let mut again = config.init(&layout()).unwrap();
            let mut params = again.from_bytes(&bytes).unwrap();
            (at..200).for_each(|_| step(&mut again, &mut params));
            assert!(again.to_bytes(&params).unwrap() == end, "{name}, from step {at}");
        }
    }
}

#[test]
fn bytes_depend_on_no_thread() {
    let sizes = [18, 2, 320, 512, 16, 160, 16, 1, 32, 70];
    let tensor = |i: usize| TensorShape::new(format!("t{i}"), [sizes[i % sizes.len()]]);
    let layout = Layout::new((0..100).map(tensor).collect()).unwrap();
    for (_, config) in configs() {
        let bytes = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut optimizer = config.init(&layout).unwrap();
                let mut params = vec![1.0; layout.len()];
                (0..8).for_each(|_| step(&mut optimizer, &mut params));
                optimizer.to_bytes(&params).unwrap()
            })
        };
        let one = bytes(1);
        for threads in [1, 2, 2, 3] {
            assert!(bytes(threads) == one, "{threads} threads");
        }
    }
}

#[test]
fn tensors_without_elements_change_nothing() {
    let empty = TensorShape::new("none", [0, 10]);
    let mut tensors = layout().tensors().to_vec();
    tensors.insert(1, empty);
    let with = Layout::new(tensors).unwrap();
    let run = |layout: &Layout| {
        let mut optimizer = hierarchical().init(layout).unwrap();
        let mut params = vec![1.0; layout.len()];
        (0..3).for_each(|_| step(&mut optimizer, &mut params));
        let bytes = optimizer.to_bytes(&params).unwrap();
        let mut resumed = hierarchical().init(layout).unwrap();
        let mut params = resumed.from_bytes(&bytes).unwrap();
        step(&mut resumed, &mut params);
        (params, bytes)
    };
    assert_eq!(run(&with), run(&layout()));
}

#[test]
fn another_model_or_another_optimizer_is_refused_with_what_differs() {
    let plain = hierarchical();
    let mut optimizer = plain.init(&layout()).unwrap();
    let mut params = vec![1.0; 97];
    (0..3).for_each(|_| step(&mut optimizer, &mut params));
    let bytes = optimizer.to_bytes(&params).unwrap();
    let refuse = |config: &LearnedOptimizerConfig, layout: &Layout| {
        let mut other = config.init(layout).unwrap();
        let before = other.to_bytes(&vec![0.0; layout.len()]).unwrap();
        let error = other.from_bytes(&bytes).unwrap_err().to_string();
        assert_eq!(other.to_bytes(&vec![0.0; layout.len()]).unwrap(), before, "{error}");
        error
    };
    let shapes = |shapes: &[(&str, usize)]| {
        Layout::new(shapes.iter().map(|&(name, n)| TensorShape::new(name, [n])).collect()).unwrap()
    };
    assert_eq!(
        refuse(&plain, &shapes(&[("weight", 90), ("bias", 8)])),
        "saved for a model whose tensor 1 is `bias [7]`, here it is `bias [8]`"
    );
    assert_eq!(
        refuse(&plain, &shapes(&[("weight", 90)])),
        "saved for a model of 2 tensors, here there are 1"
    );
    let other = plain.clone().with_weights(attentive());
    assert_eq!(
        refuse(&other, &layout()),
        "saved by an optimizer with `attention: false`, here it is `attention: true`"
    );
    let other = refuse(&plain.clone().with_weights(changed(|psi| psi[17] += 1.0)), &layout());
    assert!(other.starts_with("saved with other weights"), "{other}");
    assert_eq!(
        refuse(&plain.clone().with_compact_state(), &layout()),
        "saved with a compact state off, here it is on"
    );
    assert_eq!(
        refuse(&plain.with_averaging(None), &layout()),
        "saved with averaging with eta 8, here it is off"
    );
    let versions = [
        (6, "the file has format version 6, and the oldest that this program reads is 7"),
        (
            11,
            "the file has format version 11, and the newest that this program reads is 10: it takes a \
             newer program",
        ),
    ];
    for (version, sentence) in versions {
        let mut other = bytes.clone();
        other[8] = version;
        let error = optimizer.from_bytes(&other).unwrap_err().to_string();
        assert_eq!(error, format!("not usable as an optimizer state: {sentence}"));
    }
}

#[test]
fn a_damaged_file_is_never_accepted() {
    let layout = Layout::single(3).unwrap();
    let mut optimizer = hierarchical().init(&layout).unwrap();
    let bytes = optimizer.to_bytes(&[1.0, 2.0, 3.0]).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(optimizer.from_bytes(&damaged).is_err(), "byte {at}");
        assert!(optimizer.from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(optimizer.from_bytes(&bytes).unwrap(), [1.0, 2.0, 3.0]);
    let missing = optimizer.load(Path::new("/nonexistent/state")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the state /nonexistent/state"), "{missing}");
}

/// Steps of the run that is killed, and between two saves.
const STEPS: u64 = 3000;
const EVERY: u64 = 5;

/// Goes on from the file, if there is one, and saves as it goes.
fn train_with_checkpoints(path: &Path) -> Vec<u8> {
    let mut optimizer = hierarchical().init(&layout()).unwrap();
    let mut params = vec![1.0; 97];
    if path.exists() {
        params = optimizer.load(path).unwrap();
    }
    while optimizer.steps() < STEPS {
        step(&mut optimizer, &mut params);
        if optimizer.steps().is_multiple_of(EVERY) {
            optimizer.save(path, &params).unwrap();
        }
    }
    optimizer.to_bytes(&params).unwrap()
}

/// Not a test of its own: the process that [`killed_at_any_moment`] starts and kills.
#[test]
fn child_that_is_killed() {
    let folder = std::env::args().find_map(|arg| arg.strip_prefix("in-folder=").map(String::from));
    if let Some(folder) = folder {
        let end = train_with_checkpoints(&Path::new(&folder).join("state"));
        std::fs::write(Path::new(&folder).join("end"), end).unwrap();
    }
}

#[test]
fn killed_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train_with_checkpoints(&folder.path().join("uninterrupted"));
    let program = std::env::current_exe().unwrap();
    let mut rng = stream(11, &[]);
    let mut kills = 0;
    while !folder.path().join("end").exists() {
        // the harness takes unknown words as filters, of which any may match
        let mut child = Command::new(&program)
            .args(["child_that_is_killed", &format!("in-folder={}", folder.path().display())])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let delay = 20.0 + 60.0 * lopt_core::rng::unit(&mut rng);
        std::thread::sleep(Duration::from_millis(delay as u64));
        if kills < 40 {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        assert!(kills <= 40);
    }
    assert!(kills >= 3, "killed {kills} times only");
    assert!(std::fs::read(folder.path().join("end")).unwrap() == whole, "after {kills} kills");
}

#[test]
fn tensors_that_are_not_trained_are_in_the_file_and_nowhere_else() {
    let tensor = |name: &str, values: &[f32]| UntrainedTensor {
        tensor: TensorShape::new(name, [values.len()]),
        values: values.to_vec(),
    };
    let saved = [tensor("mean", &[0.5, -1.0]), tensor("variance", &[3.0])];
    let blank = || [tensor("mean", &[0.0, 0.0]), tensor("variance", &[1.0])];
    for config in [LearnedOptimizerConfig::new(), hierarchical().with_guard(None)] {
        let mut optimizer = config.init(&layout()).unwrap();
        let mut params = vec![1.0; 97];
        (0..30).for_each(|_| step(&mut optimizer, &mut params));
        let with = optimizer.to_bytes_with(&params, &saved).unwrap();
        let without = optimizer.to_bytes(&params).unwrap();

        let mut resumed = config.init(&layout()).unwrap();
        let mut here = blank();
        assert_eq!(resumed.from_bytes_with(&with, &mut here).unwrap(), params);
        assert_eq!(here, saved);
        assert_eq!(resumed.to_bytes(&params).unwrap(), without);
        // a file without them, as earlier versions wrote all
        here = blank();
        assert_eq!(resumed.from_bytes_with(&without, &mut here).unwrap(), params);
        assert_eq!(here, blank());

        let error = resumed.from_bytes(&with).unwrap_err().to_string();
        assert_eq!(
            error,
            "saved with the untrained tensors `mean [2], variance [1]`, here they are ``"
        );
        let mut others = [tensor("mean", &[0.0]), tensor("variance", &[1.0])];
        assert!(resumed.from_bytes_with(&with, &mut others).is_err());
        others[0].values.push(0.0);
        let error = resumed.to_bytes_with(&params, &others).unwrap_err().to_string();
        assert_eq!(error, "the untrained tensor `mean` has 2 values, expected [1]");
        let cut = &with[..with.len() - 4];
        assert!(resumed.from_bytes_with(cut, &mut blank()).is_err());
        assert_eq!(resumed.to_bytes(&params).unwrap(), without);
    }
}
