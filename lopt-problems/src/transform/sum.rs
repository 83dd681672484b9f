//! Several problems at once.

use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, stream};
use lopt_grad::{Tape, Var};

use crate::instance::Instance;
use crate::problem::{AnyProblem, Problem, Scalar, layout_of};

/// The sum of the losses of several problems, each with its own parameter tensors.
///
/// The minimum is the sum of the minima. Teaches to treat tensors of one model differently. Noise
/// of the parts has no effect, as in the published code.
#[derive(Debug, Clone)]
pub struct SumTask {
    name: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    problem: Arc<dyn AnyProblem>,
    tensors: usize,
    constants: usize,
}

impl SumTask {
    /// The sum of `problems`, at least one, none of them with a data set.
    ///
    /// # Panics
    ///
    /// If there is no part, or one draws batches from a data set.
    pub fn new(name: impl Into<String>, problems: Vec<Arc<dyn AnyProblem>>) -> Self {
        assert!(!problems.is_empty(), "a sum has at least one part");
        let part = |problem: Arc<dyn AnyProblem>| {
            assert!(problem.batch_size().is_none(), "{} needs a data set", problem.name());
            // How many constants there are does not depend on the draw.
            let constants = problem.instance(&mut stream(0, &[])).constants.len();
            Part { tensors: problem.layout().tensor_count(), constants, problem }
        };
        Self { name: name.into(), parts: problems.into_iter().map(part).collect() }
    }
}

impl Problem for SumTask {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn layout(&self) -> Layout {
        let mut tensors = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            for tensor in part.problem.layout().tensors() {
                let name = format!("{i}.{}.{}", part.problem.name(), tensor.name);
                tensors.push(TensorShape::new(name, tensor.shape.clone()));
            }
        }
        layout_of(tensors)
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let parts = self.parts.iter();
        Instance::of(parts.flat_map(|part| part.problem.instance(rng).constants).collect())
    }

    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
        let mut constants = instance.constants.as_slice();
        let mut params = Vec::new();
        for part in &self.parts {
            let (own, rest) = constants.split_at(part.constants);
            params.extend(part.problem.init(&Instance::of(own.to_vec()), rng));
            constants = rest;
        }
        params
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        mut params: &[Var<'t, R>],
        mut constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let mut total = None;
        for part in &self.parts {
            let (own_params, more_params) = params.split_at(part.tensors);
            let (own_constants, more_constants) = constants.split_at(part.constants);
            let loss = part.problem.loss(tape, own_params, own_constants, &[]);
            total = Some(total.map_or(loss, |total| total + loss));
            (params, constants) = (more_params, more_constants);
        }
        total.expect("a sum has at least one part")
    }

    fn minimum(&self) -> Option<f64> {
        self.parts.iter().map(|part| part.problem.minimum()).sum()
    }
}
