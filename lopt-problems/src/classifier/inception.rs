//! Inception networks (Szegedy et al. 2015, "Going Deeper with Convolutions"): filters of several
//! sizes side by side, so that tensors of 1 x 1 and of 5 x 5 learn from the same gradient.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::{Init, Network, accuracy, batch_arrays, cross_entropy};
use crate::data::Source;
use crate::instance::{Array, Dataset, Instance};
use crate::problem::{Problem, Scalar, layout_of};

/// Output channels of the branches of one module.
///
/// Every branch keeps the image's size; the module's output is all of them, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InceptionModule {
    /// Of the convolution of 1 x 1.
    pub one: usize,
    /// Of the reduction to 1 x 1 before the convolution of 3 x 3, and of that convolution.
    pub three: [usize; 2],
    /// Of the reduction to 1 x 1 before the convolution of 5 x 5, and of that convolution.
    pub five: [usize; 2],
    /// Of the convolution of 1 x 1 after pooling over 3 x 3.
    pub pool: usize,
    /// Whether the image is halved before the module, by the largest of 2 x 2.
    pub halves: bool,
}

impl InceptionModule {
    /// Channels of the output.
    pub fn width(&self) -> usize {
        self.one + self.three[1] + self.five[1] + self.pool
    }

    fn sizes(&self) -> [usize; 6] {
        [self.one, self.three[0], self.three[1], self.five[0], self.five[1], self.pool]
    }
}

/// A stem of 3 x 3, inception modules, the mean over the pixels, one dense layer.
///
/// Every convolution has stride 1, a bias and a relu; the pooling branch takes the largest of the
/// 3 x 3 pixels around each. There is no normalisation and no penalty. Filters start as in
/// [`Init::He`], biases at 0.
///
/// A test problem, like [`ResNet`](super::ResNet).
#[derive(Debug, Clone)]
pub struct InceptionNet {
    name: String,
    stem: usize,
    modules: Vec<InceptionModule>,
    batch: usize,
    source: Source,
}

impl InceptionNet {
    /// A network that learns the images `(height, width, channels)` of `source`, with `stem` channels
    /// before the first module.
    ///
    /// # Panics
    ///
    /// If the source has no images or no labels, a size is 0, there is no module, or the image
    /// cannot be halved often enough.
    pub fn new(
        name: impl Into<String>,
        stem: usize,
        modules: &[InceptionModule],
        source: Source,
        batch: usize,
    ) -> Self {
        assert!(batch > 0 && source.classes() > 1, "a classifier needs a batch and labels");
        let image = source.row_shape();
        assert!(image.len() == 3, "expected images (height, width, channels), got {image:?}");
        assert!(stem > 0 && !modules.is_empty(), "a network has a stem and modules");
        assert!(modules.iter().all(|m| !m.sizes().contains(&0)), "no branch is empty: {modules:?}");
        let halvings = modules.iter().filter(|m| m.halves).count();
        let shrink = 1_usize.checked_shl(halvings as u32).unwrap_or(0);
        let fits = |&n: &usize| shrink > 0 && n.is_multiple_of(shrink);
        assert!(image[..2].iter().all(fits), "2^{halvings} divides {image:?}");
        Self { name: name.into(), stem, modules: modules.to_vec(), batch, source }
    }

    /// Every convolution in order: name, size of the filter, inputs, outputs.
    fn convolutions(&self) -> Vec<(String, usize, usize, usize)> {
        let mut width = self.stem;
        let mut all = vec![("stem".to_owned(), 3, self.source.row_shape()[2], width)];
        for (i, module) in self.modules.iter().enumerate() {
            let [one, three0, three1, five0, five1, pool] = module.sizes();
            let branches = [
                ("one", 1, width, one),
                ("three.reduce", 1, width, three0),
                ("three", 3, three0, three1),
                ("five.reduce", 1, width, five0),
                ("five", 5, five0, five1),
                ("pool", 1, width, pool),
            ];
            let named = |(branch, kernel, inputs, outputs)| {
                (format!("module{i}.{branch}"), kernel, inputs, outputs)
            };
            all.extend(branches.map(named));
            width = module.width();
        }
        all
    }
}

/// The largest of the 3 x 3 pixels around each pixel of `(B, height, width, C)`, none negative.
fn largest_around<R: Real>(images: Var<'_, R>) -> Var<'_, R> {
    // separable: along the height, then along the width
    [1, 2].into_iter().fold(images, |x, axis| {
        let shape = x.shape();
        let mut edge = [shape[0], shape[1], shape[2], shape[3]];
        edge[axis] = 1;
        // beside numbers that are not negative, zeros are as good as nothing
        let zeros = x.tape().constant_from(&edge, |_| R::default());
        let padded = Var::concat(&[zeros, x, zeros], axis);
        let shifted = |by| padded.slice(axis, by, shape[axis]);
        x.maximum(shifted(0)).maximum(shifted(2))
    })
}

impl Network for InceptionNet {
    fn row_shape(&self) -> Vec<usize> {
        self.source.row_shape()
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], images: Var<'t, R>) -> Var<'t, R> {
        let mut params = params.iter().copied();
        let mut next = || params.next().expect("one variable per tensor of the layout");
        let mut x = convolve(images, next(), next());
        for module in &self.modules {
            if module.halves {
                x = x.max_pool2d(2);
            }
            let one = convolve(x, next(), next());
            let reduced = convolve(x, next(), next());
            let three = convolve(reduced, next(), next());
            let reduced = convolve(x, next(), next());
            let five = convolve(reduced, next(), next());
            let pool = convolve(largest_around(x), next(), next());
            x = Var::concat(&[one, three, five, pool], 3);
        }
        let shape = x.shape();
        let means = x.reshape(&[shape[0], shape[1] * shape[2], shape[3]]).mean_axis(1);
        means.matmul(next()) + next()
    }
}

/// `relu(x * filter + bias)`.
fn convolve<'t, R: Real>(x: Var<'t, R>, filter: Var<'t, R>, bias: Var<'t, R>) -> Var<'t, R> {
    (x.conv2d(filter) + bias).relu()
}

impl Problem for InceptionNet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let mut tensors = Vec::new();
        let mut last = self.stem;
        for (name, kernel, inputs, outputs) in self.convolutions() {
            let shape = [kernel, kernel, inputs, outputs];
            tensors.push(TensorShape::new(format!("{name}.filter"), shape));
            tensors.push(TensorShape::new(format!("{name}.bias"), [outputs]));
        }
        if let Some(module) = self.modules.last() {
            last = module.width();
        }
        let classes = self.source.classes();
        tensors.push(TensorShape::new("dense.weight", [last, classes]));
        tensors.push(TensorShape::new("dense.bias", [classes]));
        layout_of(tensors)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        Instance::with_dataset(self.source.dataset(rng))
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        Init::He.draw(&self.layout(), rng)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        batch_arrays(instance, rows, &self.source.row_shape())
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.batch)
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        cross_entropy(self.logits(params, batch[0]), batch[1])
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        Some(accuracy(self, params, dataset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_takes_the_largest_neighbour() {
        let (height, width, channels) = (4, 5, 2);
        let pixel = |y: usize, x: usize, c: usize| ((y * 7 + x * 5 + c * 3) * 11 % 17) as f32;
        let tape = Tape::<f32>::new();
        let images = tape.constant_from(&[1, height, width, channels], |i| {
            pixel(i / channels / width, i / channels % width, i % channels)
        });
        let pooled = largest_around(images).value();
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    let mut largest = 0.0_f32;
                    for near_y in y.saturating_sub(1)..(y + 2).min(height) {
                        for near_x in x.saturating_sub(1)..(x + 2).min(width) {
                            largest = largest.max(pixel(near_y, near_x, c));
                        }
                    }
                    assert_eq!(pooled[(y * width + x) * channels + c], largest, "{y}, {x}, {c}");
                }
            }
        }
    }
}
