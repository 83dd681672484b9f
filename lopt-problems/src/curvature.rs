//! The loss of a batch as a function that can be differentiated twice, when the batch has long been replaced.

use std::fmt;

use lopt_core::layout::Layout;
use lopt_grad::{Dual, Tape, Var};

/// The loss of one batch of an [`Objective`](crate::Objective), which holds its rows and all else that was drawn.
pub struct Curvature {
    layout: Layout,
    record: Box<Record>,
    /// What a parameter is multiplied by before the loss is computed of it, `[P]`; none for 1.
    units: Option<Vec<f32>>,
}

type Record =
    dyn for<'t> Fn(&'t Tape<Dual<f32>>, &[Var<'t, Dual<f32>>]) -> Var<'t, Dual<f32>> + Send;

impl Curvature {
    /// * `record`: from one variable per tensor to the loss, one element.
    pub(crate) fn new(
        layout: Layout,
        record: impl for<'t> Fn(&'t Tape<Dual<f32>>, &[Var<'t, Dual<f32>>]) -> Var<'t, Dual<f32>>
        + Send
        + 'static,
    ) -> Self {
        Self { layout, record: Box::new(record), units: None }
    }

    /// The loss at parameters that are multiplied by these units first, `[P]`.
    pub(crate) fn in_units(self, units: &[f32]) -> Self {
        Self { units: Some(units.to_vec()), ..self }
    }

    /// Product of the Hessian at the parameters `at` with `direction`, all `[P]`.
    ///
    /// * `tape`: work space, which is cleared.
    ///
    /// # Panics
    ///
    /// If a slice has not one number per parameter.
    pub fn product(
        &self,
        tape: &mut Tape<Dual<f32>>,
        at: &[f32],
        direction: &[f32],
        product: &mut [f32],
    ) {
        tape.clear();
        let unit = |i: usize| self.units.as_ref().map_or(1.0, |units| units[i]);
        let tensors = self.layout.tensors().iter().zip(self.layout.ranges());
        let variables: Vec<_> = tensors
            .map(|(tensor, range)| {
                tape.variable_from(&tensor.shape, |i| {
                    let i = range.start + i;
                    Dual { re: unit(i) * at[i], eps: unit(i) * direction[i] }
                })
            })
            .collect();
        tape.backward((self.record)(tape, &variables));
        for (&variable, range) in variables.iter().zip(self.layout.ranges()) {
            tape.with_gradient(variable, |gradient| match gradient {
                Some(gradient) => {
                    for (i, g) in range.clone().zip(gradient) {
                        product[i] = unit(i) * g.eps;
                    }
                }
                None => product[range.clone()].fill(0.0),
            });
        }
    }
}

impl fmt::Debug for Curvature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curvature").field("parameters", &self.layout.len()).finish_non_exhaustive()
    }
}
