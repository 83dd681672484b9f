//! State files of an optimizer on a device: those of the CPU, so that either goes on from the other.

use super::optimizer::DeviceOptimizer;
use crate::error::Error;
use crate::statistics;
use burn::module::Module;
use std::path::Path;

impl DeviceOptimizer {
    /// Reads parameters and state from the device and writes them so that a reader finds the old
    /// file or the new one, never half of it.
    ///
    /// * `module`: as the last step gave it back.
    ///
    /// # Errors
    ///
    /// If the module was changed by others, the device failed or the file system refuses.
    pub fn save<M: Module>(&self, path: impl AsRef<Path>, module: &M) -> Result<(), Error> {
        self.check(module)?;
        let statistics = statistics::read(&self.roster, module)?;
        Ok(self.core.to_host()?.save_with(path.as_ref(), &self.parameters()?, &statistics)?)
    }

    /// Reads what [`save`](Self::save) wrote, here or by a
    /// [`LearnedOptimizer`](crate::LearnedOptimizer) without guard, and gives back the module with
    /// the parameters in it. Groups and schedule are not in the file and stay as they are here.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or was saved for another module, other weights or
    /// other settings; nothing is changed then.
    pub fn load<M: Module>(&mut self, path: impl AsRef<Path>, module: M) -> Result<M, Error> {
        self.buffers(&module)?;
        let mut host = self.core.blank_host()?;
        let mut statistics = statistics::read(&self.roster, &module)?;
        let params = host.load_with(path.as_ref(), &mut statistics)?;
        self.core.go_on_from(&host)?;
        let module = self.resume(&params, module)?;
        statistics::write(&self.roster, module, statistics)
    }

    /// The bytes of a state file, to be kept elsewhere.
    ///
    /// # Errors
    ///
    /// If the module was changed by others or the device failed.
    pub fn to_bytes<M: Module>(&self, module: &M) -> Result<Vec<u8>, Error> {
        self.check(module)?;
        let statistics = statistics::read(&self.roster, module)?;
        Ok(self.core.to_host()?.to_bytes_with(&self.parameters()?, &statistics)?)
    }

    /// Takes what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    #[allow(clippy::wrong_self_convention, reason = "the optimizer decides what the bytes may be")]
    pub fn from_bytes<M: Module>(&mut self, bytes: &[u8], module: M) -> Result<M, Error> {
        self.buffers(&module)?;
        let mut host = self.core.blank_host()?;
        let mut statistics = statistics::read(&self.roster, &module)?;
        let params = host.from_bytes_with(bytes, &mut statistics)?;
        self.core.go_on_from(&host)?;
        let module = self.resume(&params, module)?;
        statistics::write(&self.roster, module, statistics)
    }
}
