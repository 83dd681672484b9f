//! A U-net (Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image
//! Segmentation") with instance normalisation on generated images.

use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_grad::{Real, Var};

use super::image_norm::{self, image_moments, initial, normalised};
use super::labelled::LabelledImages;
use super::random::{FIXED, Purpose, random};
use super::shapes::{CLASSES, shapes};
use super::{FieldTask, Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::problem::layout_of;
use crate::trial::{Objective, Validation};

/// The job.
pub(super) fn task() -> FieldTask {
    FieldTask::new(NAME, FAMILY, STEPS, UnetShapes::new(DESIGN, SIZE, BATCH, TRAINING, VALIDATION))
}

/// The network, and the images.
#[derive(Debug)]
struct UnetShapes {
    design: Design,
    batch: usize,
    training: Arc<LabelledImages>,
    validation: Arc<LabelledImages>,
}

impl UnetShapes {
    fn new(design: Design, size: usize, batch: usize, training: usize, validation: usize) -> Self {
        let mut rng = random(NAME, FIXED, Purpose::Data);
        let mut part = |count| Arc::new(shapes(size, count, &mut rng));
        Self { design, batch, training: part(training), validation: part(validation) }
    }
}

impl Job for UnetShapes {
    fn layout(&self) -> Layout {
        self.design.layout()
    }

    fn guessing(&self) -> f64 {
        self.validation.guessing()
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let params = initial(&layout, &mut random(NAME, seed, Purpose::Initial));
        let order = random(NAME, seed, Purpose::Batches);
        let objective = Training {
            design: self.design,
            graph: Graph::new(layout),
            batches: BatchStream::new(self.training.pixels.rows(), self.batch, order),
            rows: Vec::new(),
            training: Arc::clone(&self.training),
            validation: Arc::clone(&self.validation),
        };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One run.
struct Training {
    design: Design,
    training: Arc<LabelledImages>,
    validation: Arc<LabelledImages>,
    batches: BatchStream,
    /// Of the batch, `[B]`.
    rows: Vec<usize>,
    graph: Graph,
}

impl Objective for Training {
    fn next_batch(&mut self) {
        self.rows = self.batches.next_rows().to_vec();
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let batch = self.training.batch(&self.rows);
        self.graph.differentiate(at, gradient, |tape, params| {
            batch.loss(self.design.logits(params, batch.images(tape)))
        })
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let batch = self.training.batch(&self.rows);
        self.graph.evaluate(params, |tape, params| {
            batch.loss(self.design.logits(params, batch.images(tape))).item()
        })
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let (graph, design) = (&mut self.graph, self.design);
        Some(
            self.validation.validate(graph, params, |params, images| design.logits(params, images)),
        )
    }
}

/// Sizes of the network.
///
/// At every level there are two convolutions of 3 x 3, each with normalisation and relu. On the way
/// down, images are halved by max pooling. On the way up, a convolution of 1 x 1 reduces the
/// channels, every pixel is repeated, and the channels of the same level on the way down are put
/// beside them. A last convolution of 1 x 1 gives the logits.
#[derive(Debug, Clone, Copy)]
struct Design {
    /// Channels of the three levels.
    widths: [usize; 3],
}

impl Design {
    fn layout(self) -> Layout {
        let [top, middle, bottom] = self.widths;
        let mut tensors = Vec::new();
        let mut level = |name: &str, inputs: usize, width: usize| {
            tensors.extend(image_norm::tensors(&format!("{name}.conv0"), 3, inputs, width));
            tensors.extend(image_norm::tensors(&format!("{name}.conv1"), 3, width, width));
        };
        level("down0", 1, top);
        level("down1", top, middle);
        level("bottom", middle, bottom);
        level("up1", 2 * middle, middle);
        level("up0", 2 * top, top);
        tensors.push(TensorShape::new("up1.filter", [1, 1, bottom, middle]));
        tensors.push(TensorShape::new("up0.filter", [1, 1, middle, top]));
        tensors.push(TensorShape::new("last.filter", [1, 1, top, CLASSES]));
        tensors.push(TensorShape::new("last.bias", [CLASSES]));
        layout_of(tensors)
    }

    /// From images `(B, height, width, 1)` to logits of their pixels, `(B * height * width, 4)`.
    fn logits<'t, R: Real>(self, params: &[Var<'t, R>], images: Var<'t, R>) -> Var<'t, R> {
        let (levels, single) = params.split_at(params.len() - 4);
        let mut layers = levels.chunks_exact(3);
        let mut level = |x: Var<'t, R>| {
            layers.by_ref().take(2).fold(x, |x, layer| {
                normalised(x.conv2d(layer[0]), layer[1], layer[2], &mut image_moments).relu()
            })
        };
        let top = level(images);
        let middle = level(top.max_pool2d(2));
        let bottom = level(middle.max_pool2d(2));
        let x = level(Var::concat(&[doubled(bottom.conv2d(single[0])), middle], 3));
        let x = level(Var::concat(&[doubled(x.conv2d(single[1])), top], 3));
        let pixels = images.shape().elements();
        x.conv2d(single[2]).reshape(&[pixels, CLASSES]) + single[3]
    }
}

/// Images `(B, height, width, C)` of twice the height and width, every pixel repeated.
fn doubled<R: Real>(images: Var<'_, R>) -> Var<'_, R> {
    let shape = images.shape();
    let pixels = images.reshape(&[shape[0] * shape[1] * shape[2], shape[3]]);
    let wide = Var::concat(&[pixels, pixels], 1);
    let lines = wide.reshape(&[shape[0] * shape[1], 2 * shape[2] * shape[3]]);
    let high = Var::concat(&[lines, lines], 1);
    high.reshape(&[shape[0], 2 * shape[1], 2 * shape[2], shape[3]])
}

/// Name of the job.
const NAME: &str = "unet-shapes";
/// Architecture and data.
const FAMILY: (&str, &str) = ("unet", "shapes");
/// Sizes of the network.
const DESIGN: Design = Design { widths: [8, 16, 32] };
/// Height and width of an image.
const SIZE: usize = 16;
/// Images of a batch.
const BATCH: usize = 16;
/// Steps of a run.
const STEPS: usize = 1000;
/// Images to train on.
const TRAINING: usize = 1000;
/// Images to validate on.
const VALIDATION: usize = 200;

#[cfg(test)]
mod tests {
    use lopt_grad::check::gradient_error;
    use lopt_grad::{ScalarFn, Tape};

    use super::*;
    use crate::field::labelled::Batch;
    use crate::field::laws;

    /// 60 images to train on.
    fn small(widths: [usize; 3], size: usize) -> UnetShapes {
        UnetShapes::new(Design { widths }, size, 12, 60, 20)
    }

    struct BatchLoss(Design, Batch);

    impl ScalarFn for BatchLoss {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, params: &[Var<'t, R>]) -> Var<'t, R> {
            self.1.loss(self.0.logits(params, self.1.images(tape)))
        }
    }

    #[test]
    fn gradient_is_right() {
        let job = small([2, 3, 2], 8);
        let layout = job.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let params: Vec<f64> = job.start(5).params.into_iter().map(f64::from).collect();
        let loss = BatchLoss(job.design, job.training.batch(&[0, 3]));
        let error = gradient_error(&loss, &shapes, &params, 1e-6);
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn doubling_repeats_pixels() {
        let tape = Tape::<f32>::new();
        let image = tape.constant(&[1, 2, 2, 2], &[1., 10., 2., 20., 3., 30., 4., 40.]);
        let line = |a: f32, b: f32| [a, 10. * a, a, 10. * a, b, 10. * b, b, 10. * b];
        let expected = [line(1., 2.), line(1., 2.), line(3., 4.), line(3., 4.)].concat();
        assert_eq!(doubled(image).value(), expected);
        assert_eq!(doubled(image).shape()[..], [1, 4, 4, 2]);
    }

    #[test]
    fn starts_repeat() {
        let job = &small([2, 4, 4], 16);
        laws::assert_starts_repeat(job);
        laws::assert_measuring_changes_nothing(job);
    }

    #[test]
    fn learns_shapes() {
        let job = &small([8, 8, 8], 16);
        assert!(laws::trained(job, 1e-2, 60) < 0.95 * job.guessing());
    }
}
