//! Evaluations as plain text: figures and tasks.

use lopt_problems::Task;

use crate::evaluate::baselines::TaskBaselines;
use crate::evaluate::ensemble::EnsembleRecord;
use crate::evaluate::figures::Figures;
use crate::evaluate::record::EvaluationRecord;
use crate::evaluate::statistics::Estimate;
use crate::evaluate::task_record::TaskRecord;
use crate::report::number::{count_text, end_text, rate_text};
use crate::report::table::{align, head};

/// The whole result.
pub fn render(record: &EvaluationRecord) -> String {
    let mut text = format!(
        "{} on the {} suite: {} tasks, {} skipped",
        record.weights,
        record.suite,
        record.tasks.len(),
        record.skipped.len()
    );
    if record.first_seed > 0 {
        text += &format!(", seeds from {} on", record.first_seed);
    }
    let falling = record.still_falling_interval.map_or("-".to_owned(), percent);
    let failures: usize = record.tasks.iter().map(|task| task.failures).sum();
    let runs: usize = record.tasks.iter().map(|task| task.runs).sum();
    format!(
        "{text}\n\n{}\n95% bootstrap intervals over tasks\n\n{}\nstill falling at 25 horizons: {falling}\n\
         failures: {failures} of {runs} ends of runs\n",
        tasks(record),
        figures(record)
    )
}

/// Every entry of an ensemble, and the shares that are won.
pub fn ensemble(record: &EnsembleRecord) -> String {
    let mut rows = vec![head("problem|set|parameters|ours|adam|rmsprop")];
    rows.extend(record.entries.iter().map(|entry| {
        let [ours, adam, rmsprop] =
            [entry.ours, entry.adam, entry.rmsprop].map(|value| format!("{value:.2}"));
        let (name, set) = (entry.problem.clone(), entry.set.clone());
        vec![name, set, count_text(entry.parameters), ours, adam, rmsprop]
    }));
    let percent = |part: f64| format!("{:.0} %", 100.0 * part);
    format!(
        "{} on the ensemble {}: {} entries, ln(loss / first loss) after {} steps, {} seeds\n\n\
         {}\nas good or better than Adam({}): {}, than RMSProp({}): {}, than both: {}\n",
        record.weights,
        record.ensemble,
        record.entries.len(),
        record.steps,
        record.seeds,
        align(&rows, 2),
        rate_text(record.adam_rate),
        percent(record.win_rate_vs_adam),
        rate_text(record.rmsprop_rate),
        percent(record.win_rate_vs_rmsprop),
        percent(record.win_rate_vs_both),
    )
}

/// Sizes, cost and best settings of the baselines.
pub fn baselines(tasks: &[Task], baselines: &[TaskBaselines]) -> String {
    let mut rows = vec![head("task|family|parameters|batch|steps|to|seeds|ms/step|s")];
    for (task, baselines) in tasks.iter().zip(baselines) {
        let milliseconds = 1e3 * baselines.core_seconds / baselines.steps.max(1) as f64;
        rows.push(vec![
            task.name.to_owned(),
            task.family.to_string(),
            count_text(task.problem.layout().len()),
            batch_text(task.batch),
            task.steps.to_string(),
            format!("{}x", task.longest),
            baselines.seeds.len().to_string(),
            format!("{milliseconds:.3}"),
            format!("{:.0}", baselines.core_seconds),
        ]);
    }
    let all: f64 = baselines.iter().map(|baselines| baselines.core_seconds).sum();
    format!("{}\nall baselines: {:.1} core-minutes\n", align(&rows, 2), all / 60.0)
}

/// One line per task.
fn tasks(record: &EvaluationRecord) -> String {
    let mut header = head(
        "task|parameters|batch|steps|ours|adam 1e-3|elsewhere|tuned|cosine|faster 1e-3|faster tuned",
    );
    for rate in record.by_rate.iter().filter_map(|rate| rate.initial_rate) {
        header.push(format!("from {}", rate_text(rate)));
    }
    header.extend(head("failed|falling"));
    let mut rows = vec![header];
    rows.extend(record.tasks.iter().map(task_row));
    align(&rows, 1)
}

fn task_row(task: &TaskRecord) -> Vec<String> {
    let with_rate = |value, rate| format!("{} ({})", end_text(value), rate_text(rate));
    let mut row = vec![
        task.task.clone(),
        count_text(task.parameters),
        batch_text(task.batch),
        task.steps.to_string(),
        end_text(task.loss),
        end_text(task.adam_1e3_loss),
        task.cross_family_rate.map_or("-".to_owned(), |r| with_rate(task.cross_family_loss, r)),
        with_rate(task.tuned_loss, task.tuned_rate),
        with_rate(task.tuned_cosine_loss, task.tuned_cosine_rate),
        format!("{:.2}", task.speedup_vs_adam_1e3),
        format!("{:.2}", task.speedup_vs_tuned_adam),
    ];
    row.extend(task.losses_by_rate.iter().copied().map(end_text));
    row.push(format!("{}/{}", task.failures, task.runs));
    let falling = task.still_falling_at_25x.map(|part| format!("{:.0}%", 100.0 * part));
    row.push(falling.unwrap_or("-".to_owned()));
    row
}

/// One line per horizon and initial rate.
fn figures(record: &EvaluationRecord) -> String {
    let mut rows = vec![head(
        "runs|wins 1e-3|wins elsewhere|wins tuned|wins cosine|speed-up 1e-3|speed-up tuned|loss ratio tuned|failures",
    )];
    for horizon in &record.by_horizon {
        rows.push(figures_row(&format!("{}x", horizon.multiple), &horizon.figures));
    }
    for rate in &record.by_rate {
        if let Some(initial) = rate.initial_rate {
            rows.push(figures_row(&format!("from {}", rate_text(initial)), &rate.figures));
        }
    }
    align(&rows, 1)
}

fn figures_row(name: &str, figures: &Figures) -> Vec<String> {
    let part = |estimate: Option<Estimate>| estimate.map_or("-".to_owned(), percent);
    let number = |estimate: Option<Estimate>| {
        estimate.map_or("-".to_owned(), |e| format!("{:.2} [{:.2} {:.2}]", e.value, e.low, e.high))
    };
    vec![
        name.to_owned(),
        part(figures.win_rate_vs_adam_1e3),
        part(figures.win_rate_vs_cross_family_adam),
        part(figures.win_rate_vs_tuned_adam),
        part(figures.win_rate_vs_tuned_cosine_adam),
        number(figures.speedup_iqm_vs_adam_1e3),
        number(figures.speedup_iqm_vs_tuned_adam),
        number(figures.final_loss_ratio_iqm_vs_tuned_adam),
        part(figures.failure_rate),
    ]
}

fn percent(estimate: Estimate) -> String {
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|x| 100.0 * x);
    format!("{value:.0}% [{low:.0} {high:.0}]")
}

fn batch_text(batch: Option<usize>) -> String {
    batch.map_or("full".to_owned(), |batch| batch.to_string())
}
