//! What every job promises, to be called from the tests of a job.

use lopt_baselines::Adam;

use super::{Job, JobStart};
use crate::trial::{Outcome, Probe, train};

/// Two starts of one seed have the same bits, before and after a few steps; another seed has not.
pub(super) fn assert_starts_repeat(job: &dyn Job) {
    let run = |seed| {
        let JobStart { mut params, mut objective } = job.start(seed);
        let mut numbers = params.clone();
        let mut gradient = vec![f32::NAN; params.len()];
        for _ in 0..3 {
            objective.next_batch();
            let loss = objective.loss_and_gradient(&params, &mut gradient);
            assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
            params.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= 0.01 * g);
            numbers.push(loss);
        }
        numbers.extend(params);
        numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

/// Neither validation nor the loss of the batch changes what comes after; both repeat, and the loss
/// of the batch is that of the gradient.
pub(super) fn assert_measuring_changes_nothing(job: &dyn Job) {
    let run = |measure: bool| {
        let JobStart { params, mut objective } = job.start(5);
        let mut gradient = vec![0.0; params.len()];
        let mut bits = Vec::new();
        for _ in 0..3 {
            objective.next_batch();
            if measure {
                let twice = [0, 1].map(|_| objective.validate(&params));
                assert!(twice[0].is_some() && twice[0] == twice[1], "{twice:?}");
                let batch_loss = objective.batch_loss(&params);
                bits.push(batch_loss.to_bits());
            }
            let loss = objective.loss_and_gradient(&params, &mut gradient).to_bits();
            if !measure {
                bits.push(loss);
            }
            bits.extend(gradient.iter().map(|g| g.to_bits()));
        }
        bits
    };
    assert_eq!(run(true), run(false));
}

/// Adam with the rate 0.001 brings the validation loss well below those of guessing and of the start.
pub(super) fn assert_adam_learns(job: &dyn Job, steps: usize) {
    let JobStart { mut params, mut objective } = job.start(7);
    let start = objective.validate(&params).unwrap().loss;
    let mut adam = Adam::new(&job.layout(), 1e-3);
    let outcome = train(&mut *objective, &mut adam, &mut params, steps, &mut Silent);
    assert_eq!(outcome, Outcome::Finished);
    let end = objective.validate(&params).unwrap().loss;
    let guessing = job.guessing();
    assert!(end < 0.9 * start.min(guessing), "from {start} to {end}, guessing has {guessing}");
}

/// Validation loss after some steps of Adam.
pub(super) fn trained(job: &dyn Job, rate: f64, steps: usize) -> f64 {
    let JobStart { mut params, mut objective } = job.start(1);
    let mut adam = Adam::new(&job.layout(), rate);
    train(&mut *objective, &mut adam, &mut params, steps, &mut Silent);
    objective.validate(&params).unwrap().loss
}

/// Measures nothing.
struct Silent;

impl Probe for Silent {}
