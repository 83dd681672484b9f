//! What the tests of the jobs share.

use lopt_core::Optimizer;
use lopt_core::baselines::Adam;
use lopt_core::rng::stream;
use lopt_grad::check::gradient_error;
use lopt_grad::{Real, ScalarFn, Tape, Var};

use super::table::{Table, TableJob, TableModel};
use super::{Job, JobStart};
use crate::instance::Array;
use crate::trial::{Probe, train};

/// Loss and gradient of the next batch at the initial parameters.
fn next(start: &mut JobStart) -> (f32, Vec<f32>) {
    let mut gradient = vec![0.0; start.params.len()];
    start.objective.next_batch();
    let loss = start.objective.loss_and_gradient(&start.params, &mut gradient);
    (loss, gradient)
}

/// Two starts of a seed give the same bits, another seed others; the loss without a gradient is that
/// with one.
pub(super) fn starts_repeat(job: &dyn Job) {
    let mut pair = [job.start(3), job.start(3)];
    assert_eq!(pair[0].params, pair[1].params);
    assert_eq!(pair[0].params.len(), job.layout().len());
    let mut other = job.start(4);
    assert_ne!(pair[0].params, other.params);
    other.params = pair[0].params.clone();
    for _ in 0..3 {
        let [first, second] = pair.each_mut().map(next);
        assert_eq!(first, second);
        assert!(first.1.iter().any(|&g| g != 0.0));
        assert_ne!(first, next(&mut other));
        let JobStart { params, objective } = &mut pair[0];
        assert_eq!(objective.batch_loss(params), first.0);
    }
}

/// Validation gives the same whatever was drawn before it, and what follows is as without it.
pub(super) fn validation_is_apart(job: &dyn Job) {
    let (mut plain, mut validated) = (job.start(3), job.start(3));
    let first = validated.objective.validate(&validated.params).unwrap();
    for _ in 0..3 {
        assert_eq!(next(&mut plain), next(&mut validated));
        assert_eq!(validated.objective.validate(&validated.params), Some(first));
    }
    let guess = job.guessing();
    assert!(first.loss.is_finite() && guess.is_finite());
}

/// Validation loss after some steps of Adam.
pub(super) fn trained(job: &dyn Job, rate: f64, steps: usize) -> f64 {
    struct Nothing;
    impl Probe for Nothing {}
    let JobStart { mut params, mut objective } = job.start(1);
    let mut adam: Box<dyn Optimizer> = Box::new(Adam::new(&job.layout(), rate));
    train(&mut *objective, &mut *adam, &mut params, steps, &mut Nothing);
    objective.validate(&params).unwrap().loss
}

/// The loss of one batch as a function of the parameters.
struct OnBatch<'a, M> {
    job: &'a TableJob<M>,
    batch: Table,
    masks: Vec<Array>,
}

impl<M: TableModel> ScalarFn for OnBatch<'_, M> {
    fn eval<'t, R: Real>(&self, _: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        self.job.loss(x, &self.batch, &self.masks)
    }
}

/// The error of the gradient of a batch of a small job, dropout and all, against finite differences.
pub(super) fn table_gradient_error<M: TableModel>(job: &TableJob<M>) -> f64 {
    let rows: Vec<usize> = (0..job.batch).collect();
    let mut rng = stream(1, &[]);
    let masks = job.model.dropout_masks(rows.len(), &mut rng);
    let x: Vec<f64> = job.model.init(&mut rng).into_iter().map(f64::from).collect();
    let layout = job.layout();
    let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
    let batch = job.train.select(&rows);
    gradient_error(&OnBatch { job, batch, masks }, &shapes, &x, 1e-5)
}
