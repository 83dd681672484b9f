//! Why there is no step on a device.

use super::Runtime;
use crate::learned::BuildError;

/// A device, an optimizer or a buffer that a step on a GPU cannot use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The runtime is not in this build, or finds no device on this machine.
    #[error("no device of the runtime {runtime:?}: {reason}")]
    NoDevice {
        /// The runtime.
        runtime: Runtime,
        /// What the runtime says.
        reason: String,
    },
    /// The compact state exists on the CPU only.
    #[error("an optimizer with a compact state cannot move to a device")]
    CompactState,
    /// Another model, or another configuration, than the one of the device.
    #[error("the optimizer on the host has another {what} than the one on the device")]
    Mismatch {
        /// What differs.
        what: &'static str,
    },
    /// A model that 32-bit indices or a launch cannot reach.
    #[error("{what} is {value}, a device takes at most {most}")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// The size.
        value: usize,
        /// What fits.
        most: usize,
    },
    /// The weights do not fit the memory that the threads of a group share.
    #[error("the network needs {needed} bytes of shared memory, the device has {available}")]
    SharedMemory {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// A buffer does not have one `f32` per parameter.
    #[error("expected {expected} bytes in `{what}`, got {got}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// Bytes of one value per parameter.
        expected: u64,
        /// Bytes of the buffer.
        got: u64,
    },
    /// A setting that looks at values, which a step on a device leaves where they are.
    #[error("{what} needs the host at every step, so an optimizer on a device cannot have it")]
    HostOnly {
        /// Which setting.
        what: &'static str,
    },
    /// Settings that no optimizer can be built from.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}
