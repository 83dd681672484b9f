//! The optimizer whose state and steps stay on a device.

use super::hierarchical::DeviceHierarchicalRnn;
use super::memory::{Memory, read};
use super::relative::DeviceRelativeRnn;
use super::tables::Model;
use super::{Client, DeviceError, Handle};
use crate::layout::Layout;
use crate::tensor_step::TensorStep;
use crate::{HierarchicalRnn, RelativeRnn};

/// A [`RelativeRnn`] or [`HierarchicalRnn`] on a device: parameters, gradients and state never leave it.
///
/// As there, the gradient is to be taken at [`attended`](Self::attended). Nothing is read back in a
/// step, so a gradient that is not finite, or has a norm above 2^63, whose square leaves single
/// precision, is not refused: it makes parameters NaN. Whoever cannot exclude that must look first.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceOptimizer {
    /// How tensors take part from now on, or empty.
    tensors: Vec<TensorStep<f32>>,
    rnn: Rnn,
}

enum Rnn {
    Hierarchical(Box<DeviceHierarchicalRnn>),
    Relative(Box<DeviceRelativeRnn>),
}

/// An optimizer of the CPU that a device goes on from.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// The paper's.
    Hierarchical(&'a HierarchicalRnn),
    /// The one of the weights `recommended`.
    Relative(&'a RelativeRnn),
}

/// An optimizer of the CPU that goes on from a device.
#[derive(Debug)]
pub enum HostMut<'a> {
    /// The paper's.
    Hierarchical(&'a mut HierarchicalRnn),
    /// The one of the weights `recommended`.
    Relative(&'a mut RelativeRnn),
}

macro_rules! hosts {
    ($($kind:ident($rnn:ty)),*) => {$(
        impl<'a> From<&'a $rnn> for Host<'a> {
            fn from(rnn: &'a $rnn) -> Self {
                Self::$kind(rnn)
            }
        }

        impl<'a> From<&'a mut $rnn> for HostMut<'a> {
            fn from(rnn: &'a mut $rnn) -> Self {
                Self::$kind(rnn)
            }
        }
    )*};
}
hosts!(Hierarchical(HierarchicalRnn), Relative(RelativeRnn));

const OTHER: DeviceError = DeviceError::Mismatch { what: "kind of networks" };

impl DeviceOptimizer {
    /// Continues on a device where an optimizer of the CPU is.
    ///
    /// # Errors
    ///
    /// If the device cannot hold it, or its state is compact.
    pub fn new<'a>(client: &Client, host: impl Into<Host<'a>>) -> Result<Self, DeviceError> {
        let rnn = match host.into() {
            Host::Hierarchical(host) => {
                Rnn::Hierarchical(Box::new(DeviceHierarchicalRnn::new(client, host)?))
            }
            Host::Relative(host) => Rnn::Relative(Box::new(DeviceRelativeRnn::new(client, host)?)),
        };
        Ok(Self { tensors: Vec::new(), rnn })
    }

    fn model(&self) -> &Model {
        match &self.rnn {
            Rnn::Hierarchical(rnn) => &rnn.model,
            Rnn::Relative(rnn) => &rnn.model,
        }
    }

    /// Moves the parameters, by gradients taken at [`attended`](Self::attended): three launches over
    /// all tensors together, two more at the first step. Tensors of a hierarchical RNN whose gradients do not
    /// always come together have three launches of their own, one more in their first step. Both buffers are
    /// flat, the tensors of the layout one after another.
    ///
    /// # Errors
    ///
    /// If a buffer does not have one value per parameter.
    pub fn step(&mut self, params: &Handle, grads: &Handle) -> Result<(), DeviceError> {
        self.check(params, "params")?;
        self.check(grads, "grads")?;
        match &mut self.rnn {
            Rnn::Hierarchical(rnn) => rnn.step(params, grads, &self.tensors),
            Rnn::Relative(rnn) => rnn.step(params, grads, &self.tensors),
        }
        Ok(())
    }

    /// Tells the loss of the next step, an optional input of a relative RNN.
    pub fn observe(&mut self, loss: f32) {
        if let Rnn::Relative(rnn) = &mut self.rnn {
            rnn.observed = Some(loss);
        }
    }

    /// Where the next gradient must be taken; `params` as the last step left them.
    #[must_use]
    pub fn attended<'a>(&'a self, params: &'a Handle) -> &'a Handle {
        let elsewhere = match &self.rnn {
            Rnn::Hierarchical(rnn) => rnn.attended(),
            Rnn::Relative(rnn) => rnn.attended(),
        };
        elsewhere.unwrap_or(params)
    }

    /// To be called after writing to parameters between steps; needed only where they are the attended
    /// point, in a hierarchical RNN without averaging and attention.
    pub fn params_changed(&mut self) {
        if let Rnn::Hierarchical(rnn) = &mut self.rnn {
            rnn.squares_known = false;
        }
    }

    /// How each tensor takes part from now on; an empty list for all alike.
    ///
    /// # Errors
    ///
    /// If there is not one per tensor.
    pub fn set_tensor_steps(&mut self, tensors: &[TensorStep<f32>]) -> Result<(), DeviceError> {
        let count = self.layout().tensor_count();
        if !tensors.is_empty() && tensors.len() != count {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        self.tensors.clear();
        self.tensors.extend_from_slice(tensors);
        Ok(())
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.model().layout
    }

    /// Bytes that a step reads and writes, all tensors together, if every value crosses the memory
    /// once in each launch that needs it; what it costs with an infinitely fast processor.
    #[must_use]
    pub fn bytes_moved(&self) -> u64 {
        let floats = match &self.rnn {
            Rnn::Hierarchical(rnn) => rnn.floats_moved(),
            Rnn::Relative(_) => DeviceRelativeRnn::FLOATS_MOVED,
        };
        4 * floats as u64 * self.layout().len() as u64
    }

    /// Puts one value per parameter on the device.
    ///
    /// # Errors
    ///
    /// If there is not one per parameter.
    pub fn upload(&self, values: &[f32]) -> Result<Handle, DeviceError> {
        let (expected, got) = (4 * self.layout().len() as u64, 4 * values.len() as u64);
        if got != expected {
            return Err(DeviceError::Length { what: "values", expected, got });
        }
        Ok(Memory::of(&self.model().client, values).handle)
    }

    /// Reads one value per parameter back.
    ///
    /// # Errors
    ///
    /// If the device failed, now or in a step before.
    pub fn download(&self, values: &Handle) -> Result<Vec<f32>, DeviceError> {
        self.check(values, "values")?;
        read(&self.model().client, values, self.layout().len())
    }

    /// Goes on where an optimizer of the CPU is.
    ///
    /// # Errors
    ///
    /// If it is of another kind, for another model or of another configuration, or compact.
    pub fn upload_state<'a>(&mut self, host: impl Into<Host<'a>>) -> Result<(), DeviceError> {
        match (&mut self.rnn, host.into()) {
            (Rnn::Hierarchical(rnn), Host::Hierarchical(host)) => rnn.upload_state(host),
            (Rnn::Relative(rnn), Host::Relative(host)) => rnn.upload_state(host),
            _ => Err(OTHER),
        }
    }

    /// Lets an optimizer of the CPU go on where the device is; it can then be saved.
    ///
    /// # Errors
    ///
    /// As [`upload_state`](Self::upload_state), or if the device failed.
    pub fn download_state<'a>(&self, host: impl Into<HostMut<'a>>) -> Result<(), DeviceError> {
        match (&self.rnn, host.into()) {
            (Rnn::Hierarchical(rnn), HostMut::Hierarchical(host)) => rnn.download_state(host),
            (Rnn::Relative(rnn), HostMut::Relative(host)) => rnn.download_state(host),
            _ => Err(OTHER),
        }
    }

    fn check(&self, handle: &Handle, what: &'static str) -> Result<(), DeviceError> {
        let expected = 4 * self.layout().len() as u64;
        let got = handle.size_in_used();
        if got < expected {
            return Err(DeviceError::Length { what, expected, got });
        }
        Ok(())
    }
}
