//! The bare optimizer inside, of either generation.

use super::{BuildError, LearnedOptimizerConfig, StateError};
use crate::files::positional::Positional;
use crate::files::weights::{OptimizerConfig, Weights};
use crate::hierarchical_rnn::whole_step::cohorts::Cohorts;
use crate::hierarchical_rnn::{AVERAGING_ETA, HierarchicalRnn};
use crate::layout::Layout;
use crate::optimizer::Optimizer;
use crate::relative_rnn::RelativeRnn;
use crate::simd::Level;
use crate::tensor_step::TensorStep;

/// One of the two.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Hierarchical(Box<HierarchicalRnn>),
    Relative(Box<RelativeRnn>),
}

/// What is in a state file beside vectors.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Counters {
    Hierarchical {
        steps: u64,
        /// Cohort of every tensor, and steps of every cohort (`cohorts.rs`).
        cohorts: Vec<u32>,
        cohort_steps: Vec<u64>,
        compact_steps: u64,
    },
    Relative {
        begun: bool,
        numbers: Vec<f64>,
    },
}

impl Positional for Counters {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Hierarchical { steps, cohorts, cohort_steps, compact_steps } => {
                0_u32.put(to);
                steps.put(to);
                cohorts.put(to);
                cohort_steps.put(to);
                compact_steps.put(to);
            }
            Self::Relative { begun, numbers } => {
                1_u32.put(to);
                begun.put(to);
                numbers.put(to);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u32::take(from)? {
            0 => Self::hierarchical(from),
            1 => Some(Self::Relative {
                begun: Positional::take(from)?,
                numbers: Positional::take(from)?,
            }),
            _ => None,
        }
    }
}

impl Counters {
    /// Those of the only optimizer that there was, without the number of a variant.
    pub(super) fn hierarchical(from: &mut &[u8]) -> Option<Self> {
        Some(Self::Hierarchical {
            steps: Positional::take(from)?,
            cohorts: Positional::take(from)?,
            cohort_steps: Positional::take(from)?,
            compact_steps: Positional::take(from)?,
        })
    }
}

/// The same of either.
macro_rules! either {
    ($engine:expr, $rnn:ident => $what:expr) => {
        match $engine {
            Engine::Hierarchical($rnn) => $what,
            Engine::Relative($rnn) => $what,
        }
    };
}

impl Engine {
    pub(super) fn build(
        config: &LearnedOptimizerConfig,
        weights: &Weights,
        layout: &Layout,
    ) -> Result<Self, BuildError> {
        let (psi, level) = (weights.psi_f64(), Level::detect());
        match weights.config() {
            OptimizerConfig::HierarchicalRnn(sizes) => {
                let mut rnn = HierarchicalRnn::new(sizes, &psi, layout, level);
                if let Some(eta) = config.averaging {
                    rnn = rnn.with_averaging(eta);
                }
                if config.compact_state {
                    rnn = rnn.with_compact_state();
                }
                if let Some(rate) = config.initial_rate {
                    rnn = rnn.with_initial_rate(rate);
                }
                Ok(Self::Hierarchical(Box::new(rnn)))
            }
            OptimizerConfig::RelativeRnn(sizes) => {
                let unknown = [
                    ("an initial rate", config.initial_rate.is_some()),
                    ("an averaging of its own", config.averaging != Some(AVERAGING_ETA)),
                    ("a compact state", config.compact_state),
                ];
                match unknown.into_iter().find(|(_, is_set)| *is_set) {
                    Some((what, _)) => Err(BuildError::OtherOptimizer { what }),
                    None => {
                        let rnn = RelativeRnn::new(sizes, &psi, layout, level);
                        Ok(Self::Relative(Box::new(rnn)))
                    }
                }
            }
        }
    }

    pub(super) fn config(&self) -> OptimizerConfig {
        either!(self, rnn => (*rnn.config()).into())
    }

    pub(super) fn layout(&self) -> &Layout {
        either!(self, rnn => rnn.layout())
    }

    pub(super) fn averaging(&self) -> Option<f32> {
        match self {
            Self::Hierarchical(rnn) => rnn.averaging(),
            Self::Relative(_) => Some(AVERAGING_ETA),
        }
    }

    pub(super) fn own_steps(&self) -> Vec<u64> {
        either!(self, rnn => rnn.own_steps())
    }

    pub(super) fn step_sizes(&self) -> Vec<f32> {
        either!(self, rnn => rnn.step_sizes())
    }

    pub(super) fn pace(&self, tensor: usize) -> f32 {
        either!(self, rnn => rnn.pace(tensor))
    }

    pub(super) fn iterate_mut<'a>(
        &'a mut self,
        params: &'a mut [f32],
        tensor: usize,
    ) -> &'a mut [f32] {
        either!(self, rnn => rnn.iterate_mut(params, tensor))
    }

    /// A step whose arguments have been checked.
    pub(super) fn advance(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        tensors: &[TensorStep<f32>],
        loss: Option<f32>,
    ) {
        match self {
            Self::Hierarchical(rnn) => rnn.advance(params, grads, tensors),
            Self::Relative(rnn) => rnn.advance(params, grads, tensors, loss),
        }
    }

    /// Counters and vectors of a state file.
    pub(super) fn memory(&self) -> (Counters, Vec<&[f32]>) {
        match self {
            Self::Hierarchical(rnn) => {
                let memory = rnn.memory();
                let (cohorts, cohort_steps) = memory.cohorts.memory();
                let counters = Counters::Hierarchical {
                    steps: memory.steps,
                    cohorts: cohorts.to_vec(),
                    cohort_steps: cohort_steps.to_vec(),
                    compact_steps: memory.compact_steps,
                };
                (counters, memory.parts.to_vec())
            }
            Self::Relative(rnn) => {
                let memory = rnn.memory();
                let (begun, numbers) = (memory.begun, memory.numbers);
                (Counters::Relative { begun, numbers }, memory.parts.to_vec())
            }
        }
    }

    /// Lengths of the vectors that belong to these counters.
    ///
    /// # Errors
    ///
    /// If the counters are not possible ones.
    pub(super) fn lengths(&self, counters: &Counters) -> Result<Vec<usize>, StateError> {
        let (mine, parts) = self.memory();
        let mut lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        match (self, counters, mine) {
            (
                Self::Hierarchical(rnn),
                Counters::Hierarchical { steps, cohorts, cohort_steps, compact_steps },
                _,
            ) => {
                let counted = cohorts.len() == self.layout().tensor_count()
                    && cohort_steps.iter().all(|own| own <= steps);
                let restored = Cohorts::restored(cohorts, cohort_steps).filter(|_| counted);
                // only a compact state counts steps of its own
                let foreign = rnn.state().compact.is_none() && *compact_steps != 0;
                let restored = restored.filter(|_| !foreign).ok_or(StateError::Contents)?;
                // the last one has a part for every cohort beyond the first
                if let Some(last) = lengths.last_mut() {
                    *last = (restored.count() - 1) * rnn.config().global_hidden;
                }
                Ok(lengths)
            }
            (
                Self::Relative(_),
                Counters::Relative { numbers, .. },
                Counters::Relative { numbers: mine, .. },
            ) if numbers.len() == mine.len() && numbers.iter().all(|x| x.is_finite()) => {
                Ok(lengths)
            }
            _ => Err(StateError::Contents),
        }
    }

    /// Takes what [`memory`](Self::memory) gave; [`lengths`](Self::lengths) has looked at it.
    pub(super) fn restore(&mut self, counters: &Counters, parts: &[Vec<f32>]) {
        match (self, counters) {
            (
                Self::Hierarchical(rnn),
                Counters::Hierarchical { steps, cohorts, cohort_steps, compact_steps },
            ) => {
                if let Some(cohorts) = Cohorts::restored(cohorts, cohort_steps) {
                    rnn.restore(*steps, cohorts, *compact_steps, parts);
                }
            }
            (Self::Relative(rnn), Counters::Relative { begun, numbers }) => {
                rnn.restore(*begun, numbers, parts);
            }
            _ => unreachable!("counters of this optimizer"),
        }
    }

    /// Hidden units of the Global RNN, of which a state file may have a copy for every tensor.
    pub(super) fn global_hidden(&self) -> usize {
        either!(self, rnn => rnn.config().global_hidden)
    }

    pub(super) fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        either!(self, rnn => rnn.attended(params))
    }

    /// Has the attended point of tensors that have taken no step follow the parameters.
    pub(super) fn follow(&mut self, params: &[f32]) {
        either!(self, rnn => rnn.follow(params));
    }

    pub(super) fn memory_bytes(&self) -> usize {
        either!(self, rnn => rnn.memory_bytes())
    }

    pub(super) fn reset(&mut self) {
        either!(self, rnn => rnn.reset());
    }
}
