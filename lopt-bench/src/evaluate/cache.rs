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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_baselines_are_refused_and_those_that_are_kept_are_read() {
        let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../benchmarks/baselines"));
        let files = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.is_file()).collect();
        assert!(files.len() > 40);
        for path in &files {
            assert!(read(path).unwrap().is_some(), "{}", path.display());
        }
        let whole = read(&files[0]).unwrap().unwrap();
        let refused = |damage: &dyn Fn(&mut TaskBaselines)| {
            let mut other = whole.clone();
            damage(&mut other);
            assert!(other.check().is_err());
        };
        refused(&|b| b.seeds[0].constant.clear());
        refused(&|b| b.seeds[0].cosine.push(None));
        refused(&|b| b.seeds[0].constant[3] = Some(-1.0));
        refused(&|b| b.seeds[0].best_curve.clear());
        refused(&|b| b.seeds[0].untuned_curve[0] = f64::NAN);
        refused(&|b| b.seeds[0].longer[0].rate = 99);
    }
}
