//! Adam and RMSProp in double precision for psi, with warm-up, cosine decay and an average of psi.

use crate::config::MetaOptimizerConfig;

/// psi and what the meta-optimizer remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaState {
    /// The meta-parameters.
    pub psi: Vec<f64>,
    /// Their moving average, which is what gets evaluated.
    pub average: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    /// Updates applied (skipped ones are not counted).
    pub applied: u64,
}

lopt_core::positional!(MetaState { psi, average, first, second, applied });

impl MetaState {
    /// Starts at `psi`. RMSProp's mean square starts at one (spec 5.5), Adam's moments at zero.
    #[must_use]
    pub fn new(psi: Vec<f64>, config: &MetaOptimizerConfig) -> Self {
        let n = psi.len();
        let square = if config.kind == "rmsprop" { 1.0 } else { 0.0 };
        let average = psi.clone();
        Self { psi, average, first: vec![0.0; n], second: vec![square; n], applied: 0 }
    }

    /// One update with the meta-gradient `grad`, whose norm is limited first. A gradient that is
    /// not finite changes nothing. Returns the norm before limiting.
    pub fn update(
        &mut self,
        config: &MetaOptimizerConfig,
        grad: &[f64],
        update: u64,
        updates: u64,
    ) -> f64 {
        let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return norm;
        }
        let scale =
            if config.limit > 0.0 && norm > config.limit { config.limit / norm } else { 1.0 };
        self.applied += 1;
        let rate = rate(config, update, updates);
        let adam = config.kind == "adam";
        let n = i32::try_from(self.applied).unwrap_or(i32::MAX);
        let correct1 = 1.0 - config.beta1.powi(n);
        let correct2 = 1.0 - config.beta2.powi(n);
        for i in 0..grad.len() {
            let g = grad[i] * scale;
            self.second[i] = config.beta2 * self.second[i] + (1.0 - config.beta2) * g * g;
            self.psi[i] -= if adam {
                self.first[i] = config.beta1 * self.first[i] + (1.0 - config.beta1) * g;
                rate * (self.first[i] / correct1) / ((self.second[i] / correct2).sqrt() + 1e-8)
            } else {
                rate * g / (self.second[i] + 1e-20).sqrt()
            };
            // early on the average follows quickly, so that it never remembers the random start
            let keep = config.average.min(self.applied as f64 / (self.applied as f64 + 10.0));
            self.average[i] = keep * self.average[i] + (1.0 - keep) * self.psi[i];
        }
        norm
    }
}

/// Learning rate of an update: linear warm-up times a cosine from `rate` to `final_rate`.
#[must_use]
pub fn rate(config: &MetaOptimizerConfig, update: u64, updates: u64) -> f64 {
    let part = (update as f64 / updates.max(1) as f64).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
    let warm = ((update + 1) as f64 / config.warmup.max(1) as f64).min(1.0);
    warm * (config.final_rate + (config.rate - config.final_rate) * cosine)
}
