//! The charts of an experiment: curves with bands, a profile, bars, final loss against the initial
//! rate, overhead against the batch size.

use crate::contender::LEARNED;
use crate::experiment::claim::{Figure, Finding};
use crate::experiment::definition::Kind;
use crate::experiment::findings::Findings;
use crate::report::field;
use crate::report::loss_charts::{loss_chart, rate_chart};
use crate::report::plot::axis::Scale;
use crate::report::plot::bars::{Bar, BarChart};
use crate::report::plot::canvas::COLOURS;
use crate::report::plot::chart::{Chart, Series};
use crate::report::plot::panels::Panels;
use crate::score::{Cell, ResultTable};
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
    /// Names of the lines with their colours; empty for bars, which carry their names.
    pub legend: Vec<(String, u8)>,
    /// The drawing.
    pub drawing: Drawing,
}

/// Lines or bars.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Lines.
    Lines(Chart),
    /// Bars.
    Bars(BarChart),
    /// Several small charts.
    Panels(Panels),
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
    let cell = |(colour, &place): (usize, &usize)| {
        let name = results.contenders[place];
        Some((name, colour as u8, results.cell(workload, name)?))
    };
    let cells: Vec<(&str, u8, &Cell<'_>)> = shown.iter().enumerate().filter_map(cell).collect();
    let curves: Vec<_> = cells.iter().map(|(_, _, cell)| cell.curve()).collect();
    let lines = cells.iter().zip(&curves).map(|(cell, curve)| (cell.0, cell.1, curve.as_slice()));
    let rows = cells.iter().flat_map(|(_, _, cell)| &cell.rows);
    let initial = rows.filter_map(|row| row.initial()).reduce(f64::max);
    let legend = |(name, colour, cell): &(&str, u8, &Cell<'_>)| {
        (format!("{name}, {}", cell.setting), *colour)
    };
    Plot {
        name: workload.to_owned(),
        title: format!("Training loss on {workload}"),
        caption: "Mean over the seeds; the shade reaches from the best to the worst. Both axes are logarithmic, \
                  lower is better."
            .to_owned(),
        legend: cells.iter().map(legend).collect(),
        drawing: Drawing::Lines(loss_chart("training loss", lines, initial)),
    }
}

/// For each contender the part of workloads on which it is within a factor of the best.
fn profile(results: &ResultTable<'_>, shown: &[usize]) -> Plot {
    let factors: Vec<f64> = (0..=60).map(|i| 10_f64.powf(f64::from(i) / 20.0)).collect();
    let lines = shown.iter().enumerate().map(|(colour, &place)| {
        let within = |&factor: &f64| (factor, results.profile(place, factor));
        let ours = results.contenders[place] == LEARNED;
        Series::line(colour as u8, ours, factors.iter().map(within).collect())
    });
    let chart = Chart::new("factor", "workloads within that factor of the best", lines);
    let chart = Chart { y: Scale::Share, ..chart };
    let name =
        |(colour, &place): (usize, &usize)| (results.contenders[place].to_owned(), colour as u8);
    Plot {
        name: "profile".to_owned(),
        title: "Performance profile".to_owned(),
        caption: "On which part of all workloads and seeds a contender's final loss is at most so many times that \
                  of the best contender there. Higher is better; the left edge is how often it wins."
            .to_owned(),
        legend: shown.iter().enumerate().map(name).collect(),
        drawing: Drawing::Lines(chart),
    }
}

/// Geometric mean of final over initial loss of every contender, as a bar.
fn means(results: &ResultTable<'_>) -> Plot {
    let mut bars: Vec<Bar> = (0..results.contenders.len())
        .map(|place| Bar {
            name: results.contenders[place].to_owned(),
            value: mean_log(results, place).exp(),
            interval: None,
            colour: u8::from(results.contenders[place] != LEARNED) * 2,
        })
        .collect();
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    Plot {
        name: "means".to_owned(),
        title: "Final over initial loss".to_owned(),
        caption: "Geometric mean over workloads and seeds; shorter is better.".to_owned(),
        legend: Vec::new(),
        drawing: Drawing::Bars(BarChart { bars, line: None }),
    }
}

/// Final loss against the initial rate, for the contenders `NAME@RATE`.
fn rates(results: &ResultTable<'_>, workload: &str) -> Plot {
    let mut bases: Vec<&str> = Vec::new();
    for name in results.contenders.iter().filter_map(|name| name.split_once('@')) {
        if !bases.contains(&name.0) {
            bases.push(name.0);
        }
    }
    let line = |base: &str| {
        let of_base = results.contenders.iter().filter_map(|name| {
            let (own, rate) = name.split_once('@')?;
            let loss = results.cell(workload, name).filter(|_| own == base)?.mean_last()?;
            Some((rate.parse().ok()?, loss))
        });
        of_base.collect()
    };
    let series = bases
        .iter()
        .enumerate()
        .map(|(colour, base)| Series::line(colour as u8, *base == LEARNED, line(base)).marked());
    let initial = results.cells.iter().flatten().flat_map(|cell| &cell.rows);
    let initial = initial.filter(|row| row.workload == workload).filter_map(|row| row.initial());
    let chart = rate_chart("initial learning rate", series, initial.reduce(f64::max));
    let names = bases.iter().enumerate().map(|(colour, base)| ((*base).to_owned(), colour as u8));
    Plot {
        name: workload.to_owned(),
        title: format!("Final loss on {workload} by initial rate"),
        caption: "Mean over the seeds; rates with a run that diverged have no mark. A level line needs no tuning."
            .to_owned(),
        legend: names.collect(),
        drawing: Drawing::Lines(chart),
    }
}

/// Step over gradient by batch size, a line per model.
fn overhead(found: &Findings) -> Option<Plot> {
    let curves = &found.timed.as_ref()?.curves;
    let series = curves.iter().enumerate().map(|(colour, curve)| {
        let points = curve.points.iter().map(|p| (p.batch as f64, p.overhead));
        Series::line(colour as u8, false, points.collect()).marked()
    });
    let chart = Chart::new("rows per batch", "step over gradient", series);
    let name = |(colour, curve): (usize, &crate::speed::overhead::curve::Curve)| {
        (format!("{}, {} parameters", curve.name, curve.parameters), colour as u8)
    };
    Some(Plot {
        name: "overhead".to_owned(),
        title: "What the learned step costs beside the gradient".to_owned(),
        caption: "CPU time of one step over that of one gradient, medians; at 0.1 the step costs a tenth.".to_owned(),
        legend: curves.iter().enumerate().map(name).collect(),
        drawing: Drawing::Lines(chart),
    })
}

/// One chart of bars per group of the record.
fn groups(found: &Findings) -> Vec<Plot> {
    let mut groups: Vec<&str> = Vec::new();
    for bar in found.record.bars() {
        if !groups.contains(&bar.group.as_str()) {
            groups.push(&bar.group);
        }
    }
    let of = |group: &str| -> Vec<Bar> {
        let bars = found.record.bars().filter(|bar| bar.group == group);
        let bar = |bar: &crate::record::BarRow| Bar {
            name: bar.name.clone(),
            value: bar.value,
            interval: None,
            colour: if bar.name.starts_with(LEARNED) { 0 } else { 2 },
        };
        bars.map(bar).collect()
    };
    let plot = |(place, group): (usize, &&str)| Plot {
        name: format!("bars-{}", place + 1),
        title: group[..1].to_uppercase() + &group[1..],
        caption: String::new(),
        legend: Vec::new(),
        drawing: Drawing::Bars(BarChart { bars: of(group), line: None }),
    };
    groups.iter().enumerate().map(plot).collect()
}

/// The ratios among the claims of an experiment as bars with their intervals; `None` if there are
/// fewer than two.
pub fn ratios(found: &Findings, findings: &[Finding]) -> Option<Plot> {
    let pairs = found.definition.claims.iter().zip(findings);
    let bar = |(claim, finding): (&crate::experiment::claim::Claim, &Finding)| match &claim.figure {
        Figure::Ratio { a, b, .. } => {
            let figure = finding.figure?;
            Some(Bar {
                name: format!("{a} / {b}"),
                value: figure.value,
                interval: Some((figure.low, figure.high)),
                colour: if a == LEARNED { 0 } else { 2 },
            })
        }
        _ => None,
    };
    let bars: Vec<Bar> = pairs.filter_map(bar).collect();
    (bars.len() > 1).then(|| Plot {
        name: "ratios".to_owned(),
        title: "Final losses beside each other".to_owned(),
        caption: "Geometric mean of the first one's final loss over the second's, with 95 % intervals, on a \
                  logarithmic axis; left of the line at 1 the first one is better."
            .to_owned(),
        legend: Vec::new(),
        drawing: Drawing::Bars(BarChart { bars, line: Some(1.0) }),
    })
}
