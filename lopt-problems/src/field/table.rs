//! Learning from the rows of a table: what the jobs on tables share.

use std::fmt::Debug;
use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Real, Var};

use super::random::{Purpose, random};
use super::{Graph, Job, JobStart};
use crate::batch::BatchStream;
use crate::classifier::{cross_entropy, predicted};
use crate::curvature::Curvature;
use crate::instance::Array;
use crate::trial::{Objective, Validation};

/// `N` rows of numbers and categories, with what is to be predicted of each.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Numeric columns, `(N, columns)`; there may be none.
    pub(super) numbers: Array,
    /// Categorical columns, each of `N` numbers of categories; there may be none.
    pub(super) categories: Vec<Vec<usize>>,
    /// `(N, 1)` numbers, or `(N, classes)` one-hot classes.
    pub(super) targets: Array,
}

impl Table {
    /// Number of rows `N`.
    pub(super) fn rows(&self) -> usize {
        self.targets.rows()
    }

    /// The given rows in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |array: &Array| {
            let values = rows.iter().flat_map(|&row| array.row(row)).copied().collect();
            Array::new([rows.len(), array.row_len()], values)
        };
        let column = |column: &Vec<usize>| rows.iter().map(|&row| column[row]).collect();
        Self {
            numbers: pick(&self.numbers),
            categories: self.categories.iter().map(column).collect(),
            targets: pick(&self.targets),
        }
    }

    /// The first `count` rows and the others.
    pub(super) fn split(&self, count: usize) -> (Self, Self) {
        let rows: Vec<usize> = (0..self.rows()).collect();
        (self.select(&rows[..count]), self.select(&rows[count..]))
    }

    /// Mean of each column of the targets: of classes, their frequencies.
    fn mean_targets(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.targets.row_len()];
        for row in 0..self.rows() {
            let target = self.targets.row(row);
            means.iter_mut().zip(target).for_each(|(mean, &x)| *mean += f64::from(x));
        }
        means.iter_mut().for_each(|mean| *mean /= self.rows() as f64);
        means
    }
}

/// How predictions are compared with targets; a mean over the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Squared difference.
    SquaredError,
    /// Cross-entropy of the softmax of logits.
    CrossEntropy,
}

impl Loss {
    /// One element, of predictions `(B, k)` and targets of the same shape.
    fn of<'t, R: Real>(self, predictions: Var<'t, R>, targets: Var<'t, R>) -> Var<'t, R> {
        match self {
            Self::SquaredError => (predictions - targets).square().mean(),
            Self::CrossEntropy => cross_entropy(predictions, targets),
        }
    }

    /// The loss on the rows of `table` if all get the answer `constant`, a number or probabilities.
    fn of_constant(self, constant: &[f64], table: &Table) -> f64 {
        let one = |(&answer, &target): (&f64, &f32)| match self {
            Self::SquaredError => (answer - f64::from(target)).powi(2),
            Self::CrossEntropy => -f64::from(target) * answer.ln(),
        };
        let row = |row| constant.iter().zip(table.targets.row(row)).map(one).sum::<f64>();
        (0..table.rows()).map(row).sum::<f64>() / table.rows() as f64
    }
}

/// A model that predicts the targets of rows.
pub(super) trait TableModel: Debug + Clone + Send + Sync + 'static {
    /// Names and shapes of the parameter tensors.
    fn layout(&self) -> Layout;

    /// Draws a starting point, `[P]`.
    fn init(&self, rng: &mut Rng) -> Vec<f32>;

    /// Draws the factors of dropout for a batch of `rows` rows, one array per layer that has dropout.
    fn dropout_masks(&self, rows: usize, rng: &mut Rng) -> Vec<Array> {
        let _ = (rows, rng);
        Vec::new()
    }

    /// Predictions `(B, k)`: numbers, or the logits of the classes.
    ///
    /// * `masks`: those of [`dropout_masks`](Self::dropout_masks), or none to keep every unit.
    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        masks: &[Array],
    ) -> Var<'t, R>;
}

/// A model with the rows that it learns from and those that it is validated on.
#[derive(Debug, Clone)]
pub(super) struct TableJob<M> {
    /// Name, from which its random streams follow.
    pub(super) name: &'static str,
    pub(super) model: M,
    pub(super) loss: Loss,
    /// Rows per batch `B`.
    pub(super) batch: usize,
    pub(super) train: Arc<Table>,
    pub(super) validation: Arc<Table>,
}

impl<M: TableModel> TableJob<M> {
    /// Mean loss of the rows of a batch.
    pub(super) fn loss<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        masks: &[Array],
    ) -> Var<'t, R> {
        let predictions = self.model.predict(params, batch, masks);
        self.loss.of(predictions, constant(predictions, &batch.targets))
    }

    /// The rows of the batches of a seed.
    pub(super) fn batches(&self, seed: u64) -> BatchStream {
        let rng = random(self.name, seed, Purpose::Batches);
        BatchStream::new(self.train.rows(), self.batch, rng)
    }
}

/// An array as a constant on the tape of `beside`.
pub(super) fn constant<'t, R: Real>(beside: Var<'t, R>, array: &Array) -> Var<'t, R> {
    beside.tape().constant_from(&array.shape, |i| R::from_f32(array.values[i]))
}

impl<M: TableModel> Job for TableJob<M> {
    fn layout(&self) -> Layout {
        self.model.layout()
    }

    fn guessing(&self) -> f64 {
        self.loss.of_constant(&self.train.mean_targets(), &self.validation)
    }

    fn start(&self, seed: u64) -> JobStart {
        let objective = TableObjective {
            graph: Graph::new(self.layout()),
            batches: self.batches(seed),
            dropout: random(self.name, seed, Purpose::Dropout),
            batch: self.train.select(&[]),
            masks: Vec::new(),
            job: self.clone(),
        };
        let params = self.model.init(&mut random(self.name, seed, Purpose::Initial));
        JobStart { params, objective: Box::new(objective) }
    }
}

/// One seed of a [`TableJob`].
struct TableObjective<M> {
    job: TableJob<M>,
    graph: Graph,
    batches: BatchStream,
    dropout: Rng,
    batch: Table,
    masks: Vec<Array>,
}

impl<M: TableModel> Objective for TableObjective<M> {
    fn next_batch(&mut self) {
        self.batch = self.job.train.select(self.batches.next_rows());
        self.masks = self.job.model.dropout_masks(self.batch.rows(), &mut self.dropout);
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let Self { job, graph, batch, masks, .. } = self;
        graph.differentiate(at, gradient, |_, params| job.loss(params, batch, masks))
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let Self { job, graph, batch, masks, .. } = self;
        graph.evaluate(params, |_, params| job.loss(params, batch, masks).item())
    }

    fn curvature(&self) -> Option<Curvature> {
        let (job, batch, masks) = (self.job.clone(), self.batch.clone(), self.masks.clone());
        Some(Curvature::new(job.layout(), move |_, params| job.loss(params, &batch, &masks)))
    }

    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        let Self { job, graph, .. } = self;
        let loss = graph
            .differentiate(params, gradient, |_, params| job.loss(params, &job.validation, &[]));
        Some(f64::from(loss))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let (job, rows) = (&self.job, &*self.job.validation);
        let (loss, predictions) = self.graph.evaluate(params, |_, params| {
            let predictions = job.model.predict(params, rows, &[]);
            let loss = job.loss.of(predictions, constant(predictions, &rows.targets));
            (f64::from(loss.item()), predictions.value())
        });
        let accuracy = (job.loss == Loss::CrossEntropy).then(|| {
            let classes = rows.targets.row_len();
            let pairs = predictions.chunks_exact(classes).zip(rows.targets.values.chunks(classes));
            let right = pairs.filter(|(logits, one_hot)| one_hot[predicted(logits)] == 1.0);
            right.count() as f64 / rows.rows() as f64
        });
        Some(Validation { loss, accuracy })
    }
}

/// Gives every column of row-major `values` mean 0 and deviation 1 over the first `rows` rows.
pub(super) fn standardize(values: &mut [f64], columns: usize, rows: usize) {
    for column in 0..columns {
        let over = |values: &[f64], f: &dyn Fn(f64) -> f64| {
            let sum: f64 =
                values.iter().skip(column).step_by(columns).take(rows).map(|&x| f(x)).sum();
            sum / rows as f64
        };
        let mean = over(values, &|x| x);
        let deviation = over(values, &|x| (x - mean).powi(2)).sqrt();
        values.iter_mut().skip(column).step_by(columns).for_each(|x| *x = (*x - mean) / deviation);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use lopt_core::rng::stream;
    use lopt_grad::check::gradient_error;
    use lopt_grad::{Real, ScalarFn, Tape, Var};

    use super::*;

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
    pub(in super::super) fn table_gradient_error<M: TableModel>(job: &TableJob<M>) -> f64 {
        let rows: Vec<usize> = (0..job.batch).collect();
        let mut rng = stream(1, &[]);
        let masks = job.model.dropout_masks(rows.len(), &mut rng);
        let x: Vec<f64> = job.model.init(&mut rng).into_iter().map(f64::from).collect();
        let layout = job.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let batch = job.train.select(&rows);
        gradient_error(&OnBatch { job, batch, masks }, &shapes, &x, 1e-5)
    }
}
