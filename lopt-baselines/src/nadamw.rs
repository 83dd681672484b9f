//! NAdamW: Adam with Nesterov's momentum (Dozat 2016, without its schedule of momentum) and decoupled
//! weight decay (Loshchilov & Hutter 2019), in the two forms that are in use.
//!
//! ```text
//! m <- beta1 m + (1 - beta1) g
//! v <- beta2 v + (1 - beta2) g^2
//! u = beta1 m / (1 - beta1^(n + 1)) + (1 - beta1) g / (1 - beta1^n)     `optax.nadamw`
//! u = (beta1 m + (1 - beta1) g) / (1 - beta1^n)                         AlgoPerf
//! theta <- (1 - lr lambda) theta - lr u / (sqrt(v / (1 - beta2^n)) + eps)
//! ```
//!
//! at step `n = 1, 2, ...`. [`NAdamW::new`] is the first form. [`NAdamW::algoperf_default`] is the
//! second: Choi et al. 2019 (arXiv:1910.05446), table 1, as the AlgoPerf baselines compute it. They
//! differ in the first tens of steps. PyTorch's `NAdam`, with a schedule of momentum, is neither.

use crate::baseline::{Baseline, Rule, expect_betas, expect_decay};
use lopt_core::adam::{Pace, correction, kept};
use lopt_core::layout::Layout;
use lopt_core::schedule::Schedule;

/// NAdam with decoupled weight decay; two state vectors, the averages `m` and `v`.
pub type NAdamW = Baseline<NAdamWRule, 2>;

/// The update of the module's header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NAdamWRule {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    /// Steps by which the correction of the average runs ahead: 1 in `optax`, 0 in AlgoPerf.
    look_ahead: u64,
}

impl NAdamWRule {
    /// As in `optax.nadamw`, with decay `lambda`, `beta1 = 0.9`, `beta2 = 0.999`, `eps = 1e-8`.
    ///
    /// # Panics
    ///
    /// If `weight_decay` is negative or not finite.
    #[must_use]
    pub fn new(weight_decay: f64) -> Self {
        expect_decay(weight_decay);
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, look_ahead: 1 }
    }

    /// The optimizer in the one setting that AlgoPerf's baseline without tuning uses on all workloads, for
    /// a run of `steps` steps.
    ///
    /// Rate 0.0017486387539278373, `beta1 = 1 - 0.06733926164`, `beta2 = 0.9955159689799007`,
    /// `lambda = 0.08121616522670176`, `eps = 1e-8`, linear warm-up over the first 2 % of the steps,
    /// then half a cosine down to 0: `HPARAMS` of
    /// `prize_qualification_baselines/self_tuning/jax_nadamw_full_budget.py` in
    /// `mlcommons/algorithmic-efficiency`. Its dropout of 0.1 belongs to the model. The warm-up there
    /// starts from a rate of 0; here, as everywhere in this crate, it is one step ahead.
    #[must_use]
    pub fn algoperf_default(layout: &Layout, steps: u64) -> NAdamW {
        let rule = Self {
            beta1: 1.0 - 0.067_339_261_64,
            beta2: 0.995_515_968_979_900_7,
            epsilon: 1e-8,
            weight_decay: 0.081_216_165_226_701_76,
            look_ahead: 0,
        };
        NAdamW::with_rule(layout, 0.001_748_638_753_927_837_3, rule)
            .with_schedule(Schedule::warmup_cosine(steps, steps / 50))
    }

    /// Sets the decay of the average and of the mean square.
    ///
    /// # Panics
    ///
    /// If one is not in `[0, 1)`.
    #[must_use]
    pub fn with_betas(mut self, beta1: f64, beta2: f64) -> Self {
        expect_betas([beta1, beta2]);
        (self.beta1, self.beta2) = (beta1, beta2);
        self
    }
}

impl Rule<2> for NAdamWRule {
    const START: [f32; 2] = [0.0, 0.0];

    fn name(&self) -> &str {
        "nadamw"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], [m, v]: &mut [Vec<f32>; 2]) {
        let rate = pace.learning_rate;
        let of_average = rate * self.beta1 / correction(self.beta1, pace.number + self.look_ahead);
        let of_gradient = rate * (1.0 - self.beta1) / correction(self.beta1, pace.number);
        let (of_average, of_gradient) = (of_average as f32, of_gradient as f32);
        let inflate = (1.0 / correction(self.beta2, pace.number)) as f32;
        let (keep1, blend1) = (self.beta1 as f32, (1.0 - self.beta1) as f32);
        let (keep2, blend2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        let shrink = (1.0 - rate * self.weight_decay) as f32;
        let epsilon = self.epsilon as f32;
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            *m = keep1 * *m + blend1 * g;
            *v = kept(keep2, *v) + blend2 * (g * g);
            let step = of_average * *m + of_gradient * g;
            *p = shrink * *p - step / ((*v * inflate).sqrt() + epsilon);
        }
    }
}
