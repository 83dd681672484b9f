//! Jobs in other units and from other starts.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, unit};

use super::log_uniform;
use crate::curvature::Curvature;
use crate::field::{Job, JobStart};
use crate::trial::{Objective, Validation};

/// Where runs begin.
#[derive(Debug)]
pub(super) enum Start {
    /// At weights of the usual start times this, or larger or smaller ones.
    Usual(f64),
    /// At those times this.
    Given(f64),
    /// Where a network has learned something else.
    Learned(Vec<f32>),
}

/// A job in other units and from another start: the parameters of the job are those seen by an
/// optimizer times a factor per tensor (Celo2's task augmentation), and weights and embeddings start
/// larger or smaller than usual, as the conventions of frameworks and papers differ.
#[derive(Debug)]
pub(super) struct Varied {
    job: Arc<dyn Job>,
    /// Units of every parameter, `[P]`.
    units: Vec<f32>,
    /// Factor of its start, `[P]`.
    start: Vec<f32>,
    /// Where it starts, `[P]`, if that is not its usual start.
    learned: Option<Vec<f32>>,
}

impl Varied {
    pub(super) fn new(job: Arc<dyn Job>, from: Start, rng: &mut Rng) -> Self {
        let most_units = if unit(rng) < 0.5 { MOST_UNITS } else { 1.0 };
        let (all, each) = match unit(rng) {
            draw if draw < 0.4 => (1.0, 1.0),
            draw if draw < 0.7 => (log_uniform(rng, 1.0 / MOST_START, MOST_START), 1.0),
            _ => (1.0, MOST_START),
        };
        // what is added to a sum, and what gives logits, often starts at zero
        let zero = unit(rng) < 0.15;
        let given = |larger| [larger, 1.0, 1.0];
        let ([larger, all, each], zero, learned) = match from {
            Start::Usual(larger) => ([larger, all, each], zero, None),
            Start::Given(larger) => (given(larger), false, None),
            Start::Learned(learned) => (given(1.0), false, Some(learned)),
        };
        let layout = job.layout();
        let (mut units, mut start) = (Vec::new(), Vec::new());
        for tensor in layout.tensors() {
            let of_units = log_uniform(rng, 1.0 / most_units, most_units) as f32;
            let of_start = larger * all * log_uniform(rng, 1.0 / each, each);
            let dense = tensor.shape.iter().filter(|&&extent| extent > 1).count() > 1;
            let added = zero && tensor.name.ends_with("output.weight");
            let of_start = match dense {
                true if added => 0.0,
                true => of_start as f32,
                false => 1.0,
            };
            units.extend(vec![of_units; tensor.len()]);
            start.extend(vec![of_start; tensor.len()]);
        }
        Self { job, units, start, learned }
    }
}

impl Job for Varied {
    fn layout(&self) -> Layout {
        self.job.layout()
    }

    fn guessing(&self) -> f64 {
        self.job.guessing()
    }

    fn least(&self) -> f64 {
        self.job.least()
    }

    fn early_stopping(&self) -> bool {
        self.job.early_stopping()
    }

    fn start(&self, seed: u64) -> JobStart {
        let JobStart { mut params, objective: inner } = self.job.start(seed);
        if let Some(learned) = &self.learned {
            params.copy_from_slice(learned);
        }
        let factors = self.start.iter().zip(&self.units);
        params.iter_mut().zip(factors).for_each(|(x, (start, unit))| *x *= start / unit);
        let objective = Scaled { inner, units: self.units.clone(), at: params.clone() };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// The objective of a [`Varied`] job.
struct Scaled {
    inner: Box<dyn Objective>,
    units: Vec<f32>,
    /// Parameters of the job, `[P]`.
    at: Vec<f32>,
}

impl Scaled {
    fn go_to(&mut self, params: &[f32]) {
        let values = params.iter().zip(&self.units);
        self.at.iter_mut().zip(values).for_each(|(at, (x, unit))| *at = x * unit);
    }
}

impl Objective for Scaled {
    fn next_batch(&mut self) {
        self.inner.next_batch();
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        self.go_to(at);
        let loss = self.inner.loss_and_gradient(&self.at, gradient);
        gradient.iter_mut().zip(&self.units).for_each(|(g, unit)| *g *= unit);
        loss
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        self.go_to(params);
        self.inner.batch_loss(&self.at)
    }

    fn curvature(&self) -> Option<Curvature> {
        Some(self.inner.curvature()?.in_units(&self.units))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        self.go_to(params);
        self.inner.validate(&self.at)
    }

    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        self.go_to(params);
        let loss = self.inner.validation_gradient(&self.at, gradient)?;
        gradient.iter_mut().zip(&self.units).for_each(|(g, unit)| *g *= unit);
        Some(loss)
    }
}

/// Largest factor of a tensor's units.
const MOST_UNITS: f64 = 4.0;

/// Largest factor of the start of weights.
const MOST_START: f64 = 4.0;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::super::smooth;
    use super::*;

    /// Other units change neither the loss nor, in units of the parameters, its slope.
    #[test]
    fn units_are_only_units() {
        let job: Arc<dyn Job> = Arc::new(smooth(&mut stream(2, &[])));
        let count = job.layout().len();
        let at = |unit: f32| {
            let (units, start) = (vec![unit; count], vec![1.0; count]);
            let varied = Varied { job: Arc::clone(&job), units, start, learned: None };
            let JobStart { params, mut objective } = varied.start(0);
            let mut gradient = vec![0.0; count];
            objective.next_batch();
            let loss = objective.loss_and_gradient(&params, &mut gradient);
            let slope: f32 = params.iter().zip(&gradient).map(|(x, g)| x * g).sum();
            (loss, slope)
        };
        assert_eq!(at(1.0), at(4.0));
    }
}
