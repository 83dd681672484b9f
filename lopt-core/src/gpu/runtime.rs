//! Which runtime runs the kernels: what is built in, chosen at run time.

use super::DeviceError;
use cubecl::Device;
use cubecl::client::Client;
use cubecl::device::WgpuDeviceKind;

/// A runtime of cubecl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runtime {
    /// The first of the others that has a device: CUDA, then wgpu.
    Any,
    /// NVIDIA's own, feature `cuda`.
    Cuda,
    /// Vulkan, Metal, DirectX 12 or OpenGL, feature `wgpu`; feature `vulkan` makes it use SPIR-V on
    /// Vulkan.
    Wgpu,
}

impl Runtime {
    /// Opens its first device.
    ///
    /// # Errors
    ///
    /// If the runtime is not in this build, or there is no device.
    pub fn client(self) -> Result<Client, DeviceError> {
        let device = match self {
            Self::Any => {
                Self::cuda().or_else(|cuda| Self::wgpu().map_err(|wgpu| format!("{cuda}; {wgpu}")))
            }
            Self::Cuda => Self::cuda(),
            Self::Wgpu => Self::wgpu(),
        };
        match device {
            Ok(device) => Ok(device.client()),
            Err(reason) => Err(DeviceError::NoDevice { runtime: self, reason }),
        }
    }

    fn cuda() -> Result<Device, String> {
        Device::cuda(0).map_err(|error| error.to_string())
    }

    fn wgpu() -> Result<Device, String> {
        Device::wgpu(WgpuDeviceKind::DefaultDevice).map_err(|error| error.to_string())
    }
}
