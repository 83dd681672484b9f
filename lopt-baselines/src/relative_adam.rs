//! Adam with steps relative to the size of each tensor, and an average in place of a schedule.
//!
//! ```text
//! m <- beta1 m + (1 - beta1) g                               g: gradient at y
//! v <- beta2 v + (1 - beta2) g^2
//! d = (beta1 m / (1 - beta1^(n+1)) + (1 - beta1) g / (1 - beta1^n)) / (sqrt(v / (1 - beta2^n)) + eps)
//! z <- z - eta s d / sqrt(1 + (d / 4)^2)
//! x <- x + (p + 1) / (n + p) (z - x)                         p = 8
//! y = (z + x) / 2
//! ```
//!
//! at a tensor's step `n = 1, 2, ...`; `x`, `y`, `z` start at the parameters. The size `s` of a tensor is
//! the geometric mean of the root mean squares of `z` at the start and now, each at least 0.05; its step
//! length `eta = r / (1 + r / 0.3)` belongs to `r = a min(1, n / 50)`, where `a` is 0.32 times the sum of the
//! inverse roots of inputs and outputs, at most 0.32, for a matrix, and 0.08 for vectors. The
//! parameters are the average `x`, the gradient is taken at `y`: use [`attended`](Optimizer::attended).
//!
//! The parts are known: Nesterov's look-ahead in Adam (Dozat 2016), relative steps (Adafactor, Shazeer
//! & Stern 2018, section 8), gradients between iterate and average (Defazio et al. 2024), and an average
//! over the last part of a run that grows with it (Shamir & Zhang 2013). Wide matrices take shorter steps
//! (Yang et al. 2023). The geometric mean lets small
//! tensors grow without letting large ones run away. A tensor whose gradients are all zero in a step
//! rests: its `n` does not count that step.

use crate::baseline::expect_rate;
use lopt_core::Layout;
use lopt_core::adam::{correction, kept};
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::relative_rnn::normal_length;

/// Adam with relative steps and an average; nothing to tune; state `m`, `v`, `z`, `y`.
///
/// ```
/// use lopt_baselines::RelativeAdam;
/// use lopt_core::{Layout, Optimizer};
///
/// let layout = Layout::single(2)?;
/// let mut optimizer = RelativeAdam::new(&layout);
/// let mut params = [3.0, -1.0];
/// for _ in 0..300 {
///     let at = optimizer.attended(&params);
///     let grads = [2.0 * at[0], 2.0 * at[1]];
///     optimizer.step(&mut params, &grads)?;
/// }
/// assert!(params.iter().all(|x| x.abs() < 0.1), "{params:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RelativeAdam {
    layout: Layout,
    multiplier: f64,
    /// Of each tensor.
    clocks: Vec<Clock>,
    begun: bool,
    means: Vec<f32>,
    mean_squares: Vec<f32>,
    fast: Vec<f32>,
    attended: Vec<f32>,
}

/// What a tensor's step length depends on.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// Steps in which it had a gradient.
    steps: u64,
    /// Root mean square at the start.
    first_size: f64,
}

impl RelativeAdam {
    /// The optimizer for a layout, before its first step.
    pub fn new(layout: &Layout) -> Self {
        let zeros = vec![0.0; layout.len()];
        Self {
            layout: layout.clone(),
            multiplier: 1.0,
            clocks: vec![Clock::default(); layout.tensor_count()],
            begun: false,
            means: zeros.clone(),
            mean_squares: zeros.clone(),
            fast: zeros.clone(),
            attended: zeros,
        }
    }

    /// Multiplies `r`, for measuring what that would gain.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_multiplier(mut self, multiplier: f64) -> Self {
        expect_rate(multiplier);
        self.multiplier = multiplier;
        self
    }

    fn begin(&mut self, params: &[f32]) {
        self.fast.copy_from_slice(params);
        self.attended.copy_from_slice(params);
        for (clock, range) in self.clocks.iter_mut().zip(self.layout.ranges()) {
            *clock = Clock { steps: 0, first_size: size(&params[range]) };
        }
        self.begun = true;
    }
}

/// Root mean square, at least [`LEAST_SIZE`].
fn size(values: &[f32]) -> f64 {
    // Eight sums side by side, so that the compiler can use vectors.
    let mut sums = [0.0_f32; 8];
    let mut chunks = values.chunks_exact(4096 * sums.len());
    let mut total = 0.0;
    let mut add = |values: &[f32]| {
        let lanes = values.chunks_exact(sums.len());
        let rest: f32 = lanes.remainder().iter().map(|x| x * x).sum();
        lanes.for_each(|lanes| sums.iter_mut().zip(lanes).for_each(|(sum, x)| *sum += x * x));
        total += f64::from(sums.iter().sum::<f32>()) + f64::from(rest);
        sums = [0.0; 8];
    };
    chunks.by_ref().for_each(&mut add);
    add(chunks.remainder());
    (total / values.len() as f64).sqrt().max(LEAST_SIZE)
}

impl Optimizer for RelativeAdam {
    fn name(&self) -> &str {
        "relative-adam"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        // before the first step all three points are the parameters, which only the caller has
        if self.begun { &self.attended } else { params }
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        if !self.begun {
            self.begin(params);
        }
        let tensors = self.layout.tensors().iter().zip(self.layout.ranges());
        for (clock, (tensor, range)) in self.clocks.iter_mut().zip(tensors) {
            let grads = &grads[range.clone()];
            if grads.iter().all(|&g| g == 0.0) {
                continue;
            }
            clock.steps += 1;
            let n = clock.steps;
            let scale = (clock.first_size * size(&self.fast[range.clone()])).sqrt();
            let wanted =
                self.multiplier * normal_length(&tensor.shape) * (n as f64 / WARM_UP).min(1.0);
            let length = (scale * wanted / (1.0 + wanted / LONGEST)) as f32;
            let share = ((POWER + 1.0) / (n as f64 + POWER)) as f32;
            let of_mean = (BETA1 / correction(BETA1, n + 1)) as f32;
            let of_gradient = ((1.0 - BETA1) / correction(BETA1, n)) as f32;
            let inflate = (1.0 / correction(BETA2, n)) as f32;
            let [keep1, blend1] = [BETA1 as f32, (1.0 - BETA1) as f32];
            let [keep2, blend2] = [BETA2 as f32, (1.0 - BETA2) as f32];
            let state = self.means[range.clone()].iter_mut();
            let state = state.zip(&mut self.mean_squares[range.clone()]);
            let points = self.fast[range.clone()].iter_mut();
            let points = points.zip(&mut self.attended[range.clone()]).zip(&mut params[range]);
            for ((&g, (m, v)), ((z, y), x)) in grads.iter().zip(state).zip(points) {
                *m = kept(keep1, *m) + blend1 * g;
                *v = kept(keep2, *v) + blend2 * (g * g);
                let d = (of_mean * *m + of_gradient * g) / ((*v * inflate).sqrt() + EPSILON);
                *z -= length * d / (1.0 + d * d * (1.0 / 16.0)).sqrt();
                *x += share * (*z - *x);
                *y = 0.5 * (*z + *x);
            }
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let vectors = [&self.means, &self.mean_squares, &self.fast, &self.attended];
        let clocks = size_of_val(self.clocks.as_slice());
        clocks + vectors.map(|vector| size_of_val(vector.as_slice())).iter().sum::<usize>()
    }

    fn reset(&mut self) {
        self.begun = false;
        self.means.fill(0.0);
        self.mean_squares.fill(0.0);
    }
}

/// Decay of the mean gradient.
const BETA1: f64 = 0.9;
/// Decay of the mean square: quicker than Adam's, as steps are long from the beginning.
const BETA2: f64 = 0.998;
const EPSILON: f32 = 1e-12;
/// Bound of a step in those units, whatever the multiplier.
const LONGEST: f64 = 0.3;
/// Steps until a step has its whole length.
const WARM_UP: f64 = 50.0;
/// Exponent of the average: it goes over about the last ninth of the steps.
const POWER: f64 = 8.0;
/// Least size of a tensor, so that biases can leave zero.
const LEAST_SIZE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use lopt_core::rng::{normal, stream};
    use lopt_core::simd::Level;
    use lopt_core::{RelativeRnn, RelativeRnnConfig, TensorShape};

    /// The formulas of the page in double precision, a number at a time.
    fn reference(start: &[f64], grads: &[Vec<f32>]) -> [Vec<f64>; 2] {
        let count = start.len() as f64;
        let size = |z: &[f64]| (z.iter().map(|z| z * z).sum::<f64>() / count).sqrt().max(0.05);
        let (first, mut z) = (size(start), start.to_vec());
        let (mut x, mut y) = (z.clone(), z.clone());
        let (mut m, mut v) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        for (i, grads) in grads.iter().enumerate() {
            let n = i as f64 + 1.0;
            let r: f64 = 0.08 * (n / 50.0).min(1.0);
            let length = r / (1.0 + r / 0.3) * (first * size(&z)).sqrt();
            for k in 0..z.len() {
                let g = f64::from(grads[k]);
                m[k] = 0.9 * m[k] + 0.1 * g;
                v[k] = 0.998 * v[k] + 0.002 * g * g;
                let ahead = 0.9 * m[k] / (1.0 - 0.9_f64.powf(n + 1.0));
                let up = ahead + 0.1 * g / (1.0 - 0.9_f64.powf(n));
                let d = up / ((v[k] / (1.0 - 0.998_f64.powf(n))).sqrt() + 1e-12);
                z[k] -= length * d / (1.0 + (d / 4.0).powi(2)).sqrt();
                x[k] += 9.0 / (n + 8.0) * (z[k] - x[k]);
                y[k] = 0.5 * (z[k] + x[k]);
            }
        }
        [x, y]
    }

    #[test]
    fn follows_the_formulas() {
        let layout = Layout::single(13).unwrap();
        let mut rng = stream(3, &[]);
        let mut draw = |scale: f64| -> Vec<f32> {
            (0..13).map(|_| (scale * normal(&mut rng)) as f32).collect()
        };
        let (mut params, grads) = (draw(0.5), (0..120).map(|_| draw(3.0)).collect::<Vec<_>>());
        let start: Vec<f64> = params.iter().map(|&x| f64::from(x)).collect();
        let mut optimizer = RelativeAdam::new(&layout);
        assert_eq!(optimizer.attended(&params), params.as_slice());
        grads.iter().for_each(|grads| optimizer.step(&mut params, grads).unwrap());
        let expected = reference(&start, &grads);
        for (got, expected) in [&params, optimizer.attended(&params)].into_iter().zip(expected) {
            for (&got, expected) in got.iter().zip(expected) {
                assert!((f64::from(got) - expected).abs() < 1e-5, "{got} {expected}");
            }
        }
    }

    /// Matrix, bias, and an embedding of which rows are left out: where the networks say nothing.
    #[test]
    fn the_relative_rnn_starts_as_this() {
        let shapes =
            [("w", vec![5, 9]), ("b", vec![9]), ("table", vec![40, 3]), ("wide", vec![90, 2])];
        let shapes = shapes.map(|(name, shape)| TensorShape::new(name, shape));
        let layout = Layout::new(shapes.to_vec()).unwrap();
        let config = RelativeRnnConfig::default();
        let psi = vec![0.0; config.meta_parameters()];
        let silent = RelativeRnn::new(&config, &psi, &layout, Level::detect());
        let run = |optimizer: &mut dyn Optimizer| {
            let mut rng = stream(5, &[]);
            let mut params: Vec<f32> =
                (0..layout.len()).map(|_| (0.3 * normal(&mut rng)) as f32).collect();
            for step in 0..150 {
                let at = optimizer.attended(&params).iter().enumerate();
                let slope = |(i, x): (usize, &f32)| {
                    let noise = 0.1 * normal(&mut rng) as f32;
                    let used = !layout.range(2).contains(&i) || (i / 3 + step) % 4 > 0;
                    let goal = (i % 5) as f32 * 0.2 - 0.3;
                    if used { (1.0 + (i % 7) as f32) * (x - goal) + noise } else { 0.0 }
                };
                let grads: Vec<f32> = at.map(slope).collect();
                optimizer.step(&mut params, &grads).unwrap();
            }
            params
        };
        let (ours, plain) = (run(&mut { silent }), run(&mut RelativeAdam::new(&layout)));
        for (a, b) in ours.iter().zip(&plain) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn sizes_are_those_of_double_precision() {
        let mut rng = stream(4, &[]);
        let values: Vec<f32> = (0..100_003).map(|_| normal(&mut rng) as f32).collect();
        let squares: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        let expected = (squares / values.len() as f64).sqrt();
        assert!((size(&values) / expected - 1.0).abs() < 1e-6);
        assert_eq!(size(&[0.0; 3]), 0.05);
    }

    #[test]
    fn tensors_and_elements_without_a_gradient_rest() {
        let shapes = ["a", "b"].map(|name| TensorShape::new(name, [2]));
        let layout = Layout::new(shapes.to_vec()).unwrap();
        let run = |absent: usize| {
            let mut optimizer = RelativeAdam::new(&layout);
            let mut params = [1.0, -2.0, 1.0, -2.0];
            for _ in 0..absent {
                optimizer.step(&mut params, &[1.0, 0.5, 0.0, 0.0]).unwrap();
            }
            assert_eq!(params[2..], [1.0, -2.0]);
            for _ in 0..5 {
                optimizer.step(&mut params, &[1.0, 0.5, 1.0, 0.0]).unwrap();
            }
            params
        };
        let (early, late) = (run(0), run(1000));
        assert_eq!(early[2..], late[2..]);
        assert!(early[2] < 1.0 && early[3] == -2.0, "{early:?}");
    }

    #[test]
    fn reset_makes_a_first_step() {
        let layout = Layout::single(3).unwrap();
        let mut optimizer = RelativeAdam::new(&layout);
        let run = |optimizer: &mut RelativeAdam| {
            let mut params = [0.3, -0.2, 0.1];
            (0..4).for_each(|_| optimizer.step(&mut params, &[1.0, -3.0, 0.5]).unwrap());
            params
        };
        let first = run(&mut optimizer);
        optimizer.reset();
        assert_eq!(run(&mut optimizer), first);
        assert_eq!(optimizer.memory_bytes(), 3 * 16 + 16);
    }
}
