//! A problem ready to be trained on in single precision.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Instance};
use crate::problem::{AnyProblem, Problem};

/// One instance of a problem with a tape that is used again and again.
#[derive(Debug)]
pub struct Evaluation {
    problem: Arc<dyn AnyProblem>,
    instance: Instance,
    layout: Layout,
    /// The arrays of the whole data set, made when first asked for.
    whole: Option<Vec<Array>>,
    tape: Tape<f32>,
    gradient: Vec<f32>,
}

impl Evaluation {
    /// For this instance of `problem`.
    pub fn new(problem: Arc<dyn AnyProblem>, instance: Instance) -> Self {
        let layout = problem.layout();
        let gradient = vec![0.0; layout.len()];
        Self { problem, instance, layout, whole: None, tape: Tape::new(), gradient }
    }

    /// The problem.
    pub fn problem(&self) -> &Arc<dyn AnyProblem> {
        &self.problem
    }

    /// The instance.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The layout of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The loss on these rows of the data set, or all of it, and its gradient, `[P]`.
    ///
    /// The gradient is the true one: noise and sparsity are
    /// [`corrupt_gradient`](crate::corrupt_gradient)'s.
    ///
    /// # Panics
    ///
    /// If `params` does not have `P` entries.
    pub fn value_and_gradient(&mut self, params: &[f32], rows: Option<&[usize]>) -> (f32, &[f32]) {
        self.tape.clear();
        let batch = batch_of(&self.problem, &self.instance, &mut self.whole, rows);
        let variables = record_params(&self.tape, &self.layout, params, true);
        let loss = record_loss(&self.problem, &self.instance, &self.tape, &variables, &batch);
        self.tape.backward(loss);
        for (&variable, range) in variables.iter().zip(self.layout.ranges()) {
            self.tape.gradient_into(variable, &mut self.gradient[range]);
        }
        (loss.item(), &self.gradient)
    }

    /// The mean loss over the data set, computed for at most `most_rows` rows at a time.
    ///
    /// For the classifiers this is [`loss`](Self::loss) on the whole data set without the memory
    /// for it: a convolutional network on all of MNIST would need gigabytes. Without a data set it
    /// is the loss.
    ///
    /// # Panics
    ///
    /// If `params` does not have `P` entries, or `most_rows` is 0.
    pub fn mean_loss(&mut self, params: &[f32], most_rows: usize) -> f32 {
        assert!(most_rows > 0, "at least one row at a time");
        let Some(count) = self.instance.dataset.as_ref().map(|dataset| dataset.len()) else {
            return self.loss(params, None);
        };
        let rows: Vec<usize> = (0..count).collect();
        let chunks = rows.chunks(most_rows);
        let sums = chunks.map(|rows| f64::from(self.loss(params, Some(rows))) * rows.len() as f64);
        (sums.sum::<f64>() / count as f64) as f32
    }

    /// The loss on these rows of the data set, or all of it.
    ///
    /// # Panics
    ///
    /// If `params` does not have `P` entries.
    pub fn loss(&mut self, params: &[f32], rows: Option<&[usize]>) -> f32 {
        self.tape.clear();
        let batch = batch_of(&self.problem, &self.instance, &mut self.whole, rows);
        let variables = record_params(&self.tape, &self.layout, params, false);
        record_loss(&self.problem, &self.instance, &self.tape, &variables, &batch).item()
    }
}

/// The batch's arrays; those of the whole data set are kept.
fn batch_of<'a>(
    problem: &Arc<dyn AnyProblem>,
    instance: &Instance,
    whole: &'a mut Option<Vec<Array>>,
    rows: Option<&[usize]>,
) -> std::borrow::Cow<'a, [Array]> {
    match rows {
        Some(rows) => problem.batch(instance, Some(rows)).into(),
        None => whole.get_or_insert_with(|| problem.batch(instance, None)).as_slice().into(),
    }
}

/// One variable per tensor, or one constant where no gradient is wanted.
fn record_params<'t>(
    tape: &'t Tape<f32>,
    layout: &Layout,
    params: &[f32],
    differentiate: bool,
) -> Vec<Var<'t, f32>> {
    assert!(
        params.len() == layout.len(),
        "expected {} parameters, got {}",
        layout.len(),
        params.len()
    );
    let tensors = layout.tensors().iter().zip(layout.ranges());
    let record = |(tensor, range): (&lopt_core::TensorShape, std::ops::Range<usize>)| {
        if differentiate {
            tape.variable(&tensor.shape, &params[range])
        } else {
            tape.constant(&tensor.shape, &params[range])
        }
    };
    tensors.map(record).collect()
}

fn record_loss<'t>(
    problem: &Arc<dyn AnyProblem>,
    instance: &Instance,
    tape: &'t Tape<f32>,
    params: &[Var<'t, f32>],
    batch: &[Array],
) -> Var<'t, f32> {
    let record = |arrays: &[Array]| -> Vec<Var<'t, f32>> {
        arrays.iter().map(|array| tape.constant(&array.shape, &array.values)).collect()
    };
    let (constants, batch) = (record(&instance.constants), record(batch));
    problem.loss(tape, params, &constants, &batch)
}
