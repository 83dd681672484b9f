//! Buffers of a module's parameters and gradients, and modules of other buffers.

use super::reach::{cube_of, tensor_of};
use crate::error::Error;
use crate::gather::{Sink, visit};
use crate::roster::Roster;
use crate::scatter::{Source, scatter_from};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use lopt_core::gpu::Handle;

/// `[T]`: buffers of the tensors of a layout, those that there are.
pub(super) struct Buffers {
    pub tensors: Vec<Option<CubeTensor>>,
    /// Where all of them are.
    pub device: Option<Device>,
}

impl Buffers {
    /// The parameters of a module, or gradients of them.
    ///
    /// * `device`: where they have to be, if that is known.
    pub(super) fn of<M: Module>(
        roster: &Roster,
        module: &M,
        grads: Option<&GradientsParams>,
        device: Option<&Device>,
    ) -> Result<Self, Error> {
        let tensors = vec![None; roster.layout().tensor_count()];
        visit(roster, module, grads, Self { tensors, device: device.cloned() })
    }

    /// Handles of the values, one after another without gaps; a tensor that is not so is copied.
    pub(super) fn contiguous(&self) -> Vec<Option<Handle>> {
        let handle = |tensor: &CubeTensor| into_contiguous(tensor.clone()).handle;
        self.tensors.iter().map(|tensor| tensor.as_ref().map(handle)).collect()
    }
}

impl Sink for Buffers {
    fn take<const D: usize>(
        &mut self,
        slot: usize,
        name: &str,
        tensor: Tensor<D>,
    ) -> Result<(), Error> {
        let (dtype, device) = (tensor.dtype(), tensor.device());
        let name = || name.to_owned();
        let elsewhere = |expected: String| {
            let got = format!("{device:?}");
            Error::Elsewhere { name: name(), expected, got }
        };
        if let Some(known) = self.device.as_ref().filter(|known| **known != device) {
            return Err(elsewhere(format!("{known:?}")));
        }
        if dtype != DType::F32 {
            return Err(Error::DeviceDType { name: name(), dtype });
        }
        let expected = || elsewhere("a device of burn's cubecl backend".to_owned());
        self.tensors[slot] = Some(cube_of(tensor).ok_or_else(expected)?);
        self.device = Some(device);
        Ok(())
    }
}

/// `[T]`: what a module holds. As long as this lives, nobody writes to the buffers in place.
pub(super) struct Held {
    tensors: Vec<CubeTensor>,
    /// Burn writes in place to a buffer that has no more than two handles.
    _third: Vec<Handle>,
}

impl Held {
    pub(super) fn new(tensors: Vec<CubeTensor>) -> Self {
        let third = tensors.iter().map(|tensor| tensor.handle.clone()).collect();
        Self { tensors, _third: third }
    }

    /// The first tensor that is another one here, if there is any. Buffers are compared, not what
    /// is in them.
    pub(super) fn first_other(&self, buffers: &Buffers) -> Option<usize> {
        let same = |a: &CubeTensor, b: &CubeTensor| {
            a.handle.memory.descriptor() == b.handle.memory.descriptor()
                && a.handle.offset_start.unwrap_or(0) == b.handle.offset_start.unwrap_or(0)
                && a.meta.strides() == b.meta.strides()
        };
        let given = buffers.tensors.iter();
        let mut pairs = self.tensors.iter().zip(given);
        pairs.position(|(held, given)| !given.as_ref().is_some_and(|given| same(held, given)))
    }

    /// The module with these tensors in it.
    pub(super) fn put_into<M: Module>(
        &self,
        roster: &Roster,
        module: M,
        device: &Device,
    ) -> Result<M, Error> {
        put_into(&self.tensors, roster, module, device)
    }
}

/// The module with some buffers as its tensors.
pub(super) fn put_into<M: Module>(
    tensors: &[CubeTensor],
    roster: &Roster,
    module: M,
    device: &Device,
) -> Result<M, Error> {
    scatter_from(roster, module, Given { tensors, roster, device })
}

struct Given<'a> {
    tensors: &'a [CubeTensor],
    roster: &'a Roster,
    device: &'a Device,
}

impl Source for Given<'_> {
    fn tensor<const D: usize>(&self, slot: usize, old: &Tensor<D>) -> Result<Tensor<D>, Error> {
        let (device, dtype) = (old.clone().inner().device(), old.dtype());
        let name = || self.roster.layout().tensors()[slot].name.clone();
        if device != *self.device {
            let (expected, got) = (format!("{:?}", self.device), format!("{device:?}"));
            return Err(Error::Elsewhere { name: name(), expected, got });
        }
        if dtype != DType::F32 {
            return Err(Error::DeviceDType { name: name(), dtype });
        }
        Ok(tensor_of(self.tensors[slot].clone(), old.shape()))
    }
}
