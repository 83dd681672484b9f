//! One epoch: steps from the attended point, validation at the true parameters.

use super::{ReadLoss, rate};
use crate::attended::Attended;
use crate::error::Error;
use crate::optimizer::LearnedOptimizer;
use burn::data::dataloader::{DataLoader, Progress};
use burn::optim::GradientsAccumulator;
use burn::train::{
    EventProcessorTraining as _, InferenceStep, Interrupter, Learner, LearnerEvent, LearnerModel,
    SupervisedTrainingEventProcessor, TrainStep, TrainingItem,
};

/// A training run under way.
pub(super) struct Run<M: LearnerModel> {
    /// Has the scheduler, and the model while a checkpoint is made of it.
    pub learner: Learner<M>,
    /// The model at the true parameters.
    pub model: M,
    pub optimizer: LearnedOptimizer,
    pub loss: Option<ReadLoss<M>>,
}

/// Gradients and losses on their way to one step.
struct Window<M: LearnerModel> {
    attended: Attended<M>,
    accumulator: GradientsAccumulator<M>,
    batches: usize,
    /// Sum over the batches.
    loss: Option<f32>,
}

impl<M: LearnerModel> Run<M> {
    /// All batches of the training set; `per_step` of them make one step.
    pub(super) fn train(
        &mut self,
        loader: &dyn DataLoader<<M as TrainStep>::Input>,
        per_step: Option<usize>,
        processor: &mut SupervisedTrainingEventProcessor<M>,
        interrupter: &Interrupter,
    ) -> Result<(), Error> {
        let mut window = None;
        for (batch, progress, iteration) in batches(loader, interrupter) {
            let mut gathered = match window.take() {
                Some(gathered) => gathered,
                None => self.open()?,
            };
            let output = TrainStep::step(&*gathered.attended, batch);
            gathered.accumulator.accumulate(&gathered.attended, output.grads);
            gathered.batches += 1;
            if let Some(read) = self.loss {
                gathered.loss = Some(gathered.loss.unwrap_or(0.0) + read(&output.item)?);
            }
            if gathered.batches >= per_step.unwrap_or(1) || progress.is_completed() {
                self.step(gathered)?;
            } else {
                window = Some(gathered);
            }
            let lr = Some(self.learner.lr_current());
            let item = TrainingItem::new(output.item, progress, Some(iteration), lr);
            interrupter.fail_on_error(processor.process_train(LearnerEvent::ProcessedItem(item)));
            if interrupter.should_stop() {
                break;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Window<M>, Error> {
        let attended = self.optimizer.attend(&self.model)?;
        let accumulator = GradientsAccumulator::new();
        Ok(Window { attended, accumulator, batches: 0, loss: None })
    }

    /// One step with the mean of what was gathered.
    fn step(&mut self, window: Window<M>) -> Result<(), Error> {
        let Window { attended, mut accumulator, batches, loss } = window;
        self.learner.lr_step();
        let multiplier = rate::multiplier(&self.learner.lr_current(), &self.model)?;
        self.optimizer.set_lr_multiplier(multiplier);
        let loss = loss.map(|sum| sum / batches as f32);
        let (model, grads) = (self.model.clone(), accumulator.grads());
        self.model = self.optimizer.apply_mean(model, attended, grads, batches, loss)?;
        Ok(())
    }

    /// All batches of the validation set.
    pub(super) fn validate(
        &self,
        loader: &dyn DataLoader<<M as InferenceStep>::Input>,
        processor: &mut SupervisedTrainingEventProcessor<M>,
        interrupter: &Interrupter,
    ) {
        let model = self.model.valid();
        for (batch, progress, iteration) in batches(loader, interrupter) {
            let output = InferenceStep::step(&model, batch);
            let item = TrainingItem::new(output, progress, Some(iteration), None);
            interrupter.fail_on_error(processor.process_valid(LearnerEvent::ProcessedItem(item)));
            if interrupter.should_stop() {
                break;
            }
        }
    }
}

/// Batches of an epoch, each with how far it is in the epoch and its number from 1 on. One that cannot be
/// read ends the training.
fn batches<I>(
    loader: &dyn DataLoader<I>,
    interrupter: &Interrupter,
) -> impl Iterator<Item = (I, Progress, usize)> {
    let mut batches = loader.iter();
    let numbers = 1..;
    numbers.map_while(move |number| match batches.next()? {
        Ok(batch) => Some((batch, batches.progress(), number)),
        Err(error) => {
            interrupter.fail(error);
            None
        }
    })
}
