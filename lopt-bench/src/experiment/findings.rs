//! A record with what it shows, read from its folder.

use std::path::Path;

use lopt_core::weights::EMBEDDED;

use super::claim::Finding;
use super::definition::{Definition, Kind};
use super::log::{RECORDS, Timing, read, read_timing};
use super::run::OVERHEAD;
use crate::error::CliError;
use crate::field::experiment::figures;
use crate::field::figures::FieldFigures;
use crate::input::read_text_if_there;
use crate::record::{Record, RunRow};
use crate::score::ResultTable;
use crate::speed::overhead::report::OverheadRecord;

/// A record beside its definition.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The experiment.
    pub definition: Definition,
    /// Its record.
    pub record: Record,
    /// What was timed, for the experiment about time.
    pub timed: Option<OverheadRecord>,
    /// What the clock said of the rows.
    pub timing: Vec<Timing>,
    /// The figures of both field suites, for the experiment on them.
    pub field: Vec<FieldFigures>,
    /// The machine in words; empty if its file is gone.
    pub machine: String,
}

/// What a record has that its experiment has not.
fn stranger(record: &Record, definition: &Definition) -> Option<String> {
    if record.header.experiment != definition.name {
        return Some(format!("the header of {}", record.header.experiment));
    }
    let workloads = &definition.scale(record.header.quick).workloads;
    let strange = |row: &&RunRow| {
        !workloads.contains(&row.workload) || !definition.contenders.contains(&row.contender)
    };
    let mut runs = record.runs().filter(|_| definition.kind == Kind::Races);
    runs.find(strange).map(|row| format!("a run of {} on {}", row.contender, row.workload))
}

impl Findings {
    /// Reads the folder of an experiment.
    ///
    /// # Errors
    ///
    /// If there is no record, or a file is damaged.
    pub fn read(folder: &Path, definition: &Definition) -> Result<Self, CliError> {
        let path = folder.join(RECORDS);
        let record = read(&path)?;
        if let Some(other) = stranger(&record, definition) {
            let (path, name) = (path.display(), &definition.name);
            return Err(CliError::Failed(format!(
                "`{path}` is no record of {name}: it has {other}"
            )));
        }
        let path = folder.join(OVERHEAD);
        let timed = read_text_if_there(&path)?.map(|text| serde_json::from_str(&text));
        let timed = timed.transpose().map_err(|error| {
            CliError::Failed(format!("`{}` holds no curves: {error}", path.display()))
        })?;
        let machine = read_text_if_there(&folder.join("machine.json"))?.unwrap_or_default();
        let timing = read_timing(folder);
        let field = match definition.kind {
            Kind::Field => figures(&record, &timing, EMBEDDED[0]),
            _ => Vec::new(),
        };
        Ok(Self { definition: definition.clone(), record, timed, timing, field, machine })
    }

    /// One cell per workload and contender.
    pub fn results(&self) -> ResultTable<'_> {
        ResultTable::new(&self.record, self.definition.choice)
    }

    /// The claims of the experiment and what became of them.
    pub fn claims(&self) -> Vec<Finding> {
        let results = self.results();
        self.definition.claims.iter().map(|claim| claim.decide(self, &results)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::named;
    use super::*;
    use crate::record::tests::{header, run};
    use crate::record::{Header, Row};

    #[test]
    fn names_of_no_such_experiment_are_strange() {
        let definition = &named("fig3").unwrap()[0];
        let (workload, contender) = (&definition.quick.workloads[0], &definition.contenders[0]);
        let header = Header { experiment: "fig3".to_owned(), ..header() };
        let of = |workload: &str, contender: &str, header: Header| {
            let rows = vec![Row::Run(run(workload, contender, 0, Some(0.5)))];
            stranger(&Record { header, rows }, definition)
        };
        assert_eq!(of(workload, contender, header.clone()), None);
        assert!(of("../../x", contender, header.clone()).is_some());
        assert!(of(workload, "odam", header.clone()).is_some());
        let other = Header { experiment: "fig4a".to_owned(), ..header };
        assert_eq!(of(workload, contender, other).as_deref(), Some("the header of fig4a"));
    }
}
