//! From the module to flat vectors: the parameters that it holds, the gradients that it got.

use crate::error::Error;
use crate::roster::{Roster, Walk};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor, TensorData, Transaction};

/// Tensors read from the device: slot of the layout and contents, at most one per slot.
type Contents = Vec<(usize, TensorData)>;

/// The parameters that a module holds.
pub(crate) fn parameters<M: Module>(roster: &Roster, module: &M) -> Result<Contents, Error> {
    gather(roster, module, None)
}

/// The gradients of a module's parameters, those that there are.
pub(crate) fn gradients<M: Module>(
    roster: &Roster,
    module: &M,
    grads: &GradientsParams,
) -> Result<Contents, Error> {
    gather(roster, module, Some(grads))
}

fn gather<M: Module>(
    roster: &Roster,
    module: &M,
    grads: Option<&GradientsParams>,
) -> Result<Contents, Error> {
    let mut visitor = Gather {
        walk: roster.walk(),
        grads,
        transaction: Some(Transaction::default()),
        slots: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.walk.finish()?;
    // one transaction, so that a GPU is waited for once
    let read = visitor.transaction.unwrap_or_default().try_execute();
    let contents = read.map_err(unreadable)?;
    Ok(visitor.slots.into_iter().zip(contents).collect())
}

struct Gather<'a> {
    walk: Walk<'a>,
    /// Gradients rather than parameters.
    grads: Option<&'a GradientsParams>,
    /// Always there; an option because `register` consumes it.
    transaction: Option<Transaction>,
    slots: Vec<usize>,
}

impl ModuleVisitor for Gather<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.walk.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some((place, slot)) = self.walk.next(param) else { return };
        if !place.first {
            return;
        }
        let tensor = match self.grads {
            Some(grads) => grads.get::<D>(param.id),
            None => Some(param.val()),
        };
        let Some(tensor) = tensor.map(Tensor::inner) else { return };
        let (dtype, shape) = (tensor.dtype(), tensor.shape());
        let name = || place.name.clone();
        if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::Flex32) {
            self.walk.fail(Error::DType { name: name(), dtype });
        } else if shape.as_slice() != place.shape {
            let (expected, got) = (place.shape.clone(), shape.as_slice().to_vec());
            self.walk.fail(Error::GradientShape { name: name(), expected, got });
        } else {
            self.transaction = self.transaction.take().map(|t| t.register(tensor));
            self.slots.push(slot);
        }
    }
}

/// Copies a tensor to its place in the flat vector.
pub(crate) fn copy(contents: TensorData, to: &mut [f32]) -> Result<(), Error> {
    let contents = contents.try_cast(DType::F32).map_err(unreadable)?;
    let values = contents.as_slice::<f32>().map_err(unreadable)?;
    if values.len() != to.len() {
        let reason = format!("expected {} values, got {}", to.len(), values.len());
        return Err(Error::Read { reason });
    }
    to.copy_from_slice(values);
    Ok(())
}

/// Whether a tensor of the module is what these values are in its type, bit for bit.
pub(crate) fn holds(contents: &TensorData, values: &[f32]) -> Result<bool, Error> {
    if let Ok(held) = contents.as_slice::<f32>() {
        return Ok(held.len() == values.len()
            && held.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    let rounded = TensorData::new(values.to_vec(), contents.shape().clone());
    let rounded = rounded.try_cast(contents.dtype()).map_err(unreadable)?;
    Ok(rounded.as_bytes() == contents.as_bytes())
}

pub(crate) fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Read { reason: error.to_string() }
}
