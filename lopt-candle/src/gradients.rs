//! From candle's store of gradients to the flat vector that the optimizer reads.

use crate::Error;
use crate::variables::{Variables, with_values};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

/// Gradients of the step under way, added up over batches.
#[derive(Clone, Debug)]
pub(crate) struct Gradients {
    /// `[P]`, zero where there is none.
    pub(crate) values: Vec<f32>,
    /// `[T]`
    pub(crate) present: Vec<bool>,
}

impl Gradients {
    pub(crate) fn new(variables: &Variables) -> Self {
        let layout = variables.layout();
        Self { values: vec![0.0; layout.len()], present: vec![false; layout.tensor_count()] }
    }

    pub(crate) fn clear(&mut self) {
        self.values.fill(0.0);
        self.present.fill(false);
    }

    /// Adds the gradients of one batch.
    pub(crate) fn add(&mut self, variables: &Variables, store: &GradStore) -> Result<(), Error> {
        for (t, range) in variables.layout().ranges().enumerate() {
            let var = variables.var(t);
            let Some(gradient) = store.get(var) else { continue };
            if gradient.dims() != var.dims() {
                let (expected, got) = (var.dims().to_vec(), gradient.dims().to_vec());
                return Err(Error::GradientShape { name: variables.name(t), expected, got });
            }
            let sum = &mut self.values[range];
            with_values(gradient, |values| {
                if self.present[t] {
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                } else {
                    // a copy, as 0 + -0 is not -0
                    sum.copy_from_slice(values);
                }
            })?;
            self.present[t] = true;
        }
        Ok(())
    }

    /// Adds the gradients of a loss; returns its value.
    pub(crate) fn add_loss(&mut self, variables: &Variables, loss: &Tensor) -> Result<f32, Error> {
        let value = value(loss)?;
        self.add(variables, &loss.backward()?)?;
        Ok(value)
    }

    /// Turns the sum over this many batches into their mean.
    pub(crate) fn average(&mut self, batches: usize) {
        if batches > 1 {
            let share = 1.0 / batches as f32;
            self.values.iter_mut().for_each(|sum| *sum *= share);
        }
    }

    /// An error where the loss knows none of the variables.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.present.contains(&true) {
            return Ok(());
        }
        Err(Error::NoGradient { count: self.present.len() })
    }
}

/// The loss as a number: the sum of its elements, of which `backward` takes the gradient.
pub(crate) fn value(loss: &Tensor) -> Result<f32, Error> {
    Ok(loss.to_dtype(DType::F32)?.sum_all()?.to_scalar()?)
}
