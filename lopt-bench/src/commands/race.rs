//! `lopt race`.

use std::fmt::Display;
use std::io::Write;
use std::slice;

use crate::args::RaceArgs;
use crate::contender::{of_race, only};
use crate::error::CliError;
use crate::output::{OutputFolder, json_text};
use crate::parallel::threads;
use crate::race::{RaceContext, RaceRecord};
use crate::report::{html, table};
use crate::runs::{jobs, run_all};
use crate::timing::{Clock, Stopwatch};
use crate::weights_source::WeightsSource;
use crate::workload::{Size, Workload};

/// Races, prints the table, writes `race.html` and `race.json`.
pub(super) fn run(args: &RaceArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let threads = threads(args.threads);
    // Everything that can be wrong is looked at before the first step.
    let size = Size { steps: args.steps, seeds: args.seeds, batch: args.batch };
    let workload = Workload::new(&args.problem, size, args.data.as_deref())?.validated();
    let learned = WeightsSource::load(args.weights.as_deref())?.learned().guarded(args.guard);
    let contenders = only(of_race(learned), &args.only)?;
    let folder = OutputFolder::open(&args.out)?;

    let jobs = jobs(slice::from_ref(&workload), &contenders);
    let watch = Stopwatch::start(Clock::Wall);
    let runs = run_all("race", &jobs, threads, |_, run| Ok(run))?;
    let record = RaceRecord::new(&workload, &contenders, &runs);

    let context = RaceContext {
        command: command(args, &workload),
        workload: workload.clone(),
        runs: jobs.len(),
        threads,
        elapsed_seconds: watch.seconds(),
    };
    let page = html::page(&record, &context)?;
    let json = folder.write("race.json", json_text(&record)?.as_bytes())?;
    let page = folder.write("race.html", page.as_bytes())?;
    writeln!(out, "{}", table::render(&record, &context))?;
    writeln!(out, "wrote {} and {}", page.display(), json.display())?;
    Ok(())
}

/// A command line that gives the same race, with the defaults written out.
fn command(args: &RaceArgs, workload: &Workload) -> String {
    let (problem, steps, seeds) = (quoted(&args.problem), workload.steps, workload.seeds);
    let mut text = format!("lopt race {problem} --steps {steps} --seeds {seeds}");
    if let Some(batch) = workload.batch {
        text += &format!(" --batch {batch}");
    }
    if let Some(data) = &args.data {
        text += &format!(" --data {}", quoted(data.display()));
    }
    if let Some(weights) = &args.weights {
        text += &format!(" --weights {}", quoted(weights.display()));
    }
    if args.guard {
        text.push_str(" --guard");
    }
    if !args.only.is_empty() {
        text += &format!(" --only {}", quoted(args.only.join(",")));
    }
    text
}

/// A word as a shell reads it.
fn quoted(word: impl Display) -> String {
    let word = word.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,@+:=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
