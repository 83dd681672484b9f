//! State files beside burn's checkpoints.

use crate::error::Error;
use crate::optimizer::LearnedOptimizer;
use burn::module::Module;
use std::path::{Path, PathBuf};

/// Those of one training run: `learned-EPOCH.lopt` in the folder where burn's default checkpointers
/// write `model-EPOCH.bpk`.
pub(super) struct StateFiles {
    folder: PathBuf,
}

impl StateFiles {
    /// * `directory`: of the training.
    pub(super) fn new(directory: &Path) -> Self {
        Self { folder: directory.join("checkpoint") }
    }

    fn path(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("learned-{epoch}.lopt"))
    }

    pub(super) fn save<M: Module>(
        &self,
        epoch: usize,
        optimizer: &LearnedOptimizer,
        model: &M,
    ) -> Result<(), Error> {
        // a folder that cannot be made is an error of the file
        std::fs::create_dir_all(&self.folder).ok();
        optimizer.save(self.path(epoch), model)
    }

    /// The model of a checkpoint with the parameters in full precision behind it.
    ///
    /// * `model`: as burn has read it from its part of the checkpoint.
    pub(super) fn load<M: Module>(
        &self,
        epoch: usize,
        optimizer: &mut LearnedOptimizer,
        model: &M,
    ) -> Result<M, Error> {
        let path = self.path(epoch);
        let loaded = optimizer
            .load(&path, model.clone())
            .map_err(|source| Error::Checkpoint { epoch, source: Box::new(source) })?;
        // both parts were written at one moment
        match optimizer.check(model) {
            Err(Error::Changed { name }) => Err(Error::CheckpointParts { epoch, path, name }),
            other => other.map(|()| loaded),
        }
    }

    /// Removes state files of checkpoints that burn has removed or never made, two epochs back and more:
    /// burn writes its newest ones on other threads.
    pub(super) fn remove_old(&self, epoch: usize) {
        self.remove(|old| old + 2 <= epoch);
    }

    /// The same for all epochs, once everything has been written.
    pub(super) fn remove_all_old(&self) {
        self.remove(|_| true);
    }

    fn remove(&self, chosen: impl Fn(usize) -> bool) {
        let epochs = |before: &str, after: &str| -> Vec<usize> {
            let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let numbers = names
                .filter_map(|name| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok());
            numbers.collect()
        };
        let models = epochs("model-", ".bpk");
        // without any, the checkpoints are elsewhere, and nobody knows which of them are left
        if models.is_empty() {
            return;
        }
        for epoch in epochs("learned-", ".lopt") {
            if chosen(epoch) && !models.contains(&epoch) {
                // a file that is left over harms nobody
                std::fs::remove_file(self.path(epoch)).ok();
            }
        }
    }
}
