//! State files: the format of `lopt-core`, with the module checked against it.

use crate::error::Error;
use crate::optimizer::LearnedOptimizer;
use burn::module::Module;
use std::path::Path;

impl LearnedOptimizer {
    /// Writes the parameters that are trained, in full precision, and all that the optimizer
    /// remembers, so that a reader finds the old file or the new one, never half of it.
    ///
    /// * `module`: as the last step gave it back.
    ///
    /// # Errors
    ///
    /// If the module was changed by others or the file system refuses.
    pub fn save<M: Module>(&self, path: impl AsRef<Path>, module: &M) -> Result<(), Error> {
        self.check(module)?;
        Ok(self.core.save(path.as_ref(), &self.params)?)
    }

    /// Reads what [`save`](Self::save) wrote and gives back the module with the parameters in it.
    /// Groups, schedule, clipping and decay are not in the file and stay as they are here.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or was saved for another module, other weights or
    /// other settings; nothing is changed then.
    pub fn load<M: Module>(&mut self, path: impl AsRef<Path>, module: M) -> Result<M, Error> {
        self.roster.accepts(&module)?;
        let params = self.core.load(path.as_ref())?;
        self.resume(params, module)
    }

    /// The bytes of a state file, to be kept elsewhere.
    ///
    /// # Errors
    ///
    /// If the module was changed by others.
    pub fn to_bytes<M: Module>(&self, module: &M) -> Result<Vec<u8>, Error> {
        self.check(module)?;
        Ok(self.core.to_bytes(&self.params)?)
    }

    /// Takes what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    #[allow(clippy::wrong_self_convention, reason = "the optimizer decides what the bytes may be")]
    pub fn from_bytes<M: Module>(&mut self, bytes: &[u8], module: M) -> Result<M, Error> {
        self.roster.accepts(&module)?;
        let params = self.core.from_bytes(bytes)?;
        self.resume(params, module)
    }

    fn resume<M: Module>(&mut self, params: Vec<f32>, module: M) -> Result<M, Error> {
        self.params = params;
        self.round += 1;
        self.begun = true;
        self.restore(module)
    }
}
