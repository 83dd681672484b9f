//! The contenders designed by hand on a job: run once, kept on disk.
//!
//! Every contender runs on every seed; of AdamW's cosines all rates run on the first seed and the best
//! three of them on the others. One file per job and length: a line that says what it is of,
//! then a line per run, appended as runs end, so that an interrupted call goes on where it stopped.
//! Processor time is measured anew where a run is of another machine.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lopt_problems::FieldTask;
use serde::{Deserialize, Serialize};

use super::run::run;
use super::score::{JobFacts, JobRuns};
use super::{ADAMW, COSINE, RIVALS};
use crate::contender::{Contender, Contenders};
use crate::error::CliError;
use crate::input::read_text_if_there;
use crate::output::{OutputFolder, append, say, write_file};
use crate::parallel::parallel;
use crate::record::{RecordError, RunRow, TimedRun, line, parse_line, whole_lines};
use crate::setting::Setting;
use crate::speed::machine::Machine;
use crate::tuning::order;

/// First line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    job: String,
    version: u32,
    steps: usize,
}

/// Another line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    #[serde(flatten)]
    timed: TimedRun,
}

/// Rates of AdamW's cosine that go on from the first seed to the others.
const FINALISTS: usize = 3;

/// The contenders, in the order of tables.
///
/// # Errors
///
/// If a name is unknown, which a test rules out.
pub fn contenders() -> Result<Vec<Contender>, CliError> {
    let names = [ADAMW, COSINE, "nadamw"].into_iter().chain(RIVALS);
    let known = Contenders::built_in()?;
    names.map(|name| known.named(name)).collect()
}

/// A file of runs that grows.
struct Store {
    path: PathBuf,
    file: Mutex<File>,
    runs: Vec<Kept>,
    /// The CPU of this machine.
    cpu: String,
}

impl Store {
    /// Opens or begins the file of a job; a file of another version or length is begun anew.
    fn open(folder: &Path, task: &FieldTask, steps: usize) -> Result<Self, CliError> {
        let of = Of { job: task.name.to_owned(), version: task.version, steps };
        let path = OutputFolder::open(folder)?.path().join(format!("{}-{steps}.jsonl", task.name));
        let text = read_text_if_there(&path)?.unwrap_or_default();
        let mut lines = whole_lines(&text);
        let damaged = |error: RecordError| CliError::Baselines {
            path: path.clone(),
            reason: error.to_string(),
        };
        let first: Option<Of> = lines.next().map(parse_line).transpose().map_err(damaged)?;
        let same = first.as_ref() == Some(&of);
        let known: Result<_, _> = lines.filter(|_| same).map(parse_line).collect();
        let runs: Vec<Kept> = known.map_err(damaged)?;
        write(&path, &of, &runs)?;
        let file = Mutex::new(append(&path)?);
        Ok(Self { path, file, runs, cpu: Machine::describe().cpu })
    }

    /// Runs what is missing of these, several at a time.
    fn complete(
        &mut self,
        task: &FieldTask,
        steps: usize,
        jobs: &[(&Contender, &Setting, usize)],
        threads: usize,
    ) -> Result<(), CliError> {
        let row = |&(contender, setting, seed): &(&Contender, &Setting, usize)| {
            RunRow::new(task.name, &contender.name, setting.describe(), seed)
        };
        let known = |row: RunRow| self.runs.iter().any(|kept| kept.timed.run.key() == row.key());
        let missing: Vec<_> = jobs.iter().filter(|job| !known(row(job))).collect();
        let layout = task.job.layout();
        let ended = parallel(threads, missing.len(), |index| {
            let (_, setting, _) = missing[index];
            let mut optimizer = setting.build(&layout, steps)?;
            let timed = run(task, steps, row(missing[index]), &mut *optimizer, false);
            let kept = Kept { cpu: Some(self.cpu.clone()), timed };
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let written = file.write_all(line(&kept)?.as_bytes());
            written.map_err(|source| CliError::NotWritable { path: self.path.clone(), source })?;
            Ok(kept)
        })?;
        self.runs.extend(ended);
        Ok(())
    }

    /// Gives runs of another machine the processor time that they take here: what a contender's best setting on
    /// the first seed takes, over all steps, as gradients may cost more at some parameters than at others.
    fn time_here(
        &mut self,
        task: &FieldTask,
        facts: &JobFacts,
        contenders: &[Contender],
        threads: usize,
    ) -> Result<(), CliError> {
        let known = self.timed();
        let Self { runs, cpu, .. } = self;
        let elsewhere = |kept: &Kept, of: &Contender| {
            kept.timed.run.contender == of.name && kept.cpu.as_ref() != Some(cpu)
        };
        let to_time = contenders.iter().filter(|of| runs.iter().any(|kept| elsewhere(kept, of)));
        let to_time: Vec<&Contender> = to_time.collect();
        if to_time.is_empty() {
            return Ok(());
        }
        let layout = task.job.layout();
        let times = parallel(threads, to_time.len(), |index| {
            let setting = finalists(facts, &known, to_time[index])[0];
            let mut optimizer = setting.build(&layout, facts.steps)?;
            let row = RunRow::new(task.name, &to_time[index].name, setting.describe(), 0);
            Ok(run(task, facts.steps, row, &mut *optimizer, false))
        })?;
        for (contender, timed) in to_time.into_iter().zip(times) {
            for kept in runs.iter_mut().filter(|kept| elsewhere(kept, contender)) {
                kept.cpu = Some(cpu.clone());
                kept.timed.seconds = timed.seconds;
                kept.timed.optimizer_seconds = timed.optimizer_seconds;
            }
        }
        let of = Of { job: task.name.to_owned(), version: task.version, steps: facts.steps };
        write(&self.path, &of, runs)
    }

    fn timed(&self) -> Vec<TimedRun> {
        self.runs.iter().map(|kept| kept.timed.clone()).collect()
    }
}

/// Writes a whole file.
fn write(path: &Path, of: &Of, runs: &[Kept]) -> Result<(), CliError> {
    let rows: String = runs.iter().map(line).collect::<Result<_, _>>()?;
    write_file(path, (line(of)? + &rows).as_bytes())
}

/// The runs of all contenders on the first `seeds` seeds of a job, from the file or computed, in the
/// order of [`contenders`], settings and seeds.
///
/// # Errors
///
/// If the file is damaged or cannot be written, or threads cannot be started.
pub fn baselines(
    folder: &Path,
    task: &FieldTask,
    facts: &JobFacts,
    seeds: usize,
    threads: usize,
) -> Result<Vec<TimedRun>, CliError> {
    let contenders = contenders()?;
    let mut store = Store::open(folder, task, facts.steps)?;
    let before = store.runs.len();
    let mut jobs = Vec::new();
    for contender in &contenders {
        for setting in &contender.settings {
            let many = if contender.tuned() { seeds.min(1) } else { seeds };
            jobs.extend((0..many).map(|seed| (contender, setting, seed)));
        }
    }
    store.complete(task, facts.steps, &jobs, threads)?;
    for contender in contenders.iter().filter(|contender| contender.tuned()) {
        for setting in finalists(facts, &store.timed(), contender) {
            jobs.extend((1..seeds).map(|seed| (contender, setting, seed)));
        }
    }
    store.complete(task, facts.steps, &jobs, threads)?;
    if store.runs.len() > before {
        let seconds: f64 = store.runs[before..].iter().map(|kept| kept.timed.seconds).sum();
        say(format_args!("baselines of {}: {seconds:.0} processor seconds", task.name));
    }
    store.time_here(task, facts, &contenders, threads)?;
    let place = |run: &TimedRun| {
        jobs.iter().position(|&(contender, setting, seed)| {
            run.run.key() == (&contender.name, &setting.describe(), seed)
        })
    };
    let mut placed: Vec<(usize, TimedRun)> =
        store.runs.into_iter().filter_map(|kept| Some((place(&kept.timed)?, kept.timed))).collect();
    placed.sort_by_key(|&(place, _)| place);
    // two processes may have made the same run
    placed.dedup_by_key(|&mut (place, _)| place);
    Ok(placed.into_iter().map(|(_, run)| run).collect())
}

/// The settings that are best on the first seed.
fn finalists<'c>(
    facts: &JobFacts,
    runs: &[TimedRun],
    contender: &'c Contender,
) -> Vec<&'c Setting> {
    let all = JobRuns::new(facts, runs);
    let loss = |setting: &Setting| {
        let first = all.one(&contender.name, Some(&setting.describe()), 0);
        first.and_then(|timed| all.loss(timed)).unwrap_or(f64::INFINITY)
    };
    let losses: Vec<f64> = contender.settings.iter().map(loss).collect();
    order(&losses).into_iter().take(FINALISTS).map(|place| &contender.settings[place]).collect()
}
