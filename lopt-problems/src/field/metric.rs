//! Metric learning: a network maps images to points on a sphere, those of one class close together.
//!
//! A batch has pairs of images of one class. Each image must tell its partner from all other images of
//! the batch by the cosine of their embeddings: the loss of Chen et al. (2020, "A simple framework for
//! contrastive learning of visual representations", equation 1),
//!
//! ```text
//! loss = mean over i of  ln(sum over j /= i of exp(z_i z_j / 0.1)) - z_i z_partner(i) / 0.1
//! ```
//!
//! Other pairs of the batch are of the same class, too, so no network can tell the partner for sure:
//! the loss stays above zero, and depends on which classes the batch has.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, below};
use lopt_grad::{Real, Tape, Var};

use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::classifier::Init;
use crate::data::Recipe;
use crate::instance::Dataset;
use crate::problem::layout_of;
use crate::trial::{Objective, Validation};

/// The job on generated digits of 16 x 16 pixels.
pub(super) fn task() -> FieldTask {
    let network = Embedder { size: 16, channels: [4, 16], hidden: 128, dimensions: 32 };
    let digits = Recipe::Digits { size: 16, rows: 3500 };
    let job = MetricLearning { network, digits, training_rows: 3000, pairs: 32 };
    FieldTask::new(NAME, ("metric-learning", "digits-pairs"), 1500, job)
}

/// Embedding of images; those after the first `training_rows` are for validation.
#[derive(Debug)]
struct MetricLearning {
    network: Embedder,
    digits: Recipe,
    training_rows: usize,
    /// Pairs of a batch.
    pairs: usize,
}

impl Job for MetricLearning {
    fn layout(&self) -> Layout {
        self.network.layout()
    }

    /// All images but oneself are equally likely to be the partner.
    fn guessing(&self) -> f64 {
        ((2 * self.pairs - 1) as f64).ln()
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let params = Init::Uniform.draw(&layout, &mut random(NAME, seed, Purpose::Initial));
        let digits = self.digits.make(&mut random(NAME, FIXED, Purpose::Data));
        let rows: Vec<usize> = (0..digits.len()).collect();
        let (first, last) = rows.split_at(self.training_rows);
        let (training, validation) = (digits.select(first), digits.select(last));
        let anchors = random(NAME, FIXED, Purpose::Batches);
        let partners = random(NAME, FIXED, Purpose::Validation);
        let mut fixed = Pairs::new(&validation, self.pairs, anchors, partners);
        let batches = validation.len() / self.pairs;
        let validation_pairs = (0..batches).map(|_| fixed.draw()).collect();
        let anchors = random(NAME, seed, Purpose::Batches);
        let partners = random(NAME, seed, Purpose::Examples);
        let objective = Embedding {
            network: self.network,
            pairs: Pairs::new(&training, self.pairs, anchors, partners),
            rows: Vec::new(),
            training,
            validation,
            validation_pairs,
            graph: Graph::new(layout),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One run.
struct Embedding {
    network: Embedder,
    training: Dataset,
    pairs: Pairs,
    /// Those of the present batch: first of all pairs, then second of all pairs.
    rows: Vec<usize>,
    validation: Dataset,
    validation_pairs: Vec<Vec<usize>>,
    graph: Graph,
}

impl Objective for Embedding {
    fn next_batch(&mut self) {
        self.rows = self.pairs.draw();
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let Self { network, training, rows, graph, .. } = self;
        graph.differentiate(at, gradient, |tape, params| network.loss(tape, params, training, rows))
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let Self { network, training, rows, graph, .. } = self;
        graph.evaluate(params, |tape, params| network.loss(tape, params, training, rows).item())
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let Self { network, validation, validation_pairs, graph, .. } = self;
        let rows: Vec<usize> = (0..validation.len()).collect();
        let (losses, embeddings) = graph.evaluate(params, |tape, params| {
            let embeddings = network.embed(params, images(tape, validation, &rows));
            let loss =
                |rows: &Vec<usize>| f64::from(pair_loss(embeddings.gather_rows(rows)).item());
            (validation_pairs.iter().map(loss).sum::<f64>(), embeddings.value())
        });
        let accuracy = nearest_neighbour_accuracy(&embeddings, &validation.labels);
        Some(Validation { loss: losses / validation_pairs.len() as f64, accuracy: Some(accuracy) })
    }
}

/// Endless batches of pairs of images of one class.
struct Pairs {
    labels: Vec<usize>,
    members: Vec<Vec<usize>>,
    anchors: BatchStream,
    partners: Rng,
}

impl Pairs {
    /// # Panics
    ///
    /// If there are fewer images than pairs in a batch.
    fn new(dataset: &Dataset, pairs: usize, anchors: Rng, partners: Rng) -> Self {
        assert!(pairs <= dataset.len(), "{pairs} pairs of {} images", dataset.len());
        let mut members = vec![Vec::new(); dataset.classes];
        for (row, &label) in dataset.labels.iter().enumerate() {
            members[label].push(row);
        }
        let anchors = BatchStream::new(dataset.len(), pairs, anchors);
        Self { labels: dataset.labels.clone(), members, anchors, partners }
    }

    /// The first rows of all pairs, each row once in an epoch, then the second ones, drawn from the
    /// others of the class; the image itself if it is the only one.
    fn draw(&mut self) -> Vec<usize> {
        let mut rows = self.anchors.next_rows().to_vec();
        for i in 0..rows.len() {
            let members = &self.members[self.labels[rows[i]]];
            let own = members.partition_point(|&member| member < rows[i]);
            let others = members.len() - 1;
            let step = if others == 0 { 0 } else { 1 + below(&mut self.partners, others) };
            rows.push(members[(own + step) % members.len()]);
        }
        rows
    }
}

/// The rows' images, `(B, size, size, 1)`.
fn images<'t, R: Real>(tape: &'t Tape<R>, dataset: &Dataset, rows: &[usize]) -> Var<'t, R> {
    let mut shape = dataset.features.shape.clone();
    shape[0] = rows.len();
    let mut pixels = rows.iter().flat_map(|&row| dataset.features.row(row));
    tape.constant_from(&shape, |_| R::from_f64(pixels.next().map_or(0.0, |&x| f64::from(x))))
}

/// Part of the images whose nearest other one, by the cosine of `embeddings`, `[B, D]`, is of their
/// class.
fn nearest_neighbour_accuracy(embeddings: &[f32], labels: &[usize]) -> f64 {
    let dimensions = embeddings.len() / labels.len();
    let rows: Vec<&[f32]> = embeddings.chunks_exact(dimensions).collect();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let nearest = |i: usize| {
        let others = (0..rows.len()).filter(|&j| j != i);
        let similarities = others.map(|j| (cosine(rows[i], rows[j]), j));
        similarities.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, j)| j)
    };
    let hits = (0..rows.len()).filter(|&i| nearest(i).is_some_and(|j| labels[j] == labels[i]));
    hits.count() as f64 / labels.len() as f64
}

/// Two convolutions, each with max pooling and relu, two dense layers, and division by the length.
#[derive(Debug, Clone, Copy)]
struct Embedder {
    /// Height and width of the images, divisible by 4.
    size: usize,
    channels: [usize; 2],
    hidden: usize,
    dimensions: usize,
}

impl Embedder {
    fn layout(&self) -> Layout {
        let [first, second] = self.channels;
        let flat = (self.size / 4) * (self.size / 4) * second;
        let weights: [(&str, Vec<usize>); 4] = [
            ("conv0", vec![3, 3, 1, first]),
            ("conv1", vec![3, 3, first, second]),
            ("dense0", vec![flat, self.hidden]),
            ("dense1", vec![self.hidden, self.dimensions]),
        ];
        let layers = weights.into_iter().flat_map(|(name, shape)| {
            let outputs = shape[shape.len() - 1];
            let bias = TensorShape::new(format!("{name}.bias"), [outputs]);
            [TensorShape::new(format!("{name}.weight"), shape), bias]
        });
        layout_of(layers.collect())
    }

    /// Images `(B, size, size, 1)` to embeddings of length 1, `(B, dimensions)`.
    fn embed<'t, R: Real>(&self, params: &[Var<'t, R>], mut images: Var<'t, R>) -> Var<'t, R> {
        for layer in params[..4].chunks_exact(2) {
            images = (images.conv2d(layer[0]).max_pool2d(2) + layer[1]).relu();
        }
        let (rows, flat) = (images.shape()[0], params[4].shape()[0]);
        let hidden = (images.reshape(&[rows, flat]).matmul(params[4]) + params[5]).relu();
        let outputs = hidden.matmul(params[6]) + params[7];
        let lengths = (outputs.square().sum_axis(1) + SMALLEST_SQUARE).sqrt();
        outputs / lengths.reshape(&[rows, 1])
    }

    /// The loss of the pairs `rows[i]`, `rows[i + B / 2]`.
    fn loss<'t, R: Real>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        dataset: &Dataset,
        rows: &[usize],
    ) -> Var<'t, R> {
        pair_loss(self.embed(params, images(tape, dataset, rows)))
    }
}

/// The loss of `embeddings` `(B, D)`, those in rows `i` and `i + B / 2` being partners.
fn pair_loss<R: Real>(embeddings: Var<'_, R>) -> Var<'_, R> {
    let count = embeddings.shape()[0];
    let pairs = count / 2;
    let not_oneself = embeddings.tape().constant_from(&[count, count], |i| {
        R::from_f64(if i / count == i % count { -FAR } else { 0.0 })
    });
    let similarities = embeddings.matmul(embeddings.t()) * TEMPERATURE.recip() + not_oneself;
    let first = embeddings.slice(0, 0, pairs);
    let second = embeddings.slice(0, pairs, pairs);
    let of_partners = first.dot(second) * (TEMPERATURE * pairs as f64).recip();
    similarities.log_sum_exp().mean() - of_partners
}

const NAME: &str = "metric-digits";

/// What the cosines are divided by.
const TEMPERATURE: f64 = 0.1;

/// Added to the square of an embedding's length, so that a length of 0 has a gradient.
const SMALLEST_SQUARE: f64 = 1e-8;

/// Subtracted from the similarity of an image with itself; its exponential is then 0.
const FAR: f64 = 1e4;

#[cfg(test)]
mod tests {
    use lopt_core::rng::normal;
    use lopt_grad::ScalarFn;
    use lopt_grad::check::gradient_error;

    use super::*;
    use crate::field::laws;

    fn job() -> MetricLearning {
        let network = Embedder { size: 8, channels: [4, 8], hidden: 32, dimensions: 8 };
        let digits = Recipe::Digits { size: 8, rows: 500 };
        MetricLearning { network, digits, training_rows: 400, pairs: 16 }
    }

    fn digits(size: usize, rows: usize) -> Dataset {
        Recipe::Digits { size, rows }.make(&mut random(NAME, 1, Purpose::Data))
    }

    #[test]
    fn the_laws_of_jobs_hold() {
        let job = task().job;
        laws::assert_starts_repeat(&*job);
        laws::assert_measuring_changes_nothing(&*job);
        laws::assert_adam_learns(&*job, 50);
    }

    #[test]
    fn embeddings_have_length_one() {
        let (job, digits) = (job(), digits(8, 20));
        let mut graph = Graph::new(job.layout());
        let rows: Vec<usize> = (0..20).collect();
        let mut embed = |params: &[f32]| {
            graph.evaluate(params, |tape, params| {
                job.network.embed(params, images(tape, &digits, &rows)).value()
            })
        };
        for embedding in embed(&job.start(1).params).chunks_exact(8) {
            let square = embedding.iter().map(|x| x * x).sum::<f32>();
            assert!((square - 1.0).abs() < 1e-5, "{square}");
        }
        let zeros = vec![0.0; job.layout().len()];
        assert!(embed(&zeros).iter().all(|&x| x == 0.0));
    }

    /// Equal embeddings, of length 0 here, have the loss of guessing and a finite gradient.
    #[test]
    fn guessing_is_the_loss_of_equal_embeddings() {
        let job = job();
        let zeros = vec![0.0; job.layout().len()];
        let mut gradient = vec![f32::NAN; zeros.len()];
        let mut objective = job.start(1).objective;
        objective.next_batch();
        let loss = objective.loss_and_gradient(&zeros, &mut gradient);
        assert!((f64::from(loss) - job.guessing()).abs() < 1e-5, "{loss}");
        assert!(gradient.iter().all(|g| g.is_finite()));
        let validation = objective.validate(&zeros).unwrap();
        assert!((validation.loss - job.guessing()).abs() < 1e-5);
    }

    #[test]
    fn pairs_are_of_one_class() {
        let digits = digits(4, 100);
        let [anchors, partners] = [1, 2].map(|seed| random(NAME, seed, Purpose::Batches));
        let mut pairs = Pairs::new(&digits, 16, anchors, partners);
        for _ in 0..10 {
            let rows = pairs.draw();
            let (first, second) = rows.split_at(16);
            assert_eq!(second.len(), 16);
            for (&a, &b) in first.iter().zip(second) {
                assert!(a != b && digits.labels[a] == digits.labels[b]);
            }
        }
    }

    #[test]
    fn neighbours_are_found() {
        let embeddings = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0, 0.1, 0.9];
        assert_eq!(nearest_neighbour_accuracy(&embeddings, &[0, 0, 1, 1]), 1.0);
        assert_eq!(nearest_neighbour_accuracy(&embeddings, &[0, 1, 0, 0]), 0.5);
    }

    struct TinyLoss(Embedder, Dataset);

    impl ScalarFn for TinyLoss {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, params: &[Var<'t, R>]) -> Var<'t, R> {
            self.0.loss(tape, params, &self.1, &[0, 3, 5, 1, 2, 4])
        }
    }

    #[test]
    fn gradients_are_right() {
        let network = Embedder { size: 4, channels: [2, 3], hidden: 4, dimensions: 3 };
        let mut rng = random(NAME, 2, Purpose::Initial);
        let layout = network.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let params: Vec<f64> = (0..layout.len()).map(|_| 0.7 * normal(&mut rng)).collect();
        let error = gradient_error(&TinyLoss(network, digits(4, 6)), &shapes, &params, 1e-6);
        assert!(error < 1e-6, "{error}");
    }
}
