//! `race.html`: one file without any other, for a browser on a desk or in a hand.

use crate::contender::LEARNED;
use crate::error::CliError;
use crate::race::{ContenderRecord, RaceContext, RaceRecord};
use crate::report::loss_charts::{race_losses, race_rates};
use crate::report::number::{count_text, seconds_text};
use crate::report::page::{self, escape, swatch};
use crate::report::plot::canvas::{COLOURS, Draw as _, Screen};
use crate::report::plot::chart::Chart;
use crate::report::table;
use crate::report::verdict::verdict;

/// The whole page.
///
/// # Errors
///
/// If a chart cannot be drawn.
pub fn page(record: &RaceRecord, context: &RaceContext) -> Result<String, CliError> {
    let mut body = format!(
        "<h1>Race on {}</h1>\n<p class=\"summary\">{}</p>\n",
        escape(&record.problem),
        escape(&table::summary(record, context))
    );
    let verdict = verdict(record);
    if !verdict.is_empty() {
        body += &format!("<p class=\"verdict\">{}</p>\n", escape(&verdict));
    }
    let validated = table::validated(record);
    let band = if record.seeds > 1 {
        "Mean over the seeds; the shade reaches from the best to the worst seed. "
    } else {
        ""
    };
    let caption = format!("{band}Both axes are logarithmic. Lower is better.");
    for (validation, title) in [(true, "Validation loss"), (false, "Training loss")] {
        if validated || !validation {
            body += &format!("<h2>{title}</h2>\n");
            body += &figure(&race_losses(record, validation), &caption)?;
        }
    }
    body += &format!("<h2>Numbers</h2>\n{}", numbers(record));
    if let Some(chart) = race_rates(record) {
        body += "<h2>What a learning rate decides</h2>\n";
        let caption = "Final loss of every learning rate that was tried; runs that \
                       diverged have no mark. The level line is the learned optimizer, which has \
                       no rate to choose.";
        body += &figure(&chart, caption)?;
    }
    body += &format!(
        "<h2>Settings</h2>\n{}<h2>Repeat it</h2>\n<pre>{}</pre>\n<footer>lopt {}. The same numbers are in \
         race.json.</footer>\n",
        settings(record, context),
        escape(&context.command),
        env!("CARGO_PKG_VERSION")
    );
    Ok(page::page(&format!("lopt race: {}", record.problem), &body))
}

/// A chart with its legend, drawn for both kinds of screen, of which the page shows one.
fn figure(chart: &Chart, caption: &str) -> Result<String, CliError> {
    let (wide, narrow) = (chart.svg(Screen::Wide)?, chart.svg(Screen::Narrow)?);
    Ok(page::legend(chart) + &page::figure(&wide, &narrow, &escape(caption)))
}

/// A name with its colour.
fn coloured(place: usize, contender: &ContenderRecord) -> String {
    let colour = (place % usize::from(COLOURS)) as u8;
    format!("{}{}", swatch(&contender.name, colour), escape(&contender.name))
}

/// The tables of the terminal, the first without the settings; the best losses underlined.
fn numbers(record: &RaceRecord) -> String {
    let mut first = table::cells(record);
    first.iter_mut().for_each(|row| {
        row.remove(1);
    });
    let losses = 1 + usize::from(table::validated(record));
    let second = table::at_equal_time(record);
    format!(
        "{}<p class=\"summary\">After the last step, means over the seeds; the best are underlined. Seconds are \
         processor time of one run, gradients and optimizer, without the measuring of losses.</p>\n\
         <h3>{}</h3>\n{}<p class=\"summary\">At a quarter, half and all of the time of Adam(1e-3), or else of the \
         fastest contender.</p>\n",
        rows(record, &first, losses),
        escape(&table::at_equal_time_title(record)),
        rows(record, &second, second[0].len() - 1)
    )
}

/// A table with a row per contender.
///
/// * `losses`: so many columns after the first are losses.
fn rows(record: &RaceRecord, cells: &[Vec<String>], losses: usize) -> String {
    let loss = |cell: &str| cell.parse::<f64>().ok().filter(|loss| loss.is_finite());
    let best: Vec<Option<f64>> = (0..=losses)
        .map(|column| cells[1..].iter().filter_map(|row| loss(&row[column])).reduce(f64::min))
        .collect();
    let row = |(index, contender): (usize, &ContenderRecord)| {
        let ours = if contender.name == LEARNED { " class=\"ours\"" } else { "" };
        let cell = |(column, cell): (usize, &String)| {
            let best = best.get(column).copied().flatten();
            format!("<td{}>{}</td>", page::best_class(loss(cell), best), escape(cell))
        };
        let cells: String = cells[index + 1].iter().enumerate().skip(1).map(cell).collect();
        format!("<tr{ours}><td>{}</td>{cells}", coloured(index, contender))
    };
    let head = cells[0].iter().map(String::as_str);
    page::table(head, record.contenders.iter().enumerate().map(row))
}

/// Everything that decides the result.
fn settings(record: &RaceRecord, context: &RaceContext) -> String {
    let mut html = String::from("<dl>\n");
    for (index, contender) in record.contenders.iter().enumerate() {
        let mut setting = contender.setting.clone();
        if let Some(range) = table::grid_text(contender) {
            let count = contender.grid.len();
            setting += &format!("; the best of {count} rates {range} by final loss");
        }
        if let Some(reason) = &contender.diverged {
            setting += &format!("; {reason}");
        }
        let name = coloured(index, contender);
        html += &format!("<dt>{name}</dt><dd>{}</dd>\n", escape(&setting));
    }
    html += "</dl>\n<dl>\n";
    for (term, meaning) in facts(record, context) {
        html += &format!("<dt>{term}</dt><dd>{}</dd>\n", escape(&meaning));
    }
    html + "</dl>\n"
}

/// Facts about the race, in words.
fn facts(record: &RaceRecord, context: &RaceContext) -> Vec<(&'static str, String)> {
    let workload = &context.workload;
    let layout = workload.problem.layout();
    let (parameters, tensors) = (count_text(layout.len()), layout.tensor_count());
    let plural = if tensors == 1 { "" } else { "s" };
    let mut facts = vec![("Model", format!("{parameters} parameters in {tensors} tensor{plural}"))];
    if let (Some(batch), Some(rows)) = (workload.batch, workload.rows) {
        let epochs = record.steps as f64 * batch as f64 / rows as f64;
        let rows = count_text(rows);
        facts.push(("Batches", format!("{batch} of {rows} rows, {epochs:.1} passes in all")));
    }
    if let Some(rows) = workload.measured_rows() {
        let part = if Some(rows) == workload.rows { "all" } else { "the same" };
        let rows = count_text(rows);
        facts.push(("Training loss", format!("measured on {part} {rows} training rows")));
    }
    if let Some(test) = &workload.test {
        facts.push(("Test set", format!("{} rows", count_text(test.len()))));
    }
    facts.push((
        "Fairness",
        "every contender starts from the same parameters and sees the same batches, seed by seed"
            .to_owned(),
    ));
    facts.push((
        "Timing",
        format!(
            "{} runs, {} at a time, each on one thread, {} s in all; runs beside each other slow \
             each other down",
            context.runs,
            context.threads,
            seconds_text(context.elapsed_seconds)
        ),
    ));
    let step_times = record.contenders.iter().map(|contender| {
        let milliseconds = 1e3 * contender.optimizer_seconds / record.steps as f64;
        format!("{} {}", contender.name, seconds_text(milliseconds))
    });
    let step_times = step_times.collect::<Vec<_>>().join(", ");
    facts.push(("Optimizer", format!("milliseconds per step without the gradient: {step_times}")));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::tests::context;
    use crate::report::verdict::tests::record;

    #[test]
    fn the_page_is_whole_and_needs_nothing_else() {
        let html = page(&record(), &context()).unwrap();
        for part in ["<!doctype html>", "</html>", "4.0 times below adam-1e-3", "lopt race toy"] {
            assert!(html.contains(part), "{part}");
        }
        assert_eq!(html.matches("<svg").count(), 6);
        assert!(html.matches("<polyline").count() > 10);
        assert!(html.contains("&lt;loss&gt;") && !html.contains("<loss>"));
        let outside = ["<script", "<link", "src=", "@import", "url("];
        assert!(outside.iter().all(|part| !html.contains(part)));
    }

    #[test]
    fn the_best_of_a_column_is_marked_once() {
        let html = page(&record(), &context()).unwrap();
        assert!(html.contains("<td class=\"best\">0.1000</td>"));
        assert!(!html.contains("<td class=\"best\">0.1100</td>"));
    }
}
