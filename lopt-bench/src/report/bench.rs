//! `report.html`: what all experiments show, on one page, and every plot as a file of its own.

use std::path::PathBuf;

use super::bench_plots::{Drawing, Plot, plots, ratios};
use crate::contender::LEARNED;
use crate::error::CliError;
use crate::experiment::claim::{Finding, Verdict};
use crate::experiment::definition::Kind;
use crate::experiment::findings::Findings;
use crate::output::OutputFolder;
use crate::report::field;
use crate::report::number::{end_text, loss_text};
use crate::report::page::{self, CSS, escape};
use crate::report::plot::canvas::{Draw, Screen};
use crate::score::Cell;
use crate::speed::machine::Machine;
use crate::tuning::Choice;

/// Writes the page and the plots; returns the path of the page.
///
/// # Errors
///
/// If a plot cannot be drawn, or the folder refuses.
pub fn write(found: &[Findings], folder: &OutputFolder) -> Result<PathBuf, CliError> {
    let claims: Vec<Vec<Finding>> = found.iter().map(Findings::claims).collect();
    let mut body = String::from("<h1>lopt: what the benchmarks show</h1>\n");
    body.push_str(&overview(found, &claims));
    let pictures = OutputFolder::open(&folder.path().join("plots"))?;
    for (found, claims) in found.iter().zip(&claims) {
        body.push_str(&section(found, claims, &pictures)?);
    }
    body += &format!(
        "<footer>lopt {}. How all this is measured, and where it may mislead: benchmarks/METHODOLOGY.md and \
         benchmarks/BIAS.md. Every plot is beside this page, in plots, as SVG and PNG.</footer>\n",
        env!("CARGO_PKG_VERSION")
    );
    folder.write("report.html", page::page("lopt: what the benchmarks show", &body).as_bytes())
}

/// All experiments with their claims counted, each a link to its section.
fn overview(found: &[Findings], claims: &[Vec<Finding>]) -> String {
    let count = |claims: &[Finding]| {
        [Verdict::Shown, Verdict::NotShown, Verdict::Open]
            .map(|verdict| claims.iter().filter(|finding| finding.verdict == verdict).count())
    };
    let all = claims.concat();
    let [shown, not_shown, open] = count(&all);
    let mut html = format!(
        "<p class=\"verdict\">Of {} claims {shown} are shown by the records, {not_shown} are not, {open} stay \
         open.</p>\n",
        all.len()
    );
    if found.iter().any(|found| found.record.header.quick) {
        html += "<p class=\"summary\">Some records are of the quick size, which is for looking, not for \
                 judging.</p>\n";
    }
    let row = |(found, claims): (&Findings, &Vec<Finding>)| {
        let (name, title) = (&found.definition.name, escape(&found.definition.title));
        let [shown, not_shown, open] = count(claims);
        format!(
            "<tr><td><a href=\"#{name}\">{title}</a></td><td>{shown}</td><td>{not_shown}</td><td>{open}</td>"
        )
    };
    let head = ["experiment", "shown", "not shown", "open"];
    html + &page::table(head, found.iter().zip(claims).map(row))
}

/// One experiment.
fn section(
    found: &Findings,
    claims: &[Finding],
    pictures: &OutputFolder,
) -> Result<String, CliError> {
    let definition = &found.definition;
    let header = &found.record.header;
    let mut html = format!(
        "<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n",
        definition.name,
        escape(&definition.title),
        escape(definition.story.trim())
    );
    html += "<dl class=\"claims\">\n";
    for finding in claims {
        html += &format!(
            "<dt>{}</dt><dd>{} <span class=\"summary\">{}</span></dd>\n",
            mark(finding.verdict),
            escape(&finding.text),
            escape(&figure_text(finding))
        );
    }
    html += "</dl>\n";
    for figures in &found.field {
        html.push_str(&field::tables(figures));
    }
    for plot in ratios(found, claims).into_iter().chain(plots(found)) {
        html.push_str(&figure(found, &plot, pictures)?);
    }
    if definition.kind == Kind::Races {
        html.push_str(&numbers(found));
    }
    for training in found.record.trainings() {
        let last = training.curve.last().map_or(f64::NAN, |point| point.1);
        html += &format!(
            "<p class=\"summary\">{}: {} meta-updates, {:.1} million instance-steps, meta-loss at the end \
             {last:.3}.</p>\n",
            escape(&training.name),
            training.updates,
            1e-6 * training.instance_steps as f64
        );
    }
    let mut machine = machine(found);
    if !header.commit.is_empty() {
        machine += &format!(", commit {}", header.commit);
    }
    let (command, machine) = (escape(&header.command), escape(&machine));
    Ok(format!("{html}<pre>{command}</pre>\n<p class=\"summary\">{machine}</p>\n"))
}

fn mark(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Shown => "shown",
        Verdict::NotShown => "missed",
        Verdict::Open => "open",
    };
    format!("<span class=\"mark {class}\">{}</span>", verdict.words())
}

/// `0.83 [0.71, 0.95], at most 1`.
pub fn figure_text(finding: &Finding) -> String {
    match finding.figure {
        None => "no data".to_owned(),
        Some(f) if f.low == f.high => format!("{}, {}", loss_text(f.value), finding.bound),
        Some(f) => format!(
            "{} [{}, {}], {}",
            loss_text(f.value),
            loss_text(f.low),
            loss_text(f.high),
            finding.bound
        ),
    }
}

/// A plot on the page, for both kinds of screen, and as files.
fn figure(found: &Findings, plot: &Plot, pictures: &OutputFolder) -> Result<String, CliError> {
    let (wide, narrow, png) = match &plot.drawing {
        Drawing::Lines(chart) => files(chart, Screen::Wide, Screen::Narrow)?,
        Drawing::Bars(chart) => files(chart, Screen::Wide, Screen::Narrow)?,
        Drawing::Panels(panels) => files(panels, Screen::Panels, Screen::Panels)?,
    };
    let name = format!("{}-{}", found.definition.name, plot.name);
    pictures.write(&format!("{name}.svg"), on_its_own(&wide).as_bytes())?;
    pictures.write(&format!("{name}.png"), &png)?;
    let mut html = format!("<h3>{}</h3>\n", escape(&plot.title));
    if let Some(chart) = plot.drawing.lines() {
        html.push_str(&page::legend(chart));
    }
    let command = escape(&found.record.header.command);
    let caption = format!("{} <code>{command}</code>", escape(&plot.caption));
    html.push_str(&page::figure(&wide, &narrow, &caption));
    Ok(html)
}

/// A drawing for both kinds of screen, and as PNG.
fn files(
    drawing: &impl Draw,
    wide: Screen,
    narrow: Screen,
) -> Result<(String, String, Vec<u8>), CliError> {
    Ok((drawing.svg(wide)?, drawing.svg(narrow)?, drawing.png(wide)?))
}

/// The drawing as a file: with the name space, and the colours that the page would give it.
fn on_its_own(svg: &str) -> String {
    let style = CSS.find("* {").map_or(CSS, |end| &CSS[..end]);
    let head = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"";
    match svg.replacen("<svg role=\"img\"", head, 1).split_once('>') {
        Some((open, rest)) => format!("{open}>\n<style>{style}</style>{rest}"),
        None => svg.to_owned(),
    }
}

/// Final losses by contender and workload.
fn numbers(found: &Findings) -> String {
    let results = found.results();
    let row = |(place, contender): (usize, &&str)| {
        let ours = if *contender == LEARNED { " class=\"ours\"" } else { "" };
        let cell = |cells: &Vec<Cell<'_>>| {
            let best = cells.iter().filter_map(Cell::mean_last).reduce(f64::min);
            let (own, setting) = (cells[place].mean_last(), escape(cells[place].setting));
            let class = page::best_class(own, best);
            format!("<td{class} title=\"{setting}\">{}</td>", end_text(own))
        };
        let cells: String = results.cells.iter().map(cell).collect();
        format!("<tr{ours}><td>{}</td>{cells}", escape(contender))
    };
    let head = std::iter::once("final loss").chain(results.workloads.iter().copied());
    let table = page::table(head, results.contenders.iter().enumerate().map(row));
    let tuned = results.cells.iter().flatten().any(|cell| cell.tried > 1);
    let how = match found.definition.choice {
        _ if !tuned => "",
        Choice::PerWorkload => {
            " A contender with a learning rate has the best of nine for each workload."
        }
        Choice::Overall => {
            " A contender with a learning rate has one for all workloads, the best of nine."
        }
    };
    format!("{table}<p class=\"summary\">Means over the seeds.{how}</p>\n")
}

/// The machine in a line.
fn machine(found: &Findings) -> String {
    let machine = serde_json::from_str(&found.machine);
    let words = |Machine { cpu, cores, .. }: Machine| format!("{cpu}, {cores} cores");
    machine.map_or_else(|_| "unknown machine, 0 cores".to_owned(), words)
}
