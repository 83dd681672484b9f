//! From rows of a record to one cell per workload and contender, and to performance profiles.

use serde::{Deserialize, Serialize};

use crate::record::{Record, RunRow};
use crate::tuning::{Choice, best, mean};

/// What every contender reached on every workload.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultTable<'r> {
    /// Names, in the order of the record.
    pub workloads: Vec<&'r str>,
    /// Names, in the order of the record.
    pub contenders: Vec<&'r str>,
    /// By workload, then contender.
    pub cells: Vec<Vec<Cell<'r>>>,
}

/// One contender on one workload, with the setting that was chosen for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell<'r> {
    /// The setting in words.
    pub setting: &'r str,
    /// Out of how many settings it was chosen.
    pub tried: usize,
    /// One per seed.
    pub rows: Vec<&'r RunRow>,
}

impl<'r> Cell<'r> {
    /// The runs of one setting.
    pub fn of(rows: impl Iterator<Item = &'r RunRow>) -> Self {
        let rows: Vec<&RunRow> = rows.collect();
        Self { setting: rows.first().map_or("", |row| &row.setting), tried: 1, rows }
    }

    /// Final over initial loss of every seed.
    pub fn relative(&self) -> Vec<f64> {
        self.rows.iter().map(|row| relative(row)).collect()
    }

    /// Mean of the final losses; `None` if a run diverged.
    pub fn mean_last(&self) -> Option<f64> {
        mean(self.rows.iter().map(|row| row.last()))
    }

    /// Mean over seeds of the final losses on the test set; `None` without one, or if a run diverged.
    pub fn mean_last_validation(&self) -> Option<f64> {
        mean(self.rows.iter().map(|row| row.end(&row.validation)))
    }

    /// Mean and range of a curve of the runs at the checkpoints that all seeds reached.
    pub fn curve(&self, of: fn(&RunRow) -> &[(usize, f64)]) -> Vec<CurvePoint> {
        let reached = self.rows.iter().map(|row| of(row).len()).min().unwrap_or(0);
        let point = |at: usize| {
            let losses = || self.rows.iter().map(|row| of(row)[at].1);
            CurvePoint {
                step: of(self.rows[0])[at].0,
                mean: losses().sum::<f64>() / self.rows.len() as f64,
                min: losses().fold(f64::INFINITY, f64::min),
                max: losses().fold(f64::NEG_INFINITY, f64::max),
            }
        };
        (0..reached).map(point).collect()
    }
}

/// Loss at one checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps taken.
    pub step: usize,
    /// Mean over seeds.
    pub mean: f64,
    /// Least of the seeds.
    pub min: f64,
    /// Greatest of the seeds.
    pub max: f64,
}

/// Final over initial loss, held between [`FLOOR`] and [`DIVERGED`]; the latter for runs that diverged.
pub fn relative(row: &RunRow) -> f64 {
    match (row.last(), row.initial()) {
        (Some(last), Some(initial)) if initial > 0.0 => (last / initial).clamp(FLOOR, DIVERGED),
        _ => DIVERGED,
    }
}

/// Below this part of the initial loss a workload counts as solved.
pub const FLOOR: f64 = 1e-8;

/// What a run that diverged counts as.
pub const DIVERGED: f64 = 10.0;

impl<'r> ResultTable<'r> {
    /// Collects the runs of a record and chooses settings.
    pub fn new(record: &'r Record, choice: Choice) -> Self {
        let workloads = distinct(record.runs().map(|row| row.workload.as_str()));
        let contenders = distinct(record.runs().map(|row| row.contender.as_str()));
        // Settings by workload and contender, in the order in which they ran.
        let of_workload = |workload| contenders.iter().map(|c| grid(record, workload, c)).collect();
        let grids: Vec<Vec<Vec<Cell<'r>>>> = workloads.iter().copied().map(of_workload).collect();
        let one: Vec<Option<&str>> = match choice {
            Choice::PerWorkload => vec![None; contenders.len()],
            Choice::Overall => (0..contenders.len()).map(|c| best_overall(&grids, c)).collect(),
        };
        let chosen = |(grid, one): (Vec<Cell<'r>>, &Option<&str>)| {
            let tried = grid.len();
            let fits = |cell: &Cell<'_>| one.is_none_or(|setting| cell.setting == setting);
            let mut fitting: Vec<Cell<'r>> = grid.into_iter().filter(fits).collect();
            match best(fitting.iter().map(mean_log)) {
                Some(place) => Cell { tried, ..fitting.swap_remove(place) },
                None => Cell { setting: "", tried, rows: vec![] },
            }
        };
        let cells =
            grids.into_iter().map(|grids| grids.into_iter().zip(&one).map(chosen).collect());
        Self { cells: cells.collect(), workloads, contenders }
    }

    /// The cell of a workload and contender; `None` if it did not run.
    pub fn cell(&self, workload: &str, contender: &str) -> Option<&Cell<'r>> {
        let w = self.workloads.iter().position(|&name| name == workload)?;
        let c = self.contenders.iter().position(|&name| name == contender)?;
        Some(&self.cells[w][c]).filter(|cell| !cell.rows.is_empty())
    }

    /// Performance profile (Dolan and Moré 2002): for each contender the part of all workloads and
    /// seeds on which its final loss is at most `factor` times that of the best contender.
    pub fn profile(&self, contender: usize, factor: f64) -> f64 {
        let (mut within, mut all) = (0.0, 0.0_f64);
        for cells in &self.cells {
            for seed in 0..cells[contender].rows.len() {
                let of = |cell: &Cell<'_>| cell.rows.get(seed).map(|row| relative(row));
                let best = cells.iter().filter_map(of).fold(f64::INFINITY, f64::min);
                all += 1.0;
                let own = of(&cells[contender]).unwrap_or(DIVERGED);
                within += f64::from(own <= factor * best && own < DIVERGED);
            }
        }
        within / all.max(1.0)
    }
}

/// Each name once, where it first appears.
pub fn distinct<'r>(all: impl Iterator<Item = &'r str>) -> Vec<&'r str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The settings of a contender on a workload with their runs.
fn grid<'r>(record: &'r Record, workload: &str, contender: &str) -> Vec<Cell<'r>> {
    let mut cells: Vec<Cell<'r>> = Vec::new();
    for row in record.runs().filter(|r| r.workload == workload && r.contender == contender) {
        match cells.iter_mut().find(|cell| cell.setting == row.setting) {
            Some(cell) => cell.rows.push(row),
            None => cells.push(Cell { setting: &row.setting, tried: 0, rows: vec![row] }),
        }
    }
    cells
}

/// The setting with the least mean log loss over all workloads.
fn best_overall<'r>(grids: &[Vec<Vec<Cell<'r>>>], contender: usize) -> Option<&'r str> {
    let first = grids.first()?.get(contender)?;
    let total = |setting: &str| -> f64 {
        let of = |grid: &Vec<Vec<Cell<'r>>>| {
            grid[contender].iter().find(|cell| cell.setting == setting).map_or(0.0, mean_log)
        };
        grids.iter().map(of).sum()
    };
    best(first.iter().map(|cell| total(cell.setting))).map(|place| first[place].setting)
}

/// Mean over seeds of the logarithm of the relative loss.
fn mean_log(cell: &Cell<'_>) -> f64 {
    let logs = cell.rows.iter().map(|row| relative(row).ln());
    logs.sum::<f64>() / cell.rows.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Row;
    use crate::record::tests::{header, run};

    fn record() -> Record {
        let with =
            |setting: &str, row: RunRow| Row::Run(RunRow { setting: setting.to_owned(), ..row });
        let rows = vec![
            with("none", run("a", "lopt", 0, Some(0.2))),
            with("none", run("b", "lopt", 0, Some(0.4))),
            with("1", run("a", "adam", 0, Some(0.02))),
            with("2", run("a", "adam", 0, Some(0.1))),
            with("1", run("b", "adam", 0, None)),
            with("2", run("b", "adam", 0, Some(0.8))),
        ];
        Record { header: header(), rows }
    }

    #[test]
    fn settings_are_chosen_per_workload_or_for_all() {
        let record = record();
        let per = ResultTable::new(&record, Choice::PerWorkload);
        assert_eq!(per.contenders, ["lopt", "adam"]);
        let settings = |results: &ResultTable<'_>| {
            ["a", "b"].map(|w| results.cell(w, "adam").unwrap().setting.to_owned())
        };
        assert_eq!(settings(&per), ["1", "2"]);
        assert_eq!(settings(&ResultTable::new(&record, Choice::Overall)), ["2", "2"]);
        assert_eq!(per.cell("a", "adam").unwrap().tried, 2);
        assert_eq!(per.cell("c", "adam"), None);
    }

    #[test]
    fn profiles_count_workloads() {
        let record = record();
        let results = ResultTable::new(&record, Choice::PerWorkload);
        assert_eq!(
            [results.profile(0, 1.0), results.profile(0, 9.0), results.profile(0, 10.5)],
            [0.5, 0.5, 1.0]
        );
        assert_eq!([results.profile(1, 1.0), results.profile(1, 2.0)], [0.5, 1.0]);
    }

    #[test]
    fn divergence_is_bounded_and_nothing_is_better_than_solved() {
        assert_eq!(relative(&run("a", "x", 0, None)), DIVERGED);
        assert_eq!(relative(&run("a", "x", 0, Some(1e9))), DIVERGED);
        assert_eq!(relative(&run("a", "x", 0, Some(1e-30))), FLOOR);
    }
}
