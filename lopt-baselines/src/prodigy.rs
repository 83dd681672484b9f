//! Prodigy (Mishchenko & Defazio 2023, algorithm 4): Adam that finds its own learning rate.
//!
//! ```text
//! r <- beta3 r + (d / d0) d lr <g, theta_0 - theta>            beta3 = sqrt(beta2)
//! s <- beta3 s + (d / d0) d lr g
//! m <- beta1 m + (1 - beta1) d g
//! v <- beta2 v + (1 - beta2) d^2 g^2
//! d' = max(d, coefficient r / |s|_1)
//! theta <- (1 - d lr lambda) theta - d lr m / (sqrt(v) + d' eps),   d <- d'
//! ```
//!
//! `d` is a lower estimate of the distance to the solution; `r` and `|s|_1` are over all
//! parameters, summed in double precision in their order. As in the authors' package `prodigyopt`
//! with its defaults; `with_bias_correction` and `with_safeguarded_warmup` are its two switches.
//! While `d` is below the resolution of the parameters, `theta_0 - theta` is mostly rounding, there
//! as here.

use crate::baseline::{expect_betas, expect_decay, expect_rate};
use lopt_core::adam::{correction, kept};
use lopt_core::layout::Layout;
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::schedule::Schedule;

/// Adam with the rate of Prodigy; state `m`, `v`, `s`, `theta_0`, and two numbers.
#[derive(Debug, Clone)]
pub struct Prodigy {
    layout: Layout,
    learning_rate: f64,
    schedule: Schedule,
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    first_distance: f64,
    coefficient: f64,
    growth: f64,
    bias_correction: bool,
    safeguarded: bool,
    steps: u64,
    distance: f64,
    largest: f64,
    numerator: f64,
    averages: Vec<f32>,
    mean_squares: Vec<f32>,
    sums: Vec<f32>,
    origin: Vec<f32>,
}

impl Prodigy {
    /// Prodigy with the authors' defaults: rate 1, `beta1 = 0.9`, `beta2 = 0.999`, `eps = 1e-8`,
    /// `d0 = 1e-6`, coefficient 1, unlimited growth, no decay, no bias correction.
    pub fn new(layout: &Layout) -> Self {
        let zeros = vec![0.0; layout.len()];
        Self {
            layout: layout.clone(),
            learning_rate: 1.0,
            schedule: Schedule::Constant,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            first_distance: 1e-6,
            coefficient: 1.0,
            growth: f64::INFINITY,
            bias_correction: false,
            safeguarded: false,
            steps: 0,
            distance: 1e-6,
            largest: 1e-6,
            numerator: 0.0,
            averages: zeros.clone(),
            mean_squares: zeros.clone(),
            sums: zeros.clone(),
            origin: zeros,
        }
    }

    /// Sets the factor of the rate that Prodigy finds; the authors advise to leave it at 1.
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

    /// Multiplies the rate of each step by a schedule; the authors advise a cosine.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets the decay of the average and of the mean square, and with it `beta3 = sqrt(beta2)`.
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

    /// Sets the decoupled decay `lambda`.
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

    /// Sets the first estimate `d0` of the distance; forgets what was learned.
    ///
    /// # Panics
    ///
    /// If it is not positive and finite.
    #[must_use]
    pub fn with_first_distance(mut self, distance: f64) -> Self {
        assert!(
            distance.is_finite() && distance > 0.0,
            "expected a positive first distance, got {distance}"
        );
        self.first_distance = distance;
        self.reset();
        self
    }

    /// Sets the coefficient of the estimate, usually between 0.5 and 2.
    ///
    /// # Panics
    ///
    /// If it is not positive and finite.
    #[must_use]
    pub fn with_coefficient(mut self, coefficient: f64) -> Self {
        assert!(
            coefficient.is_finite() && coefficient > 0.0,
            "expected a positive coefficient, got {coefficient}"
        );
        self.coefficient = coefficient;
        self
    }

    /// Limits the factor by which `d` grows from one step to the next, after its first growth.
    ///
    /// # Panics
    ///
    /// If it is less than 1.
    #[must_use]
    pub fn with_growth_limit(mut self, growth: f64) -> Self {
        assert!(growth >= 1.0, "expected a growth limit of at least 1, got {growth}");
        self.growth = growth;
        self
    }

    /// Multiplies the rate by Adam's bias correction.
    #[must_use]
    pub fn with_bias_correction(mut self) -> Self {
        self.bias_correction = true;
        self
    }

    /// Leaves the rate out of `s`; the authors advise it with a warm-up.
    #[must_use]
    pub fn with_safeguarded_warmup(mut self) -> Self {
        self.safeguarded = true;
        self
    }

    /// The estimate `d` of the distance to the solution.
    pub fn distance(&self) -> f64 {
        self.distance
    }

    /// Updates the state; returns what `r` gains, and `|s|_1`.
    fn accumulate(&mut self, rate: f64, params: &[f32], grads: &[f32]) -> [f64; 2] {
        let [beta1, beta2] = self.betas;
        let relative = self.distance / self.first_distance;
        let of_sum = relative * if self.safeguarded { self.distance } else { rate };
        let (keep1, blend1) = (beta1 as f32, (self.distance * (1.0 - beta1)) as f32);
        let (keep2, blend2) =
            (beta2 as f32, (self.distance * self.distance * (1.0 - beta2)) as f32);
        let (keep3, blend3) = (beta2.sqrt() as f32, of_sum as f32);
        let (mut progress, mut total) = (0.0_f64, 0.0_f64);
        let points = params.iter().zip(&self.origin).zip(grads);
        let state = self.averages.iter_mut().zip(&mut self.mean_squares).zip(&mut self.sums);
        for (((&p, &p0), &g), ((m, v), s)) in points.zip(state) {
            progress += f64::from(g) * (f64::from(p0) - f64::from(p));
            *m = keep1 * *m + blend1 * g;
            *v = kept(keep2, *v) + blend2 * (g * g);
            *s = keep3 * *s + blend3 * g;
            total += f64::from(s.abs());
        }
        [relative * rate * progress, total]
    }
}

impl Optimizer for Prodigy {
    fn name(&self) -> &str {
        "prodigy"
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        if self.steps == 0 {
            self.origin.copy_from_slice(params);
        }
        let multiplier = self.learning_rate * self.schedule.multiplier(self.steps);
        self.steps += 1;
        let [beta1, beta2] = self.betas;
        let unbias = match self.bias_correction {
            true => correction(beta2, self.steps).sqrt() / correction(beta1, self.steps),
            false => 1.0,
        };
        let rate = self.distance * multiplier * unbias;
        // the authors leave everything as it is where the rate is 0
        if multiplier <= 0.0 {
            return Ok(());
        }
        let [progress, total] = self.accumulate(rate, params, grads);
        // no gradient so far
        if total == 0.0 {
            return Ok(());
        }
        self.numerator = beta2.sqrt() * self.numerator + progress;
        let estimate = self.coefficient * self.numerator / total;
        if self.distance == self.first_distance {
            self.distance = self.distance.max(estimate);
        }
        self.largest = self.largest.max(estimate);
        self.distance = self.largest.min(self.distance * self.growth);

        let epsilon = (self.distance * self.epsilon) as f32;
        let (rate, shrink) = (rate as f32, (1.0 - rate * self.weight_decay) as f32);
        let state = self.averages.iter().zip(&self.mean_squares);
        for (p, (&m, &v)) in params.iter_mut().zip(state) {
            *p = shrink * *p - rate * (m / (v.sqrt() + epsilon));
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let vectors = [&self.averages, &self.mean_squares, &self.sums, &self.origin];
        vectors.map(|vector| size_of_val(vector.as_slice())).iter().sum()
    }

    fn reset(&mut self) {
        self.steps = 0;
        (self.distance, self.largest) = (self.first_distance, self.first_distance);
        self.numerator = 0.0;
        for vector in [&mut self.averages, &mut self.mean_squares, &mut self.sums] {
            vector.fill(0.0);
        }
    }
}
