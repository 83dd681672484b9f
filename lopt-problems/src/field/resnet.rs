//! A small residual network with batch normalisation on CIFAR-10 (He et al. 2016, "Deep Residual
//! Learning for Image Recognition"; Ioffe & Szegedy 2015).

use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_grad::{Real, Var};

use super::image_norm::{self, Moments, Running, batch_moments, initial, normalised};
use super::labelled::LabelledImages;
use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::curvature::Curvature;
use crate::data::Source;
use crate::instance::Dataset;
use crate::problem::layout_of;
use crate::suites::{Family, SkippedTask};
use crate::trial::{Objective, Validation};

/// The job, or the notice that there are not enough images.
pub(super) fn task(source: Option<Source>) -> Result<FieldTask, SkippedTask> {
    let dataset = source.map(|source| source.dataset(&mut random(NAME, FIXED, Purpose::Data)));
    match dataset.filter(|dataset| dataset.len() >= TRAINING + VALIDATION) {
        Some(dataset) => {
            let job = ResnetCifar::new(&dataset, WIDTHS, BATCH, TRAINING, VALIDATION);
            Ok(FieldTask::new(NAME, FAMILY, STEPS, job))
        }
        None => {
            let family = Family { architecture: FAMILY.0, data: FAMILY.1 };
            Err(SkippedTask { name: NAME, family, needs: "4000 images of CIFAR-10" })
        }
    }
}

/// A classifier of images, and the images.
#[derive(Debug)]
pub(super) struct ResnetCifar {
    design: Design,
    batch: usize,
    data: Arc<Data>,
}

#[derive(Debug)]
struct Data {
    training: LabelledImages,
    validation: LabelledImages,
}

impl ResnetCifar {
    /// Trains on the first rows and their mirror images, validates on the rows that follow.
    pub(super) fn new(
        dataset: &Dataset,
        widths: [usize; 3],
        batch: usize,
        training: usize,
        validation: usize,
    ) -> Self {
        let part = |first: usize, count: usize| {
            let rows: Vec<usize> = (first..first + count).collect();
            let Dataset { features, labels, classes } = dataset.select(&rows);
            LabelledImages { pixels: features, labels, classes }
        };
        let data = Data {
            training: part(0, training).and_mirrored().folded(),
            validation: part(training, validation).folded(),
        };
        let channels = data.training.pixels.shape[3];
        let design = Design { channels, widths, classes: dataset.classes };
        Self { design, batch, data: Arc::new(data) }
    }
}

impl Job for ResnetCifar {
    fn layout(&self) -> Layout {
        self.design.layout()
    }

    fn guessing(&self) -> f64 {
        self.data.validation.guessing()
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let batches = random(NAME, seed, Purpose::Batches);
        let params = initial(&layout, &mut random(NAME, seed, Purpose::Initial));
        let objective = Training {
            design: self.design,
            running: Running::of(&layout),
            graph: Graph::new(layout),
            batches: BatchStream::new(self.data.training.pixels.rows(), self.batch, batches),
            rows: Vec::new(),
            data: Arc::clone(&self.data),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One run.
struct Training {
    design: Design,
    data: Arc<Data>,
    batches: BatchStream,
    /// Of the batch, `[B]`.
    rows: Vec<usize>,
    running: Vec<Running>,
    graph: Graph,
}

impl Objective for Training {
    fn next_batch(&mut self) {
        self.rows = self.batches.next_rows().to_vec();
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let batch = self.data.training.batch(&self.rows);
        self.graph.differentiate(at, gradient, |tape, params| {
            let mut running = self.running.iter_mut();
            let logits = self.design.logits(params, batch.images(tape), &mut |x| {
                let moments = batch_moments(x);
                let running = running.next().expect("statistics of every normalisation");
                running.update(moments, x.shape()[..3].iter().product());
                moments
            });
            batch.loss(logits)
        })
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let batch = self.data.training.batch(&self.rows);
        self.graph.evaluate(params, |tape, params| {
            let logits = self.design.logits(params, batch.images(tape), &mut batch_moments);
            batch.loss(logits).item()
        })
    }

    fn curvature(&self) -> Option<Curvature> {
        let (design, batch) = (self.design, self.data.training.batch(&self.rows));
        Some(Curvature::new(design.layout(), move |tape, params| {
            batch.loss(design.logits(params, batch.images(tape), &mut batch_moments))
        }))
    }

    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        let Self { design, running, graph, data, .. } = self;
        Some(data.validation.validation_gradient(gradient, |batch, gradient| {
            graph.differentiate(params, gradient, |tape, params| {
                let mut running = running.iter();
                let logits = design.logits(params, batch.images(tape), &mut |x| {
                    let running = running.next().expect("statistics of every normalisation");
                    running.moments(x.tape())
                });
                batch.loss(logits)
            })
        }))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let (design, running) = (self.design, &self.running);
        let validation = &self.data.validation;
        Some(validation.validate(&mut self.graph, params, |params, images| {
            let mut running = running.iter();
            design.logits(params, images, &mut |x| {
                let running = running.next().expect("statistics of every normalisation");
                running.moments(x.tape())
            })
        }))
    }
}

/// Sizes of the network.
///
/// A convolution with max pooling, and then for each of `widths` a block of two convolutions, around
/// which a shortcut leads. All blocks but the first start with average pooling, and have a
/// convolution of 1 x 1 in the shortcut. After every convolution there is a normalisation. The mean
/// over the pixels goes through a dense layer.
#[derive(Debug, Clone, Copy)]
struct Design {
    channels: usize,
    widths: [usize; 3],
    classes: usize,
}

impl Design {
    fn layout(self) -> Layout {
        let mut inputs = self.widths[0];
        let mut tensors = image_norm::tensors("stem", 3, self.channels, inputs).to_vec();
        for (i, width) in self.widths.into_iter().enumerate() {
            if i > 0 {
                let name = format!("block{i}.shortcut");
                tensors.extend(image_norm::tensors(&name, 1, inputs, width));
            }
            tensors.extend(image_norm::tensors(&format!("block{i}.conv0"), 3, inputs, width));
            tensors.extend(image_norm::tensors(&format!("block{i}.conv1"), 3, width, width));
            inputs = width;
        }
        tensors.push(TensorShape::new("dense.weight", [inputs, self.classes]));
        tensors.push(TensorShape::new("dense.bias", [self.classes]));
        layout_of(tensors)
    }

    /// From images `(B, height, width, channels)` to logits `(B, classes)`.
    ///
    /// * `moments`: called once for every normalisation, in the order of their gains in the layout.
    fn logits<'t, R: Real>(
        self,
        params: &[Var<'t, R>],
        images: Var<'t, R>,
        moments: &mut Moments<'_, 't, R>,
    ) -> Var<'t, R> {
        let (convolutions, dense) = params.split_at(params.len() - 2);
        let mut convolutions = convolutions.chunks_exact(3);
        let mut convolved = |x: Var<'t, R>, pool: usize| {
            let layer = convolutions.next().expect("filter, gain and bias");
            let x = x.conv2d(layer[0]);
            let x = if pool > 1 { x.max_pool2d(pool) } else { x };
            normalised(x, layer[1], layer[2], moments)
        };
        let mut x = convolved(images, 2).relu();
        for i in 0..self.widths.len() {
            let mut shortcut = x;
            if i > 0 {
                x = x.avg_pool2d(2);
                shortcut = convolved(x, 1);
            }
            let inner = convolved(x, 1).relu();
            x = (shortcut + convolved(inner, 1)).relu();
        }
        let shape = x.shape();
        let means = x.reshape(&[shape[0], shape[1] * shape[2], shape[3]]).mean_axis(1);
        means.matmul(dense[0]) + dense[1]
    }
}

/// Name of the job.
const NAME: &str = "resnet-cifar";
/// Architecture and data.
const FAMILY: (&str, &str) = ("resnet-batchnorm", "cifar10");
/// Channels of the three blocks.
const WIDTHS: [usize; 3] = [16, 24, 32];
/// Images of a batch.
const BATCH: usize = 32;
/// Steps of a run.
const STEPS: usize = 1000;
/// Images to train on, without the mirrored ones.
const TRAINING: usize = 3500;
/// Images to validate on.
const VALIDATION: usize = 500;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;
    use lopt_grad::check::gradient_error;
    use lopt_grad::{ScalarFn, Tape};

    use super::*;
    use crate::data::Recipe;
    use crate::field::labelled::Batch;
    use crate::field::laws;

    /// Gratings of 16 x 16 pixels in 3 classes, 96 to train on.
    fn small(widths: [usize; 3]) -> ResnetCifar {
        let images = Recipe::Images { size: 16, classes: 3, rows: 128 };
        ResnetCifar::new(&images.make(&mut stream(1, &[])), widths, 24, 96, 32)
    }

    struct BatchLoss(Design, Batch);

    impl ScalarFn for BatchLoss {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, params: &[Var<'t, R>]) -> Var<'t, R> {
            self.1.loss(self.0.logits(params, self.1.images(tape), &mut batch_moments))
        }
    }

    #[test]
    fn gradient_is_right() {
        let job = small([2, 3, 2]);
        let layout = job.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let params: Vec<f64> = job.start(5).params.into_iter().map(f64::from).collect();
        let loss = BatchLoss(job.design, job.data.training.batch(&[0, 3, 5, 50]));
        let error = gradient_error(&loss, &shapes, &params, 1e-6);
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn starts_repeat() {
        let job = &small([4, 4, 8]);
        laws::assert_starts_repeat(job);
        laws::assert_measuring_changes_nothing(job);
    }

    #[test]
    fn learns_gratings() {
        let job = &small([8, 8, 8]);
        assert!(laws::trained(job, 1e-2, 60) < 0.95 * job.guessing());
    }

    /// Where every batch is all images, running statistics become those of the batch, and
    /// validation on the same images gives the loss of the batch; at the start it does not.
    #[test]
    fn running_statistics_approach_those_of_the_data() {
        let mut job = small([4, 4, 8]);
        let pixels = || job.data.validation.pixels.clone();
        let labels = || job.data.validation.labels.clone();
        let images = || LabelledImages { pixels: pixels(), labels: labels(), classes: 3 };
        job.data = Arc::new(Data { training: images(), validation: images() });
        job.batch = 32;
        let JobStart { params, mut objective } = job.start(2);
        objective.next_batch();
        let mut difference = || {
            let validation = objective.validate(&params).expect("rows to validate on");
            let loss = f64::from(objective.batch_loss(&params));
            objective.loss_and_gradient(&params, &mut vec![0.0; params.len()]);
            (validation.loss - loss).abs() / loss
        };
        let differences: Vec<f64> = (0..100).map(|_| difference()).collect();
        // The unbiased variance is larger by a part in 2048 to a part in 32.
        assert!(differences[0] > 0.1 && differences[99] < 0.02, "{differences:?}");
    }

    #[test]
    fn too_few_images_are_as_good_as_none() {
        let images = Recipe::Images { size: 16, classes: 3, rows: 8 };
        for source in [None, Some(Source::once(images, 1))] {
            let skipped = task(source).expect_err("images are missing");
            assert_eq!((skipped.name, skipped.family.data), ("resnet-cifar", "cifar10"));
        }
    }
}
