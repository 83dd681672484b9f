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
use crate::report::number::loss_text;
use crate::report::page::{self, CSS, escape, push};
use crate::report::plot::canvas::Screen;
use crate::score::Cell;
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
    push(
        &mut body,
        format_args!(
            "<footer>lopt {}. How all this is measured, and where it may mislead: benchmarks/METHODOLOGY.md and \
             benchmarks/BIAS.md. Every plot is beside this page, in plots, as SVG and PNG.</footer>\n",
            env!("CARGO_PKG_VERSION")
        ),
    );
    folder.write("report.html", page::page("lopt: what the benchmarks show", &body).as_bytes())
}

/// All experiments with their claims counted, each a link to its section.
fn overview(found: &[Findings], claims: &[Vec<Finding>]) -> String {
    let all = || claims.iter().flatten();
    let count = |verdict| all().filter(|finding| finding.verdict == verdict).count();
    let mut html = format!(
        "<p class=\"verdict\">Of {} claims {} are shown by the records, {} are not, {} stay open.</p>\n",
        all().count(),
        count(Verdict::Shown),
        count(Verdict::NotShown),
        count(Verdict::Open)
    );
    if found.iter().any(|found| found.record.header.quick) {
        html.push_str(
            "<p class=\"summary\">Some records are of the quick size, which is for looking, not for judging.</p>\n",
        );
    }
    html.push_str("<div class=\"scroll\"><table><thead><tr><th>experiment</th><th>shown</th><th>not shown</th><th>open</th></tr></thead>\n<tbody>\n");
    for (found, claims) in found.iter().zip(claims) {
        let count = |verdict| claims.iter().filter(|finding| finding.verdict == verdict).count();
        push(
            &mut html,
            format_args!(
                "<tr><td><a href=\"#{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                found.definition.name,
                escape(&found.definition.title),
                count(Verdict::Shown),
                count(Verdict::NotShown),
                count(Verdict::Open)
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
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
    html.push_str("<dl class=\"claims\">\n");
    for finding in claims {
        push(
            &mut html,
            format_args!(
                "<dt>{}</dt><dd>{} <span class=\"summary\">{}</span></dd>\n",
                mark(finding.verdict),
                escape(&finding.text),
                escape(&figure_text(finding))
            ),
        );
    }
    html.push_str("</dl>\n");
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
        push(
            &mut html,
            format_args!(
                "<p class=\"summary\">{}: {} meta-updates, {:.1} million instance-steps, meta-loss at the end {last:.3}.</p>\n",
                escape(&training.name),
                training.updates,
                1e-6 * training.instance_steps as f64
            ),
        );
    }
    push(&mut html, format_args!("<pre>{}</pre>\n", escape(&header.command)));
    let commit = if header.commit.is_empty() {
        String::new()
    } else {
        format!(", commit {}", header.commit)
    };
    push(
        &mut html,
        format_args!("<p class=\"summary\">{}{}</p>\n", escape(&machine(found)), escape(&commit)),
    );
    Ok(html)
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
        Drawing::Lines(chart) => {
            (chart.svg(Screen::Wide)?, chart.svg(Screen::Narrow)?, chart.png()?)
        }
        Drawing::Bars(chart) => {
            (chart.svg(Screen::Wide)?, chart.svg(Screen::Narrow)?, chart.png()?)
        }
        Drawing::Panels(panels) => (panels.svg()?, panels.svg()?, panels.png()?),
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
    let mut html = String::from("<div class=\"scroll\"><table>\n<thead><tr><th>final loss</th>");
    for workload in &results.workloads {
        push(&mut html, format_args!("<th>{}</th>", escape(workload)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (place, contender) in results.contenders.iter().enumerate() {
        let ours = if *contender == LEARNED { " class=\"ours\"" } else { "" };
        push(&mut html, format_args!("<tr{ours}><td>{}</td>", escape(contender)));
        for cells in &results.cells {
            let best = cells.iter().filter_map(Cell::mean_last).reduce(f64::min);
            let own = cells[place].mean_last();
            let class = if own.is_some() && own == best { " class=\"best\"" } else { "" };
            let text = own.map_or("diverged".to_owned(), loss_text);
            let setting = escape(cells[place].setting);
            push(&mut html, format_args!("<td{class} title=\"{setting}\">{text}</td>"));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
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
    push(&mut html, format_args!("<p class=\"summary\">Means over the seeds.{how}</p>\n"));
    html
}

/// The machine in a line.
fn machine(found: &Findings) -> String {
    let value: serde_json::Value = serde_json::from_str(&found.machine).unwrap_or_default();
    let cpu = value.get("cpu").and_then(|cpu| cpu.as_str()).unwrap_or("unknown machine");
    let cores = value.get("cores").and_then(serde_json::Value::as_u64).unwrap_or(0);
    format!("{cpu}, {cores} cores")
}
