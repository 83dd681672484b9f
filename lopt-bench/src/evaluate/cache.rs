//! Baselines on disk: one small file per task, so that a rerun takes minutes.

use std::ops::Range;
use std::path::Path;

use lopt_problems::Task;

use super::baselines::TaskBaselines;
use crate::error::CliError;
use crate::input::read_text_if_there;
use crate::output::{OutputFolder, say};
use crate::record::line;

/// The baselines of these seeds of a task: from the file in a folder if it holds them for this version and
/// horizon, else computed and written. Seeds that begin elsewhere than at 0 have a file of their own.
///
/// # Errors
///
/// If a file is damaged or cannot be written, or threads cannot be started.
pub fn cached(
    folder: &Path,
    task: &Task,
    seeds: Range<usize>,
    threads: usize,
) -> Result<TaskBaselines, CliError> {
    // A shortened horizon must not overwrite what took an hour.
    let name = match seeds.start {
        0 => format!("{}-{}.json", task.name, task.steps),
        first => format!("{}-{}-seed-{first}.json", task.name, task.steps),
    };
    if let Some(known) = read(&folder.join(&name))? {
        let same = known.task == task.name
            && (known.version, known.horizon) == (task.version, task.steps)
            && known.longest >= task.longest
            && known.first_seed == seeds.start
            && known.seeds.len() >= seeds.len();
        if same {
            return Ok(known);
        }
    }
    let computed = TaskBaselines::compute(task, seeds, threads)?;
    OutputFolder::open(folder)?.write(&name, line(&computed)?.as_bytes())?;
    say(format_args!(
        "baselines of {}: {:.0} core-seconds, {:.3} ms per step",
        task.name,
        computed.core_seconds,
        1e3 * computed.core_seconds / computed.steps.max(1) as f64
    ));
    Ok(computed)
}

/// A file, if it is there.
fn read(path: &Path) -> Result<Option<TaskBaselines>, CliError> {
    let Some(text) = read_text_if_there(path)? else { return Ok(None) };
    let read = serde_json::from_str(&text).map_err(|error| error.to_string());
    let checked = read.and_then(|read: TaskBaselines| read.check().map(|()| Some(read)));
    checked.map_err(|reason| CliError::Baselines { path: path.to_owned(), reason })
}
