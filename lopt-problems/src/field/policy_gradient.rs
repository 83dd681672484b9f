//! Job `policy-gradient`: a pole on a cart, kept upright by a policy that learns from its returns.

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Real, Tape, Var};

use super::cart_pole::{Episodes, OBSERVED, Visits};
use super::random::{FIXED, Purpose, random};
use super::{FieldTask, Graph, Job, JobStart};
use crate::classifier::Init;
use crate::problem::dense_layout;
use crate::trial::{Objective, Validation};

/// A policy with two tanh layers of 96 units on 16 episodes a step, each of up to 64 decisions.
///
/// The loss is minus the mean return of the episodes, negative and at least -64; the gradient is that
/// of another function, the [`surrogate`]. Validation is minus the mean return of 64 episodes whose
/// starts and random numbers are always the same; decisions are drawn from the policy as in training.
pub(super) fn task() -> FieldTask {
    let family = ("policy-gradient", "pendulum-cart");
    FieldTask::new(NAME, family, 1000, PolicyGradient::new(96, 16))
}

/// The job: REINFORCE (Williams 1992) with a value head as baseline.
#[derive(Debug)]
struct PolicyGradient {
    /// Width of both hidden layers.
    width: usize,
    /// Episodes per step.
    episodes: usize,
    validation: Episodes,
}

impl PolicyGradient {
    fn new(width: usize, episodes: usize) -> Self {
        let validation = Episodes::draw(VALIDATION, &mut random(NAME, FIXED, Purpose::Data));
        Self { width, episodes, validation }
    }
}

impl Job for PolicyGradient {
    /// Weights and biases layer by layer; the last has the logit of pushing right and the value.
    fn layout(&self) -> Layout {
        dense_layout(OBSERVED, [self.width, self.width, 2].into_iter())
    }

    /// Minus the mean return of pushing left or right with equal probability.
    fn guessing(&self) -> f64 {
        let even = |observations: &[f32]| vec![0.0; observations.len() / OBSERVED * 2];
        -self.validation.roll_out(even).mean_return
    }

    /// Minus the return of an episode in which every decision has the greatest reward.
    fn least(&self) -> f64 {
        -(super::cart_pole::DECISIONS as f64)
    }

    fn start(&self, seed: u64) -> JobStart {
        let layout = self.layout();
        let mut rng = random(NAME, seed, Purpose::Batches);
        let objective = PolicyObjective {
            graph: Graph::new(layout.clone()),
            count: self.episodes,
            episodes: Episodes::draw(self.episodes, &mut rng),
            validation: self.validation.clone(),
            rng,
        };
        let params = Init::Uniform.draw(&layout, &mut random(NAME, seed, Purpose::Initial));
        JobStart { params, objective: Box::new(objective) }
    }
}

/// Logits of pushing right and values, `(B, 2)`, of observations `(B, OBSERVED)`.
fn answers<'t, R: Real>(params: &[Var<'t, R>], observations: Var<'t, R>) -> Var<'t, R> {
    let mut outputs = observations;
    for (i, layer) in params.chunks_exact(2).enumerate() {
        let inputs = if i == 0 { outputs } else { tanh(outputs) };
        outputs = inputs.matmul(layer[0]) + layer[1];
    }
    outputs
}

/// `tanh x = 2 sigmoid(2 x) - 1`, several times faster than the standard library's `tanh`.
fn tanh<R: Real>(x: Var<'_, R>) -> Var<'_, R> {
    (x * 2.0).sigmoid() * 2.0 - 1.0
}

/// The function whose gradient is that of minus the return, on average over the random decisions:
/// the mean over the states visited of
///
/// ```text
/// -advantage ln p(push) + (value - future)^2 / 2 - 0.01 entropy
/// ```
///
/// * `visits`: fixed; no gradient goes through where the policy came, nor through the advantages,
///   which are the futures minus the expected values, made to have mean 0 and deviation 1.
fn surrogate<'t, R: Real>(
    tape: &'t Tape<R>,
    params: &[Var<'t, R>],
    visits: &Visits,
    advantages: &[f32],
) -> Var<'t, R> {
    let count = visits.pushes.len();
    let column = |values: &[f32]| tape.constant_from(&[count, 1], |i| R::from_f32(values[i]));
    let observations =
        tape.constant_from(&[count, OBSERVED], |i| R::from_f32(visits.observations[i]));
    let answers = answers(params, observations);
    let (logits, values) = (answers.slice(1, 0, 1), answers.slice(1, 1, 1));
    // The probability of a push is the sigmoid of the logit, or of minus the logit.
    let minus_log_probability = (logits * column(&visits.pushes) * -1.0).softplus();
    let entropy = logits.softplus() - logits * logits.sigmoid();
    let errors = (values - column(&visits.futures)).square();
    (minus_log_probability * column(advantages)).mean() + errors.mean() * 0.5
        - entropy.mean() * ENTROPY
}

/// How much more than expected came of each decision, `[S]`, with mean 0 and deviation 1.
fn advantages(visits: &Visits) -> Vec<f32> {
    let pairs = visits.futures.iter().zip(&visits.values);
    let raw: Vec<f64> = pairs.map(|(future, value)| f64::from(future - value)).collect();
    let mean = raw.iter().sum::<f64>() / raw.len() as f64;
    let variance = raw.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / raw.len() as f64;
    // The small number is for a single decision, whose variance is 0.
    raw.iter().map(|x| ((x - mean) / (variance.sqrt() + 1e-6)) as f32).collect()
}

/// One seed of the job.
struct PolicyObjective {
    graph: Graph,
    /// Episodes per step.
    count: usize,
    episodes: Episodes,
    validation: Episodes,
    rng: Rng,
}

/// What comes of acting with `params` in `episodes`.
fn roll_out(graph: &mut Graph, params: &[f32], episodes: &Episodes) -> Visits {
    graph.evaluate(params, |tape, params| {
        episodes.roll_out(|observations| {
            let rows = observations.len() / OBSERVED;
            answers(params, tape.constant(&[rows, OBSERVED], observations)).value()
        })
    })
}

impl Objective for PolicyObjective {
    fn next_batch(&mut self) {
        self.episodes = Episodes::draw(self.count, &mut self.rng);
    }

    /// Minus the mean return, and the gradient of the [`surrogate`].
    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let visits = roll_out(&mut self.graph, at, &self.episodes);
        let advantages = advantages(&visits);
        self.graph.differentiate(at, gradient, |tape, params| {
            surrogate(tape, params, &visits, &advantages)
        });
        -visits.mean_return as f32
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        -roll_out(&mut self.graph, params, &self.episodes).mean_return as f32
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let loss = -roll_out(&mut self.graph, params, &self.validation).mean_return;
        Some(Validation { loss, accuracy: None })
    }
}

const NAME: &str = "policy-gradient";

/// Episodes to validate on.
const VALIDATION: usize = 64;

/// Weight of the entropy, which keeps the policy from deciding too early.
const ENTROPY: f64 = 0.01;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;
    use lopt_grad::ScalarFn;
    use lopt_grad::check::{gradient_error, relative_error};

    use super::super::laws::{assert_measuring_changes_nothing, assert_starts_repeat, trained};
    use super::*;

    /// The surrogate as a function of the parameters, the visits held fixed.
    struct OnVisits {
        visits: Visits,
        advantages: Vec<f32>,
    }

    impl ScalarFn for OnVisits {
        fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
            surrogate(tape, x, &self.visits, &self.advantages)
        }
    }

    #[test]
    fn gradients_of_the_surrogate_are_right() {
        let job = PolicyGradient::new(4, 2);
        let layout = job.layout();
        let params = Init::Uniform.draw(&layout, &mut stream(1, &[]));
        let episodes = Episodes::draw(2, &mut stream(2, &[]));
        let visits = roll_out(&mut Graph::new(layout.clone()), &params, &episodes);
        let on_visits = OnVisits { advantages: advantages(&visits), visits };
        let x: Vec<f64> = params.into_iter().map(f64::from).collect();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
        let error = gradient_error(&on_visits, &shapes, &x, 1e-5);
        assert!(error < 1e-8, "{error:e}");
    }

    #[test]
    fn tanh_is_that_of_the_library() {
        let tape = Tape::<f32>::new();
        let x: Vec<f32> = (-40..=40).map(|i| i as f32 / 4.0).collect();
        let y = tanh(tape.constant(&[x.len()], &x)).value();
        for (x, y) in x.into_iter().zip(y) {
            assert!(relative_error(f64::from(y), f64::from(x).tanh()) < 3e-7, "{x}: {y}");
        }
    }

    #[test]
    fn advantages_have_mean_zero_and_deviation_one() {
        let episodes = Episodes::draw(8, &mut stream(2, &[]));
        let visits = episodes.roll_out(|seen| [0.2, 0.1].repeat(seen.len() / OBSERVED));
        let advantages = advantages(&visits);
        let mean = advantages.iter().sum::<f32>() / advantages.len() as f32;
        let square = advantages.iter().map(|x| x * x).sum::<f32>() / advantages.len() as f32;
        assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-2, "{mean} {square}");
        let best = (0..advantages.len()).max_by(|&a, &b| advantages[a].total_cmp(&advantages[b]));
        let largest = visits.futures.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(visits.futures[best.unwrap()], largest);
    }

    #[test]
    fn parameters_that_are_nan_give_losses_that_are_nan() {
        let mut start = PolicyGradient::new(4, 2).start(0);
        start.params.fill(f32::NAN);
        start.objective.next_batch();
        assert!(start.objective.batch_loss(&start.params).is_nan());
        assert!(start.objective.validate(&start.params).unwrap().loss.is_nan());
    }

    #[test]
    fn runs_repeat_and_learn() {
        let task = task();
        assert!(task.job.layout().len() >= 10_000);
        assert_starts_repeat(&*task.job);
        assert_measuring_changes_nothing(&*task.job);
        let guessing = task.job.guessing();
        assert!(guessing < 0.0, "{guessing}");
        let loss = trained(&*task.job, 1e-2, 40);
        assert!(loss < 2.0 * guessing, "{loss}, guessing {guessing}");
    }
}
