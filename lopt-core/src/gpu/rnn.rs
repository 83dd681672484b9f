//! What networks on a device do, of whichever kind.

use super::hierarchical::DeviceHierarchicalRnn;
use super::relative::DeviceRelativeRnn;
use super::tables::Model;
use super::{Client, DeviceError, Handle};
use crate::learned::engine::Engine;
use crate::tensor_step::TensorStep;

/// A hierarchical or a relative RNN whose state is on a device.
pub(crate) trait DeviceRnn: Send + Sync {
    fn model(&self) -> &Model;

    /// Floats that a step reads and writes per parameter.
    fn floats_moved(&self) -> usize;

    /// Where the next gradient must be taken, if that is not at the parameters.
    fn attended(&self) -> Option<&Handle>;

    /// Moves the parameters; both buffers have been found to be long enough.
    ///
    /// * `tensors`: how each takes part, `[T]`.
    fn step(
        &mut self,
        params: &Handle,
        grads: &Handle,
        tensors: &[TensorStep<f32>],
        loss: Option<f32>,
    );

    /// Somebody wrote to the parameters.
    fn params_changed(&mut self) {}

    /// Goes on where an optimizer of the CPU is.
    fn upload_state(&mut self, host: &Engine) -> Result<(), DeviceError>;

    /// Lets an optimizer of the CPU go on where this is.
    fn download_state(&self, host: &mut Engine) -> Result<(), DeviceError>;
}

/// Continues on a device where an optimizer of the CPU is.
pub(crate) fn on_device(client: &Client, host: &Engine) -> Result<Box<dyn DeviceRnn>, DeviceError> {
    Ok(match host {
        Engine::Hierarchical(rnn) => Box::new(DeviceHierarchicalRnn::new(client, rnn)?),
        Engine::Relative(rnn) => Box::new(DeviceRelativeRnn::new(client, rnn)?),
    })
}

pub(super) const OTHER_KIND: DeviceError = DeviceError::Mismatch { what: "kind of networks" };

/// Refuses an optimizer of the CPU that differs in something from the one on the device.
pub(super) fn check_same(same: &[(&'static str, bool)]) -> Result<(), DeviceError> {
    match same.iter().find(|(_, same)| !same) {
        Some(&(what, _)) => Err(DeviceError::Mismatch { what }),
        None => Ok(()),
    }
}
