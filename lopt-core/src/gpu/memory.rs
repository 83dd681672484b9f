//! Buffers of a device.

use super::{Client, DeviceError, Handle};
use cubecl::prelude::BufferArg;

/// Floats or indices on the device.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub handle: Handle,
    pub len: usize,
}

impl Memory {
    pub(crate) fn of<T: bytemuck::NoUninit>(client: &Client, values: &[T]) -> Self {
        let handle = client.create_from_slice(bytemuck::cast_slice(values));
        Self { handle, len: values.len() }
    }

    pub(super) fn zeros(client: &Client, len: usize) -> Self {
        Self::of(client, &vec![0.0_f32; len.max(1)])
    }

    pub(super) fn arg(&self) -> BufferArg {
        argument(&self.handle, self.len)
    }

    pub(super) fn read(&self, client: &Client) -> Result<Vec<f32>, DeviceError> {
        read(client, &self.handle, self.len)
    }
}

#[allow(unsafe_code, reason = "a kernel's argument is a buffer with a length")]
pub(super) fn argument(handle: &Handle, len: usize) -> BufferArg {
    // SAFETY: lengths are those the buffer was created with, or were compared with its size.
    unsafe { BufferArg::from_raw_parts(handle.clone(), len) }
}

/// The first floats of a buffer; waits for the device.
pub(crate) fn read(client: &Client, handle: &Handle, len: usize) -> Result<Vec<f32>, DeviceError> {
    let bytes = client.read_one(handle.clone());
    let bytes = bytes.map_err(|error| DeviceError::Device(error.to_string()))?;
    let values = bytes.as_chunks::<4>().0.iter().take(len);
    Ok(values.map(|&four| f32::from_ne_bytes(four)).collect())
}
