//! The commands: what each of them reads, does and prints.

mod bench;
mod evaluate;
#[cfg(feature = "mpi")]
mod fault_injection;
mod problems;
mod race;
mod report;
mod speed;
mod train;
#[cfg(feature = "mpi")]
mod train_distributed;
mod weights;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use lopt_core::simd::Level;

use crate::args::{Cli, Command, WeightsCommand};
use crate::error::CliError;
use crate::output::{Printable, say};

/// Runs the command line of this process.
///
/// Results go to standard output; progress and, if something is wrong, one sentence go to standard
/// error. The exit code is 0, 1 for a command that failed, or 2 for one that was typed wrongly.
pub fn main() -> ExitCode {
    let parsed = patient(Cli::command()).try_get_matches();
    let result = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => run(cli, &mut Printable(io::stdout().lock())),
        Err(error) if wants_help(&error) => {
            return match error.print() {
                Ok(()) if error.use_stderr() => ExitCode::from(2),
                _ => ExitCode::SUCCESS,
            };
        }
        Err(error) => Err(CliError::Usage(sentence(&error))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `lopt problems | head` is no failure.
        Err(CliError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs a command; what it finds out is written to `out`.
///
/// # Errors
///
/// If the command fails; the error is a sentence.
pub fn run(cli: Cli, out: &mut dyn Write) -> Result<(), CliError> {
    // Everything below detects the level itself, and would ignore a variable it cannot follow.
    Level::from_env().map_err(CliError::Level)?;
    match cli.command {
        // Without a command the arguments of a race are its defaults.
        None => run(Cli::parse_from(["lopt", "race"]), out),
        Some(Command::Race(args)) => race::run(&args, out),
        Some(Command::Problems { filter, data }) => problems::run(&filter, data.as_deref(), out),
        Some(Command::Weights(WeightsCommand::Inspect { weights })) => {
            weights::inspect(&weights, out)
        }
        Some(Command::Weights(WeightsCommand::SetRate(args))) => weights::set_rate(&args, out),
        Some(Command::Weights(WeightsCommand::Extract(args))) => weights::extract(&args, out),
        Some(Command::Weights(WeightsCommand::Average(args))) => weights::average(&args, out),
        Some(Command::Train(args)) => train::run(&args, out),
        Some(Command::Speed(args)) => speed::run(&args, out),
        Some(Command::Evaluate(args)) => evaluate::run(&args, out),
        Some(Command::Bench(args)) => bench::run(&args, out),
        Some(Command::Report { records, out: folder }) => report::run(&records, &folder, out),
    }
}

fn wants_help(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Takes `-1` for a number where one is read, and an empty variable of the environment for none.
fn patient(command: clap::Command) -> clap::Command {
    let argument = |argument: clap::Arg| {
        let value = argument.get_env().and_then(std::env::var_os);
        let valued = argument.get_action().takes_values();
        let argument = argument.allow_negative_numbers(valued);
        if value.is_some_and(|value| value.is_empty()) {
            argument.env(None::<&str>)
        } else {
            argument
        }
    };
    command.mut_args(argument).mut_subcommands(patient)
}

/// What clap has to say, without its paragraphs about usage.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let complaint = words(paragraphs.next().unwrap_or_default());
    let complaint = complaint.strip_prefix("error: ").unwrap_or(&complaint).to_owned();
    match paragraphs.find(|paragraph| paragraph.trim_start().starts_with("tip:")) {
        Some(tip) => format!("{complaint} ({})", words(tip).replacen("tip: ", "", 1)),
        None => format!("{complaint} (see `lopt --help`)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command line is refused for; none if it is understood.
    fn refusal(words: &[&str]) -> Option<String> {
        let words = std::iter::once("lopt").chain(words.iter().copied());
        patient(Cli::command()).try_get_matches_from(words).err().map(|error| sentence(&error))
    }

    #[test]
    fn absurd_numbers_are_refused_by_every_flag() {
        let evaluate = ["evaluate", "w", "--suite", "quick"];
        let train = ["train", "--out", "x"];
        let flags: [(&[&str], &str); 14] = [
            (&["race"], "--steps"),
            (&["race"], "--seeds"),
            (&["race"], "--batch"),
            (&["race"], "--threads"),
            (&["bench", "fig3"], "--threads"),
            (&evaluate, "--steps"),
            (&evaluate, "--seeds"),
            (&evaluate, "--threads"),
            (&evaluate, "--rates"),
            (&["evaluate", "w", "--ensemble", "paper"], "--most-parameters"),
            (&train, "--updates"),
            (&train, "--threads"),
            (&["train", "--out", "x", "--distributed", "async"], "--patience"),
            (&["weights", "set-rate", "w", "--out", "x"], "--rate"),
        ];
        let absurd = [
            "nan",
            "inf",
            "-inf",
            "1e999",
            "99999999999999999999",
            "",
            "many",
            "1,,2",
            "-1",
            "-0.5",
        ];
        for (command, flag) in flags {
            assert_eq!(refusal(&[command, &[flag, "1"]].concat()), None, "{command:?} {flag}");
            // a rate may be large
            let numbers = absurd
                .iter()
                .filter(|value| !(flag.starts_with("--rate") && value.starts_with("999")));
            for value in numbers {
                let given = format!("{flag}={value}");
                let words = [command, &[given.as_str()]].concat();
                let sentence = refusal(&words).unwrap_or_else(|| panic!("{words:?} is understood"));
                assert!(sentence.contains(flag) && sentence.lines().count() == 1, "{sentence}");
            }
            for value in ["-1", "-0.5"] {
                let sentence = refusal(&[command, &[flag, value]].concat()).unwrap();
                assert!(sentence.starts_with("invalid value '-"), "{sentence}");
            }
        }
    }
}
