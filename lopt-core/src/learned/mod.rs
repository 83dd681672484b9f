//! The learned optimizer as one uses it: groups, decay, clipping, schedules, guard, state.
//!
//! Data flows **gradient -> clipping -> guard -> decay -> networks -> parameters**.

mod clipping;
mod config;
mod decide;
#[cfg(feature = "cubecl")]
mod device;
pub(crate) mod engine;
mod groups;
mod listener;
mod saved;
mod state_error;
mod step;
mod untrained;
mod warnings;

pub use clipping::Clipping;
pub use config::{BuildError, LearnedOptimizerConfig};
#[cfg(feature = "cubecl")]
pub use device::DeviceLearnedOptimizer;
pub use groups::{GroupError, ParameterGroup};
pub use state_error::StateError;
pub use untrained::UntrainedTensor;

use crate::files::weights::{Weights, WeightsError};
use crate::guard::{Decision, Guard, GuardEvent};
use crate::hierarchical_rnn::HierarchicalRnn;
use crate::layout::Layout;
use crate::optimizer::{Optimizer, StepError};
use crate::relative_rnn::RelativeRnn;
use crate::schedule::Schedule;
use crate::tensor_step::TensorStep;
use engine::Engine;
use groups::TensorSettings;
use listener::Listener;
use std::fmt;
use warnings::Warnings;

/// A learned optimizer with everything that users have with AdamW, and a guard.
///
/// With default settings, and as long as the guard has nothing to do, every step is bit for bit that
/// of the bare [`RelativeRnn`], or with weights of the paper's optimizer that of
/// the bare [`HierarchicalRnn`].
///
/// ```
/// use lopt_core::{Layout, LearnedOptimizer, Optimizer, TensorShape};
///
/// let layout = Layout::new(vec![TensorShape::new("w", [3]), TensorShape::new("b", [1])])?;
/// let mut optimizer = LearnedOptimizer::pretrained(&layout)?;
/// let mut params = vec![1.0_f32, -2.0, 0.5, 0.1];
/// for _ in 0..200 {
///     let at = optimizer.attended(&params).to_vec();
///     let loss: f32 = at.iter().map(|x| x * x).sum();
///     let grads: Vec<f32> = at.iter().map(|x| 2.0 * x).collect();
///     // the loss is for the guard; `step` does without
///     optimizer.step_with_loss(&mut params, &grads, loss)?;
/// }
/// assert!(params.iter().all(|x| x.abs() < 0.1), "{params:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LearnedOptimizer {
    engine: Engine,
    /// Checksum of the meta-parameters, by which a state file knows them.
    fingerprint: u64,
    settings: Vec<TensorSettings>,
    clipping: Clipping,
    schedule: Schedule,
    multiplier: f32,
    compact: bool,
    guard: Option<Guard>,
    listener: Listener,
    /// The loss that was observed for the next step.
    observed: Option<f32>,
    taken: u64,
    clipped: Vec<f32>,
    tensors: Vec<TensorStep<f32>>,
    /// Whether a tensor has had a gradient that is not zero, `[T]`.
    had_gradient: Vec<bool>,
    warnings: Warnings,
}

/// What is known of a gradient beside its values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given<'a> {
    /// The loss where the gradient was taken; the guard sees more with it. One that was observed
    /// since the last step counts in its place.
    pub loss: Option<f32>,
    /// One per tensor, or empty if all have a gradient. A tensor without one keeps its parameters
    /// and its state, its values in the gradient are not looked at, and it takes no step: every tensor has
    /// a clock of its own, so that one that joins late trains as from the start, and one that comes back
    /// goes on where it was. With weights of a hierarchical RNN, tensors whose gradients have always come
    /// together even train with the same bits as if there were no others (except with a compact state,
    /// which is rounded by a hash of the place in the model, and with a clipping norm, which is that of
    /// all); in a relative RNN they share the state of the Global RNN. Up to its first gradient a tensor may
    /// be written to and starts from the value that it then has: [`attended`](Optimizer::attended) shows what
    /// was there after the last step, [`minimize`](LearnedOptimizer::minimize) what is there.
    pub has_gradient: &'a [bool],
    /// What the guard of one replica [decided](LearnedOptimizer::decide) about this step for all of them;
    /// the guard here then does the same. `None`: it decides for itself.
    pub decision: Option<Decision>,
}

impl Given<'_> {
    fn has(&self, tensor: usize) -> bool {
        self.has_gradient.get(tensor).is_none_or(|&has| has)
    }
}

impl LearnedOptimizer {
    /// The weights inside this crate and default settings, for a model of this layout.
    ///
    /// # Errors
    ///
    /// If the embedded weights are damaged.
    pub fn pretrained(layout: &Layout) -> Result<Self, WeightsError> {
        Self::from_weights(&Weights::embedded("recommended")?, layout)
    }

    /// Other weights and default settings.
    ///
    /// # Errors
    ///
    /// None at present: weights are checked when they are made, and defaults fit all of them.
    pub fn from_weights(weights: &Weights, layout: &Layout) -> Result<Self, WeightsError> {
        let config = LearnedOptimizerConfig::new().with_weights(weights.clone());
        match config.init(layout) {
            Ok(optimizer) => Ok(optimizer),
            Err(BuildError::Weights(error)) => Err(error),
            Err(other) => unreachable!("defaults are in range: {other}"),
        }
    }

    fn build(config: &LearnedOptimizerConfig, layout: &Layout) -> Result<Self, BuildError> {
        let weights = match &config.weights {
            Some(weights) => weights,
            None => &Weights::embedded("recommended")?,
        };
        let settings = groups::resolve(layout, &config.groups, config.weight_decay)?;
        let engine = Engine::build(config, weights, layout)?;
        warnings::at_creation(&settings, &config.schedule);
        Ok(Self {
            engine,
            fingerprint: saved::fingerprint(weights.psi()),
            settings,
            clipping: config.clipping,
            schedule: config.schedule.clone(),
            multiplier: 1.0,
            compact: config.compact_state,
            guard: config.guard.map(Guard::new),
            listener: Listener::none(),
            observed: None,
            taken: 0,
            clipped: Vec::new(),
            tensors: Vec::with_capacity(layout.tensor_count()),
            had_gradient: vec![false; layout.tensor_count()],
            warnings: Warnings::default(),
        })
    }

    /// Calls a function at every event of the guard. Events also go to `tracing`, as warnings.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&GuardEvent) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    /// Multiplies the length of every step from now on, beside schedule and groups. It is 1 at first,
    /// and no learning rate: a first multiplier below 0.05 is warned of, through `tracing`.
    ///
    /// # Panics
    ///
    /// If the multiplier is negative or not finite.
    pub fn set_lr_multiplier(&mut self, multiplier: f32) {
        expect_multiplier(multiplier);
        self.warnings.multiplier(multiplier);
        self.multiplier = multiplier;
    }

    /// Factor of the next step of a tensor without settings of its own.
    #[must_use]
    pub fn lr_multiplier(&self) -> f32 {
        let cut = self.guard.as_ref().map_or(1.0, Guard::multiplier);
        self.multiplier * self.schedule.multiplier(self.taken) as f32 * cut
    }

    /// Root mean square of the last step of every tensor, `[T]`, in units of the parameters and in
    /// the order of the layout: how far the optimizer thinks it can go. Computed on demand.
    #[must_use]
    pub fn effective_step(&self) -> Vec<f32> {
        match self.guard.as_ref().and_then(Guard::fallback) {
            Some(adam) => adam.step_sizes(self.engine.layout(), &self.tensors),
            None => {
                let held = |t: usize| self.tensors.get(t).is_some_and(|how| how.held);
                let sizes = self.engine.step_sizes().into_iter().enumerate();
                sizes.map(|(t, size)| if held(t) { 0.0 } else { size }).collect()
            }
        }
    }

    /// Steps taken, those that the guard left out not counted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.taken
    }

    /// Steps that the guard left out: a gradient or a loss was not finite, a gradient too long, or it was
    /// taken at the best point so far, to compare.
    #[must_use]
    pub fn skipped_steps(&self) -> u64 {
        self.guard.as_ref().map_or(0, Guard::skipped)
    }

    /// Names of the tensors that have had no gradient other than zero since the optimizer was made, reset
    /// or loaded, frozen ones left out: either the loss does not depend on them, as with running
    /// statistics, or something on the way to it lets no gradient through. After 100 steps they are
    /// warned of, through `tracing`.
    #[must_use]
    pub fn without_gradient(&self) -> Vec<&str> {
        let tensors = self.layout().tensors().iter().zip(&self.settings).zip(&self.had_gradient);
        let without = tensors.filter(|((_, own), had)| !own.frozen && !**had);
        without.map(|((tensor, _), _)| tensor.name.as_str()).collect()
    }

    /// Whether Adam is at work.
    #[must_use]
    pub fn has_fallen_back(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.fallback().is_some())
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.engine.layout()
    }

    /// The bare optimizer inside, if the weights are of the paper's.
    #[must_use]
    pub fn hierarchical_rnn(&self) -> Option<&HierarchicalRnn> {
        match &self.engine {
            Engine::Hierarchical(rnn) => Some(rnn),
            Engine::Relative(_) => None,
        }
    }

    /// The bare optimizer inside, if the weights are of a relative RNN, such as `recommended`.
    #[must_use]
    pub fn relative_rnn(&self) -> Option<&RelativeRnn> {
        match &self.engine {
            Engine::Hierarchical(_) => None,
            Engine::Relative(rnn) => Some(rnn),
        }
    }

    /// Steps that each tensor took part in, `[T]`; those of an Adam that took over are not counted.
    #[must_use]
    pub fn own_steps(&self) -> Vec<u64> {
        self.engine.own_steps()
    }
}

impl Optimizer for LearnedOptimizer {
    fn name(&self) -> &str {
        "lopt"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        self.warnings.attended();
        self.point(params)
    }

    fn observe(&mut self, loss: f32) -> bool {
        self.observed = Some(loss);
        self.guard.is_some()
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        self.notice_attention(params);
        self.step_given(params, grads, Given::default())
    }

    fn memory_bytes(&self) -> usize {
        let parts = self.guard.as_ref().map(|guard| guard.memory().1);
        let of_guard: usize = parts.iter().flatten().map(|part| size_of_val(*part)).sum();
        self.engine.memory_bytes() + of_guard
    }

    fn reset(&mut self) {
        self.engine.reset();
        self.observed = None;
        self.taken = 0;
        self.had_gradient.fill(false);
        self.guard = self.guard.as_ref().map(|guard| Guard::new(guard.config));
    }
}

/// Short: the state would be megabytes.
impl fmt::Debug for LearnedOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout().describe("LearnedOptimizer", self.taken, f)
    }
}

fn is_multiplier(multiplier: f32) -> bool {
    multiplier.is_finite() && multiplier >= 0.0
}

fn expect_multiplier(multiplier: f32) {
    assert!(
        is_multiplier(multiplier),
        "expected a finite multiplier of at least 0, got {multiplier}"
    );
}
