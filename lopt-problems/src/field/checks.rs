//! Checks that every job must pass, for the tests of the jobs.

use lopt_core::Optimizer as _;
use lopt_core::baselines::Adam;

use super::{Job, JobStart};

/// Two starts of a seed do the same bit for bit, that of another seed does not; validation and the
/// loss of the batch change nothing.
pub(super) fn repeats(job: &dyn Job) {
    let run = |seed: u64, measured: bool| {
        let JobStart { mut params, mut objective } = job.start(seed);
        assert_eq!(params.len(), job.layout().len());
        let mut gradient = vec![0.0; params.len()];
        let mut bits = Vec::new();
        for _ in 0..3 {
            objective.next_batch();
            if measured {
                assert_eq!(objective.batch_loss(&params), objective.batch_loss(&params));
                assert_eq!(objective.validate(&params), objective.validate(&params));
            }
            bits.push(objective.loss_and_gradient(&params, &mut gradient).to_bits());
            params.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= 0.01 * g);
        }
        let validation = objective.validate(&params).expect("rows to validate on");
        (bits, validation.loss.to_bits(), params)
    };
    let first = run(3, false);
    assert_eq!(first, run(3, false));
    assert_eq!(first, run(3, true));
    assert_ne!(first.0, run(4, false).0);
}

/// So many steps of Adam bring the validation loss below that of guessing.
pub(super) fn learns(job: &dyn Job, rate: f64, steps: usize) {
    let JobStart { mut params, mut objective } = job.start(1);
    let mut adam = Adam::new(&job.layout(), rate);
    let mut gradient = vec![0.0; params.len()];
    for _ in 0..steps {
        objective.next_batch();
        objective.loss_and_gradient(&params, &mut gradient);
        adam.step(&mut params, &gradient).expect("a finite gradient");
    }
    let loss = objective.validate(&params).expect("rows to validate on").loss;
    assert!(loss > 0.0 && loss < 0.95 * job.guessing(), "{loss} and guessing {}", job.guessing());
}
