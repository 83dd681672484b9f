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
    visit(roster, module, None, Download::default())?.finish()
}

/// The gradients of a module's parameters, those that there are.
pub(crate) fn gradients<M: Module>(
    roster: &Roster,
    module: &M,
    grads: &GradientsParams,
) -> Result<Contents, Error> {
    visit(roster, module, Some(grads), Download::default())?.finish()
}

/// What becomes of the tensors that a visit comes by.
pub(crate) trait Sink {
    /// * `slot`: its place in the layout; `tensor`: of the shape there, without autodiff.
    fn take<const D: usize>(
        &mut self,
        slot: usize,
        name: &str,
        tensor: Tensor<D>,
    ) -> Result<(), Error>;
}

/// Gives every trained tensor of a module, or its gradient if it has one, to a sink.
pub(crate) fn visit<M: Module, S: Sink>(
    roster: &Roster,
    module: &M,
    grads: Option<&GradientsParams>,
    sink: S,
) -> Result<S, Error> {
    let mut visitor = Gather { walk: roster.walk(), grads, sink };
    module.visit(&mut visitor);
    visitor.walk.finish()?;
    Ok(visitor.sink)
}

struct Gather<'a, S> {
    walk: Walk<'a>,
    /// Gradients rather than parameters.
    grads: Option<&'a GradientsParams>,
    sink: S,
}

impl<S: Sink> ModuleVisitor for Gather<'_, S> {
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
        let shape = tensor.shape();
        if shape.as_slice() != place.shape {
            let (expected, got) = (place.shape.clone(), shape.as_slice().to_vec());
            self.walk.fail(Error::GradientShape { name: place.name.clone(), expected, got });
        } else if let Err(error) = self.sink.take(slot, &place.name, tensor) {
            self.walk.fail(error);
        }
    }
}

/// Brings tensors to the host, in one transaction, so that a GPU is waited for once.
#[derive(Default)]
struct Download {
    transaction: Transaction,
    slots: Vec<usize>,
}

impl Sink for Download {
    fn take<const D: usize>(
        &mut self,
        slot: usize,
        name: &str,
        tensor: Tensor<D>,
    ) -> Result<(), Error> {
        supported(name, tensor.dtype())?;
        self.transaction = std::mem::take(&mut self.transaction).register(tensor);
        self.slots.push(slot);
        Ok(())
    }
}

/// Whether a tensor is of a type that is read.
pub(crate) fn supported(name: &str, dtype: DType) -> Result<(), Error> {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 | DType::Flex32 => Ok(()),
        _ => Err(Error::DType { name: name.to_owned(), dtype }),
    }
}

impl Download {
    fn finish(self) -> Result<Contents, Error> {
        let contents = self.transaction.try_execute().map_err(unreadable)?;
        Ok(self.slots.into_iter().zip(contents).collect())
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
