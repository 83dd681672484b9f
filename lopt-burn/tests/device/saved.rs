//! State files: a run that was stopped goes on bit for bit.

use crate::model::{bits, flat};
use crate::problems::{ConvNet, OnCpu, OnDevice, gpu, with_weights};
use burn::module::Module;
use lopt_burn::{Schedule, StateError};

#[test]
fn a_stopped_run_goes_on_bit_for_bit() {
    ["recommended", "hierarchical-rnn"].into_iter().for_each(stopped);
}

fn stopped(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let config = with_weights(name).with_schedule(Schedule::Cosine { steps: 12, floor: 0.1 });
    let mut whole = OnDevice::<ConvNet>::new(&config);
    (0..5).for_each(|_| whole.step());
    whole.2.save(&path, &whole.1).unwrap();
    let mut resumed = OnDevice::<ConvNet>::new(&config);
    resumed.step();
    resumed.1 = resumed.2.load(&path, resumed.1).unwrap();
    assert_eq!(resumed.2.steps(), 5);
    assert_eq!(bits(&flat(&resumed.1, None)), bits(&flat(&whole.1, None)));
    for _ in 0..5 {
        whole.step();
        resumed.step();
    }
    assert_eq!(bits(&flat(&resumed.1, None)), bits(&flat(&whole.1, None)));
    let of = |run: &OnDevice<ConvNet>| run.2.to_bytes(&run.1).unwrap();
    assert_eq!(of(&resumed), of(&whole));
}

#[test]
fn the_cpu_goes_on_from_the_file_of_a_device() {
    ["recommended", "hierarchical-rnn"].into_iter().for_each(goes_on);
}

fn goes_on(name: &str) {
    let config = with_weights(name);
    let mut device = OnDevice::<ConvNet>::new(&config);
    (0..4).for_each(|_| device.step());
    let bytes = device.2.to_bytes(&device.1).unwrap();
    let mut host = OnCpu::<ConvNet>::new(&config);
    host.load(&bytes);
    assert_eq!(bits(host.parameters()), bits(&flat(&device.1, None)));
    for _ in 0..3 {
        host.step();
        device.step();
    }
    let apart = host.parameters().iter().zip(flat(&device.1, None));
    let worst = apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn foreign_files_are_refused_and_change_nothing() {
    let config = with_weights("hierarchical-rnn");
    let mut run = OnDevice::<ConvNet>::new(&config);
    run.step();
    let before = run.2.to_bytes(&run.1).unwrap();
    let error = run.2.from_bytes(&before[..100], run.1.clone()).unwrap_err();
    assert!(matches!(error, lopt_burn::Error::State(StateError::Seal(_))), "{error}");
    let other = config.clone().with_averaging(None);
    let mut plain = OnDevice::<ConvNet>::new(&other);
    let error = plain.2.from_bytes(&before, plain.1.clone()).unwrap_err().to_string();
    assert_eq!(error, "saved with averaging with eta 8, here it is off");
    // a module on another device
    let error = run.2.from_bytes(&before, OnCpu::<ConvNet>::new(&config).1).unwrap_err();
    assert!(matches!(error, lopt_burn::Error::Elsewhere { .. }), "{error}");
    assert_eq!(run.2.to_bytes(&run.1).unwrap(), before);
    // a record of the module has the same values in other buffers
    let moved = run.1.clone().to_device(&gpu());
    run.2.sync(&moved).unwrap();
    assert_eq!(run.2.steps(), 1);
}
