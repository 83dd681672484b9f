//! burn's own `SupervisedTraining` on MNIST or on generated digits, with ours and with AdamW(1e-3).
//!
//! ```sh
//! cargo run -p lopt-burn --features train --example burn_learner                 # generated digits
//! cargo run -p lopt-burn --features train --example burn_learner -- --data DIR   # MNIST's IDX files
//! ```
//! `LOPT_DATA` in the environment does what `--data` does; `--epochs N` trains longer.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

mod digits;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, SgdConfig};
use burn::tensor::Device;
use burn::tensor::activation::relu;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
    TrainingStrategy,
};
use digits::Batch;
use lopt_burn::{LearnedOptimizerConfig, LearnedStrategy, renew_statistics};
use lopt_problems::Dataset;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const BATCH: usize = 64;
const ADAMW_RATE: f64 = 1e-3;

#[derive(Module, Debug)]
struct Network {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    head: Linear,
}

impl Network {
    /// * `size`: height and width of an image.
    fn new(size: usize, device: &Device) -> Self {
        let after = |size: usize| (size - 3) / 2 + 1;
        let pixels = after(after(size)).pow(2);
        Self {
            conv1: Conv2dConfig::new([1, 8], [3, 3]).with_stride([2, 2]).init(device),
            norm1: BatchNormConfig::new(8).init(device),
            conv2: Conv2dConfig::new([8, 16], [3, 3]).with_stride([2, 2]).init(device),
            norm2: BatchNormConfig::new(16).init(device),
            head: LinearConfig::new(16 * pixels, 10).init(device),
        }
    }

    fn output(&self, batch: Batch) -> ClassificationOutput {
        let x = relu(self.norm1.forward(self.conv1.forward(batch.images)));
        let x = relu(self.norm2.forward(self.conv2.forward(x)));
        let logits = self.head.forward(x.flatten(1, 3));
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = loss.forward(logits.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, logits, batch.labels)
    }
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.output(batch)
    }
}

/// Makes batches of rows of a set.
struct Images(Arc<Dataset>);

impl Batcher<usize, Batch> for Images {
    fn batch(&self, rows: Vec<usize>, device: &Device) -> Batch {
        Batch::of(&self.0, &rows, device)
    }
}

type Loader = Arc<dyn DataLoader<Batch>>;

fn loader(set: Dataset, shuffled: bool) -> Loader {
    let rows = InMemDataset::new((0..set.len()).collect());
    let builder = DataLoaderBuilder::new(Images(Arc::new(set))).batch_size(BATCH);
    if shuffled { builder.shuffle(1).build(rows) } else { builder.build(rows) }
}

/// Mean loss and share of right answers.
fn evaluate(model: &Network, batches: &Loader) -> Result<(f32, f32), Box<dyn Error>> {
    let (mut loss, mut right, mut rows) = (0.0, 0.0, 0.0);
    for batch in batches.iter() {
        let output = InferenceStep::step(model, batch?);
        let count = output.targets.dims()[0] as f32;
        let answers = output.output.argmax(1).flatten::<1>(0, 1);
        loss += output.loss.into_scalar::<f32>() * count;
        right += answers.equal(output.targets).int().sum().into_scalar::<i32>() as f32;
        rows += count;
    }
    Ok((loss / rows, right / rows))
}

/// A line of the table.
fn print(name: &str, model: &Network, valid: &Loader, seconds: f64) -> Result<(), Box<dyn Error>> {
    let (loss, right) = evaluate(model, valid)?;
    println!("{name:>22} {loss:>16.4} {:>9.1}% {seconds:>9.1}", 100.0 * right);
    Ok(())
}

/// Trains, and prints a line of the table.
fn run(
    name: &str,
    training: SupervisedTraining<Network>,
    learner: Learner<Network>,
    valid: &Loader,
) -> Result<Network, Box<dyn Error>> {
    let clock = Instant::now();
    let result = training.launch(learner);
    if let Some(error) = result.error {
        return Err(error.to_string().into());
    }
    print(name, &result.model, valid, clock.elapsed().as_secs_f64())?;
    Ok(result.model)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (data, epochs) = digits::arguments("--epochs", 5)?;
    let [train, valid] = digits::sets(data)?.map(|set| {
        let rows: Vec<usize> = (0..set.len().min(10_000)).collect();
        set.select(&rows)
    });
    let device = Device::default().autodiff();
    device.seed(1);
    let model = Network::new(train.features.shape[1], &device);
    let (rows, valid) = (train.len(), loader(valid, false));
    println!(
        "{rows} images, {} parameters, {epochs} epochs in batches of {BATCH}",
        model.num_params()
    );

    let directory = std::env::temp_dir().join(format!("burn-learner-{}", std::process::id()));
    let training = |directory: &Path| {
        SupervisedTraining::new(directory, loader(train.clone(), true), Arc::clone(&valid))
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .with_default_checkpointers()
            .renderer(Box::new(quiet::Quiet))
            .num_epochs(epochs)
    };
    println!("{:>22} {:>16} {:>10} {:>9}", "", "validation loss", "accuracy", "seconds");

    let strategy = LearnedStrategy::new(&directory, LearnedOptimizerConfig::new());
    let ours =
        training(&directory).with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
    // the SGD is not used, and 1.0 leaves the steps as long as they are
    let learner = Learner::new(model.clone(), SgdConfig::new().init(), 1.0);
    let trained = run("ours", ours, learner, &valid)?;
    let clock = Instant::now();
    let batches = loader(train.clone(), true).to_device(&device);
    let batches: Vec<Batch> = batches.iter().take(50).collect::<Result<_, _>>()?;
    let renewed = renew_statistics(trained.train(), batches, |model, batch| {
        model.output(batch);
    })?;
    print("statistics renewed", &renewed.valid(), &valid, clock.elapsed().as_secs_f64())?;

    let adamw = Learner::new(model, AdamWConfig::new().init(), ADAMW_RATE);
    run("AdamW(1e-3)", training(&directory), adamw, &valid)?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// Instead of burn's plain renderer, which prints a line for every batch; with burn's feature `tui` there is
/// a dashboard.
mod quiet {
    use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
    use burn::train::metric::MetricDefinition;
    use burn::train::renderer::{
        EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
        MetricsRendererTraining,
    };

    pub(crate) struct Quiet;

    impl MetricsRendererTraining for Quiet {
        fn update_train(&mut self, _: MetricState) {}
        fn update_valid(&mut self, _: MetricState) {}
    }

    impl TrainingProgressLogger for Quiet {
        fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}
        fn start_split(&mut self, _: &str, _: usize) {}
        fn update_split(&mut self, _: usize) {}
        fn update_epoch(&mut self, _: usize) {}
        fn end_split(&mut self) {}
        fn end(&mut self) {}
        fn log_event_training(&mut self, _: String) {}
    }

    impl EvaluationProgressLogger for Quiet {
        fn start_global_progress(&mut self, _: usize) {}
        fn start_test(&mut self, _: &str, _: usize) {}
        fn update_test_progress(&mut self, _: usize) {}
        fn end_test(&mut self) {}
        fn end_global_progress(&mut self) {}
        fn log_event_evaluation(&mut self, _: String) {}
    }

    impl MetricsRendererEvaluation for Quiet {
        fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
    }

    impl MetricsRenderer for Quiet {
        fn manual_close(&mut self) {}
        fn register_metric(&mut self, _: MetricDefinition) {}
    }
}
