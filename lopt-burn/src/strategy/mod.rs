//! A training strategy: burn's own `Learner` with this optimizer.
//!
//! The loop is that of burn's strategy for one device, step by step, with two differences: the model
//! that is trained is at the attended point, and the one that is validated and saved is not.

mod epoch;
mod rate;
mod state_files;

use crate::config::LearnedOptimizerConfig;
use crate::error::Error;
use crate::gather::unreadable;
use burn::data::dataloader::Progress;
use burn::train::metric::{
    Adaptor, LossInput, LossMetric, Metric as _, MetricMetadata, Numeric as _,
};
use burn::train::{
    EventProcessorTraining as _, Interrupter, Learner, LearnerEvent, LearnerModel,
    SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainStep,
    TrainingComponents, ValidLoader,
};
use epoch::Run;
use state_files::StateFiles;
use std::path::PathBuf;

/// Trains with a [`LearnedOptimizer`](crate::LearnedOptimizer) inside burn's `SupervisedTraining`, with its metrics, dashboard,
/// early stopping, interrupter, checkpoints and gradient accumulation.
///
/// ```no_run
/// # use burn::optim::SgdConfig;
/// # use burn::train::{Learner, LearnerModel, SupervisedTraining, TrainStep, TrainingStrategy};
/// # use burn::train::metric::{Adaptor, LossInput};
/// # use lopt_burn::{LearnedOptimizerConfig, LearnedStrategy};
/// # use std::sync::Arc;
/// # fn train<M: LearnerModel>(training: SupervisedTraining<M>, model: M, directory: &str) -> M
/// # where <M as TrainStep>::Output: Adaptor<LossInput> {
/// let strategy = LearnedStrategy::new(directory, LearnedOptimizerConfig::new());
/// let training = training.with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
/// // burn wants an optimizer here, which is not used; 1.0 leaves the steps as long as they are
/// let result = training.launch(Learner::new(model, SgdConfig::new().init(), 1.0));
/// if let Some(error) = &result.error {
///     panic!("{error}");
/// }
/// # result.model
/// # }
/// ```
///
/// * Gradients are taken at the attended point. Validation, checkpoints and the model that comes out
///   are at the true parameters.
/// * The rate of the `Learner` multiplies all steps, so a scheduler of burn that ends at a fraction of 1.0
///   works as it is, and 1e-3 would make every step a thousandth as long (which is warned of). Rates
///   of groups are refused: [`ParameterGroup`](crate::ParameterGroup) has them.
/// * Gradient accumulation takes all its gradients at one attended point and steps with their mean, where
///   burn has the sum; [clipping](LearnedOptimizerConfig::with_clipping_norm) sees the mean, and the guard the mean of the losses.
/// * Beside the checkpoint of an epoch there is `learned-EPOCH.lopt`, the state file of
///   [`LearnedOptimizer::save`](crate::LearnedOptimizer::save), so that the optimizer of a run that is resumed with `checkpoint(EPOCH)` goes on bit for
///   bit; a shuffled loader of burn begins anew. State files of checkpoints that burn has removed are removed at the latest two epochs later, if
///   they are the default ones (`with_default_checkpointers`).
/// * Training is on the device of the model. Make the model on a device with `gradient_checkpointing()` for that;
///   burn tells a strategy nothing of `SupervisedTraining::gradient_checkpointing`.
/// * Not used: the optimizer of the `Learner`, and a `TrainStep::optimize` of the model.
///
/// What goes wrong ends the training, as with burn's own strategies, and is in `LearningResult::error`, where
/// [`Error::within`] finds it.
#[derive(Debug)]
pub struct LearnedStrategy<M: LearnerModel> {
    directory: PathBuf,
    config: LearnedOptimizerConfig,
    loss: Option<ReadLoss<M>>,
}

/// The loss in what a step of the model puts out.
type ReadLoss<M> = fn(&<M as TrainStep>::Output) -> Result<f32, Error>;

impl<M: LearnerModel> LearnedStrategy<M> {
    /// A strategy whose guard sees the losses, for models whose output burn's `LossMetric` takes.
    ///
    /// * `directory`: that of `SupervisedTraining::new`; state files are in `checkpoint` inside it.
    pub fn new(directory: impl Into<PathBuf>, config: impl Into<LearnedOptimizerConfig>) -> Self
    where
        <M as TrainStep>::Output: Adaptor<LossInput>,
    {
        Self { loss: Some(loss_of), ..Self::without_loss(directory, config) }
    }

    /// The same for models whose output has no loss; the guard sees gradients and parameters only.
    pub fn without_loss(
        directory: impl Into<PathBuf>,
        config: impl Into<LearnedOptimizerConfig>,
    ) -> Self {
        Self { directory: directory.into(), config: config.into(), loss: None }
    }
}

/// What a `LossInput` holds is private, but burn's own metric reads it.
fn loss_of<O: Adaptor<LossInput>>(output: &O) -> Result<f32, Error> {
    let progress = Progress::new(0, 0, None);
    let metadata = MetricMetadata { progress, iteration: None, lr: None };
    let mut metric = LossMetric::new();
    metric.update(&output.adapt(), &metadata).map_err(unreadable)?;
    Ok(metric.value().map_or(f32::NAN, |entry| entry.current() as f32))
}

impl<M: LearnerModel> SupervisedLearningStrategy<M> for LearnedStrategy<M> {
    fn fit(
        &self,
        mut components: TrainingComponents<M>,
        mut learner: Learner<M>,
        train: TrainLoader<M>,
        valid: ValidLoader<M>,
        starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<M>) {
        let mut device = learner.model().devices().first().cloned().unwrap_or_default();
        if !device.is_autodiff() {
            device = device.autodiff();
        }
        learner.fork(&device);
        let loaders = (train.to_device(&device), valid.to_device(&device.inner()));
        let interrupter = components.interrupter.clone();
        let model = match self.begin(learner, &components) {
            Ok(mut run) => {
                self.epochs(&mut run, &mut components, &loaders, starting_epoch);
                run.model
            }
            Err((error, model)) => {
                fail(&interrupter, error);
                model
            }
        };
        (model, components.event_processor)
    }
}

type Loaders<M> = (TrainLoader<M>, ValidLoader<M>);

impl<M: LearnerModel> LearnedStrategy<M> {
    /// The run before its first epoch or after the checkpoint.
    fn begin(
        &self,
        learner: Learner<M>,
        components: &TrainingComponents<M>,
    ) -> Result<Run<M>, (Error, M)> {
        let model = learner.model();
        let resumed = self.config.init(&model).and_then(|mut optimizer| {
            let model = match components.checkpoint {
                Some(epoch) => {
                    StateFiles::new(&self.directory).load(epoch, &mut optimizer, &model)?
                }
                None => model.clone(),
            };
            Ok((optimizer, model))
        });
        match resumed {
            Ok((optimizer, model)) => Ok(Run { learner, model, optimizer, loss: self.loss }),
            Err(error) => Err((error, model)),
        }
    }

    /// All epochs, until something says stop.
    fn epochs(
        &self,
        run: &mut Run<M>,
        components: &mut TrainingComponents<M>,
        (train, valid): &Loaders<M>,
        starting_epoch: usize,
    ) {
        let interrupter = components.interrupter.clone();
        let processor = &mut components.event_processor;
        let files = StateFiles::new(&self.directory);
        let saves = components.checkpointer.is_some();
        for epoch in starting_epoch..=components.num_epochs {
            let total_items = train.num_items();
            let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items };
            interrupter.fail_on_error(processor.process_train(start));
            let trained =
                run.train(&**train, components.grad_accumulation, processor, &interrupter);
            if let Err(error) = trained {
                fail(&interrupter, error);
            }
            interrupter.fail_on_error(processor.process_train(LearnerEvent::EndSplit(epoch)));
            if interrupter.should_stop() {
                break;
            }
            let total_items = valid.num_items();
            let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items };
            interrupter.fail_on_error(processor.process_valid(start));
            run.validate(&**valid, processor, &interrupter);
            interrupter.fail_on_error(processor.process_valid(LearnerEvent::EndSplit(epoch)));
            interrupter.fail_on_error(processor.process_train(LearnerEvent::EndEpoch(epoch)));
            if saves || components.early_stopping.is_some() {
                // the metrics that decide are computed on another thread
                interrupter.fail_on_error(processor.flush());
            }
            if interrupter.should_stop() {
                break;
            }
            if let Some(checkpointer) = &mut components.checkpointer {
                files.remove_old(epoch);
                if let Err(error) = files.save(epoch, &run.optimizer, &run.model) {
                    fail(&interrupter, error);
                    break;
                }
                run.learner.load_model(run.model.clone().into_record());
                checkpointer.checkpoint(&run.learner, epoch, &components.event_store);
            }
            if let Some(early_stopping) = &mut components.early_stopping
                && early_stopping.should_stop(epoch, &components.event_store)
            {
                break;
            }
        }
        // waits until all checkpoints are written
        if components.checkpointer.take().is_some() {
            files.remove_all_old();
        }
    }
}

/// Ends the training with an error of ours.
fn fail(interrupter: &Interrupter, error: Error) {
    interrupter.fail(error.into_training_error());
}
