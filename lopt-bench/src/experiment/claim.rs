//! What an experiment must show, and whether its record does.

use serde::{Deserialize, Serialize};

use super::findings::Findings;
use crate::evaluate::statistics::{Estimate, estimate, mean};
use crate::score::{ResultTable, relative};

/// A sentence with the figure that decides it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// The figure.
    pub figure: Figure,
    /// The claim is shown if the figure is at most this.
    #[serde(default)]
    pub most: Option<f64>,
    /// The claim is shown if the figure is at least this.
    #[serde(default)]
    pub least: Option<f64>,
}

/// A figure of a record.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Figure {
    /// Geometric mean of the final losses of `a` over those of `b`, seed by seed.
    Ratio {
        /// A contender.
        a: String,
        /// Another.
        b: String,
        /// Only these workloads; all if empty.
        #[serde(default)]
        workloads: Vec<String>,
    },
    /// Part of the runs of `a` that end at or below `below` times their initial loss.
    Share {
        /// A contender.
        a: String,
        /// Part of the initial loss.
        below: f64,
        /// Only these workloads; all if empty.
        #[serde(default)]
        workloads: Vec<String>,
    },
    /// Decades between the best and the worst final loss of the contenders whose names begin with
    /// `a@`, less the same of `b@`.
    Spread {
        /// A name before the `@`.
        a: String,
        /// Another.
        b: String,
    },
    /// Geometric mean of the final loss of `a` over its loss at half of the steps.
    Falling {
        /// A contender.
        a: String,
    },
    /// The step of the learned optimizer over the gradient at the largest batch, worst model.
    Overhead,
    /// A figure of a suite of field jobs.
    Field {
        /// `field` or `field-test`.
        suite: String,
        /// Its name, as in the object of `lopt evaluate --json`.
        name: String,
    },
    /// The bar of this group and name.
    Bar {
        /// The group.
        group: String,
        /// The name.
        name: String,
    },
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is on the right side of the bound.
    Shown,
    /// The whole interval is on the wrong side.
    NotShown,
    /// The bound is inside the interval, or there are no data.
    Open,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::NotShown => "not shown",
            Self::Open => "open",
        }
    }
}

/// A claim with its figure and verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The sentence.
    pub text: String,
    /// The figure with its 95 % interval; `None` without data.
    pub figure: Option<Estimate>,
    /// The bound in words.
    pub bound: String,
    /// What became of it.
    pub verdict: Verdict,
}

impl Claim {
    /// Decides the claim by a record and what was timed beside it.
    pub fn decide(&self, found: &Findings, results: &ResultTable<'_>) -> Finding {
        let figure = self.figure.estimate(found, results);
        let bounds = [(self.most, "at most"), (self.least, "at least")];
        let words = bounds.iter().filter_map(|(x, word)| x.map(|x| format!("{word} {x}")));
        Finding {
            text: self.text.clone(),
            figure,
            bound: words.collect::<Vec<_>>().join(", "),
            verdict: figure.map_or(Verdict::Open, |figure| self.verdict(figure)),
        }
    }

    fn verdict(&self, figure: Estimate) -> Verdict {
        let most = self.most.unwrap_or(f64::INFINITY);
        let least = self.least.unwrap_or(f64::NEG_INFINITY);
        if figure.low >= least && figure.high <= most {
            Verdict::Shown
        } else if figure.high < least || figure.low > most {
            Verdict::NotShown
        } else {
            Verdict::Open
        }
    }
}

impl Figure {
    fn estimate(&self, found: &Findings, results: &ResultTable<'_>) -> Option<Estimate> {
        match self {
            Self::Ratio { a, b, workloads } => {
                let logs = per_workload(results, workloads, |workload| {
                    let (a, b) = (results.cell(workload, a)?, results.cell(workload, b)?);
                    let pairs = a.relative().into_iter().zip(b.relative());
                    Some(pairs.map(|(a, b)| (a / b).ln()).collect())
                });
                estimated(&logs).map(exponential)
            }
            Self::Share { a, below, workloads } => {
                let hits = per_workload(results, workloads, |workload| {
                    let reached = results.cell(workload, a)?.relative();
                    Some(reached.into_iter().map(|x| f64::from(x <= *below)).collect())
                });
                estimated(&hits)
            }
            Self::Spread { a, b } => {
                let differences = per_workload(results, &[], |workload| {
                    let [a, b] = [a, b].map(|base| spreads(results, workload, base));
                    Some(a.iter().zip(&b).map(|(a, b)| a - b).collect())
                });
                estimated(&differences)
            }
            Self::Falling { a } => {
                let logs = per_workload(results, &[], |workload| {
                    let rows = &results.cell(workload, a)?.rows;
                    let falls = rows.iter().filter_map(|row| {
                        let steps = row.curve.last()?.0;
                        let half = row.curve.iter().find(|point| 2 * point.0 >= steps)?.1;
                        Some((row.last()? / half).ln())
                    });
                    Some(falls.collect())
                });
                estimated(&logs).map(exponential)
            }
            Self::Overhead => {
                let curves = &found.timed.as_ref()?.curves;
                let worst =
                    curves.iter().filter_map(|curve| curve.points.last()).map(|p| p.overhead);
                worst.reduce(f64::max).map(exact)
            }
            Self::Field { suite, name } => {
                let figures = found.field.iter().find(|figures| figures.suite == *suite)?;
                figures.intervals.get(name.as_str()).copied().flatten()
            }
            Self::Bar { group, name } => {
                let bar =
                    found.record.bars().find(|bar| bar.group == *group && bar.name == *name)?;
                Some(exact(bar.value))
            }
        }
    }
}

/// The values of every workload that has any.
fn per_workload(
    results: &ResultTable<'_>,
    only: &[String],
    values: impl Fn(&str) -> Option<Vec<f64>>,
) -> Vec<Vec<f64>> {
    let chosen = |name: &&str| only.is_empty() || only.iter().any(|other| other == name);
    let names = results.workloads.iter().copied().filter(chosen);
    names.filter_map(values).filter(|values| !values.is_empty()).collect()
}

/// Mean with its interval: whole workloads are drawn anew where there are enough of them, else single
/// runs.
fn estimated(workloads: &[Vec<f64>]) -> Option<Estimate> {
    if workloads.len() >= ENOUGH {
        return estimate(workloads, mean);
    }
    let runs: Vec<Vec<f64>> = workloads.iter().flatten().map(|&value| vec![value]).collect();
    estimate(&runs, mean)
}

/// Workloads from which the spread between workloads can be told.
const ENOUGH: usize = 4;

fn exponential(logs: Estimate) -> Estimate {
    Estimate { value: logs.value.exp(), low: logs.low.exp(), high: logs.high.exp() }
}

fn exact(value: f64) -> Estimate {
    Estimate { value, low: value, high: value }
}

/// For every seed the decades between the best and the worst final loss of `base@...`.
fn spreads(results: &ResultTable<'_>, workload: &str, base: &str) -> Vec<f64> {
    let prefix = format!("{base}@");
    let names = results.contenders.iter().filter(|name| name.starts_with(&prefix));
    let cells: Vec<_> = names.filter_map(|name| results.cell(workload, name)).collect();
    let seeds = cells.iter().map(|cell| cell.rows.len()).min().unwrap_or(0);
    let of_seed = |seed: usize| {
        let logs = || cells.iter().map(|cell| relative(cell.rows[seed]).log10());
        logs().fold(f64::NEG_INFINITY, f64::max) - logs().fold(f64::INFINITY, f64::min)
    };
    (0..seeds).map(of_seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::definition::named;
    use crate::record::tests::{header, run};
    use crate::record::{BarRow, Record, Row};
    use crate::tuning::Choice;

    fn record() -> Record {
        let mut rows = Vec::new();
        for seed in 0..4 {
            let spoiled = 1.0 + 0.1 * seed as f64;
            rows.push(Row::Run(run("a", "lopt", seed, Some(0.1 * spoiled))));
            rows.push(Row::Run(run("a", "adam", seed, Some(0.2))));
            rows.push(Row::Run(run("a", "l2l", seed, (seed == 0).then_some(1.9))));
            for (rate, last) in [("1", 0.1), ("2", 0.3)] {
                rows.push(Row::Run(run("a", &format!("lopt@{rate}"), seed, Some(last))));
                rows.push(Row::Run(run("a", &format!("adam@{rate}"), seed, Some(last * last))));
            }
        }
        rows.push(Row::Bar(BarRow {
            group: "bytes".to_owned(),
            name: "adam".to_owned(),
            value: 8.0,
        }));
        Record { header: header(), rows }
    }

    fn decide(figure: Figure, most: Option<f64>, least: Option<f64>) -> (Verdict, Option<f64>) {
        let found = Findings {
            definition: named("fig3").unwrap().remove(0),
            record: record(),
            timed: None,
            timing: Vec::new(),
            field: Vec::new(),
            machine: String::new(),
        };
        let results = ResultTable::new(&found.record, Choice::PerWorkload);
        let claim = Claim { text: "t".to_owned(), figure, most, least };
        let finding = claim.decide(&found, &results);
        (finding.verdict, finding.figure.map(|f| (f.value * 1e6).round() / 1e6))
    }

    #[test]
    fn ratios_are_shown_not_shown_or_open() {
        let ratio = |a: &str, b: &str| Figure::Ratio {
            a: a.to_owned(),
            b: b.to_owned(),
            workloads: vec![],
        };
        assert_eq!(decide(ratio("lopt", "adam"), Some(0.9), None).0, Verdict::Shown);
        assert_eq!(decide(ratio("adam", "lopt"), Some(0.9), None).0, Verdict::NotShown);
        assert_eq!(decide(ratio("lopt", "adam"), Some(0.57), None).0, Verdict::Open);
        assert_eq!(decide(ratio("lopt", "nobody"), Some(1.0), None), (Verdict::Open, None));
    }

    #[test]
    fn shares_spreads_falls_and_bars() {
        let share = Figure::Share { a: "l2l".to_owned(), below: 0.5, workloads: vec![] };
        assert_eq!(decide(share, Some(0.2), None), (Verdict::Shown, Some(0.0)));
        let spread = Figure::Spread { a: "lopt".to_owned(), b: "adam".to_owned() };
        assert_eq!(decide(spread, Some(0.0), None), (Verdict::Shown, Some(-0.477_121)));
        let falling = Figure::Falling { a: "adam".to_owned() };
        assert_eq!(decide(falling, Some(0.95), None), (Verdict::Shown, Some(0.2)));
        let bar = |name: &str| Figure::Bar { group: "bytes".to_owned(), name: name.to_owned() };
        assert_eq!(decide(bar("adam"), None, Some(9.0)), (Verdict::NotShown, Some(8.0)));
        assert_eq!(decide(Figure::Overhead, Some(0.1), None), (Verdict::Open, None));
    }
}
