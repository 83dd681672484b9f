//! The field suite on the page: figures, a table of factors, and small charts of every job.

use crate::experiment::findings::Findings;
use crate::field::experiment::jobs;
use crate::field::figures::FieldFigures;
use crate::field::run::TimedRun;
use crate::field::score::{JobFacts, JobRuns, JobScore};
use crate::field::{ADAMW, COSINE, LEARNED, factor_text};
use crate::report::bench_plots::{Drawing, Plot};
use crate::report::number::loss_text;
use crate::report::page::{escape, push};
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
        for over_seconds in [false, true] {
            let charts = of_suite.iter().map(|((facts, runs), score)| {
                (facts.name.clone(), chart(facts, runs, score, over_seconds))
            });
            let (name, title) = match over_seconds {
                false => ("steps", "steps"),
                true => ("seconds", "processor seconds of training"),
            };
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
    let one = factor_text(1.0);
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
        let curve = all.mean_curve(contender, setting).unwrap_or_default();
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
    let mut html = format!(
        "<h3>{}: {} jobs, {} seeds</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th>figure</th><th>value</th>\
         <th>95 % interval over jobs</th></tr></thead>\n<tbody>\n",
        escape(&figures.suite),
        figures.jobs.len(),
        figures.seeds
    );
    for (name, estimate) in &figures.intervals {
        let Some(e) = estimate else { continue };
        push(
            &mut html,
            format_args!(
                "<tr><td>{name}</td><td>{:.3}</td><td>{:.3} to {:.3}</td></tr>\n",
                e.value, e.low, e.high
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html.push_str(&losses(figures));
    html.push_str(&factors(figures));
    html
}

/// Final validation losses by job and contender.
fn losses(figures: &FieldFigures) -> String {
    let mut names: Vec<&String> = figures.jobs.iter().flat_map(|job| job.losses.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut html = String::from(
        "<p class=\"summary\">Final validation loss, mean over the seeds; the least where training stops early.</p>\n\
         <div class=\"scroll\"><table>\n<thead><tr><th>job</th>",
    );
    for name in &names {
        push(&mut html, format_args!("<th>{}</th>", escape(name)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for job in &figures.jobs {
        push(&mut html, format_args!("<tr><td>{}</td>", escape(&job.job)));
        let best = job.losses.values().filter_map(|loss| *loss).reduce(f64::min);
        for name in &names {
            let loss = job.losses.get(*name).copied().flatten();
            let class = if loss.is_some() && loss == best { " class=\"best\"" } else { "" };
            let text = loss.map_or("diverged".to_owned(), loss_text);
            push(&mut html, format_args!("<td{class}>{text}</td>"));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Final loss by job and factor; the stronger the colour, the sooner the factor is where factor 1 ends.
fn factors(figures: &FieldFigures) -> String {
    let mut html = String::from(
        "<p class=\"summary\">Final validation loss with all steps times a factor, without the guard. The stronger the \
         colour, the fewer steps this factor needs to the final loss of factor 1; the last column is the regret, 1 where \
         nothing is to be gained.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>job</th>",
    );
    for factor in crate::field::FACTORS {
        push(&mut html, format_args!("<th>x{factor}</th>"));
    }
    html.push_str("<th>regret</th></tr></thead>\n<tbody>\n");
    for job in &figures.jobs {
        push(&mut html, format_args!("<tr><td>{}</td>", escape(&job.job)));
        for factor in &job.factors {
            let text = factor.loss.map_or("diverged".to_owned(), loss_text);
            let gain = factor.steps_to_factor_1.map_or(0.0, |part| (1.0 - part).clamp(0.0, 1.0));
            let told = escape(&factor.guard.join("; "));
            push(
                &mut html,
                format_args!(
                    "<td title=\"{told}\" style=\"background:color-mix(in srgb, var(--c3) {:.0}%, transparent)\">{text}\
                     </td>",
                    70.0 * gain
                ),
            );
        }
        push(&mut html, format_args!("<td>{:.2}</td></tr>\n", job.regret));
    }
    html.push_str("</tbody></table></div>\n");
    html
}
