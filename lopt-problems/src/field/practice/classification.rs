//! Classes of the rows of a table, and where long steps do damage: deep networks without normalisation, batches of
//! a few rows, and networks that have learned something before.

use std::sync::Arc;

use lopt_core::adam::{AdamStep, Pace};
use lopt_core::rng::{Rng, below, uniform, unit};

use super::varied::Start;
use super::{Signal, job, labels, log_uniform, mlp, rescale, rows, signals, table, width};
use crate::classifier::Activation;
use crate::field::table::{Loss, TableJob};
use crate::field::tabular_mlp::TabularMlp;
use crate::field::{Job, JobStart};

/// Classes by the largest of some signals, some of the labels wrong; and where runs begin.
pub(super) fn classification(rng: &mut Rng) -> (TableJob<TabularMlp>, Start) {
    let kind = KINDS[below(rng, KINDS.len())];
    let (columns, count, classes) =
        (4 + below(rng, 20), 300 + width(rng, 500, 6000), 2 + below(rng, 8));
    let plain = rows(count, columns, rng);
    let mut signals = signals(classes, columns, rng);
    let targets = labels(&signals, &plain, columns, rng);
    let mut numbers = plain.clone();
    rescale(&mut numbers, columns, rng);
    let dropout = if unit(rng) < 0.4 { uniform(rng, 0.05, 0.4) } else { 0.0 };
    let (hidden, activation, dropout) = match kind {
        Kind::Deep => {
            let tanh = unit(rng) < 0.3;
            let activation = if tanh { Activation::Tanh } else { Activation::Relu };
            (vec![width(rng, 16, 48); 6 + below(rng, 15)], activation, 0.0)
        }
        _ => (super::hidden(rng), Activation::Relu, dropout),
    };
    let model = mlp(activation, columns, hidden, classes, dropout);
    let batch = if kind == Kind::FewRows { width(rng, 1, 6) } else { width(rng, 12, 512) };
    let with = |targets| table(numbers.clone(), columns, targets, classes);
    let mut job = job(model, Loss::CrossEntropy, batch, &with(targets), VALIDATION);
    let start = match kind {
        Kind::Usual | Kind::FewRows => Start::Usual(1.0),
        // about as large as keeps what goes through the layers as large as it is
        Kind::Deep => Start::Given(log_uniform(rng, 1.5, 2.6)),
        Kind::FineTuning => {
            let learned = learned(&job);
            for signal in &mut signals {
                if unit(rng) < 0.5 {
                    *signal = Signal::draw(columns, rng);
                }
            }
            let few = width(rng, 60, 400);
            let (train, validation) =
                with(labels(&signals, &plain, columns, rng)).split(count - VALIDATION);
            (job.train, job.validation) = (Arc::new(train.split(few).0), Arc::new(validation));
            job.batch = job.batch.min(few);
            Start::Learned(learned)
        }
    };
    (job, start)
}

/// Parameters after some steps of Adam.
fn learned(job: &TableJob<TabularMlp>) -> Vec<f32> {
    let JobStart { mut params, mut objective } = job.start(0);
    let [mut gradient, mut mean, mut square] = [(); 3].map(|()| vec![0.0; params.len()]);
    for number in 1..=PRETRAINING {
        objective.next_batch();
        objective.loss_and_gradient(&params, &mut gradient);
        let pace = Pace { number, learning_rate: 3e-3 };
        let averages = [&mut mean[..], &mut square[..]];
        AdamStep::DEFAULT.update(pace, 1.0, &mut params, &gradient, averages);
    }
    params
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Usual,
    /// 6 to 20 hidden layers.
    Deep,
    /// Batches of at most 6 rows.
    FewRows,
    /// The network has learned classes of which about half are others now.
    FineTuning,
}

const KINDS: [Kind; 4] = [Kind::Usual, Kind::Deep, Kind::FewRows, Kind::FineTuning];

/// Rows for validation.
const VALIDATION: usize = 300;

/// Steps before a fine-tuning.
const PRETRAINING: u64 = 400;
