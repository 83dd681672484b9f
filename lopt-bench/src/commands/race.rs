//! `lopt race`.

use std::fmt::Write as _;
use std::io::Write;

use crate::args::RaceArgs;
use crate::contender::{Contender, of_race, only};
use crate::error::CliError;
use crate::learned::LearnedSource;
use crate::output::OutputFolder;
use crate::progress::RaceProgress;
use crate::race::{Plan, race};
use crate::record::RaceContext;
use crate::report::{html, table};
use crate::workload::{Size, Workload};

/// Races, prints the table, writes `race.html` and `race.json`.
pub(super) fn run(args: &RaceArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let threads = threads(args.threads)?;
    // Everything that can be wrong is looked at before the first step.
    let size = Size { steps: args.steps, seeds: args.seeds, batch: args.batch };
    let workload = Workload::new(&args.problem, size, args.data.as_deref())?;
    let learned = LearnedSource::load(args.weights.as_deref())?.learned().guarded(args.guard);
    let contenders = only(of_race(learned), &args.only)?;
    let folder = OutputFolder::open(&args.out)?;

    let plan = Plan::new(&contenders);
    let progress = progress(&contenders, &plan, &workload);
    let raced = race(&workload, &contenders, threads, &progress);
    progress.close();
    let record = raced?;

    let context = RaceContext {
        command: command(args, &workload),
        parameters: workload.problem.layout().len(),
        tensors: workload.problem.layout().tensor_count(),
        batch: workload.batch,
        train_rows: workload.train_rows(),
        test_rows: workload.test.as_ref().map(|test| test.len()),
        loss_rows: workload.measured_rows(),
        table_steps: workload.table_steps.clone(),
        runs: plan.runs(workload.seeds),
        threads,
        elapsed_seconds: progress.elapsed_seconds(),
    };
    let page = html::page(&record, &context)?;
    let mut json = serde_json::to_string_pretty(&record)?;
    json.push('\n');
    let json = folder.write("race.json", json.as_bytes())?;
    let page = folder.write("race.html", page.as_bytes())?;
    writeln!(out, "{}", table::render(&record, &context))?;
    writeln!(out, "wrote {} and {}", page.display(), json.display())?;
    Ok(())
}

fn progress(contenders: &[Contender], plan: &Plan, workload: &Workload) -> RaceProgress {
    let names: Vec<(&str, usize)> = contenders
        .iter()
        .map(|contender| (contender.name.as_str(), contender.settings.len() * workload.seeds))
        .collect();
    RaceProgress::new(&names, plan.runs(workload.seeds), workload.steps)
}

/// The asked number of runs at a time, or the cores of the machine.
pub(super) fn threads(asked: Option<usize>) -> Result<usize, CliError> {
    match asked {
        Some(0) => Err(CliError::Usage("--threads must be at least 1, got 0".to_owned())),
        Some(threads) => Ok(threads),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

/// A command line that gives the same race, with the defaults written out.
fn command(args: &RaceArgs, workload: &Workload) -> String {
    let mut text =
        format!("lopt race {} --steps {} --seeds {}", args.problem, workload.steps, workload.seeds);
    // Writing to a string cannot fail.
    if let Some(batch) = workload.batch {
        let _ = write!(text, " --batch {batch}");
    }
    if let Some(data) = &args.data {
        let _ = write!(text, " --data {}", data.display());
    }
    if let Some(weights) = &args.weights {
        let _ = write!(text, " --weights {weights}");
    }
    if args.guard {
        text.push_str(" --guard");
    }
    if !args.only.is_empty() {
        let _ = write!(text, " --only {}", args.only.join(","));
    }
    text
}
