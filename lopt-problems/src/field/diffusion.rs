//! Denoising diffusion (Ho et al. 2020, "Denoising diffusion probabilistic models"): a network sees an
//! image mixed with normal noise and predicts the noise.
//!
//! With the cosine schedule of Nichol & Dhariwal (2021, equation 17) the network sees, at a time `t`
//! drawn from 1 to [`TIMES`],
//!
//! ```text
//! x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise
//! a_t = f(t) / f(0),   f(t) = cos^2(pi / 2 (t / TIMES + s) / (1 + s)),   s = 0.008
//! ```
//!
//! and the loss is the mean square of its error in the noise. Much of that noise cannot be told from
//! the image, least of all at small times: the loss stays far above zero, and that of a batch varies
//! with its times.

use std::f64::consts::FRAC_PI_2;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, below, normal};
use lopt_grad::{Real, Tape, Var};

use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::classifier::Init;
use crate::data::Recipe;
use crate::instance::{Array, Dataset};
use crate::problem::layout_of;
use crate::trial::{Objective, Validation};

/// The job on generated digits of 12 x 12 pixels.
pub(super) fn task() -> FieldTask {
    let network = Denoiser { pixels: 144, frequencies: 16, width: 256, blocks: 2 };
    let digits = Recipe::Digits { size: 12, rows: 4500 };
    let job = Diffusion { network, digits, training_rows: 4000 };
    FieldTask::new(NAME, ("denoiser", "digits"), 2000, job)
}

/// Denoising of images; those after the first `training_rows` are for validation.
#[derive(Debug)]
struct Diffusion {
    network: Denoiser,
    digits: Recipe,
    training_rows: usize,
}

impl Diffusion {
    fn digits(&self) -> Dataset {
        self.digits.make(&mut random(NAME, FIXED, Purpose::Data))
    }

    /// The validation rows with their times and noise, two draws each, the same in every run.
    fn validation(&self, digits: &Dataset) -> Noised {
        let rows = self.training_rows..digits.len();
        let twice: Vec<usize> = rows.clone().chain(rows).collect();
        let mut rng = random(NAME, FIXED, Purpose::Validation);
        Noised::draw(digits, &twice, self.network.frequencies, &mut rng)
    }
}

impl Job for Diffusion {
    fn layout(&self) -> Layout {
        self.network.layout()
    }

    /// The loss of predicting 0, the mean of the noise.
    fn guessing(&self) -> f64 {
        let noise = self.validation(&self.digits()).noise.values;
        noise.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / noise.len() as f64
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let params = self.network.init(&mut random(NAME, seed, Purpose::Initial));
        let digits = self.digits();
        let rows = random(NAME, seed, Purpose::Batches);
        let mut noise = random(NAME, seed, Purpose::Examples);
        let objective = Denoising {
            network: self.network,
            validation: self.validation(&digits),
            rows: BatchStream::new(self.training_rows, BATCH, rows),
            batch: Noised::draw(&digits, &[], self.network.frequencies, &mut noise),
            noise,
            digits,
            graph: Graph::new(layout),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One run.
struct Denoising {
    network: Denoiser,
    digits: Dataset,
    validation: Noised,
    rows: BatchStream,
    noise: Rng,
    batch: Noised,
    graph: Graph,
}

impl Objective for Denoising {
    fn next_batch(&mut self) {
        let (rows, frequencies) = (self.rows.next_rows(), self.network.frequencies);
        self.batch = Noised::draw(&self.digits, rows, frequencies, &mut self.noise);
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let Self { network, batch, graph, .. } = self;
        graph.differentiate(at, gradient, |tape, params| network.loss(tape, params, batch))
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let Self { network, batch, graph, .. } = self;
        graph.evaluate(params, |tape, params| network.loss(tape, params, batch).item())
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let Self { network, validation, graph, .. } = self;
        let loss =
            graph.evaluate(params, |tape, params| network.loss(tape, params, validation).item());
        Some(Validation { loss: f64::from(loss), accuracy: None })
    }
}

/// Images mixed with noise.
#[derive(Debug)]
struct Noised {
    /// `[B, pixels + 2 frequencies]`: the mixed image, then the embedding of its time.
    inputs: Array,
    /// `[B, pixels]`.
    noise: Array,
}

impl Noised {
    /// A time and noise for each of the rows.
    fn draw(digits: &Dataset, rows: &[usize], frequencies: usize, rng: &mut Rng) -> Self {
        let pixels = digits.features.row_len();
        let width = pixels + 2 * frequencies;
        let mut inputs = Vec::with_capacity(rows.len() * width);
        let mut noise = Vec::with_capacity(rows.len() * pixels);
        for &row in rows {
            let time = 1 + below(rng, TIMES);
            let signal = signal_share(time);
            let (image_scale, noise_scale) = (signal.sqrt(), (1.0 - signal).sqrt());
            for &value in digits.features.row(row) {
                let drawn = normal(rng);
                let image = 2.0 * f64::from(value) - 1.0;
                inputs.push((image_scale * image + noise_scale * drawn) as f32);
                noise.push(drawn as f32);
            }
            inputs.extend(time_embedding(time, frequencies));
        }
        let inputs = Array::new([rows.len(), width], inputs);
        Self { inputs, noise: Array::new([rows.len(), pixels], noise) }
    }
}

/// `a_t` of the cosine schedule: the part of the variance that is the image's.
fn signal_share(time: usize) -> f64 {
    let f = |time: usize| {
        let part = (time as f64 / TIMES as f64 + OFFSET) / (1.0 + OFFSET);
        (FRAC_PI_2 * part).cos().powi(2)
    };
    f(time) / f(0)
}

/// Sines and cosines of the time at the frequencies `10000^(-i / frequencies)` (Vaswani et al. 2017,
/// section 3.5).
fn time_embedding(time: usize, frequencies: usize) -> impl Iterator<Item = f32> {
    (0..frequencies).flat_map(move |i| {
        let angle = time as f64 * 1e4_f64.powf(-(i as f64) / frequencies as f64);
        [angle.sin() as f32, angle.cos() as f32]
    })
}

/// A residual network of dense layers: `h = W x + b`, then blocks `h + silu(W h + b)`, then
/// `W h + b`.
#[derive(Debug, Clone, Copy)]
struct Denoiser {
    pixels: usize,
    /// Half the length of the embedding of the time.
    frequencies: usize,
    width: usize,
    blocks: usize,
}

impl Denoiser {
    fn layout(&self) -> Layout {
        let inputs = self.pixels + 2 * self.frequencies;
        let mut tensors = Vec::new();
        let mut dense = |name: &str, inputs: usize, outputs: usize| {
            tensors.push(TensorShape::new(format!("{name}.weight"), [inputs, outputs]));
            tensors.push(TensorShape::new(format!("{name}.bias"), [outputs]));
        };
        dense("in", inputs, self.width);
        for i in 0..self.blocks {
            dense(&format!("block{i}"), self.width, self.width);
        }
        dense("out", self.width, self.pixels);
        layout_of(tensors)
    }

    /// The last layer starts from 0, as in the published code of Ho et al.: no noise is predicted.
    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let layout = self.layout();
        let mut params = Init::Uniform.draw(&layout, rng);
        let last = layout.tensor_count() - 2;
        params[layout.range(last)].fill(0.0);
        params
    }

    /// Inputs `(B, pixels + 2 frequencies)` to the predicted noise `(B, pixels)`.
    fn predict<'t, R: Real>(&self, params: &[Var<'t, R>], inputs: Var<'t, R>) -> Var<'t, R> {
        let dense = |i: usize, x: Var<'t, R>| x.matmul(params[2 * i]) + params[2 * i + 1];
        let mut hidden = dense(0, inputs);
        for block in 1..=self.blocks {
            let x = dense(block, hidden);
            hidden = hidden + x * x.sigmoid();
        }
        dense(self.blocks + 1, hidden)
    }

    /// Mean square of the error in the noise.
    fn loss<'t, R: Real>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        batch: &Noised,
    ) -> Var<'t, R> {
        let constant = |array: &Array| {
            tape.constant_from(&array.shape, |i| R::from_f64(f64::from(array.values[i])))
        };
        let prediction = self.predict(params, constant(&batch.inputs));
        (prediction - constant(&batch.noise)).square().mean()
    }
}

const NAME: &str = "diffusion-digits";

/// Number of times, from almost no noise to nothing but noise.
const TIMES: usize = 1000;

/// `s` of the schedule: keeps the noise of the first times from being too small.
const OFFSET: f64 = 0.008;

/// Rows of a training batch.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use lopt_grad::ScalarFn;
    use lopt_grad::check::gradient_error;

    use super::*;
    use crate::field::laws;

    fn job() -> Diffusion {
        let network = Denoiser { pixels: 36, frequencies: 4, width: 64, blocks: 2 };
        let digits = Recipe::Digits { size: 6, rows: 500 };
        Diffusion { network, digits, training_rows: 400 }
    }

    #[test]
    fn the_laws_of_jobs_hold() {
        let job = task().job;
        laws::assert_starts_repeat(&*job);
        laws::assert_measuring_changes_nothing(&*job);
        laws::assert_adam_learns(&*job, 50);
    }

    #[test]
    fn guessing_predicts_no_noise() {
        let job = job();
        assert!((job.guessing() - 1.0).abs() < 0.05, "{}", job.guessing());
        let nothing = vec![0.0; job.layout().len()];
        let validation = job.start(0).objective.validate(&nothing).unwrap();
        assert!((validation.loss - job.guessing()).abs() < 1e-5);
        assert_eq!(job.validation(&job.digits()).noise.shape, [200, 36]);
    }

    /// From the image alone to the noise alone, never rising.
    #[test]
    fn the_schedule_ends_in_noise() {
        let shares: Vec<f64> = (0..=TIMES).map(signal_share).collect();
        assert_eq!(shares[0], 1.0);
        assert!(shares.windows(2).all(|pair| pair[1] < pair[0]));
        assert!(shares[TIMES / 2] > 0.4 && shares[TIMES / 2] < 0.6);
        assert!(shares[TIMES] >= 0.0 && shares[TIMES] < 1e-6);
        let distance = |a, b| {
            let pairs = time_embedding(a, 8).zip(time_embedding(b, 8));
            pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        assert!(distance(1, 2) < distance(1, 30) && distance(500, 500) == 0.0);
    }

    struct TinyLoss(Denoiser, Noised);

    impl ScalarFn for TinyLoss {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, params: &[Var<'t, R>]) -> Var<'t, R> {
            self.0.loss(tape, params, &self.1)
        }
    }

    #[test]
    fn gradients_are_right() {
        let network = Denoiser { pixels: 9, frequencies: 2, width: 5, blocks: 2 };
        let mut rng = random(NAME, 2, Purpose::Initial);
        let digits = Recipe::Digits { size: 3, rows: 4 }.make(&mut rng);
        let batch = Noised::draw(&digits, &[0, 3, 1], 2, &mut rng);
        let layout = network.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let params: Vec<f64> = (0..layout.len()).map(|_| 0.5 * normal(&mut rng)).collect();
        let error = gradient_error(&TinyLoss(network, batch), &shapes, &params, 1e-5);
        assert!(error < 1e-7, "{error}");
    }
}
