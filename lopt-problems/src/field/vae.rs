//! A variational autoencoder on MNIST (Kingma & Welling 2014, "Auto-Encoding Variational Bayes").

use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal};
use lopt_grad::{Real, Tape, Var};

use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::classifier::Init;
use crate::curvature::Curvature;
use crate::data::Source;
use crate::instance::{Array, Dataset};
use crate::problem::layout_of;
use crate::suites::{Family, SkippedTask};
use crate::trial::{Objective, Validation};

/// The job, or the notice that there are not enough images.
pub(super) fn task(source: Option<Source>) -> Result<FieldTask, SkippedTask> {
    let dataset = source.map(|source| source.dataset(&mut random(NAME, FIXED, Purpose::Data)));
    match dataset.filter(|dataset| dataset.len() >= TRAINING + VALIDATION) {
        Some(dataset) => {
            let job = Vae::new(&dataset, HIDDEN, LATENT, BATCH, TRAINING, VALIDATION);
            Ok(FieldTask::new(NAME, FAMILY, STEPS, job))
        }
        None => {
            let family = Family { architecture: FAMILY.0, data: FAMILY.1 };
            Err(SkippedTask { name: NAME, family, needs: "4000 images of MNIST" })
        }
    }
}

/// The autoencoder, and the images.
#[derive(Debug)]
pub(super) struct Vae {
    design: Design,
    batch: usize,
    data: Arc<Data>,
}

#[derive(Debug)]
struct Data {
    /// `(N, pixels)`, values from 0 to 1.
    training: Array,
    validation: Array,
    /// One draw for every validation row, `(N, latent)`.
    noise: Vec<f32>,
}

impl Vae {
    /// Trains on the first rows, validates on those that follow.
    pub(super) fn new(
        dataset: &Dataset,
        hidden: usize,
        latent: usize,
        batch: usize,
        training: usize,
        validation: usize,
    ) -> Self {
        let pixels = dataset.features.row_len();
        let part = |first: usize, count: usize| {
            let values = &dataset.features.values[first * pixels..(first + count) * pixels];
            Array::new([count, pixels], values.to_vec())
        };
        let (training, validation) = (part(0, training), part(training, validation));
        let noise = noise(validation.rows() * latent, &mut random(NAME, FIXED, Purpose::Examples));
        let design = Design { pixels, hidden, latent };
        Self { design, batch, data: Arc::new(Data { training, validation, noise }) }
    }
}

impl Job for Vae {
    fn layout(&self) -> Layout {
        self.design.layout()
    }

    /// Every pixel has its mean over the training rows as probability, and there are no latents.
    fn guessing(&self) -> f64 {
        let Data { training, validation, .. } = &*self.data;
        let mut sums = vec![0.5; self.design.pixels];
        for row in training.values.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        // Half a bright pixel more, and half a dark one: else some would be impossible.
        let count = training.rows() as f64 + 1.0;
        let loss = |(i, &x): (usize, &f32)| {
            let (mean, x) = (sums[i % sums.len()] / count, f64::from(x));
            -x * mean.ln() - (1.0 - x) * (1.0 - mean).ln()
        };
        validation.values.iter().enumerate().map(loss).sum::<f64>() / validation.rows() as f64
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let params = Init::Uniform.draw(&layout, &mut random(NAME, seed, Purpose::Initial));
        let order = random(NAME, seed, Purpose::Batches);
        let objective = Training {
            design: self.design,
            graph: Graph::new(layout),
            batches: BatchStream::new(self.data.training.rows(), self.batch, order),
            latents: random(NAME, seed, Purpose::Examples),
            images: Vec::new(),
            noise: Vec::new(),
            data: Arc::clone(&self.data),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// So many draws of the standard normal distribution.
fn noise(count: usize, rng: &mut Rng) -> Vec<f32> {
    (0..count).map(|_| normal(rng) as f32).collect()
}

/// One run.
struct Training {
    design: Design,
    data: Arc<Data>,
    batches: BatchStream,
    latents: Rng,
    /// Of the batch, `(B, pixels)`.
    images: Vec<f32>,
    /// Of the batch, `(B, latent)`.
    noise: Vec<f32>,
    graph: Graph,
}

impl Objective for Training {
    fn next_batch(&mut self) {
        let rows = self.batches.next_rows();
        self.noise = noise(rows.len() * self.design.latent, &mut self.latents);
        self.images.clear();
        rows.iter().for_each(|&row| self.images.extend_from_slice(self.data.training.row(row)));
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        self.graph.differentiate(at, gradient, |tape, params| {
            self.design.loss(tape, params, &self.images, &self.noise)
        })
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        self.graph.evaluate(params, |tape, params| {
            self.design.loss(tape, params, &self.images, &self.noise).item()
        })
    }

    fn curvature(&self) -> Option<Curvature> {
        let (design, images, noise) = (self.design, self.images.clone(), self.noise.clone());
        let layout = design.layout();
        Some(Curvature::new(layout, move |tape, params| design.loss(tape, params, &images, &noise)))
    }

    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        let Data { validation, noise, .. } = &*self.data;
        let loss = self.graph.differentiate(params, gradient, |tape, params| {
            self.design.loss(tape, params, &validation.values, noise)
        });
        Some(f64::from(loss))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let Data { validation, noise, .. } = &*self.data;
        let loss = self.graph.evaluate(params, |tape, params| {
            self.design.loss(tape, params, &validation.values, noise).item()
        });
        Some(Validation { loss: f64::from(loss), accuracy: None })
    }
}

/// Sizes of the network: one hidden layer in the encoder, one in the decoder, both with relu.
#[derive(Debug, Clone, Copy)]
struct Design {
    pixels: usize,
    hidden: usize,
    latent: usize,
}

impl Design {
    fn layout(self) -> Layout {
        let Self { pixels, hidden, latent } = self;
        let layers = [
            ("encoder.hidden", pixels, hidden),
            ("encoder.mean", hidden, latent),
            ("encoder.log_variance", hidden, latent),
            ("decoder.hidden", latent, hidden),
            ("decoder.pixels", hidden, pixels),
        ];
        let tensors = layers.into_iter().flat_map(|(name, inputs, outputs)| {
            let weight = TensorShape::new(format!("{name}.weight"), [inputs, outputs]);
            [weight, TensorShape::new(format!("{name}.bias"), [outputs])]
        });
        layout_of(tensors.collect())
    }

    /// The negative of the evidence lower bound (equation 10, with one draw of the latents): the
    /// negative logarithm of the likelihood of the pixels, and the divergence. In nats, the mean
    /// over the images.
    ///
    /// * `images`: `(B, pixels)`, values from 0 to 1.
    /// * `noise`: `(B, latent)`, standard normal.
    fn loss<'t, R: Real>(
        self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        images: &[f32],
        noise: &[f32],
    ) -> Var<'t, R> {
        let rows = images.len() / self.pixels;
        let constant = |values: &[f32], columns: usize| {
            tape.constant_from(&[rows, columns], |i| R::from_f32(values[i]))
        };
        let (images, noise) = (constant(images, self.pixels), constant(noise, self.latent));
        let dense =
            |x: Var<'t, R>, layer: usize| x.matmul(params[2 * layer]) + params[2 * layer + 1];
        let hidden = dense(images, 0).relu();
        let (mean, log_variance) = (dense(hidden, 1), dense(hidden, 2));
        let latents = mean + (log_variance * 0.5).exp() * noise;
        let logits = dense(dense(latents, 3).relu(), 4);
        // -x ln p - (1 - x) ln(1 - p) for p = sigmoid(logits), without overflow.
        let reconstruction = (logits.softplus() - images * logits).sum();
        (reconstruction + divergence(mean, log_variance)) / rows as f64
    }
}

/// Kullback-Leibler divergence of normal distributions from the standard normal one, summed over
/// all elements: `sum (mean^2 + variance - 1 - ln variance) / 2` (appendix B).
fn divergence<'t, R: Real>(mean: Var<'t, R>, log_variance: Var<'t, R>) -> Var<'t, R> {
    (mean.square() + log_variance.exp() - log_variance - 1.0).sum() * 0.5
}

/// Name of the job.
const NAME: &str = "vae-mnist";
/// Architecture and data.
const FAMILY: (&str, &str) = ("vae", "mnist");
/// Units of a hidden layer.
const HIDDEN: usize = 128;
/// Latent variables.
const LATENT: usize = 8;
/// Images of a batch.
const BATCH: usize = 64;
/// Steps of a run.
const STEPS: usize = 1500;
/// Images to train on.
const TRAINING: usize = 3500;
/// Images to validate on.
const VALIDATION: usize = 500;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;
    use lopt_grad::ScalarFn;
    use lopt_grad::check::gradient_error;

    use super::*;
    use crate::data::Recipe;
    use crate::field::laws;

    /// Generated digits, 200 to train on.
    fn small(size: usize, hidden: usize, latent: usize) -> Vae {
        let digits = Recipe::Digits { size, rows: 240 }.make(&mut stream(1, &[]));
        Vae::new(&digits, hidden, latent, 20, 200, 40)
    }

    struct BatchLoss {
        design: Design,
        images: Vec<f32>,
        noise: Vec<f32>,
    }

    impl ScalarFn for BatchLoss {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, params: &[Var<'t, R>]) -> Var<'t, R> {
            self.design.loss(tape, params, &self.images, &self.noise)
        }
    }

    #[test]
    fn gradient_is_right() {
        let job = small(8, 4, 2);
        let layout = job.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let params: Vec<f64> = job.start(5).params.into_iter().map(f64::from).collect();
        let images = job.data.training.values[..3 * 64].to_vec();
        let noise = noise(3 * 2, &mut stream(2, &[]));
        let loss = BatchLoss { design: job.design, images, noise };
        let error = gradient_error(&loss, &shapes, &params, 1e-6);
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn divergence_is_zero_for_the_standard_normal_distribution() {
        let tape = Tape::<f64>::new();
        let of = |mean: [f64; 2], variance: [f64; 2]| {
            let constant = |values| tape.constant(&[1, 2], values);
            divergence(constant(&mean), constant(&variance.map(f64::ln))).item()
        };
        assert_eq!(of([0.0; 2], [1.0; 2]), 0.0);
        // Mean 1 costs 1/2; variance 4 costs (4 - 1 - ln 4) / 2.
        let expected = 0.5 + (3.0 - 4_f64.ln()) / 2.0;
        assert!((of([1.0, 0.0], [1.0, 4.0]) - expected).abs() < 1e-12);
    }

    /// With weights of 0 there are no latents, and the last biases alone decide.
    #[test]
    fn guessing_is_the_loss_of_constant_pixels() {
        let job = small(8, 4, 2);
        let layout = job.layout();
        let mut params = vec![0.0; layout.len()];
        let count = job.data.training.rows() as f32;
        for (pixel, bias) in params[layout.range(9)].iter_mut().enumerate() {
            let sum: f32 = (0..200).map(|row| job.data.training.row(row)[pixel]).sum();
            *bias = ((sum + 0.5) / (count - sum + 0.5)).ln();
        }
        let loss = job.start(1).objective.validate(&params).expect("rows to validate on").loss;
        assert!((loss - job.guessing()).abs() < 1e-4 * loss, "{loss} and {}", job.guessing());
    }

    #[test]
    fn starts_repeat() {
        let job = &small(8, 16, 4);
        laws::assert_starts_repeat(job);
        laws::assert_measuring_changes_nothing(job);
    }

    /// Images of 4 x 8 pixels, of which one line is bright.
    #[test]
    fn learns_lines() {
        let bright = |i: usize| if i / 8 % 4 == i / 32 % 4 { 0.9 } else { 0.1 };
        let values = (0..240 * 32).map(bright).collect();
        let features = Array::new([240, 4, 8, 1], values);
        let lines = Dataset { features, labels: Vec::new(), classes: 0 };
        let job = &Vae::new(&lines, 16, 2, 20, 200, 40);
        assert!(laws::trained(job, 1e-2, 60) < 0.95 * job.guessing());
    }

    #[test]
    fn too_few_images_are_as_good_as_none() {
        for source in [None, Some(Source::once(Recipe::Digits { size: 8, rows: 8 }, 1))] {
            let skipped = task(source).expect_err("images are missing");
            assert_eq!((skipped.name, skipped.family.data), ("vae-mnist", "mnist"));
        }
    }
}
