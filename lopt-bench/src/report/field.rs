//! The field suite on the page: figures, a table of factors, and small charts of every job.

use std::collections::BTreeSet;

use crate::evaluate::statistics::Estimate;
use crate::experiment::findings::Findings;
use crate::field::experiment::jobs;
use crate::field::figures::FieldFigures;
use crate::field::score::{FactorScore, JobFacts, JobRuns, JobScore};
use crate::field::{ADAMW, COSINE, LEARNED, factor_text};
use crate::record::TimedRun;
use crate::report::bench_plots::{Drawing, Plot};
use crate::report::number::end_text;
use crate::report::page::{self, escape};
use crate::report::plot::axis::Scale;
use crate::report::plot::chart::{Chart, Series};
use crate::report::plot::panels::Panels;

/// Validation loss over steps and over processor seconds, a small chart per job, for both suites.
pub fn plots(found: &Findings) -> Vec<Plot> {
    let jobs = jobs(&found.record, &found.timing);
    let mut plots = Vec::new();
    for figures in &found.field {
        let of_suite: Vec<_> = jobs
            .iter()
            .filter(|(facts, _)| facts.suite == figures.suite)
            .filter_map(|job| Some((job, figures.jobs.iter().find(|s| s.job == job.0.name)?)))
            .collect();
        let axes = [("steps", "steps"), ("seconds", "processor seconds of training")];
        for (name, title) in axes {
            let charts = of_suite.iter().map(|((facts, runs), score)| {
                (facts.name.clone(), chart(facts, runs, score, name == "seconds"))
            });
            plots.push(Plot::new(
                &format!("{}-{name}", figures.suite),
                &format!("{}: validation loss over {title}", figures.suite),
                "Mean over the seeds, from a tenth of the run on. Lower is better.",
                Drawing::Panels(Panels { charts: charts.collect() }),
            ));
        }
    }
    plots
}

fn chart(facts: &JobFacts, runs: &[TimedRun], score: &JobScore, over_seconds: bool) -> Chart {
    let all = JobRuns::new(facts, runs);
    let (one, seeds) = (factor_text(1.0), all.seeds(1.0));
    let who = [
        (LEARNED, Some(one.as_str()), LEARNED),
        (ADAMW, None, "AdamW(1e-3)"),
        (COSINE, Some(score.tuned_adamw.as_str()), "AdamW, cosine, best of seven rates"),
        (score.best_untuned.as_str(), None, "best of those without tuning"),
    ];
    let lines = who.into_iter().enumerate().map(|(place, (contender, setting, name))| {
        let per_step = match over_seconds {
            true => score.seconds_per_step.get(contender).copied().unwrap_or(f64::NAN),
            false => 1.0,
        };
        let curve = all.mean_curve(contender, setting, &seeds).unwrap_or_default();
        let late = curve.into_iter().filter(|point| 10 * point.0 >= facts.steps);
        let line = late.map(|(step, loss)| (step as f64 * per_step, loss)).collect();
        Series::line(name, place, place == 0, line)
    });
    let x_title = if over_seconds { "seconds" } else { "step" };
    let chart = Chart { x: Scale::Linear, ..Chart::new(x_title, "validation loss", lines) };
    let losses = || chart.series.iter().flat_map(|series| series.line.iter().map(|point| point.1));
    let (least, most) = (losses().fold(f64::INFINITY, f64::min), losses().fold(0.0, f64::max));
    let y = if least > 0.0 && most > WIDE * least { Scale::Log } else { Scale::Linear };
    Chart { y, ..chart }
}

/// Losses that differ by more than this factor get a logarithmic axis.
const WIDE: f64 = 10.0;

/// Figures of a suite with their intervals, and a table of factors by job.
pub fn tables(figures: &FieldFigures) -> String {
    let row = |(name, estimate): (&&str, &Option<Estimate>)| {
        let Estimate { value, low, high } = (*estimate)?;
        Some(format!("<tr><td>{name}</td><td>{value:.3}</td><td>{low:.3} to {high:.3}</td>"))
    };
    let head = ["figure", "value", "95 % interval over jobs"];
    format!(
        "<h3>{}: {} jobs, {} seeds</h3>\n{}{}{}",
        escape(&figures.suite),
        figures.jobs.len(),
        figures.seeds,
        page::table(head, figures.intervals.iter().filter_map(row)),
        losses(figures),
        factors(figures)
    )
}

/// Final validation losses by job and contender.
fn losses(figures: &FieldFigures) -> String {
    let names: BTreeSet<&str> =
        figures.jobs.iter().flat_map(|job| job.losses.keys()).map(String::as_str).collect();
    let row = |job: &JobScore| {
        let best = job.losses.values().filter_map(|loss| *loss).reduce(f64::min);
        let cell = |name: &&str| {
            let loss = job.losses.get(*name).copied().flatten();
            format!("<td{}>{}</td>", page::best_class(loss, best), end_text(loss))
        };
        let cells: String = names.iter().map(cell).collect();
        format!("<tr><td>{}</td>{cells}", escape(&job.job))
    };
    let head = std::iter::once("job").chain(names.iter().copied());
    format!(
        "<p class=\"summary\">Final validation loss, mean over the seeds; the least where training stops early.</p>\n{}",
        page::table(head, figures.jobs.iter().map(row))
    )
}

/// Final loss by job and factor; the stronger the colour, the sooner the factor is where factor 1 ends.
fn factors(figures: &FieldFigures) -> String {
    let cell = |factor: &FactorScore| {
        let gain = factor.steps_to_factor_1.map_or(0.0, |part| (1.0 - part).clamp(0.0, 1.0));
        let (told, text) = (escape(&factor.guard.join("; ")), end_text(factor.loss));
        format!(
            "<td title=\"{told}\" style=\"background:color-mix(in srgb, var(--c3) {:.0}%, transparent)\">{text}</td>",
            70.0 * gain
        )
    };
    let row = |job: &JobScore| {
        let cells: String = job.factors.iter().map(cell).collect();
        format!("<tr><td>{}</td>{cells}<td>{:.2}</td>", escape(&job.job), job.regret)
    };
    let factors = crate::field::FACTORS.map(|factor| format!("x{factor}"));
    let head = ["job"].into_iter().chain(factors.iter().map(String::as_str)).chain(["regret"]);
    format!(
        "<p class=\"summary\">Final validation loss with all steps times a factor, without the guard. The stronger the \
         colour, the fewer steps this factor needs to the final loss of factor 1; the last column is the regret, 1 where \
         nothing is to be gained.</p>\n{}",
        page::table(head, figures.jobs.iter().map(row))
    )
}
