//! Schedule-Free AdamW (Defazio et al. 2024, "The Road Less Scheduled", algorithm 1).
//!
//! ```text
//! v <- beta2 v + (1 - beta2) g^2                             g: gradient at y
//! z <- z - lr (g / (sqrt(v / (1 - beta2^n)) + eps) + lambda y)
//! c = lr_max^2 / (sum of lr_max^2 so far)                    lr_max: largest rate so far
//! x <- (1 - c) x + c z
//! y = (1 - beta1) z + beta1 x
//! ```
//!
//! at step `n = 1, 2, ...`; `x`, `y`, `z` start at the parameters. The parameters are the average
//! `x`, the gradient is taken at `y`: use [`attended`](Optimizer::attended). As in the authors'
//! package `schedulefree` with its defaults `r = 0` and `weight_lr_power = 2`, which keeps `y` and `z`
//! and computes `x` on demand; here all three are kept.

use crate::baseline::{expect_betas, expect_decay, expect_rate};
use lopt_core::adam::{correction, kept};
use lopt_core::layout::Layout;
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::schedule::Schedule;

/// AdamW whose average of iterates takes the place of a decaying schedule; state `v`, `z`, `y`.
///
/// ```
/// use lopt_baselines::ScheduleFreeAdamW;
/// use lopt_core::{Layout, Optimizer, Schedule};
///
/// let layout = Layout::single(2)?;
/// let warmup = Schedule::Constant.after_warmup(10);
/// let mut optimizer = ScheduleFreeAdamW::new(&layout, 0.1).with_schedule(warmup);
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
pub struct ScheduleFreeAdamW {
    layout: Layout,
    learning_rate: f64,
    schedule: Schedule,
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    steps: u64,
    largest_rate: f64,
    weights: f64,
    mean_squares: Vec<f32>,
    fast: Vec<f32>,
    attended: Vec<f32>,
}

impl ScheduleFreeAdamW {
    /// Schedule-Free AdamW with this learning rate (the authors' default is 0.0025), `beta1 = 0.9`,
    /// `beta2 = 0.999`, `eps = 1e-8`, without decay and without warm-up.
    ///
    /// # Panics
    ///
    /// If the learning rate is negative or not finite.
    pub fn new(layout: &Layout, learning_rate: f64) -> Self {
        expect_rate(learning_rate);
        let zeros = vec![0.0; layout.len()];
        Self {
            layout: layout.clone(),
            learning_rate,
            schedule: Schedule::Constant,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            steps: 0,
            largest_rate: 0.0,
            weights: 0.0,
            mean_squares: zeros.clone(),
            fast: zeros.clone(),
            attended: zeros,
        }
    }

    /// Multiplies the learning rate of each step by a schedule; meant for
    /// `Schedule::Constant.after_warmup(steps)`, which is the authors' `warmup_steps`.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets `beta1`, the share of the average in the look-ahead point, and the decay of the mean
    /// square; for long runs the authors also use `beta1` = 0.95 and 0.98.
    ///
    /// # Panics
    ///
    /// If one is not in `[0, 1)`.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        expect_betas([beta1, beta2]);
        self.betas = [beta1, beta2];
        self
    }

    /// Sets the decay `lambda`, which pulls `z` by the look-ahead point `y`.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
        expect_decay(weight_decay);
        self.weight_decay = weight_decay;
        self
    }

    /// Number of steps taken since construction or [`reset`](Optimizer::reset).
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl Optimizer for ScheduleFreeAdamW {
    fn name(&self) -> &str {
        "schedule-free"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        // before the first step all three points are the parameters, which only the caller has
        if self.steps == 0 { params } else { &self.attended }
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        if self.steps == 0 {
            self.fast.copy_from_slice(params);
            self.attended.copy_from_slice(params);
        }
        let rate = self.learning_rate * self.schedule.multiplier(self.steps);
        self.steps += 1;
        self.largest_rate = self.largest_rate.max(rate);
        let weight = self.largest_rate * self.largest_rate;
        self.weights += weight;
        let share = if self.weights > 0.0 { weight / self.weights } else { 0.0 };

        let [beta1, beta2] = self.betas;
        let inflate = (1.0 / correction(beta2, self.steps)) as f32;
        let (keep, blend) = (beta2 as f32, (1.0 - beta2) as f32);
        let (stay, share) = ((1.0 - share) as f32, share as f32);
        let (of_fast, of_average) = ((1.0 - beta1) as f32, beta1 as f32);
        let (rate, epsilon) = (rate as f32, self.epsilon as f32);
        let decay = self.weight_decay as f32;
        let state = self.mean_squares.iter_mut().zip(&mut self.fast).zip(&mut self.attended);
        for ((x, &g), ((v, z), y)) in params.iter_mut().zip(grads).zip(state) {
            *v = kept(keep, *v) + blend * (g * g);
            *z -= rate * (g / ((*v * inflate).sqrt() + epsilon) + decay * *y);
            *x = stay * *x + share * *z;
            *y = of_fast * *z + of_average * *x;
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let vectors = [&self.mean_squares, &self.fast, &self.attended];
        vectors.map(|vector| size_of_val(vector.as_slice())).iter().sum()
    }

    fn reset(&mut self) {
        (self.steps, self.largest_rate, self.weights) = (0, 0.0, 0.0);
        self.mean_squares.fill(0.0);
    }
}
