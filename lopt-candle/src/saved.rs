//! State files: parameters and all that the optimizer remembers, in the format of `lopt_core`.

use crate::{Error, LearnedOptimizer};
use std::path::Path;

impl LearnedOptimizer {
    /// Writes the true parameters in full precision and everything the optimizer remembers, so that
    /// a run goes on bit for bit after [`load`](Self::load). A reader finds the old file or the new
    /// one, never half of it.
    ///
    /// # Errors
    ///
    /// If the file system refuses, or a variable was changed from outside.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.model.settle(&self.core)?;
        Ok(self.core.save(path.as_ref(), &self.model.params)?)
    }

    /// Reads what [`save`](Self::save) wrote; the variables hold the true parameters then. To go on
    /// through candle's trait, call [`train`](Self::train).
    ///
    /// Settings that are not in the file (groups, schedule, clipping, decay) stay as they are here.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or was saved for another model, other weights or
    /// other settings; nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let mut params = self.core.load(path)?;
        // the core keeps multiplier, schedule and cut to itself and gives their product
        let product = self.core.lr_multiplier();
        self.core.set_lr_multiplier(1.0);
        let others = self.core.lr_multiplier();
        if others == 1.0 {
            self.set_lr_multiplier(product);
        } else {
            self.multiplier = if others == 0.0 { 1.0 } else { product / others };
            params = self.core.load(path)?;
        }
        self.model.start_from(params, &self.core)
    }
}
