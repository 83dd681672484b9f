//! From flat vectors to the module: every parameter gets its values and keeps all else.

use crate::error::Error;
use crate::gather::unreadable;
use crate::roster::{Roster, Walk};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{DType, Tensor, TensorData};
use std::any::Any;

/// The module with these values in it, rounded to the types of its parameters.
pub(crate) fn scatter<M: Module>(roster: &Roster, module: M, values: &[f32]) -> Result<M, Error> {
    scatter_from(roster, module, Values { roster, values })
}

/// Where new tensors come from.
pub(crate) trait Source {
    /// A tensor for a place of the layout, without autodiff.
    fn tensor<const D: usize>(&self, slot: usize, old: &Tensor<D>) -> Result<Tensor<D>, Error>;
}

/// The module with the tensors of a source in it.
pub(crate) fn scatter_from<M: Module>(
    roster: &Roster,
    module: M,
    source: impl Source,
) -> Result<M, Error> {
    let mut written = Vec::new();
    written.resize_with(roster.layout().tensor_count(), || None);
    let mut mapper = Scatter { walk: roster.walk(), source, written };
    let module = module.map(&mut mapper);
    mapper.walk.finish()?;
    Ok(module)
}

/// `[P]` on the host.
struct Values<'a> {
    roster: &'a Roster,
    values: &'a [f32],
}

impl Source for Values<'_> {
    fn tensor<const D: usize>(&self, slot: usize, old: &Tensor<D>) -> Result<Tensor<D>, Error> {
        like(old, self.values[self.roster.layout().range(slot)].to_vec())
    }
}

/// A tensor with these values of the shape, type and device of another one, without autodiff.
pub(crate) fn like<const D: usize>(old: &Tensor<D>, values: Vec<f32>) -> Result<Tensor<D>, Error> {
    let dtype = old.dtype();
    // the device rounds to Flex32 itself
    let host = if dtype == DType::Flex32 { DType::F32 } else { dtype };
    let data = TensorData::new(values, old.shape()).try_cast(host).map_err(unreadable)?;
    let device = old.clone().without_autodiff().device();
    Ok(Tensor::<D>::from_data(data, (&device, dtype)))
}

struct Scatter<'a, S> {
    walk: Walk<'a>,
    source: S,
    /// `[T]`: what each tensor of the layout became; tied places share it, so that gradients add up.
    written: Vec<Option<Box<dyn Any>>>,
}

impl<S: Source> Scatter<'_, S> {
    fn make<const D: usize>(
        &self,
        slot: usize,
        old: Tensor<D>,
        id: ParamId,
    ) -> Result<Tensor<D>, Error> {
        let trained = old.is_require_grad();
        if let Some(made) = self.written[slot].as_ref().and_then(|m| m.downcast_ref::<Tensor<D>>())
            && made.is_require_grad() == trained
            && made.dtype() == old.dtype()
            && made.device() == old.device()
        {
            return Ok(made.clone());
        }
        let mut new = self.source.tensor(slot, &old)?;
        if old.is_autodiff() {
            new = Tensor::from_inner(new);
            if let Some(strategy) = old.gradient_checkpointing_strategy() {
                new = new.with_gradient_checkpointing_strategy(strategy);
            }
            if trained {
                new = new.require_grad();
            }
            if old.is_distributed() {
                new = new.set_distributed(id);
            }
        }
        Ok(new)
    }
}

impl<S: Source> ModuleMapper for Scatter<'_, S> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.walk.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((_, slot)) = self.walk.next(&param) else { return param };
        let (id, old, mapper) = param.consume();
        let new = match self.make(slot, old.clone(), id) {
            Ok(new) => new,
            Err(error) => {
                self.walk.fail(error);
                old
            }
        };
        self.written[slot].get_or_insert_with(|| Box::new(new.clone()));
        Param::from_mapped_value(id, new, mapper)
    }
}
