//! `lopt speed`.

use std::io::Write;
use std::path::Path;

use lopt_core::simd::Level;
use serde::Serialize;

use crate::args::SpeedArgs;
use crate::error::CliError;
use crate::output;
use crate::speed::overhead::{curve, report as overhead_report};
use crate::speed::record::SpeedRecord;
use crate::speed::rows::Wanted;
use crate::speed::{report, rounds};

/// Measures, prints the table, writes the JSON file that is asked for.
pub(super) fn run(args: &SpeedArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(device) = &args.device {
        check_json(args.json.as_deref())?;
        return on_device(device, args, out);
    }
    if args.overhead {
        return overhead(args, out);
    }
    let wanted =
        Wanted { config: args.config, only: &args.only, levels: args.levels, quick: args.quick };
    // Everything that can be wrong is looked at before the first measurement.
    wanted.check()?;
    check_json(args.json.as_deref())?;
    let level = Level::detect();
    let mut rows = wanted.rows(level)?;
    let effort = if args.quick { rounds::Effort::QUICK } else { rounds::Effort::FULL };
    let measured = rounds::measure(&mut rows, effort)?;
    let record = SpeedRecord::new(&wanted, level, &rows, &measured);
    write!(out, "{}", report::render(&record))?;
    write_json(args.json.as_deref(), &record, out)
}

/// `lopt speed --device`.
#[cfg(feature = "gpu")]
fn on_device(device: &str, args: &SpeedArgs, out: &mut dyn Write) -> Result<(), CliError> {
    use crate::speed::device;
    use lopt_core::gpu::Runtime;
    let runtime = Runtime::named(device).ok_or_else(|| {
        CliError::Usage(format!("no device is called `{device}`; there are gpu, cuda, wgpu"))
    })?;
    let record = device::measure(runtime, args.config, args.quick)?;
    write!(out, "{}", device::render(&record))?;
    write_json(args.json.as_deref(), &record, out)
}

#[cfg(not(feature = "gpu"))]
fn on_device(device: &str, _: &SpeedArgs, _: &mut dyn Write) -> Result<(), CliError> {
    Err(CliError::Usage(format!(
        "this `lopt` cannot use the device `{device}`: build it with `--features gpu`"
    )))
}

/// `lopt speed --overhead`.
fn overhead(args: &SpeedArgs, out: &mut dyn Write) -> Result<(), CliError> {
    check_json(args.json.as_deref())?;
    let effort = if args.quick { curve::Effort::QUICK } else { curve::Effort::FULL };
    let record = overhead_report::OverheadRecord::measure(args.data.as_deref(), effort)?;
    write!(out, "{}", overhead_report::render(&record))?;
    write_json(args.json.as_deref(), &record, out)
}

fn check_json(path: Option<&Path>) -> Result<(), CliError> {
    path.map_or(Ok(()), output::check_writable)
}

fn write_json(
    path: Option<&Path>,
    record: &impl Serialize,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let Some(path) = path else { return Ok(()) };
    let mut json = serde_json::to_string_pretty(record)?;
    json.push('\n');
    output::write_file(path, json.as_bytes())?;
    writeln!(out, "\nwrote {}", path.display())?;
    Ok(())
}
