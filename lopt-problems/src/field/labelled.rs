//! Images whose classes are known: batches of them, and validation.

use lopt_grad::{Real, Tape, Var};

use super::{Graph, mean_gradient};
use crate::classifier::{cross_entropy, predicted};
use crate::instance::Array;
use crate::trial::Validation;

/// Images with their classes, or with the classes of their pixels.
#[derive(Debug)]
pub(super) struct LabelledImages {
    /// `(N, height, width, channels)`.
    pub(super) pixels: Array,
    /// Of the images, `[N]`, or of their pixels, `[N * height * width]`.
    pub(super) labels: Vec<usize>,
    /// Number of classes, more than 2.
    pub(super) classes: usize,
}

/// Some images, to be read by a network.
pub(super) struct Batch {
    images: Array,
    labels: Vec<usize>,
    classes: usize,
}

impl LabelledImages {
    /// The images `rows`, in that order.
    pub(super) fn batch(&self, rows: &[usize]) -> Batch {
        let mut shape = self.pixels.shape.clone();
        shape[0] = rows.len();
        let pixels = rows.iter().flat_map(|&row| self.pixels.row(row)).copied().collect();
        let each = self.labels.len() / self.pixels.rows();
        let labels = rows.iter().flat_map(|&row| &self.labels[row * each..(row + 1) * each]);
        let labels = labels.copied().collect();
        Batch { images: Array::new(shape, pixels), labels, classes: self.classes }
    }

    /// These images, and then all of them with left and right exchanged.
    pub(super) fn and_mirrored(mut self) -> Self {
        let (width, channels) = (self.pixels.shape[2], self.pixels.shape[3]);
        let rows = self.pixels.values.chunks_exact(width * channels);
        let mirrored: Vec<f32> =
            rows.flat_map(|row| row.chunks_exact(channels).rev().flatten()).copied().collect();
        self.pixels.values.extend(mirrored);
        self.pixels.shape[0] *= 2;
        self.labels.extend_from_within(..);
        self
    }

    /// Images `(N, height / 2, width / 2, 4 C)`, whose pixels are blocks of 2 x 2 pixels: a
    /// convolution of 3 x 3 on them is one of 6 x 6 with stride 2.
    ///
    /// For labels of whole images.
    pub(super) fn folded(self) -> Self {
        let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| self.pixels.shape[axis]);
        let mut values = Vec::with_capacity(self.pixels.values.len());
        // Lines of all images, one below the other; heights are even.
        let lines: Vec<&[f32]> = self.pixels.values.chunks_exact(width * channels).collect();
        for pair in lines.chunks_exact(2) {
            for x in 0..width / 2 {
                let block = 2 * x * channels..2 * (x + 1) * channels;
                pair.iter().for_each(|line| values.extend_from_slice(&line[block.clone()]));
            }
        }
        let shape = [count, height / 2, width / 2, 4 * channels];
        Self { pixels: Array::new(shape, values), ..self }
    }

    /// Cross-entropy of the frequencies of the classes, the best answer that does not look at the
    /// images.
    pub(super) fn guessing(&self) -> f64 {
        let mut counts = vec![0_usize; self.classes];
        self.labels.iter().for_each(|&label| counts[label] += 1);
        let share = |count: usize| count as f64 / self.labels.len() as f64;
        let occurring = counts.into_iter().filter(|&count| count > 0).map(share);
        -occurring.map(|share| share * share.ln()).sum::<f64>()
    }

    /// Mean loss, and the part of the labels that are predicted rightly.
    ///
    /// * `logits`: from the parameters and images to logits `(labels, classes)`.
    pub(super) fn validate(
        &self,
        graph: &mut Graph,
        params: &[f32],
        logits: impl for<'t> Fn(&[Var<'t, f32>], Var<'t, f32>) -> Var<'t, f32>,
    ) -> Validation {
        let (mut loss, mut right) = (0.0, 0);
        let all: Vec<usize> = (0..self.pixels.rows()).collect();
        for rows in all.chunks(ROWS_AT_ONCE) {
            let batch = self.batch(rows);
            let (mean, outputs) = graph.evaluate(params, |tape, params| {
                let outputs = logits(params, batch.images(tape));
                (batch.loss(outputs).item(), outputs.value())
            });
            loss += f64::from(mean) * batch.labels.len() as f64;
            let predictions = outputs.chunks_exact(self.classes).map(predicted);
            right +=
                predictions.zip(&batch.labels).filter(|(guess, label)| guess == *label).count();
        }
        let count = self.labels.len() as f64;
        Validation { loss: loss / count, accuracy: Some(right as f64 / count) }
    }

    /// Mean loss and its gradient.
    ///
    /// * `one`: from a batch to its loss, whose gradient it leaves in the slice.
    pub(super) fn validation_gradient(
        &self,
        gradient: &mut [f32],
        mut one: impl FnMut(&Batch, &mut [f32]) -> f32,
    ) -> f64 {
        let all: Vec<usize> = (0..self.pixels.rows()).collect();
        let parts = all.chunks(ROWS_AT_ONCE).map(|rows| (rows.len(), self.batch(rows)));
        mean_gradient(gradient, parts, |batch, gradient| one(&batch, gradient))
    }
}

impl Batch {
    /// `(B, height, width, channels)`.
    pub(super) fn images<'t, R: Real>(&self, tape: &'t Tape<R>) -> Var<'t, R> {
        tape.constant_from(&self.images.shape, |i| R::from_f32(self.images.values[i]))
    }

    /// Mean cross-entropy of logits `(labels, classes)`.
    pub(super) fn loss<'t, R: Real>(&self, logits: Var<'t, R>) -> Var<'t, R> {
        let targets = logits.tape().constant_from(&[self.labels.len(), self.classes], |i| {
            let is_right = self.labels[i / self.classes] == i % self.classes;
            R::from_f64(f64::from(u8::from(is_right)))
        });
        cross_entropy(logits, targets)
    }
}

/// Bounds the memory of the forward pass.
const ROWS_AT_ONCE: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two pixels, whose pixels have classes.
    fn pair() -> LabelledImages {
        let pixels = Array::new([2, 1, 2, 1], vec![1.0, 2.0, 3.0, 4.0]);
        LabelledImages { pixels, labels: vec![0, 2, 2, 2], classes: 3 }
    }

    #[test]
    fn batches_take_pixels_and_labels() {
        let batch = pair().batch(&[1, 0, 1]);
        assert_eq!(batch.images.shape, [3, 1, 2, 1]);
        assert_eq!(batch.images.values, [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(batch.labels, [2, 2, 0, 2, 2, 2]);
    }

    #[test]
    fn mirrored_images_follow() {
        let both = pair().and_mirrored();
        assert_eq!(both.pixels.shape, [4, 1, 2, 1]);
        assert_eq!(both.pixels.values, [1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 4.0, 3.0]);
        assert_eq!(both.labels.len(), 8);
    }

    /// Two images of 2 x 4 pixels.
    #[test]
    fn folding_makes_pixels_of_blocks() {
        let pixels = Array::new([2, 2, 4, 1], (0..16).map(|i| i as f32).collect());
        let folded = LabelledImages { pixels, labels: vec![0, 1], classes: 3 }.folded();
        assert_eq!(folded.pixels.shape, [2, 1, 2, 4]);
        let blocks = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]].concat();
        let expected: Vec<f32> = blocks.into_iter().map(|i| i as f32).collect();
        assert_eq!(folded.pixels.values, expected);
    }

    /// Constant logits that are the logarithms of the frequencies.
    #[test]
    fn guessing_is_the_loss_of_the_frequencies() {
        let images = pair();
        let mut graph = Graph::new(crate::problem::single([3]));
        let logarithms = [0.25_f32.ln(), -50.0, 0.75_f32.ln()];
        let validation = images.validate(&mut graph, &logarithms, |params, images| {
            let zeros = images.reshape(&[4, 1]) * 0.0;
            zeros + params[0]
        });
        assert!((validation.loss - images.guessing()).abs() < 1e-6, "{validation:?}");
        assert_eq!(validation.accuracy, Some(0.75));
    }
}
