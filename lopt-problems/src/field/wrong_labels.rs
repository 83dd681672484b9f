//! Classification where a part of the training labels is wrong.
//!
//! A network with many times more parameters than examples learns wrong labels by heart (Zhang et al.
//! 2017, "Understanding deep learning requires rethinking generalization"): the training loss goes
//! towards zero, while the validation loss falls, turns and rises again.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, below, unit};

use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Job, JobStart};
use crate::batch::BatchStream;
use crate::classifier::{Activation, Init, Mlp};
use crate::data::Source;
use crate::evaluation::Evaluation;
use crate::instance::{Dataset, Instance};
use crate::problem::{AnyProblem, Problem};
use crate::suites::{Family, SkippedTask};
use crate::trial::{Objective, Validation};

/// The job on MNIST, if its images are there.
pub(super) fn task(mnist: Option<&Source>) -> Result<FieldTask, SkippedTask> {
    let family = ("mlp-relu", "mnist-wrong-labels");
    match mnist {
        Some(images) => {
            Ok(FieldTask::new(NAME, family, 2000, WrongLabels::new(images, &[128, 64])))
        }
        None => {
            let family = Family { architecture: family.0, data: family.1 };
            Err(SkippedTask { name: NAME, family, needs: "MNIST" })
        }
    }
}

/// A relu network on the first three quarters of a data set, with wrong labels among them. The last
/// quarter, with right labels, is for validation.
#[derive(Debug)]
struct WrongLabels {
    network: Arc<dyn AnyProblem>,
    training: Arc<Dataset>,
    validation: Arc<Dataset>,
}

impl WrongLabels {
    fn new(images: &Source, hidden: &[usize]) -> Self {
        let mut labels = random(NAME, FIXED, Purpose::Labels);
        let images = images.dataset(&mut labels);
        let rows: Vec<usize> = (0..images.len()).collect();
        let (first, last) = rows.split_at(images.len() * 3 / 4);
        let mut training = images.select(first);
        redraw_labels(&mut training, &mut labels);
        let training = Arc::new(training);
        let source = Source::given(Arc::clone(&training));
        let network = Mlp::new(hidden, Activation::Relu, source, BATCH)
            .starting_from(Init::Uniform, 0.0)
            .named(NAME);
        Self { network: Arc::new(network), training, validation: Arc::new(images.select(last)) }
    }

    fn evaluation(&self, dataset: &Arc<Dataset>) -> Evaluation {
        let instance = Instance::with_dataset(Arc::clone(dataset));
        Evaluation::new(Arc::clone(&self.network), instance)
    }
}

impl Job for WrongLabels {
    fn layout(&self) -> Layout {
        self.network.layout()
    }

    fn guessing(&self) -> f64 {
        label_entropy(&self.validation)
    }

    fn early_stopping(&self) -> bool {
        true
    }

    fn start(&self, seed: u64) -> JobStart {
        let training = self.evaluation(&self.training);
        let mut initial = random(NAME, seed, Purpose::Initial);
        let params = self.network.init(training.instance(), &mut initial);
        let batches = random(NAME, seed, Purpose::Batches);
        let objective = Classification {
            batches: BatchStream::new(self.training.len(), BATCH, batches),
            rows: Vec::new(),
            training,
            validation: self.evaluation(&self.validation),
            validation_rows: Arc::clone(&self.validation),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One run.
struct Classification {
    batches: BatchStream,
    /// Those of the present batch.
    rows: Vec<usize>,
    training: Evaluation,
    validation: Evaluation,
    validation_rows: Arc<Dataset>,
}

impl Objective for Classification {
    fn next_batch(&mut self) {
        self.rows.clear();
        self.rows.extend_from_slice(self.batches.next_rows());
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let (loss, computed) = self.training.value_and_gradient(at, Some(&self.rows));
        gradient.copy_from_slice(computed);
        loss
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        self.training.loss(params, Some(&self.rows))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let loss = f64::from(self.validation.mean_loss(params, ROWS_AT_ONCE));
        let accuracy = self.validation.problem().accuracy(params, &self.validation_rows);
        Some(Validation { loss, accuracy })
    }
}

/// Draws one label in five anew, all classes equally likely: one in ten of these stays right.
fn redraw_labels(dataset: &mut Dataset, rng: &mut Rng) {
    for label in &mut dataset.labels {
        if unit(rng) < REDRAWN {
            *label = below(rng, dataset.classes);
        }
    }
}

/// Cross-entropy of the frequencies of the classes.
fn label_entropy(dataset: &Dataset) -> f64 {
    let mut counts = vec![0_usize; dataset.classes];
    dataset.labels.iter().for_each(|&label| counts[label] += 1);
    let frequencies = counts.iter().map(|&count| count as f64 / dataset.len() as f64);
    -frequencies.filter(|&f| f > 0.0).map(|f| f * f.ln()).sum::<f64>()
}

const NAME: &str = "wrong-labels";

/// Part of the training labels that is drawn anew.
const REDRAWN: f64 = 0.2;

/// Rows of a training batch.
const BATCH: usize = 64;

/// Bounds the memory of a validation.
const ROWS_AT_ONCE: usize = 250;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lopt_core::rng::normal;
    use lopt_grad::Tape;
    use lopt_grad::check::relative_error;

    use super::*;
    use crate::data::Recipe;
    use crate::field::{FieldSuite, field_tasks, laws};
    use crate::instance::Array;

    fn digits(size: usize, rows: usize) -> Source {
        Source::once(Recipe::Digits { size, rows }, 1)
    }

    fn job() -> WrongLabels {
        WrongLabels::new(&digits(10, 800), &[32, 16])
    }

    /// One in five is drawn anew, and nine in ten of these are wrong.
    #[test]
    fn one_label_in_five_is_redrawn() {
        let source = digits(4, 4000);
        let right = source.dataset(&mut random(NAME, FIXED, Purpose::Labels));
        let job = WrongLabels::new(&source, &[4]);
        let WrongLabels { training, validation, .. } = &job;
        assert_eq!((training.len(), validation.len()), (3000, 1000));
        assert_eq!(training.features.values, right.features.values[..3000 * 16]);
        let wrong = training.labels.iter().zip(&right.labels).filter(|(a, b)| a != b).count();
        let redrawn = wrong as f64 / 3000.0 / 0.9;
        assert!((redrawn - 0.2).abs() < 0.02, "{redrawn}");
        assert_eq!(validation.labels, right.labels[3000..]);
    }

    #[test]
    fn the_laws_of_jobs_hold() {
        let job = job();
        laws::assert_starts_repeat(&job);
        laws::assert_measuring_changes_nothing(&job);
        laws::assert_adam_learns(&job, 200);
    }

    /// With the folder of MNIST in the environment, as `lopt` takes it, the job itself; without, its
    /// absence is said.
    #[test]
    fn mnist_is_learned_where_it_is() {
        let folder = std::env::var_os("LOPT_DATA");
        let field = field_tasks(FieldSuite::Choose, folder.as_deref().map(Path::new)).unwrap();
        if let Some(task) = field.tasks.iter().find(|task| task.name == NAME) {
            assert_eq!(task.job.layout().len(), 109_386);
            laws::assert_adam_learns(&*task.job, 60);
        } else {
            assert!(field.skipped.iter().any(|task| task.name == NAME && task.needs == "MNIST"));
        }
    }

    #[test]
    fn guessing_is_the_loss_of_the_frequencies() {
        let job = job();
        assert!((2.2..10_f64.ln()).contains(&job.guessing()), "{}", job.guessing());
        // Without weights, the last biases alone make the logits.
        let mut params = vec![0.0; job.layout().len()];
        let last = params.len() - 10;
        for class in 0..10 {
            let count = job.validation.labels.iter().filter(|&&label| label == class).count();
            params[last + class] = (count as f32).ln();
        }
        let validation = job.start(0).objective.validate(&params).unwrap();
        assert!((validation.loss - job.guessing()).abs() < 1e-5, "{validation:?}");
    }

    /// The gradient in double precision against differences, the run's against that one.
    #[test]
    fn gradients_are_right() {
        let job = WrongLabels::new(&digits(4, 12), &[5, 4]);
        let batch = job.network.batch(job.evaluation(&job.training).instance(), None);
        let layout = job.layout();
        let gradient = |params: &[f64]| {
            let tape = Tape::<f64>::new();
            let record =
                |array: &Array| tape.constant_from(&array.shape, |i| f64::from(array.values[i]));
            let batch: Vec<_> = batch.iter().map(record).collect();
            let tensors = layout.tensors().iter().zip(layout.ranges());
            let variables: Vec<_> =
                tensors.map(|(t, range)| tape.variable(&t.shape, &params[range])).collect();
            let loss = job.network.loss(&tape, &variables, &[], &batch);
            tape.backward(loss);
            let mut gradient = vec![0.0; params.len()];
            for (&variable, range) in variables.iter().zip(layout.ranges()) {
                tape.gradient_into(variable, &mut gradient[range]);
            }
            (loss.item(), gradient)
        };
        let mut rng = random(NAME, 1, Purpose::Initial);
        let single: Vec<f32> = (0..layout.len()).map(|_| 0.5 * normal(&mut rng) as f32).collect();
        let mut params: Vec<f64> = single.iter().copied().map(f64::from).collect();
        let (loss, exact) = gradient(&params);
        for i in 0..params.len() {
            let centre = params[i];
            let [above, below] = [1e-5, -1e-5].map(|step| {
                params[i] = centre + step;
                gradient(&params).0
            });
            params[i] = centre;
            assert!(relative_error(exact[i], (above - below) / 2e-5) < 1e-7, "entry {i}");
        }
        let mut objective = job.start(0).objective;
        let mut computed = vec![0.0; params.len()];
        objective.next_batch();
        let single_loss = objective.loss_and_gradient(&single, &mut computed);
        assert!((f64::from(single_loss) - loss).abs() < 1e-5);
        assert!(computed.iter().zip(&exact).all(|(&a, b)| (f64::from(a) - b).abs() < 1e-5));
    }
}
