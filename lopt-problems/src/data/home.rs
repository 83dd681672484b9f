//! Which folder has the files of a data set.

use std::path::{Path, PathBuf};

/// `folder`, or the first by name of those directly inside that holds the files; `folder` again if none
/// does, for the reader to say so.
///
/// All parts of a data set come from one home: training images of one folder do not go with test images
/// of another.
pub(super) fn home(folder: &Path, holds: impl Fn(&Path) -> bool) -> PathBuf {
    if holds(folder) {
        return folder.to_owned();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    // the order in which a file system lists its entries means nothing
    inside.sort();
    inside.into_iter().find(|path| path.is_dir() && holds(path)).unwrap_or(folder.to_owned())
}
