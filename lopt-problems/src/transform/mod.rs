//! Problems made from other problems.
//!
//! Each transformation holds its inner problem and changes one thing; everything else passes
//! through, the inner problem's noise included. [`SumTask`] alone ignores it, as the published
//! code does. Noise itself is [`Noisy`](crate::Noisy).

/// Methods of [`Problem`](crate::Problem) that a transformation passes on to `self.inner`.
macro_rules! forward_to_inner {
    ($($method:ident),*) => { $(forward_to_inner!(@ $method);)* };
    (@ layout) => {
        fn layout(&self) -> Layout {
            self.inner.layout()
        }
    };
    (@ instance) => {
        fn instance(&self, rng: &mut Rng) -> Instance {
            self.inner.instance(rng)
        }
    };
    (@ init) => {
        fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
            self.inner.init(instance, rng)
        }
    };
    (@ batch) => {
        fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
            self.inner.batch(instance, rows)
        }
    };
    (@ batch_size) => {
        fn batch_size(&self) -> Option<usize> {
            self.inner.batch_size()
        }
    };
    (@ noise) => {
        fn gradient_noise(&self) -> f64 {
            self.inner.gradient_noise()
        }
    };
    (@ sparsity) => {
        fn gradient_sparsity(&self) -> f64 {
            self.inner.gradient_sparsity()
        }
    };
    (@ accuracy) => {
        fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
            self.inner.accuracy(params, dataset)
        }
    };
}

mod badly_scaled;
mod log_objective;
mod rescale;
mod sparse;
mod sum;

pub use badly_scaled::BadlyScaled;
pub use log_objective::LogObjective;
pub use rescale::{RandomRescale, Rescale};
pub use sparse::SparseGradient;
pub use sum::SumTask;
