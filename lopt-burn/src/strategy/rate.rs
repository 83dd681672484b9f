//! The rate of the `Learner`, which multiplies the steps.

use crate::error::Error;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::tensor::Tensor;

/// The one rate of all parameters.
pub(super) fn multiplier<M: Module>(rates: &ModuleLearningRate, module: &M) -> Result<f32, Error> {
    let base = rates.base();
    let mut search = Search { rates, base, path: Vec::new(), other: None };
    module.visit(&mut search);
    if let Some((name, rate)) = search.other {
        return Err(Error::GroupRate { name, rate, base });
    }
    let multiplier = base as f32;
    if !(multiplier >= 0.0 && multiplier.is_finite()) {
        return Err(Error::Rate { rate: base });
    }
    Ok(multiplier)
}

/// Looks for a parameter with another rate.
struct Search<'a> {
    rates: &'a ModuleLearningRate,
    base: f64,
    path: Vec<String>,
    other: Option<(String, f64)>,
}

impl ModuleVisitor for Search<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let rate = self.rates.lr_from_param(param.id, Some(&path));
        if rate.to_bits() != self.base.to_bits() {
            self.other.get_or_insert((path, rate));
        }
    }
}
