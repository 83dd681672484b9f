//! Job `recommender`: ratings predicted from embeddings of users and items.

use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal, unit};
use lopt_grad::{Real, Var};

use super::FieldTask;
use super::random::{FIXED, Purpose, random};
use super::table::{Loss, Table, TableJob, TableModel};
use crate::instance::Array;
use crate::problem::layout_of;

/// 1,500 users and 800 items with embeddings of 12 columns on 40,000 ratings, batches of 256.
///
/// Users and items are drawn by power laws, so that a batch has few of them and most rows of the
/// embeddings have a gradient of exactly zero.
pub(super) fn task() -> FieldTask {
    let model = RatingModel { users: 1500, items: 800, width: 12 };
    FieldTask::new(NAME, ("embeddings", "ratings"), 2000, job(model, ROWS, BATCH))
}

/// The job with these embeddings, on so many ratings to train on and to validate on.
fn job(
    model: RatingModel,
    (train, validation): (usize, usize),
    batch: usize,
) -> TableJob<RatingModel> {
    let mut rng = random(NAME, FIXED, Purpose::Data);
    let (train, validation) = ratings(&model, train + validation, &mut rng).split(train);
    let (train, validation) = (Arc::new(train), Arc::new(validation));
    TableJob { name: NAME, model, loss: Loss::SquaredError, batch, train, validation }
}

/// Matrix factorisation with biases (Koren, Bell & Volinsky 2009, eq. 4): the rating of an item by a
/// user is the inner product of their embeddings plus a bias of either and one of all.
#[derive(Debug, Clone)]
pub(super) struct RatingModel {
    pub(super) users: usize,
    pub(super) items: usize,
    /// Columns of an embedding.
    pub(super) width: usize,
}

impl TableModel for RatingModel {
    fn layout(&self) -> Layout {
        layout_of(vec![
            TensorShape::new("user.embedding", [self.users, self.width]),
            TensorShape::new("item.embedding", [self.items, self.width]),
            TensorShape::new("user.bias", [self.users, 1]),
            TensorShape::new("item.bias", [self.items, 1]),
            TensorShape::new("bias", [1]),
        ])
    }

    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        (0..self.layout().len()).map(|_| (START_DEVIATION * normal(rng)) as f32).collect()
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        _: &[Array],
    ) -> Var<'t, R> {
        let (users, items) = (&batch.categories[0], &batch.categories[1]);
        let products = params[0].gather_rows(users) * params[1].gather_rows(items);
        let inner = products.sum_axis(1).reshape(&[batch.rows(), 1]);
        inner + params[2].gather_rows(users) + params[3].gather_rows(items) + params[4]
    }
}

/// Ratings of pairs of a user and an item, no pair twice: from hidden embeddings and biases, with
/// noise.
pub(super) fn ratings(model: &RatingModel, count: usize, rng: &mut Rng) -> Table {
    let (users, items) = (Hidden::draw(model.users, rng), Hidden::draw(model.items, rng));
    let mut rated = vec![false; model.users * model.items];
    let (mut of_users, mut of_items, mut ratings) = (Vec::new(), Vec::new(), Vec::new());
    while ratings.len() < count {
        let (user, item) = (users.draw_one(rng), items.draw_one(rng));
        if std::mem::replace(&mut rated[user * model.items + item], true) {
            continue;
        }
        let pairs = users.tastes[user].iter().zip(&items.tastes[item]);
        let inner: f64 = pairs.map(|(a, b)| a * b).sum();
        let explained = MEAN + users.biases[user] + items.biases[item] + inner;
        ratings.push((explained + NOISE * normal(rng)) as f32);
        of_users.push(user);
        of_items.push(item);
    }
    Table {
        numbers: Array::new([count, 0], Vec::new()),
        categories: vec![of_users, of_items],
        targets: Array::new([count, 1], ratings),
    }
}

/// What is behind the ratings of users, or of items.
struct Hidden {
    tastes: Vec<[f64; RANK]>,
    biases: Vec<f64>,
    /// Running sums of the popularity.
    cumulative: Vec<f64>,
}

impl Hidden {
    fn draw(count: usize, rng: &mut Rng) -> Self {
        let scale = (TASTE_DEVIATION / (RANK as f64).sqrt()).sqrt();
        let mut sum = 0.0;
        let popularity = |i: usize| {
            sum += (i as f64 + POPULARITY_OFFSET).powf(-POPULARITY_EXPONENT);
            sum
        };
        Self {
            cumulative: (0..count).map(popularity).collect(),
            tastes: (0..count).map(|_| std::array::from_fn(|_| scale * normal(rng))).collect(),
            biases: (0..count).map(|_| BIAS_DEVIATION * normal(rng)).collect(),
        }
    }

    /// The number of one, by popularity.
    fn draw_one(&self, rng: &mut Rng) -> usize {
        let last = self.cumulative.len() - 1;
        let at = self.cumulative[last] * unit(rng);
        self.cumulative.partition_point(|&sum| sum <= at).min(last)
    }
}

const NAME: &str = "recommender";

/// Ratings to train on and to validate on.
const ROWS: (usize, usize) = (40_000, 4000);

const BATCH: usize = 256;

/// Standard deviation of all parameters at the start.
const START_DEVIATION: f64 = 0.05;

/// Mean rating.
const MEAN: f64 = 3.5;

/// Standard deviation of the noise.
const NOISE: f64 = 0.3;

/// Standard deviation of the biases of users and of items.
const BIAS_DEVIATION: f64 = 0.4;

/// Columns of the hidden embeddings.
const RANK: usize = 4;

/// Standard deviation of their inner products.
const TASTE_DEVIATION: f64 = 0.6;

/// The popularity of number `i` is `(i + offset)^-exponent`.
const POPULARITY_OFFSET: f64 = 10.0;

const POPULARITY_EXPONENT: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::super::Job;
    use super::super::laws::{assert_measuring_changes_nothing, assert_starts_repeat, trained};
    use super::super::table::tests::table_gradient_error;
    use super::*;

    #[test]
    fn gradients_are_right() {
        let model = RatingModel { users: 7, items: 5, width: 3 };
        let error = table_gradient_error(&job(model, (20, 4), 6));
        assert!(error < 1e-6, "{error:e}");
    }

    #[test]
    fn no_pair_is_rated_twice() {
        let model = RatingModel { users: 40, items: 30, width: 2 };
        let table = ratings(&model, 900, &mut random(NAME, FIXED, Purpose::Data));
        let pairs = table.categories[0].iter().zip(&table.categories[1]);
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 900);
    }

    #[test]
    fn rows_outside_the_batch_have_no_gradient() {
        let model = RatingModel { users: 1500, items: 800, width: 12 };
        let job = job(model, ROWS, BATCH);
        let mut start = job.start(0);
        let mut gradient = vec![1.0; start.params.len()];
        start.objective.next_batch();
        start.objective.loss_and_gradient(&start.params, &mut gradient);
        let mut batches = job.batches(0);
        let rows = batches.next_rows();
        let layout = job.layout();
        for (t, tensor) in layout.tensors().iter().enumerate().take(4) {
            let column = &job.train.categories[t % 2];
            let gradients = gradient[layout.range(t)].chunks_exact(tensor.shape[1]);
            let used: Vec<bool> = gradients.map(|row| row.iter().any(|&g| g != 0.0)).collect();
            for (i, &used) in used.iter().enumerate() {
                assert_eq!(used, rows.iter().any(|&row| column[row] == i), "{} {i}", tensor.name);
            }
            let share = used.iter().filter(|&&used| used).count() as f64 / used.len() as f64;
            assert!(share > 0.02 && share < 0.3, "{}: {share}", tensor.name);
        }
    }

    #[test]
    fn runs_repeat_and_learn() {
        let task = task();
        assert_eq!(task.job.layout().len(), 29_901);
        assert_starts_repeat(&*task.job);
        assert_measuring_changes_nothing(&*task.job);
        let guessing = task.job.guessing();
        let loss = trained(&*task.job, 3e-2, 250);
        assert!(loss < 0.9 * guessing && loss > NOISE * NOISE, "{loss}, guessing {guessing}");
    }
}
