//! `LearnedStrategy` inside burn's own `SupervisedTraining`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod checkpoints;
mod network;

use burn::module::{Module, ParamGroup};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Device;
use burn::train::metric::LossMetric;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::{
    Learner, LearningResult, MetricEarlyStoppingStrategy, StoppingCondition, SupervisedTraining,
    TrainingStrategy,
};
use lopt_burn::{Error, LearnedOptimizer, LearnedOptimizerConfig, LearnedStrategy};
use network::{Network, Seen, batches, bits, loader};
use std::path::Path;
use std::sync::Arc;

/// A training run of this many epochs, the set in batches of this size.
fn training(
    directory: &Path,
    rows: usize,
    epochs: usize,
    seen: &Seen,
) -> SupervisedTraining<Network> {
    let strategy = LearnedStrategy::new(directory, LearnedOptimizerConfig::new());
    SupervisedTraining::new(directory, loader(rows, seen), loader(64, seen))
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)))
        .metric_train_numeric(LossMetric::new())
        .metric_valid_numeric(LossMetric::new())
        .with_application_logger(None)
        .num_epochs(epochs)
}

/// What burn wants beside the model.
fn learner(model: Network) -> Learner<Network> {
    Learner::new(model, SgdConfig::new().init(), 1.0)
}

fn sentence(result: &LearningResult<Network>) -> String {
    let error = result.error.as_ref().expect("the training fails");
    Error::within(error).expect("the error is ours").to_string()
}

#[test]
fn it_is_the_loop_written_by_hand_and_validates_the_true_parameters() {
    let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    let result = training(folder.path(), 16, 2, &seen).launch(learner(Network::new(true)));
    assert!(result.error.is_none(), "{:?}", result.error);

    let mut model = Network::new(true);
    let mut optimizer = LearnedOptimizer::pretrained(&model).unwrap();
    let (mut attended, mut validated) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        for (x, y) in batches(16) {
            model = optimizer
                .step(model, |at| {
                    attended.push(bits(at));
                    let loss = at.loss(&x, &y);
                    let value = loss.clone().into_scalar();
                    (value, GradientsParams::from_grads(loss.backward(), at))
                })
                .unwrap()
                .0;
        }
        validated.push(bits(&model.valid()));
    }
    assert_eq!(bits(&result.model), *validated.last().unwrap());
    assert_eq!(seen.validated(), validated);
    assert_eq!(seen.trained(), attended);
    assert_ne!(attended.last(), validated.last());
}

#[test]
fn gradients_of_several_batches_make_one_step_of_their_mean() {
    let run = |rows, accumulated| {
        let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
        let mut training = training(folder.path(), rows, 5, &seen);
        if accumulated > 1 {
            training = training.grads_accumulation(accumulated);
        }
        let result = training.launch(learner(Network::new(false)));
        assert!(result.error.is_none(), "{:?}", result.error);
        (result.model.floats(), seen.trained())
    };
    let (whole, _) = run(32, 1);
    let (summed, _) = run(16, 2);
    for (a, b) in whole.iter().zip(&summed) {
        assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
    }
    // the last of 4 batches of an epoch is a step of its own
    let (_, trained) = run(16, 3);
    let same: Vec<bool> = trained.windows(2).map(|pair| pair[0] == pair[1]).collect();
    assert_eq!(same[..7], [true, true, false, false, true, true, false]);
}

#[test]
fn early_stopping_and_the_interrupter_end_it() {
    let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    // the loss falls, so that a search for the highest one finds nothing better after the first epoch
    let stopping = MetricEarlyStoppingStrategy::new(
        &LossMetric::new(),
        Aggregate::Mean,
        Direction::Highest,
        Split::Valid,
        StoppingCondition::NoImprovementSince { n_epochs: 2 },
    );
    let training_of_many = training(folder.path(), 16, 50, &seen).early_stopping(stopping);
    let result = training_of_many.launch(learner(Network::new(true)));
    assert!(result.error.is_none());
    assert_eq!(seen.validated().len(), 3);

    let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    let training = training(folder.path(), 16, 2, &seen);
    training.interrupter().stop(Some("enough"));
    let result = training.launch(learner(Network::new(true)));
    assert_eq!(result.interrupted.unwrap().reason.as_deref(), Some("enough"));
    assert_eq!((seen.trained().len(), seen.validated().len()), (1, 0));
}

#[test]
fn the_rate_of_the_learner_multiplies_the_steps() {
    let run = |learner| {
        let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
        training(folder.path(), 64, 1, &seen).launch(learner)
    };
    let sgd = || SgdConfig::new().init();
    let start = Network::new(true);
    let moved = |rate: f64| {
        let result = run(Learner::new(start.clone(), sgd(), rate));
        assert!(result.error.is_none());
        let before = start.floats();
        before.iter().zip(result.model.floats()).map(|(a, b)| (a - b).abs()).sum::<f32>()
    };
    let (all, half) = (moved(1.0), moved(0.5));
    assert!((all / half - 2.0).abs() < 0.1, "{all} {half}");
    assert_eq!(moved(0.0), 0.0);

    let result = run(Learner::new(start.clone(), sgd(), f64::NAN));
    assert!(sentence(&result).starts_with("the learning rate of the Learner is NaN"));
    let biases = ParamGroup::from_predicate("bias");
    let rates = ModuleLrSchedulerConfig::new(1.0.into()).with_group(biases, 0.5);
    let result = run(Learner::new(start.clone(), sgd(), rates.init().unwrap()));
    let sentence = sentence(&result);
    assert!(sentence.contains("0.5 for `hidden.bias` and 1 for others"), "{sentence}");
}

#[test]
fn a_model_without_loss_or_with_nothing_to_train() {
    let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    let strategy = LearnedStrategy::without_loss(folder.path(), LearnedOptimizerConfig::new());
    let strategy = TrainingStrategy::Custom(Arc::new(strategy));
    let result = training(folder.path(), 16, 3, &seen)
        .with_training_strategy(strategy)
        .launch(learner(Network::new(true)));
    assert!(result.error.is_none());
    let validated = seen.validated();
    assert_ne!(validated[0], validated[2]);

    let result = training(folder.path(), 16, 1, &seen)
        .launch(learner(Network::new(true).to_device(&Device::default()).valid()));
    let sentence = sentence(&result);
    assert!(sentence.starts_with("no parameter requires a gradient"), "{sentence}");
}
