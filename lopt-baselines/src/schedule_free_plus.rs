//! Schedule-Free+ (Defazio 2026, arXiv:2605.19095): Schedule-Free AdamW whose rate follows from the
//! loss, so that there is neither a rate nor a horizon to choose.
//!
//! ```text
//! a = lr max(0, f + beta <g, z - x>) / e                     f, g: loss and gradient at y
//! e <- kappa e + (1 - kappa) sqrt(pi / 2) |g|_1              divided by 1 - kappa^n
//! m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
//! z <- z - a^2 lambda y - a (m / (1 - beta1^n)) / (sqrt(v / (1 - beta2^n)) + eps)
//! c = a_max^2 / (sum of a_max^2 so far)                      a_max: largest a so far
//! x <- (1 - c) x + c z
//! y = (1 - beta) z + beta x
//! ```
//!
//! at step `n = 1, 2, ...`; `x`, `y`, `z` start at the parameters, `a` uses the `e` of its own step,
//! and `lr` and `a_max` are at least `eps`. The parameters are the average `x`, the gradient is taken
//! at `y`: use [`attended`](Optimizer::attended). The sums over all parameters are in double precision,
//! in their order. As the authors' reference code `adamc_schedulefree_plus_paper.py` in
//! `facebookresearch/schedule_free` with its defaults `r = 0` and `weight_lr_power = 2`. Where `e` is
//! 0, which their code divides by, `a` is 0: without a gradient nothing moves.
//!
//! Polyak's step `f / |g|` takes the least loss for 0, which is the weak spot of this optimizer. Where
//! the least loss is above 0, as with noisy labels, steps grow when the gradient vanishes. Where
//! `f + beta <g, z - x>` is negative, as with a negative loss, `a` is 0 and nothing moves.
//!
//! As `a` grows with the loss, a run whose loss has begun to rise can feed on itself. The defaults have
//! no warm-up, and with them the quadratic of `tests/contenders.rs` diverges, in double precision too;
//! with a warm-up of the rate over 50 steps and of the average over 100 it is solved.

use crate::baseline::{expect_betas, expect_decay, expect_rate};
use lopt_core::adam::{correction, kept};
use lopt_core::layout::Layout;
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::schedule::Schedule;
use std::f64::consts::FRAC_PI_2;

/// Schedule-Free AdamW with the rate of Polyak; state `m`, `v`, `z`, `y`, and three numbers.
///
/// Every step needs the loss at the attended point, by [`observe`](Optimizer::observe).
///
/// ```
/// use lopt_baselines::ScheduleFreePlus;
/// use lopt_core::{Layout, Optimizer, Schedule};
///
/// let layout = Layout::single(2)?;
/// let warmup = Schedule::Constant.after_warmup(50);
/// let mut optimizer =
///     ScheduleFreePlus::new(&layout).with_schedule(warmup).with_average_warmup(100);
/// let mut params = [3.0, -1.0];
/// for _ in 0..300 {
///     let at = optimizer.attended(&params);
///     let (loss, grads) = (at[0] * at[0] + at[1] * at[1], [2.0 * at[0], 2.0 * at[1]]);
///     optimizer.observe(loss);
///     optimizer.step(&mut params, &grads)?;
/// }
/// assert!(params.iter().all(|x| x.abs() < 0.01), "{params:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScheduleFreePlus {
    layout: Layout,
    learning_rate: f64,
    schedule: Schedule,
    betas: [f64; 2],
    interpolation: f64,
    /// Interpolation at the end of the annealing, and its steps.
    annealing: Option<(f64, u64)>,
    average_warmup: u64,
    norm_decay: f64,
    weight_decay: f64,
    steps: u64,
    loss: Option<f32>,
    norm: f64,
    largest_rate: f64,
    weights: f64,
    averages: Vec<f32>,
    mean_squares: Vec<f32>,
    fast: Vec<f32>,
    attended: Vec<f32>,
}

/// Added to the root, and the least factor of the rate.
const EPSILON: f64 = 1e-8;

impl ScheduleFreePlus {
    /// Schedule-Free+ with the authors' defaults: `lr = 1`, `beta1 = 0.9`, `beta2 = 0.95`,
    /// `beta = 0.9`, `eps = 1e-8`, `kappa = 0`, no decay, no warm-up, no annealing.
    pub fn new(layout: &Layout) -> Self {
        let zeros = vec![0.0; layout.len()];
        Self {
            layout: layout.clone(),
            learning_rate: 1.0,
            schedule: Schedule::Constant,
            betas: [0.9, 0.95],
            interpolation: 0.9,
            annealing: None,
            average_warmup: 0,
            norm_decay: 0.0,
            weight_decay: 0.0,
            steps: 0,
            loss: None,
            norm: 0.0,
            largest_rate: EPSILON,
            weights: 0.0,
            averages: zeros.clone(),
            mean_squares: zeros.clone(),
            fast: zeros.clone(),
            attended: zeros,
        }
    }

    /// Sets the factor `lr` of the rate that is found; 1 is meant for all problems.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        expect_rate(learning_rate);
        self.learning_rate = learning_rate;
        self
    }

    /// Multiplies the factor of each step by a schedule; meant for
    /// `Schedule::Constant.after_warmup(steps)`.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Lets `x` be `z` for the first steps (the authors' `c_warmup`), after which the average starts;
    /// they advise one or two times the warm-up of the rate.
    #[must_use]
    pub fn with_average_warmup(mut self, steps: u64) -> Self {
        self.average_warmup = steps;
        self
    }

    /// Sets the decay of the average and of the mean square of gradients.
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

    /// Sets the share `beta` of the average in the look-ahead point.
    ///
    /// # Panics
    ///
    /// If it is not in `[0, 1)`.
    #[must_use]
    pub fn with_interpolation(mut self, beta: f64) -> Self {
        expect_betas([beta]);
        self.interpolation = beta;
        self
    }

    /// Moves `beta` to `last`, for which the authors take 0.965, over the first `steps` steps: by a
    /// straight line in `ln(1 - beta)`.
    ///
    /// # Panics
    ///
    /// If `last` is not in `[0, 1)`.
    #[must_use]
    pub fn with_annealing(mut self, last: f64, steps: u64) -> Self {
        expect_betas([last]);
        self.annealing = Some((last, steps));
        self
    }

    /// Sets the decay `kappa` of the average of gradient norms (the authors' `polyak_beta`).
    ///
    /// # Panics
    ///
    /// If it is not in `[0, 1)`.
    #[must_use]
    pub fn with_norm_decay(mut self, decay: f64) -> Self {
        expect_betas([decay]);
        self.norm_decay = decay;
        self
    }

    /// Sets the decay `lambda`, which pulls `z` by the look-ahead point `y`. As it is multiplied by
    /// `a^2` (`AdamC`, arXiv:2506.02285), useful values are of the order 20 to 50.
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

    /// `beta` of the next step.
    fn interpolation(&self) -> f64 {
        match self.annealing {
            Some((last, steps)) if self.steps < steps => {
                let done = self.steps as f64 / steps as f64;
                let log = (1.0 - done) * (-self.interpolation).ln_1p() + done * (-last).ln_1p();
                -log.exp_m1()
            }
            Some((last, _)) => last,
            None => self.interpolation,
        }
    }

    /// `a` of this step, which is then counted in the average of norms.
    fn polyak_step(&mut self, loss: f32, beta: f64, params: &[f32], grads: &[f32]) -> f64 {
        let (mut norm, mut ahead) = (0.0_f64, 0.0_f64);
        for ((&x, &g), &z) in params.iter().zip(grads).zip(&self.fast) {
            norm += f64::from(g.abs());
            ahead += f64::from(g) * (f64::from(z) - f64::from(x));
        }
        let decay = self.norm_decay;
        self.norm = decay * self.norm + (1.0 - decay) * FRAC_PI_2.sqrt() * norm;
        if self.norm == 0.0 {
            return 0.0;
        }
        let factor = (self.learning_rate * self.schedule.multiplier(self.steps)).max(EPSILON);
        let excess = (f64::from(loss) + beta * ahead).max(0.0);
        factor * excess / (self.norm / correction(decay, self.steps + 1))
    }
}

impl Optimizer for ScheduleFreePlus {
    fn name(&self) -> &str {
        "schedule-free-plus"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        // before the first step all three points are the parameters, which only the caller has
        if self.steps == 0 { params } else { &self.attended }
    }

    /// Takes the loss of the next step. Returns `false`: a step with a loss that is not finite is
    /// refused.
    fn observe(&mut self, loss: f32) -> bool {
        self.loss = Some(loss);
        false
    }

    /// Updates `params` with the gradient and the loss at the attended point.
    ///
    /// # Errors
    ///
    /// If a length does not fit the layout, a gradient is not finite, or no finite loss was observed
    /// since the last step; nothing is changed then.
    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        let loss = self.loss.ok_or(StepError::MissingLoss)?;
        if !loss.is_finite() {
            return Err(StepError::NonFiniteLoss { value: loss });
        }
        self.loss = None;
        if self.steps == 0 {
            self.fast.copy_from_slice(params);
            self.attended.copy_from_slice(params);
        }
        let beta = self.interpolation();
        let rate = self.polyak_step(loss, beta, params, grads);
        self.largest_rate = self.largest_rate.max(rate);
        let share = if self.steps < self.average_warmup {
            1.0
        } else {
            let weight = self.largest_rate * self.largest_rate;
            self.weights += weight;
            weight / self.weights
        };
        self.steps += 1;

        let [beta1, beta2] = self.betas;
        let (keep1, blend1) = (beta1 as f32, (1.0 - beta1) as f32);
        let (keep2, blend2) = (beta2 as f32, (1.0 - beta2) as f32);
        let inflate = (1.0 / correction(beta2, self.steps)) as f32;
        let epsilon = EPSILON as f32;
        // in double precision, as the rate may be beyond `f32` where gradients are tiny
        let decay = rate * rate * self.weight_decay;
        let rate = rate / correction(beta1, self.steps);
        let (share, of_fast) = (share as f32, (1.0 - beta) as f32);
        let moments = self.averages.iter_mut().zip(&mut self.mean_squares);
        let points = self.fast.iter_mut().zip(&mut self.attended);
        for (((x, &g), (m, v)), (z, y)) in params.iter_mut().zip(grads).zip(moments).zip(points) {
            *m = keep1 * *m + blend1 * g;
            *v = kept(keep2, *v) + blend2 * (g * g);
            let direction = *m / ((*v * inflate).sqrt() + epsilon);
            *z = (f64::from(*z) - decay * f64::from(*y) - rate * f64::from(direction)) as f32;
            // as differences, so that rounding does not move what rests
            *x += share * (*z - *x);
            *y = *x + of_fast * (*z - *x);
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let vectors = [&self.averages, &self.mean_squares, &self.fast, &self.attended];
        vectors.map(|vector| size_of_val(vector.as_slice())).iter().sum()
    }

    fn reset(&mut self) {
        (self.steps, self.loss, self.norm) = (0, None, 0.0);
        (self.largest_rate, self.weights) = (EPSILON, 0.0);
        self.averages.fill(0.0);
        self.mean_squares.fill(0.0);
    }
}
