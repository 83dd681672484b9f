//! The table on the terminal.

use crate::race::{ContenderRecord, RaceContext, RaceRecord};
use crate::report::number::{count_text, end_text, percent_text, rate_text, seconds_text};
use crate::report::verdict::verdict;

/// The whole result as plain text.
pub fn render(record: &RaceRecord, context: &RaceContext) -> String {
    let mut text = format!("{}\n\n", summary(record, context));
    text.push_str(&align(&cells(record), 2));
    text += &format!("\n{}\n\n", at_equal_time_title(record));
    text += &align(&at_equal_time(record), 1);
    for contender in &record.contenders {
        if let Some(reason) = &contender.diverged {
            text += &format!("\n{}: {reason}", contender.name);
        }
    }
    format!("{}\n", format!("{text}\n{}", verdict(record)).trim_end())
}

/// The first row of a table, from names with bars between them.
pub fn head(names: &str) -> Vec<String> {
    names.split('|').map(str::to_owned).collect()
}

/// Rows of equal length as lines: the first `names` columns to the left, numbers to the right.
pub fn align(rows: &[Vec<String>], names: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cell = |(column, (cell, &width)): (usize, (&String, &usize))| match column < names {
            true => format!("{cell:<width$}  "),
            false => format!("{cell:>width$}  "),
        };
        let line: String = row.iter().zip(&widths).enumerate().map(cell).collect();
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// One line about the problem.
pub fn summary(record: &RaceRecord, context: &RaceContext) -> String {
    let workload = &context.workload;
    let batch = workload.batch.map_or("exact gradients".to_owned(), |b| format!("batches of {b}"));
    let rows = match (workload.measured_rows(), workload.rows) {
        (Some(shown), Some(all)) if shown < all => {
            format!("; loss on {} of {} training rows", count_text(shown), count_text(all))
        }
        (_, Some(all)) => format!("; loss on all {} training rows", count_text(all)),
        _ => String::new(),
    };
    format!(
        "{}: {} parameters, {batch}, {} steps, {} seed{}{rows}",
        record.problem,
        count_text(workload.problem.layout().len()),
        record.steps,
        record.seeds,
        if record.seeds == 1 { "" } else { "s" },
    )
}

/// Header and one row per contender: what it has after the last step.
pub fn cells(record: &RaceRecord) -> Vec<Vec<String>> {
    let validated = validated(record);
    let accuracy = record.contenders.iter().any(|contender| contender.test_accuracy.is_some());
    let mut header = vec!["contender", "setting", "training loss"];
    header.extend(validated.then_some("validation loss"));
    header.extend(accuracy.then_some("accuracy"));
    header.push("seconds");
    let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
    for contender in &record.contenders {
        let mut row = vec![contender.name.clone(), short_setting(contender)];
        row.push(end_text(contender.final_train_loss));
        row.extend(validated.then(|| end_text(contender.final_validation_loss)));
        row.extend(accuracy.then(|| contender.test_accuracy.map_or("-".to_owned(), percent_text)));
        row.push(seconds_text(contender.seconds));
        rows.push(row);
    }
    rows
}

/// Whether the losses that count are those on a test set.
pub fn validated(record: &RaceRecord) -> bool {
    record.contenders.iter().any(|contender| !contender.validation_curve.is_empty())
}

/// Heading of [`at_equal_time`].
pub fn at_equal_time_title(record: &RaceRecord) -> String {
    let what = if validated(record) { "Validation" } else { "Training" };
    format!("{what} loss after the same processor time:")
}

/// Header and one row per contender: the loss that counts after a quarter, half and all of the time
/// that Adam(1e-3) takes, or else the fastest contender.
pub fn at_equal_time(record: &RaceRecord) -> Vec<Vec<String>> {
    let seconds = record.contenders.iter().map(|contender| contender.seconds);
    let fastest = seconds.fold(f64::INFINITY, f64::min);
    let whole = record.contender("adam-1e-3").map_or(fastest, |adam| adam.seconds);
    let times = [0.25, 0.5, 1.0].map(|part| part * whole);
    let mut header = vec!["contender".to_owned()];
    header.extend(times.iter().map(|&time| format!("{} s", seconds_text(time))));
    let mut rows = vec![header];
    for contender in &record.contenders {
        let loss = |&time: &f64| end_text(contender.loss_after(time, record.steps));
        rows.push(std::iter::once(contender.name.clone()).chain(times.iter().map(loss)).collect());
    }
    rows
}

/// The first words of the setting, and out of how many it was chosen.
fn short_setting(contender: &ContenderRecord) -> String {
    let first = contender.setting.split(',').next().unwrap_or_default();
    match contender.tuned {
        true => format!("{first}, best of {}", contender.grid.len()),
        false => first.to_owned(),
    }
}

/// `1e-5 to 1e-1`, the range of a grid.
pub fn grid_text(contender: &ContenderRecord) -> Option<String> {
    let (first, last) = (contender.grid.first()?, contender.grid.last()?);
    Some(format!("{} to {}", rate_text(first.rate), rate_text(last.rate)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::verdict::tests::record;
    use crate::workload::{Size, Workload};

    pub(crate) fn context() -> RaceContext {
        let size = Size { steps: Some(100), seeds: 2, ..Size::default() };
        RaceContext {
            command: "lopt race toy".to_owned(),
            workload: Workload::new("digits-mlp", size, None).unwrap(),
            runs: 42,
            threads: 2,
            elapsed_seconds: 12.5,
        }
    }

    #[test]
    fn columns_line_up() {
        let text = render(&record(), &context());
        let expected = "\
toy: 17 098 parameters, batches of 64, 100 steps, 2 seeds; loss on 2 048 of 4 000 training rows

contender     setting               training loss  validation loss  accuracy  seconds
lopt          rate 1e-3                    0.1100           0.2200   90.00 %     1.50
";
        assert!(text.starts_with(expected), "{text}");
        let expected = "
Validation loss after the same processor time:

contender     0.38 s  0.75 s  1.50 s
lopt          0.6168  0.4108  0.2200
";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("\nsgd-momentum: 1 of 2 runs: <loss> at step 3\n"), "{text}");
    }
}
