//! The files of a record while it is made: rows in the order of the jobs, whoever finishes first; a
//! record that was interrupted goes on where it stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::input::{read_text, read_text_if_there};
use crate::output::{OutputFolder, append, write_file};
use crate::record::{Header, Record, Row, TimedRun, line};
use crate::timing::{Clock, Stopwatch};

/// Name of the file of rows.
pub const RECORDS: &str = "records.jsonl";

/// Name of the file with what the clock said of each row.
pub const TIMING: &str = "timing.jsonl";

/// A record that grows.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Rows that were there before.
    pub begun: Vec<Row>,
    ends: Mutex<Ends>,
}

#[derive(Debug)]
struct Ends {
    rows: File,
    timing: File,
    next: usize,
    waiting: BTreeMap<usize, (String, String)>,
    synced: Stopwatch,
}

/// Seconds between syncs: syncing every row would take longer than the runs on a busy disk.
const SYNC: f64 = 5.0;

/// What the clock said of a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Timing {
    /// Place of the row in the record, from 0.
    pub row: usize,
    /// Seconds of gradients and steps, or of meta-training.
    pub seconds: f64,
    /// Seconds of the optimizer's steps alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer_seconds: Option<f64>,
}

impl Timing {
    /// That of a run.
    pub fn of(row: usize, run: &TimedRun) -> Self {
        Self { row, seconds: run.seconds, optimizer_seconds: Some(run.optimizer_seconds) }
    }
}

impl Log {
    /// Begins a record, or goes on with the one that is there.
    ///
    /// # Errors
    ///
    /// If the folder holds another record or one that is damaged, or refuses to be written.
    pub fn open(folder: &OutputFolder, header: &Header) -> Result<Self, CliError> {
        let path = folder.path().join(RECORDS);
        let record = begun(folder.path(), header)?;
        // written anew, so that a line cut short by a crash is gone
        write_file(&path, record.to_text()?.as_bytes())?;
        let ends = Ends {
            rows: append(&path)?,
            timing: append(&folder.path().join(TIMING))?,
            next: record.rows.len(),
            waiting: BTreeMap::new(),
            synced: Stopwatch::start(Clock::Wall),
        };
        Ok(Self { path, begun: record.rows, ends: Mutex::new(ends) })
    }

    /// Whether the row of this place was there before; an error if another one is in its place.
    pub(crate) fn has(&self, place: usize, key: &str) -> Result<bool, CliError> {
        match self.begun.get(place).map(Row::key) {
            Some(found) if found != key => Err(CliError::Failed(format!(
                "`{}` has the row of {found} where that of {key} belongs; remove it",
                self.path.display()
            ))),
            found => Ok(found.is_some()),
        }
    }

    /// Appends a row that took no time, if it is not there yet.
    ///
    /// # Errors
    ///
    /// If another row is in its place, or the disk refuses.
    pub fn complete(&self, row: usize, content: &Row) -> Result<(), CliError> {
        if self.has(row, &content.key())? {
            return Ok(());
        }
        self.put(Timing { row, seconds: 0.0, optimizer_seconds: None }, content)
    }

    /// Appends the row of a job; rows of later jobs wait for it.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn put(&self, timing: Timing, row: &Row) -> Result<(), CliError> {
        let lines = (line(row)?, line(&timing)?);
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.waiting.insert(timing.row, lines);
        let refused = |source| CliError::NotWritable { path: self.path.clone(), source };
        loop {
            let Ends { rows, timing, next, waiting, synced } = &mut *ends;
            let Some((row, time)) = waiting.remove(next) else { return Ok(()) };
            timing.write_all(time.as_bytes()).map_err(refused)?;
            rows.write_all(row.as_bytes()).map_err(refused)?;
            *next += 1;
            // a killed process loses nothing; a machine without power the last seconds
            if synced.seconds() > SYNC {
                rows.sync_data().map_err(refused)?;
                *synced = Stopwatch::start(Clock::Wall);
            }
        }
    }

    /// All of it, read back.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn close(self) -> Result<Record, CliError> {
        let ends = self.ends.into_inner().unwrap_or_else(PoisonError::into_inner);
        let refused = |source| CliError::NotWritable { path: self.path.clone(), source };
        ends.rows.sync_all().map_err(refused)?;
        read(&self.path)
    }
}

/// The record in a folder as far as it goes, with no rows if there is none; an error if it is another one,
/// or damaged.
pub(super) fn begun(folder: &Path, header: &Header) -> Result<Record, CliError> {
    let path = folder.join(RECORDS);
    let begun = read_text_if_there(&path)?.map(|text| Record::parse(&text));
    match begun.transpose().map_err(|error| damaged(&path, &error))? {
        Some(record) if record.header == *header => Ok(record),
        Some(record) => Err(CliError::Failed(other(&path, &record.header, header))),
        None => Ok(Record { header: header.clone(), rows: Vec::new() }),
    }
}

/// Reads what the clock said of the rows of the record in this folder; lines that were cut short are
/// left out.
pub fn read_timing(folder: &Path) -> Vec<Timing> {
    let text = read_text(&folder.join(TIMING)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Reads a record.
///
/// # Errors
///
/// If there is none, or it is damaged.
pub fn read(path: &Path) -> Result<Record, CliError> {
    Record::parse(&read_text(path)?).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &crate::record::RecordError) -> CliError {
    CliError::Failed(format!("`{}` is no record: {error}", path.display()))
}

/// Why a record cannot be gone on with.
fn other(path: &Path, found: &Header, wanted: &Header) -> String {
    let what = if found.experiment != wanted.experiment {
        format!("of `{}`", found.experiment)
    } else if found.quick != wanted.quick {
        "of the other size".to_owned()
    } else if found.commit != wanted.commit {
        format!("of commit {}", found.commit)
    } else {
        "of another definition or of other weights".to_owned()
    };
    format!("`{}` is a record {what}; remove it or choose another --out", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header, run};

    fn put(log: &Log, row: usize) {
        let timing = Timing { row, seconds: 1.0, optimizer_seconds: None };
        log.put(timing, &Row::Run(run("a", "lopt", row, Some(0.5)))).unwrap();
    }

    fn seeds(log: &Log) -> Vec<usize> {
        let record = read(&log.path).unwrap();
        record.runs().map(|run| run.seed).collect()
    }

    #[test]
    fn rows_keep_the_order_of_the_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(dir.path()).unwrap();
        let log = Log::open(&folder, &header()).unwrap();
        put(&log, 1);
        assert_eq!(seeds(&log), Vec::<usize>::new());
        put(&log, 0);
        assert_eq!(seeds(&log), [0, 1]);
    }

    #[test]
    fn an_interrupted_record_goes_on_and_a_strange_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(dir.path()).unwrap();
        let log = Log::open(&folder, &header()).unwrap();
        put(&log, 0);
        drop(log);
        let path = dir.path().join(RECORDS);
        append(&path).unwrap().write_all(b"{\"row\":\"ru").unwrap();
        let log = Log::open(&folder, &header()).unwrap();
        assert_eq!(log.begun.len(), 1);
        put(&log, 1);
        assert_eq!(seeds(&log), [0, 1]);
        drop(log);
        let error = Log::open(&folder, &Header { quick: false, ..header() }).unwrap_err();
        assert!(error.to_string().contains("of the other size"), "{error}");
        assert_eq!(read(&path).unwrap().rows.len(), 2);
    }

    #[test]
    fn a_row_in_the_place_of_another_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(dir.path()).unwrap();
        put(&Log::open(&folder, &header()).unwrap(), 0);
        let log = Log::open(&folder, &header()).unwrap();
        let key = |seed| Row::Run(run("a", "lopt", seed, None)).key();
        assert!(log.has(0, &key(0)).unwrap());
        assert!(!log.has(1, &key(1)).unwrap());
        let error = log.has(0, &key(1)).unwrap_err().to_string();
        assert!(
            error.contains("lopt (rate 1e-3) on a, seed 0") && error.contains("seed 1"),
            "{error}"
        );
    }
}
