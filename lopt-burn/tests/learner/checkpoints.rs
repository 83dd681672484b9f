//! Trainings that are stopped and resumed.

use crate::network::{Network, Seen, all_bits};
use crate::{learner, sentence, training};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::{LearningResult, SupervisedTraining};
use std::path::Path;

fn saving(directory: &Path, epochs: usize) -> SupervisedTraining<Network> {
    training(directory, 16, epochs, &Seen::default())
        .with_default_checkpointers()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
}

fn run(training: SupervisedTraining<Network>) -> LearningResult<Network> {
    // what a new process would make, to be overwritten from the checkpoint
    training.launch(learner(Network::new(true)))
}

#[test]
fn a_resumed_training_is_the_uninterrupted_one_bit_for_bit() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let uninterrupted = run(saving(whole.path(), 6));
    assert!(uninterrupted.error.is_none(), "{:?}", uninterrupted.error);
    assert!(run(saving(parts.path(), 3)).error.is_none());
    let resumed = run(saving(parts.path(), 6).checkpoint(3));
    assert!(resumed.error.is_none(), "{:?}", resumed.error);
    assert_eq!(all_bits(&resumed.model), all_bits(&uninterrupted.model));

    // as many state files as burn has kept checkpoints
    for folder in [whole.path(), parts.path()] {
        let entries = std::fs::read_dir(folder.join("checkpoint")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("optim")).collect();
        names.retain(|name| !name.starts_with("scheduler"));
        names.sort();
        assert_eq!(names, ["learned-5.lopt", "learned-6.lopt", "model-5.bpk", "model-6.bpk"]);
    }
}

#[test]
fn a_checkpoint_without_its_state_file_is_refused() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = |epoch: usize| folder.path().join(format!("checkpoint/learned-{epoch}.lopt"));
    assert!(run(saving(folder.path(), 2)).error.is_none());

    // of another moment of the same training run
    let second = std::fs::read(file(2)).unwrap();
    std::fs::copy(file(1), file(2)).unwrap();
    let sentence_of = |epoch| sentence(&run(saving(folder.path(), 4).checkpoint(epoch)));
    let told = sentence_of(2);
    assert!(told.starts_with("the checkpoint of epoch 2 has other values of `"), "{told}");

    // of another model
    let plain = training(other.path(), 16, 1, &Seen::default()).with_default_checkpointers();
    assert!(plain.launch(learner(Network::new(false))).error.is_none());
    std::fs::copy(other.path().join("checkpoint/learned-1.lopt"), file(2)).unwrap();
    let told = sentence_of(2);
    assert!(told.starts_with("cannot go on from the checkpoint of epoch 2"), "{told}");
    assert!(told.ends_with("saved for a model of 4 tensors, here there are 6"), "{told}");

    // none
    std::fs::remove_file(file(2)).unwrap();
    let result = run(saving(folder.path(), 4).checkpoint(2));
    let told = sentence(&result);
    assert!(told.contains("cannot read the state") && told.contains("learned-2.lopt"), "{told}");
    assert!(result.error.unwrap().to_string().starts_with("Checkpoint error"));

    // and the right one again
    std::fs::write(file(2), second).unwrap();
    assert!(run(saving(folder.path(), 3).checkpoint(2)).error.is_none());
}
