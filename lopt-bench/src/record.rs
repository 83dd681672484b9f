//! Records: rows, above all of runs. That of an experiment is JSON lines, a header and then rows that are
//! only ever appended.
//!
//! Nothing in it depends on the clock or on the number of threads; what does is in `timing.jsonl` and
//! `machine.json` beside it.

use std::collections::BTreeSet;

use lopt_problems::Outcome;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::field::score::JobFacts;
use crate::timing::PhaseTimes;

/// Raised with every change of [`Header`] or [`Row`] but new fields that may be missing.
pub const VERSION: u32 = 1;

/// Commit of the source that this program was built from, from `LOPT_COMMIT` at that time; else empty.
pub const COMMIT: &str = match option_env!("LOPT_COMMIT") {
    Some(commit) => commit,
    None => "",
};

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub lopt_record: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// Whether this is the quick size.
    pub quick: bool,
    /// FNV-1a of the definition, and of the weights that are built in.
    pub definition: String,
    /// The command that made it.
    pub command: String,
    /// [`COMMIT`].
    pub commit: String,
    /// The file beside it that describes the machine.
    pub machine: String,
}

/// One line after the header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Row {
    /// One setting on one workload and seed.
    Run(RunRow),
    /// Weights that were meta-trained.
    Trained(TrainedRow),
    /// A number with a name.
    Bar(BarRow),
    /// What is known of a job of the field suite before its runs.
    Job(JobFacts),
}

impl Row {
    /// A bar with five digits.
    pub fn bar(group: &str, name: &str, value: f64) -> Self {
        let (group, name) = (group.to_owned(), name.to_owned());
        Self::Bar(BarRow { group, name, value: rounded(value) })
    }

    /// What no other row of its record has, in words.
    pub fn key(&self) -> String {
        match self {
            Self::Run(row) => row.in_words(),
            Self::Trained(row) => trained_key(&row.name),
            Self::Bar(row) => format!("{}, {}", row.group, row.name),
            Self::Job(facts) => format!("job {}", facts.name),
        }
    }
}

/// The [key](Row::key) of the row of weights that were meta-trained.
pub fn trained_key(name: &str) -> String {
    format!("training of {name}")
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRow {
    /// Name of the problem.
    pub workload: String,
    /// Name of the contender.
    pub contender: String,
    /// Its hyper-parameters in words.
    pub setting: String,
    /// Number of the seed, from 0.
    pub seed: usize,
    /// `finished`, or where and why it diverged.
    pub outcome: String,
    /// Step and training loss, five digits.
    pub curve: Vec<(usize, f64)>,
    /// Part of the test set that is classified rightly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Step and validation loss, five digits; empty where there is nothing to validate on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<(usize, f64)>,
    /// What the guard did, one sentence per event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guard: Vec<String>,
}

/// A run with what the clock said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedRun {
    /// Processor seconds of gradients and steps.
    pub seconds: f64,
    /// Processor seconds of the optimizer's steps alone.
    pub optimizer_seconds: f64,
    /// The run; nothing in it depends on the clock.
    pub run: RunRow,
}

impl TimedRun {
    /// A run that came to its end.
    pub fn new(mut run: RunRow, outcome: Outcome, times: &PhaseTimes) -> Self {
        if let Outcome::Diverged { step, reason } = outcome {
            run.outcome = format!("{reason} at step {step}");
        }
        let PhaseTimes { gradients, steps, .. } = *times;
        Self { seconds: gradients + steps, optimizer_seconds: steps, run }
    }
}

/// One meta-training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedRow {
    /// Name of the contender that uses the weights.
    pub name: String,
    /// Meta-updates.
    pub updates: u64,
    /// Inner steps times instances, all updates together.
    pub instance_steps: u64,
    /// Update and the running mean of the meta-loss.
    pub curve: Vec<(u64, f64)>,
    /// FNV-1a of the weights.
    pub weights: String,
}

/// A number with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarRow {
    /// What the bars of a group have in common.
    pub group: String,
    /// Name of the bar.
    pub name: String,
    /// Its height.
    pub value: f64,
}

/// A whole record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The first line.
    pub header: Header,
    /// The rest.
    pub rows: Vec<Row>,
}

impl RunRow {
    /// A run in which nothing has been measured.
    pub fn new(workload: &str, contender: &str, setting: String, seed: usize) -> Self {
        Self {
            workload: workload.to_owned(),
            contender: contender.to_owned(),
            setting,
            seed,
            outcome: FINISHED.to_owned(),
            curve: Vec::new(),
            accuracy: None,
            validation: Vec::new(),
            guard: Vec::new(),
        }
    }

    /// What no other run of its record has, in words.
    pub fn in_words(&self) -> String {
        let Self { workload, contender, setting, seed, .. } = self;
        format!("{contender} ({setting}) on {workload}, seed {seed}")
    }

    /// What distinguishes it from other runs on its workload.
    pub fn key(&self) -> (&str, &str, usize) {
        (&self.contender, &self.setting, self.seed)
    }

    /// Whether all steps were taken.
    pub fn finished(&self) -> bool {
        self.outcome == FINISHED
    }

    /// With five digits of every number.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        for (_, loss) in self.curve.iter_mut().chain(&mut self.validation) {
            *loss = rounded(*loss);
        }
        self.accuracy = self.accuracy.map(rounded);
        self
    }

    /// Loss before the first step.
    pub fn initial(&self) -> Option<f64> {
        self.curve.first().map(|point| point.1)
    }

    /// Loss after the last step; `None` if the run diverged.
    pub fn last(&self) -> Option<f64> {
        self.end(&self.curve)
    }

    /// The last loss of one of its curves; `None` if the run diverged.
    pub fn end(&self, curve: &[(usize, f64)]) -> Option<f64> {
        curve.last().filter(|_| self.finished()).map(|point| point.1)
    }
}

/// How a run ends that does not diverge.
pub const FINISHED: &str = "finished";

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// The number of the line that does not parse, and why.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let mut lines = whole_lines(text);
        let header: Header = parse_line(lines.next().unwrap_or((1, "")))?;
        if header.lopt_record != VERSION {
            return Err(RecordError::Version { found: header.lopt_record });
        }
        let rows: Vec<Row> = lines.map(parse_line).collect::<Result<_, _>>()?;
        let mut keys = BTreeSet::new();
        let twice = rows.iter().map(Row::key).position(|key| !keys.insert(key));
        match twice {
            // after the header, and counted from 1
            Some(place) => Err(RecordError::Line {
                line: place + 2,
                reason: "it says what a line before it says".to_owned(),
            }),
            None => Ok(Self { header, rows }),
        }
    }

    /// The record as text that [`parse`](Self::parse) reads back.
    ///
    /// # Errors
    ///
    /// If a row holds no number.
    pub fn to_text(&self) -> Result<String, CliError> {
        let rows: String = self.rows.iter().map(line).collect::<Result<_, _>>()?;
        Ok(line(&self.header)? + &rows)
    }

    /// The runs.
    pub fn runs(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.iter().filter_map(|row| if let Row::Run(run) = row { Some(run) } else { None })
    }

    /// The bars.
    pub fn bars(&self) -> impl Iterator<Item = &BarRow> {
        self.rows.iter().filter_map(|row| if let Row::Bar(bar) = row { Some(bar) } else { None })
    }

    /// The training runs.
    pub fn trainings(&self) -> impl Iterator<Item = &TrainedRow> {
        self.rows.iter().filter_map(|row| match row {
            Row::Trained(trained) => Some(trained),
            _ => None,
        })
    }
}

/// The lines of a file that grows, with their numbers from 1. A last one without an end was being written
/// when the process died, and is left out.
pub fn whole_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().enumerate().map(|(place, line)| (place + 1, line))
}

/// What a line with its number says.
///
/// # Errors
///
/// If it does not parse.
pub fn parse_line<T: DeserializeOwned>((line, text): (usize, &str)) -> Result<T, RecordError> {
    serde_json::from_str(text)
        .map_err(|error| RecordError::Line { line, reason: error.to_string() })
}

/// One line with its end.
///
/// # Errors
///
/// If it cannot be written as JSON.
pub fn line(value: &impl Serialize) -> Result<String, CliError> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    Ok(text)
}

/// Five digits: what a reader uses, and small files.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// FNV-1a, 64 bits, in hexadecimal: to tell records apart, not for safety.
pub fn fingerprint(bytes: &[u8]) -> String {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Why text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A line does not parse, or has no place in the record.
    #[error("line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Written by another version.
    #[error("expected version {VERSION}, got {found}")]
    Version {
        /// The version found.
        found: u32,
    },
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn header() -> Header {
        Header {
            lopt_record: VERSION,
            experiment: "toy".to_owned(),
            quick: true,
            definition: fingerprint(b"toy"),
            command: "lopt bench toy --quick".to_owned(),
            commit: String::new(),
            machine: "machine.json".to_owned(),
        }
    }

    pub(crate) fn run(workload: &str, contender: &str, seed: usize, last: Option<f64>) -> RunRow {
        let mut curve = vec![(0, 2.0), (5, 1.0)];
        curve.extend(last.map(|loss| (10, loss)));
        RunRow {
            workload: workload.to_owned(),
            contender: contender.to_owned(),
            setting: "rate 1e-3".to_owned(),
            seed,
            outcome: if last.is_some() { FINISHED } else { "the loss is NaN at step 7" }.to_owned(),
            curve,
            accuracy: None,
            validation: Vec::new(),
            guard: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bar = BarRow { group: "g".to_owned(), name: "n".to_owned(), value: 1e-9 };
        let validated = RunRow { validation: vec![(0, 2.5)], ..run("b", "lopt", 0, None) };
        let plain = line(&Row::Run(run("b", "lopt", 0, None))).unwrap();
        assert!(!plain.contains("validation"), "{plain}");
        let rows =
            vec![Row::Run(run("a", "lopt", 3, Some(0.125))), Row::Run(validated), Row::Bar(bar)];
        let record = Record { header: header(), rows };
        let text = record.to_text().unwrap();
        assert_eq!(Record::parse(&text).unwrap(), record);
        // killed in the middle of the last line
        let cut = Record::parse(&text[..text.len() - 3]).unwrap();
        assert_eq!(cut.rows, record.rows[..2]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = line(&header()).unwrap();
        assert!(Record::parse("").unwrap_err().to_string().starts_with("line 1: "));
        let other = text.replace("\"lopt_record\":1", "\"lopt_record\":9");
        assert_eq!(Record::parse(&other), Err(RecordError::Version { found: 9 }));
        let broken = Record::parse(&format!("{text}{{}}\n")).unwrap_err().to_string();
        assert!(broken.starts_with("line 2: "), "{broken}");
        let row = line(&Row::Run(run("a", "lopt", 3, Some(0.125)))).unwrap();
        let twice = Record::parse(&format!("{text}{row}{row}")).unwrap_err().to_string();
        assert_eq!(twice, "line 3: it says what a line before it says");
    }

    #[test]
    fn fingerprints_are_those_of_fnv() {
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"a"), "af63dc4c8601ec8c");
    }
}
