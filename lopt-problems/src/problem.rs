//! The trait [`Problem`], and [`AnyProblem`], which makes it usable behind `Arc<dyn ...>`.
//!
//! A problem writes its loss once, generic over the [`Scalar`]. A trait object cannot hold a
//! generic method, so `AnyProblem` has one method per scalar, filled in for every problem, and a
//! scalar knows which of them is its own. `Arc<dyn AnyProblem>` is a [`Problem`] again: the
//! transformations take any problem, and callers stay generic.

use std::fmt::Debug;
use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal};
use lopt_grad::{Dual, F32x16, Real, Tape, Var};

use crate::instance::{Array, Dataset, Instance};

/// Something to minimise: random constants, a starting point and a differentiable loss.
pub trait Problem: Send + Sync + Debug + 'static {
    /// Unique, readable name, such as `quadratic-20`.
    fn name(&self) -> String;

    /// Names and shapes of the parameter tensors: `T` tensors of together `P` parameters.
    fn layout(&self) -> Layout;

    /// Draws what is random about the problem besides the starting point.
    fn instance(&self, rng: &mut Rng) -> Instance {
        let _ = rng;
        Instance::default()
    }

    /// Draws a starting point, flat `[P]`.
    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32>;

    /// The arrays from which the loss reads these rows of the data set, or all of it for `None`.
    ///
    /// Empty for a problem without data. Shapes depend on the number of rows only.
    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        let _ = (instance, rows);
        Vec::new()
    }

    /// Number of rows `B` of a training batch; `None` for a problem without data.
    fn batch_size(&self) -> Option<usize> {
        None
    }

    /// The loss, one element.
    ///
    /// * `params`: one variable per tensor of [`layout`](Self::layout), in its shape.
    /// * `constants`, `batch`: the arrays of [`instance`](Self::instance) and
    ///   [`batch`](Self::batch), in their shapes.
    ///
    /// On the whole data set it is `>= 0`.
    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R>
    where
        Self: Sized;

    /// The least value of the loss on the whole data set, where it is known.
    fn minimum(&self) -> Option<f64> {
        None
    }

    /// Standard deviation of the normal noise added to every gradient entry at every step.
    fn gradient_noise(&self) -> f64 {
        0.0
    }

    /// Probability with which a gradient entry is set to zero, after the noise, at every step.
    fn gradient_sparsity(&self) -> f64 {
        0.0
    }

    /// Fraction of the data set that is classified correctly; `None` if this is no classifier.
    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        let _ = (params, dataset);
        None
    }
}

/// A scalar in which the loss of any problem can be computed.
pub trait Scalar: Real {
    /// Calls the method of `problem` that belongs to this scalar.
    #[doc(hidden)]
    fn loss_of<'t>(
        problem: &dyn AnyProblem,
        tape: &'t Tape<Self>,
        params: &[Var<'t, Self>],
        constants: &[Var<'t, Self>],
        batch: &[Var<'t, Self>],
    ) -> Var<'t, Self>;
}

macro_rules! scalars {
    ($($(#[$on:meta])? $method:ident: $scalar:ty, $words:literal;)*) => {
        /// Any [`Problem`], object-safe: `Arc<dyn AnyProblem>` is a problem itself.
        ///
        /// Implemented for every problem; the methods are [`Problem::loss`] for each scalar.
        pub trait AnyProblem: Problem {
            $(
                $(#[$on])?
                #[doc = concat!("The loss in ", $words, ".")]
                fn $method<'t>(
                    &self,
                    tape: &'t Tape<$scalar>,
                    params: &[Var<'t, $scalar>],
                    constants: &[Var<'t, $scalar>],
                    batch: &[Var<'t, $scalar>],
                ) -> Var<'t, $scalar>;
            )*
        }

        impl<P: Problem> AnyProblem for P {
            $(
                $(#[$on])?
                fn $method<'t>(
                    &self,
                    tape: &'t Tape<$scalar>,
                    params: &[Var<'t, $scalar>],
                    constants: &[Var<'t, $scalar>],
                    batch: &[Var<'t, $scalar>],
                ) -> Var<'t, $scalar> {
                    self.loss(tape, params, constants, batch)
                }
            )*
        }

        $(
            $(#[$on])?
            impl Scalar for $scalar {
                fn loss_of<'t>(
                    problem: &dyn AnyProblem,
                    tape: &'t Tape<Self>,
                    params: &[Var<'t, Self>],
                    constants: &[Var<'t, Self>],
                    batch: &[Var<'t, Self>],
                ) -> Var<'t, Self> {
                    problem.$method(tape, params, constants, batch)
                }
            }
        )*
    };
}

scalars! {
    loss_f32: f32, "single precision";
    #[cfg(feature = "every-scalar")]
    loss_f64: f64, "double precision";
    loss_lanes: F32x16, "16 lanes, one instance each";
    #[cfg(feature = "every-scalar")]
    loss_dual_f32: Dual<f32>, "single precision with a directional derivative";
    #[cfg(feature = "every-scalar")]
    loss_dual_f64: Dual<f64>, "double precision with a directional derivative";
    loss_dual_lanes: Dual<F32x16>, "16 lanes with a directional derivative";
}

impl Problem for Arc<dyn AnyProblem> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn layout(&self) -> Layout {
        (**self).layout()
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        (**self).instance(rng)
    }

    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
        (**self).init(instance, rng)
    }

    fn batch(&self, instance: &Instance, rows: Option<&[usize]>) -> Vec<Array> {
        (**self).batch(instance, rows)
    }

    fn batch_size(&self) -> Option<usize> {
        (**self).batch_size()
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        R::loss_of(&**self, tape, params, constants, batch)
    }

    fn minimum(&self) -> Option<f64> {
        (**self).minimum()
    }

    fn gradient_noise(&self) -> f64 {
        (**self).gradient_noise()
    }

    fn gradient_sparsity(&self) -> f64 {
        (**self).gradient_sparsity()
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        (**self).accuracy(params, dataset)
    }
}

/// The layout of a problem, whose list of tensors is never empty.
pub(crate) fn layout_of(tensors: Vec<TensorShape>) -> Layout {
    Layout::new(tensors).expect("a problem has at least one tensor and no empty one")
}

/// The layout of dense layers one after another: weights `(inputs, outputs)`, then biases.
pub(crate) fn dense_layout(mut inputs: usize, widths: impl Iterator<Item = usize>) -> Layout {
    let mut tensors = Vec::new();
    for (i, outputs) in widths.enumerate() {
        tensors.push(TensorShape::new(format!("layer{i}.weight"), [inputs, outputs]));
        tensors.push(TensorShape::new(format!("layer{i}.bias"), [outputs]));
        inputs = outputs;
    }
    layout_of(tensors)
}

/// The layout of one tensor called `x`.
pub(crate) fn single(shape: impl Into<Vec<usize>>) -> Layout {
    layout_of(vec![TensorShape::new("x", shape)])
}

/// `len` standard normal draws.
pub(crate) fn normals(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| normal(rng) as f32).collect()
}
