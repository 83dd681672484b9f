//! A problem at one seed, as what [`train`](crate::train) trains.

use std::sync::Arc;

use lopt_core::rng::Rng;

use crate::batch::BatchStream;
use crate::evaluation::Evaluation;
use crate::instance::{Dataset, Instance};
use crate::noise::corrupt_gradient;
use crate::problem::{AnyProblem, Problem as _};
use crate::trial::{Objective, Validation};

/// An instance of a [`Problem`](crate::Problem) with the order of its batches and its gradient noise.
///
/// All random streams come from the caller, so that equal streams give equal runs whatever the
/// optimizer.
#[derive(Debug)]
pub struct ProblemObjective {
    evaluation: Evaluation,
    batches: Option<BatchStream>,
    /// Rows of the step; `None` for all of them.
    rows: Option<Vec<usize>>,
    loss_batches: Option<BatchStream>,
    /// Rows on which the loss of the step is measured, where they are others.
    loss_rows: Option<Vec<usize>>,
    noise: Rng,
    /// Rows of [`Objective::training_loss`], in parts; all at once if there are none.
    training_rows: Vec<Vec<usize>>,
    test: Option<(Arc<Dataset>, Evaluation)>,
}

impl ProblemObjective {
    /// Exact gradients of this instance, but for the problem's own noise, which is drawn from `noise`.
    pub fn new(problem: Arc<dyn AnyProblem>, instance: Instance, noise: Rng) -> Self {
        Self {
            evaluation: Evaluation::new(problem, instance),
            batches: None,
            rows: None,
            loss_batches: None,
            loss_rows: None,
            noise,
            training_rows: Vec::new(),
            test: None,
        }
    }

    /// Takes every gradient on the next of these batches; `None` for the whole data set.
    #[must_use]
    pub fn with_batches(mut self, batches: Option<BatchStream>) -> Self {
        self.batches = batches;
        self
    }

    /// Measures the loss of a step, [`Objective::batch_loss`], on batches of its own: that of one or a
    /// few rows says little about the model.
    #[must_use]
    pub fn with_loss_batches(mut self, batches: Option<BatchStream>) -> Self {
        self.loss_batches = batches;
        self
    }

    /// Whether the loss of a step is measured on other rows than its gradient.
    #[must_use]
    pub fn has_loss_batches(&self) -> bool {
        self.loss_batches.is_some()
    }

    /// Measures [`Objective::training_loss`] on these rows of the data set, `part` at a time so that
    /// large networks need little memory, instead of on the whole set at once.
    ///
    /// # Panics
    ///
    /// If `part` is 0.
    #[must_use]
    pub fn with_training_rows(mut self, rows: &[usize], part: usize) -> Self {
        self.training_rows = rows.chunks(part).map(<[usize]>::to_vec).collect();
        self
    }

    /// Validates on this set; `None` for not at all.
    #[must_use]
    pub fn with_test(mut self, test: Option<Arc<Dataset>>) -> Self {
        self.test = test.map(|test| {
            let constants = self.evaluation.instance().constants.clone();
            let instance = Instance { constants, dataset: Some(Arc::clone(&test)) };
            (test, Evaluation::new(Arc::clone(self.evaluation.problem()), instance))
        });
        self
    }
}

impl Objective for ProblemObjective {
    fn next_batch(&mut self) {
        let next = |batches: &mut Option<BatchStream>| {
            batches.as_mut().map(|batches| batches.next_rows().to_vec())
        };
        self.rows = next(&mut self.batches);
        self.loss_rows = next(&mut self.loss_batches);
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let (loss, exact) = self.evaluation.value_and_gradient(at, self.rows.as_deref());
        gradient.copy_from_slice(exact);
        loss
    }

    fn corrupt(&mut self, gradient: &mut [f32]) {
        corrupt_gradient(&**self.evaluation.problem(), gradient, &mut self.noise);
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let rows = self.loss_rows.as_deref().or(self.rows.as_deref());
        self.evaluation.loss(params, rows)
    }

    fn training_loss(&mut self, params: &[f32]) -> Option<f64> {
        let Self { evaluation, training_rows, .. } = self;
        if training_rows.is_empty() {
            return Some(f64::from(evaluation.loss(params, None)));
        }
        let parts = training_rows.iter();
        let sum =
            parts.map(|rows| rows.len() as f64 * f64::from(evaluation.loss(params, Some(rows))));
        Some(sum.sum::<f64>() / training_rows.iter().map(Vec::len).sum::<usize>() as f64)
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let (test, evaluation) = self.test.as_mut()?;
        let loss = f64::from(evaluation.mean_loss(params, VALIDATED_AT_ONCE));
        let accuracy = evaluation.problem().accuracy(params, test);
        Some(Validation { loss, accuracy })
    }
}

/// Rows of the test set at a time.
const VALIDATED_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use lopt_baselines::Adam;
    use lopt_core::Optimizer as _;
    use lopt_core::rng::stream;

    use super::*;
    use crate::trial::{Outcome, Phase, Probe, train};
    use crate::{Activation, Mlp, Problem, Recipe};
    use crate::{Noisy, Quadratic, Source, race_problem};

    /// Digits with batches of 8 of 60 rows, noisy gradients, and as many rows to test on.
    fn noisy_digits() -> (ProblemObjective, Vec<f32>) {
        let set =
            |part| Arc::new(Recipe::Digits { size: 8, rows: 60 }.make(&mut stream(1, &[part])));
        let mlp = Mlp::new(&[5], Activation::Tanh, Source::given(set(0)), 8).plain();
        let problem: Arc<dyn AnyProblem> = Arc::new(Noisy::new(mlp, 0.1));
        let instance = problem.instance(&mut stream(2, &[]));
        let params = problem.init(&instance, &mut stream(3, &[]));
        let objective = ProblemObjective::new(problem, instance, stream(4, &[]))
            .with_batches(Some(BatchStream::new(60, 8, stream(5, &[]))))
            .with_test(Some(set(1)));
        (objective, params)
    }

    struct Nothing;

    impl Probe for Nothing {}

    #[test]
    fn a_run_is_the_loop_written_by_hand() {
        let (mut objective, start) = noisy_digits();
        let layout = objective.evaluation.layout().clone();
        let mut trained = start.clone();
        let outcome =
            train(&mut objective, &mut Adam::new(&layout, 1e-2), &mut trained, 20, &mut Nothing);
        assert_eq!(outcome, Outcome::Finished);

        let (written, mut params) = noisy_digits();
        let mut evaluation = written.evaluation;
        let (mut batches, mut noise) = (BatchStream::new(60, 8, stream(5, &[])), stream(4, &[]));
        let mut adam = Adam::new(&layout, 1e-2);
        for _ in 0..20 {
            let rows = batches.next_rows();
            let mut gradient = evaluation.value_and_gradient(&params, Some(rows)).1.to_vec();
            corrupt_gradient(&**evaluation.problem(), &mut gradient, &mut noise);
            adam.step(&mut params, &gradient).unwrap();
        }
        assert_eq!(trained, params);
        assert_ne!(trained, start);
    }

    #[test]
    fn losses_are_those_of_the_rows_asked_for() {
        let (objective, params) = noisy_digits();
        let wide = Some(BatchStream::new(60, 32, stream(6, &[])));
        let mut objective = objective.with_loss_batches(wide).with_training_rows(&[3, 1, 4], 2);
        let (mut whole, _) = noisy_digits();
        let loss = |rows: &[usize], of: &mut ProblemObjective| {
            f64::from(of.evaluation.loss(&params, Some(rows)))
        };
        let three = loss(&[3, 1, 4], &mut whole);
        assert!((objective.training_loss(&params).unwrap() - three).abs() < 1e-6);
        let all: Vec<usize> = (0..60).collect();
        let known = loss(&all, &mut whole);
        assert!((whole.training_loss(&params).unwrap() - known).abs() < 1e-6);
        assert!((known - three).abs() > 1e-3);

        objective.next_batch();
        let rows = BatchStream::new(60, 32, stream(6, &[])).next_rows().to_vec();
        assert_eq!(f64::from(objective.batch_loss(&params)), loss(&rows, &mut whole));
    }

    #[test]
    fn validation_is_on_other_rows_than_training() {
        let race = race_problem("digits-mlp-sigmoid", None).unwrap();
        let instance = race.problem.instance(&mut stream(1, &[]));
        let params = race.problem.init(&instance, &mut stream(2, &[]));
        let make = |test| {
            ProblemObjective::new(Arc::clone(&race.problem), instance.clone(), stream(3, &[]))
                .with_test(test)
        };
        assert_eq!(make(None).validate(&params), None);
        let tested = make(race.test.clone()).validate(&params).unwrap();
        let trained = make(race.train).validate(&params).unwrap();
        let loss = make(None).training_loss(&params).unwrap();
        assert!((trained.loss - loss).abs() < 1e-5 && (tested.loss - loss).abs() > 1e-4);
        let accuracy = race.problem.accuracy(&params, &race.test.unwrap());
        assert!(accuracy.is_some() && tested.accuracy == accuracy);
    }

    /// Counts phases and refuses the parameters of one step.
    #[derive(Default)]
    struct Watch {
        steps: usize,
        measured: Vec<usize>,
        refused: Option<usize>,
    }

    impl Probe for Watch {
        fn enter(&mut self, phase: Phase) {
            self.steps += usize::from(phase == Phase::Step);
        }

        fn parameters(
            &mut self,
            step: usize,
            _: &[f32],
            _: &mut dyn Objective,
        ) -> Result<(), String> {
            self.measured.push(step);
            if self.refused == Some(step) { Err("refused".to_owned()) } else { Ok(()) }
        }
    }

    #[test]
    fn runs_end_where_they_diverge() {
        let problem: Arc<dyn AnyProblem> = Arc::new(Quadratic::new(3));
        let layout = problem.layout();
        let run = |rate: f64, watch: &mut Watch| {
            let instance = problem.instance(&mut stream(1, &[]));
            let mut params = problem.init(&instance, &mut stream(2, &[]));
            let mut objective =
                ProblemObjective::new(Arc::clone(&problem), instance, stream(3, &[]));
            let mut optimizer = lopt_baselines::Sgd::new(&layout, rate);
            train(&mut objective, &mut optimizer, &mut params, 4, watch)
        };
        let mut whole = Watch::default();
        assert_eq!(run(1e-3, &mut whole), Outcome::Finished);
        assert_eq!((whole.measured, whole.steps), (vec![0, 1, 2, 3, 4], 4));
        let mut refused = Watch { refused: Some(2), ..Watch::default() };
        let outcome = Outcome::Diverged { step: 2, reason: "refused".to_owned() };
        assert_eq!((run(1e-3, &mut refused), refused.steps), (outcome, 2));
        let Outcome::Diverged { step, reason } = run(1e38, &mut Watch::default()) else {
            panic!("it diverges");
        };
        assert!(step == 2 && reason.contains("loss of the batch is"), "{step}: {reason}");
    }
}
