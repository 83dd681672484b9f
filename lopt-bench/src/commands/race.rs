//! `lopt race`.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::slice;

use crate::args::RaceArgs;
use crate::contender::{of_race, only};
use crate::error::CliError;
use crate::output::{OutputFolder, json_text};
use crate::parallel::threads;
use crate::race::{RaceContext, RaceRecord};
use crate::report::{html, table};
use crate::runs::{jobs, run_all};
use crate::setting::Learned;
use crate::timing::{Clock, Stopwatch};
use crate::weights_source::WeightsSource;
use crate::workload::{Size, Workload};

/// Races, prints the table, writes `race.html` and `race.json`.
pub(super) fn run(args: &RaceArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let threads = threads(args.threads);
    // Everything that can be wrong is looked at before the first step.
    let (steps, seeds, batch) = (args.steps, args.seeds, args.batch);
    let size = Size { steps, seeds, batch, measured_rows: None };
    let mut workload = Workload::new(&args.problem, size, args.data.as_deref())?;
    workload.validated = true;
    let learned = WeightsSource::load(args.weights.as_deref())?.learned();
    let learned = Learned { guard: args.guard, ..learned };
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
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    for (flag, value) in [
        ("batch", workload.batch.map(|batch| batch.to_string())),
        ("data", path(&args.data)),
        ("weights", path(&args.weights)),
    ] {
        if let Some(value) = value {
            text += &format!(" --{flag} {}", quoted(value));
        }
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
