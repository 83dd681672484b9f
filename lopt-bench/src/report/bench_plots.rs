//! The charts of an experiment: curves with bands, a profile, bars, final loss against the initial
//! rate, overhead against the batch size.

use crate::contender::LEARNED;
use crate::experiment::claim::{Claim, Figure, Finding};
use crate::experiment::definition::Kind;
use crate::experiment::findings::Findings;
use crate::report::field;
use crate::report::loss_charts::{loss_chart, loss_line, rate_chart};
use crate::report::plot::axis::Scale;
use crate::report::plot::bars::{Bar, BarChart};
use crate::report::plot::canvas::COLOURS;
use crate::report::plot::chart::{Chart, Series};
use crate::report::plot::panels::Panels;
use crate::score::{ResultTable, distinct};
use crate::tuning::order;

/// A chart with what is said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// End of the name of its files.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What one sees.
    pub caption: String,
    /// The drawing.
    pub drawing: Drawing,
}

impl Plot {
    /// A plot of these words.
    pub fn new(name: &str, title: &str, caption: &str, drawing: Drawing) -> Self {
        let [name, title, caption] = [name, title, caption].map(str::to_owned);
        Self { name, title, caption, drawing }
    }
}

/// Lines or bars.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Lines.
    Lines(Chart),
    /// Bars.
    Bars(BarChart),
    /// Several small charts with the same lines.
    Panels(Panels),
}

impl Drawing {
    /// The chart whose lines a legend must name; none for bars, which carry their names.
    pub fn lines(&self) -> Option<&Chart> {
        match self {
            Self::Lines(chart) => Some(chart),
            Self::Bars(_) => None,
            Self::Panels(panels) => panels.charts.first().map(|(_, chart)| chart),
        }
    }
}

/// All charts of an experiment.
pub fn plots(found: &Findings) -> Vec<Plot> {
    match found.definition.kind {
        Kind::Races => races(found),
        Kind::Overhead => overhead(found).into_iter().collect(),
        Kind::Lengths | Kind::Memory => groups(found),
        Kind::Field => field::plots(found),
    }
}

fn races(found: &Findings) -> Vec<Plot> {
    let results = found.results();
    if results.contenders.iter().filter(|name| name.contains('@')).count() > usize::from(COLOURS) {
        return results.workloads.iter().map(|workload| rates(&results, workload)).collect();
    }
    let shown = shown(&results);
    let mut plots: Vec<Plot> =
        results.workloads.iter().map(|workload| curves(&results, workload, &shown)).collect();
    if results.workloads.len() >= ENOUGH_FOR_PROFILE {
        plots.insert(0, profile(&results, &shown));
    }
    if results.contenders.len() > usize::from(COLOURS) {
        plots.insert(0, means(&results));
    }
    plots
}

/// A profile says little about fewer workloads.
const ENOUGH_FOR_PROFILE: usize = 3;

/// The contenders with a line, the first in the record and the best of the others: more lines than
/// colours cannot be told apart.
fn shown(results: &ResultTable<'_>) -> Vec<usize> {
    let scores: Vec<f64> = (0..results.contenders.len()).map(|c| mean_log(results, c)).collect();
    let others = order(&scores).into_iter().filter(|&c| c > 0).take(usize::from(COLOURS) - 1);
    let mut shown: Vec<usize> = others.chain((!scores.is_empty()).then_some(0)).collect();
    shown.sort_unstable();
    shown
}

/// Mean over workloads and seeds of the logarithm of final over initial loss.
fn mean_log(results: &ResultTable<'_>, contender: usize) -> f64 {
    let all = results.cells.iter().flat_map(|cells| cells[contender].relative());
    let logs: Vec<f64> = all.map(f64::ln).collect();
    logs.iter().sum::<f64>() / logs.len().max(1) as f64
}

/// Loss against steps, the band from the worst to the best seed.
fn curves(results: &ResultTable<'_>, workload: &str, shown: &[usize]) -> Plot {
    let cells = shown.iter().enumerate().filter_map(|(place, &contender)| {
        let name = results.contenders[contender];
        Some((place, name, results.cell(workload, name)?))
    });
    let lines = cells.clone().map(|(place, name, cell)| {
        let label = format!("{name}, {}", cell.setting);
        loss_line(&label, place, name == LEARNED, &cell.curve(|row| &row.curve))
    });
    let rows = cells.clone().flat_map(|(_, _, cell)| &cell.rows);
    let initial = rows.filter_map(|row| row.initial()).reduce(f64::max);
    Plot::new(
        workload,
        &format!("Training loss on {workload}"),
        "Mean over the seeds; the shade reaches from the best to the worst. Both axes are logarithmic, lower is \
         better.",
        Drawing::Lines(loss_chart("training loss", lines, initial)),
    )
}

/// For each contender the part of workloads on which it is within a factor of the best.
fn profile(results: &ResultTable<'_>, shown: &[usize]) -> Plot {
    let factors: Vec<f64> = (0..=60).map(|i| 10_f64.powf(f64::from(i) / 20.0)).collect();
    let lines = shown.iter().enumerate().map(|(place, &contender)| {
        let within = |&factor: &f64| (factor, results.profile(contender, factor));
        let name = results.contenders[contender];
        Series::line(name, place, name == LEARNED, factors.iter().map(within).collect())
    });
    let chart = Chart::new("factor", "workloads within that factor of the best", lines);
    Plot::new(
        "profile",
        "Performance profile",
        "On which part of all workloads and seeds a contender's final loss is at most so many times that of the \
         best contender there. Higher is better; the left edge is how often it wins.",
        Drawing::Lines(Chart { y: Scale::Share, ..chart }),
    )
}

/// Geometric mean of final over initial loss of every contender, as a bar.
fn means(results: &ResultTable<'_>) -> Plot {
    let bar = |(place, &name): (usize, &&str)| {
        bar(name.to_owned(), mean_log(results, place).exp(), None, name == LEARNED)
    };
    let mut bars: Vec<Bar> = results.contenders.iter().enumerate().map(bar).collect();
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    Plot::new(
        "means",
        "Final over initial loss",
        "Geometric mean over workloads and seeds; shorter is better.",
        Drawing::Bars(BarChart { bars, line: None }),
    )
}

fn bar(name: String, value: f64, interval: Option<(f64, f64)>, ours: bool) -> Bar {
    Bar { name, value, interval, colour: if ours { 0 } else { 2 } }
}

/// Final loss against the initial rate, for the contenders `NAME@RATE`.
fn rates(results: &ResultTable<'_>, workload: &str) -> Plot {
    let named = results.contenders.iter().filter_map(|name| name.split_once('@'));
    let bases = distinct(named.map(|(base, _)| base));
    let line = |base: &str| {
        let of_base = results.contenders.iter().filter_map(|name| {
            let (own, rate) = name.split_once('@')?;
            let loss = results.cell(workload, name).filter(|_| own == base)?.mean_last()?;
            Some((rate.parse().ok()?, loss))
        });
        of_base.collect()
    };
    let lines = bases.iter().enumerate().map(|(place, base)| {
        let line = Series::line(base, place, *base == LEARNED, line(base));
        Series { marked: true, ..line }
    });
    let initial = results.cells.iter().flatten().flat_map(|cell| &cell.rows);
    let initial = initial.filter(|row| row.workload == workload).filter_map(|row| row.initial());
    Plot::new(
        workload,
        &format!("Final loss on {workload} by initial rate"),
        "Mean over the seeds; rates with a run that diverged have no mark. A level line needs no tuning.",
        Drawing::Lines(rate_chart("initial learning rate", lines, initial.reduce(f64::max))),
    )
}

/// Step over gradient by batch size, a line per model.
fn overhead(found: &Findings) -> Option<Plot> {
    let curves = &found.timed.as_ref()?.curves;
    let lines = curves.iter().enumerate().map(|(place, curve)| {
        let name = format!("{}, {} parameters", curve.name, curve.parameters);
        let points = curve.points.iter().map(|p| (p.batch as f64, p.overhead));
        Series { marked: true, ..Series::line(&name, place, false, points.collect()) }
    });
    Some(Plot::new(
        "overhead",
        "What the learned step costs beside the gradient",
        "CPU time of one step over that of one gradient, medians; at 0.1 the step costs a tenth.",
        Drawing::Lines(Chart::new("rows per batch", "step over gradient", lines)),
    ))
}

/// One chart of bars per group of the record.
fn groups(found: &Findings) -> Vec<Plot> {
    let groups = distinct(found.record.bars().map(|bar| bar.group.as_str()));
    let plot = |(place, group): (usize, &&str)| {
        let bars = found.record.bars().filter(|bar| bar.group == **group);
        let bars =
            bars.map(|row| bar(row.name.clone(), row.value, None, row.name.starts_with(LEARNED)));
        let (first, rest) = group.split_at(group.chars().next().map_or(0, char::len_utf8));
        let title = first.to_uppercase() + rest;
        let drawing = Drawing::Bars(BarChart { bars: bars.collect(), line: None });
        Plot::new(&format!("bars-{}", place + 1), &title, "", drawing)
    };
    groups.iter().enumerate().map(plot).collect()
}

/// The ratios among the claims of an experiment as bars with their intervals; `None` if there are
/// fewer than two.
pub fn ratios(found: &Findings, findings: &[Finding]) -> Option<Plot> {
    let pairs = found.definition.claims.iter().zip(findings);
    let ratio = |(claim, finding): (&Claim, &Finding)| {
        let (Figure::Ratio { a, b, .. }, Some(figure)) = (&claim.figure, finding.figure) else {
            return None;
        };
        let interval = Some((figure.low, figure.high));
        Some(bar(format!("{a} / {b}"), figure.value, interval, a == LEARNED))
    };
    let bars: Vec<Bar> = pairs.filter_map(ratio).collect();
    (bars.len() > 1).then(|| {
        Plot::new(
            "ratios",
            "Final losses beside each other",
            "Geometric mean of the first one's final loss over the second's, with 95 % intervals, on a \
             logarithmic axis; left of the line at 1 the first one is better.",
            Drawing::Bars(BarChart { bars, line: Some(1.0) }),
        )
    })
}
