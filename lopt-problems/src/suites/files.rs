//! MNIST and CIFAR-10 for the suites: found, cut to a few thousand images, read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Family, SkippedTask, SuiteTasks, Task};
use crate::data::{DataError, MnistPart, Source, read_cifar10, read_mnist};
use crate::error::ProblemError;
use crate::instance::Dataset;
use crate::problem::Problem;

/// Data sets from files, each read when it is first asked for.
pub(crate) struct Files {
    folder: Option<PathBuf>,
    mnist: Option<Option<Arc<Dataset>>>,
    cifar10: Option<Option<Arc<Dataset>>>,
}

impl Files {
    /// Looks in this folder and in those directly inside.
    pub(crate) fn new(data_dir: Option<&Path>) -> Self {
        Self { folder: data_dir.map(Path::to_owned), mnist: None, cifar10: None }
    }

    /// The first images of the MNIST training set, values from 0 to 1.
    pub(crate) fn mnist(&mut self) -> Result<Option<Source>, ProblemError> {
        if self.mnist.is_none() {
            let read = |folder: &Path| read_mnist(folder, MnistPart::Train);
            self.mnist = Some(first_images(self.folder.as_deref(), read)?);
        }
        Ok(self.mnist.clone().flatten().map(Source::given))
    }

    /// The first images of the CIFAR-10 training set, values of about mean 0 and deviation 1.
    pub(crate) fn cifar10(&mut self) -> Result<Option<Source>, ProblemError> {
        if self.cifar10.is_none() {
            let read = |folder: &Path| {
                let (mut train, _) = read_cifar10(folder)?;
                train.features.values.iter_mut().for_each(|x| *x = (*x - 0.47) / 0.25);
                Ok(train)
            };
            self.cifar10 = Some(first_images(self.folder.as_deref(), read)?);
        }
        Ok(self.cifar10.clone().flatten().map(Source::given))
    }
}

/// The data set of the folder, cut; none if it is not there.
fn first_images(
    folder: Option<&Path>,
    read: impl Fn(&Path) -> Result<Dataset, DataError>,
) -> Result<Option<Arc<Dataset>>, ProblemError> {
    match folder.map(read).transpose() {
        Err(DataError::Missing { .. }) => Ok(None),
        dataset => Ok(dataset?.map(|dataset| {
            let rows: Vec<usize> = (0..dataset.len().min(MOST_ROWS)).collect();
            Arc::new(dataset.select(&rows))
        })),
    }
}

impl SuiteTasks {
    pub(super) fn new() -> Self {
        Self { tasks: Vec::new(), skipped: Vec::new() }
    }

    /// Adds a task on data from files, or says that it is left out.
    pub(super) fn add<P: Problem>(
        &mut self,
        plan: FilePlan,
        source: Option<Source>,
        make: impl FnOnce(Source) -> P,
    ) {
        let FilePlan { name, family, needs, steps, longest, seeds } = plan;
        match source {
            Some(source) => {
                let task = Task::new(name, family, make(source), steps, longest);
                self.tasks.push(task.seeds(seeds));
            }
            None => {
                let family = Family { architecture: family.0, data: family.1 };
                self.skipped.push(SkippedTask { name, family, needs });
            }
        }
    }
}

/// A task on data from files, but for its problem.
pub(super) struct FilePlan {
    pub(super) name: &'static str,
    pub(super) family: (&'static str, &'static str),
    pub(super) needs: &'static str,
    pub(super) steps: usize,
    pub(super) longest: usize,
    pub(super) seeds: usize,
}

/// A plan on the images of MNIST.
pub(super) fn mnist(
    name: &'static str,
    architecture: &'static str,
    steps: usize,
    longest: usize,
    seeds: usize,
) -> FilePlan {
    FilePlan { name, family: (architecture, "mnist"), needs: "MNIST", steps, longest, seeds }
}

/// A plan on the images of CIFAR-10.
pub(super) fn cifar10(
    name: &'static str,
    architecture: &'static str,
    steps: usize,
    longest: usize,
    seeds: usize,
) -> FilePlan {
    FilePlan { name, family: (architecture, "cifar10"), needs: "CIFAR-10", steps, longest, seeds }
}

/// Bounds the memory; more rows would not change a run of these lengths.
const MOST_ROWS: usize = 4000;
