//! `lopt bench`.

use std::io::Write;

use crate::args::BenchArgs;
use crate::error::CliError;
use crate::experiment::claim::Finding;
use crate::experiment::definition::{Kind, named};
use crate::experiment::findings::Findings;
use crate::experiment::run::{Options, check_experiment, run_experiment};
use crate::parallel::threads;
use crate::report::number::{end_text, seconds_text};
use crate::report::table::{align, head};
use crate::timing::{Clock, Stopwatch};

/// Runs one experiment or all, prints what each of them reached and shows.
pub(super) fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let definitions = named(&args.name)?;
    let options = Options {
        quick: args.quick,
        out: &args.out,
        data: args.data.as_deref(),
        cache: &args.cache,
        threads: threads(args.threads),
    };
    for definition in &definitions {
        check_experiment(definition, &options)?;
    }
    for definition in &definitions {
        let watch = Stopwatch::start(Clock::Wall);
        run_experiment(definition, &options)?;
        let folder = args.out.join(&definition.name);
        let found = Findings::read(&folder, definition)?;
        writeln!(out, "{}: {}", definition.name, definition.title)?;
        if definition.kind == Kind::Races {
            write!(out, "\n{}", table(&found))?;
        }
        for figures in &found.field {
            write!(out, "\n{}", figures.render())?;
        }
        writeln!(out)?;
        for finding in found.claims() {
            writeln!(out, "{}", sentence(&finding))?;
        }
        let seconds = seconds_text(watch.seconds());
        writeln!(out, "\nwrote {} in {seconds} s\n", folder.display())?;
    }
    Ok(())
}

/// Final losses by workload and contender.
fn table(found: &Findings) -> String {
    let results = found.results();
    let mut rows = vec![head("contender|setting of the last")];
    rows[0].extend(results.workloads.iter().map(|&name| name.to_owned()));
    for (place, &contender) in results.contenders.iter().enumerate() {
        let cells = results.cells.iter().map(|cells| &cells[place]);
        let setting = cells.clone().next_back().map_or("", |cell| cell.setting).to_owned();
        let mut row = vec![contender.to_owned(), setting];
        row.extend(cells.map(|cell| end_text(cell.mean_last())));
        rows.push(row);
    }
    align(&rows, 2)
}

/// A claim with its figure.
pub(super) fn sentence(finding: &Finding) -> String {
    let figure = finding.figure.map_or("no data".to_owned(), |f| {
        format!("{:.3} [{:.3}, {:.3}], {}", f.value, f.low, f.high, finding.bound)
    });
    format!("{:>9}: {} ({figure})", finding.verdict.words(), finding.text)
}
