//! State files: the format of `lopt-core`, with the module checked against it.

use crate::error::Error;
use crate::optimizer::LearnedOptimizer;
use crate::statistics;
use burn::module::Module;
use lopt_core::UntrainedTensor;
use std::path::Path;

impl LearnedOptimizer {
    /// Writes the parameters that are trained, in full precision, all that the optimizer remembers, and the
    /// running statistics of the module, so that a reader finds the old file or the new one, never half of it.
    ///
    /// * `module`: as the last step gave it back.
    ///
    /// # Errors
    ///
    /// If the module was changed by others or the file system refuses.
    pub fn save<M: Module>(&self, path: impl AsRef<Path>, module: &M) -> Result<(), Error> {
        self.check(module)?;
        let statistics = statistics::read(&self.roster, module)?;
        Ok(self.core.save_with(path.as_ref(), &self.params, &statistics)?)
    }

    /// Reads what [`save`](Self::save) wrote and gives back the module with parameters and
    /// running statistics in it; a file from before these were in it leaves them as they are. Groups, schedule, clipping and decay are not in the file and stay as they are here.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or was saved for another module, other weights or
    /// other settings; nothing is changed then.
    pub fn load<M: Module>(&mut self, path: impl AsRef<Path>, module: M) -> Result<M, Error> {
        self.roster.accepts(&module)?;
        let mut statistics = statistics::read(&self.roster, &module)?;
        let params = self.core.load_with(path.as_ref(), &mut statistics)?;
        self.resume(params, statistics, module)
    }

    /// The bytes of a state file, to be kept elsewhere.
    ///
    /// # Errors
    ///
    /// If the module was changed by others.
    pub fn to_bytes<M: Module>(&self, module: &M) -> Result<Vec<u8>, Error> {
        self.check(module)?;
        let statistics = statistics::read(&self.roster, module)?;
        Ok(self.core.to_bytes_with(&self.params, &statistics)?)
    }

    /// Takes what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    #[allow(clippy::wrong_self_convention, reason = "the optimizer decides what the bytes may be")]
    pub fn from_bytes<M: Module>(&mut self, bytes: &[u8], module: M) -> Result<M, Error> {
        self.roster.accepts(&module)?;
        let mut statistics = statistics::read(&self.roster, &module)?;
        let params = self.core.from_bytes_with(bytes, &mut statistics)?;
        self.resume(params, statistics, module)
    }

    fn resume<M: Module>(
        &mut self,
        params: Vec<f32>,
        statistics: Vec<UntrainedTensor>,
        module: M,
    ) -> Result<M, Error> {
        self.params = params;
        self.round += 1;
        self.begun = true;
        statistics::write(&self.roster, self.restore(module)?, statistics)
    }
}
