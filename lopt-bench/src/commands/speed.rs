//! `lopt speed`.

use std::io::Write;

use lopt_core::simd::Level;
use lopt_meta::config::named_config;

use crate::args::SpeedArgs;
use crate::error::CliError;
use crate::output::{check_writable, write_json};
use crate::speed::overhead::{curve, report as overhead_report};
use crate::speed::record::SpeedRecord;
use crate::speed::rows::{NAMES, Wanted};
use crate::speed::{report, rounds};
use crate::suggest::refuse_strangers;

/// Measures, prints the table, writes the JSON file that is asked for.
pub(super) fn run(args: &SpeedArgs, out: &mut dyn Write) -> Result<(), CliError> {
    args.json.as_deref().map_or(Ok(()), check_writable)?;
    if let Some(device) = &args.device {
        return on_device(device, args, out);
    }
    if args.overhead {
        return overhead(args, out);
    }
    let wanted = Wanted {
        name: &args.config,
        config: named_config(&args.config).map_err(CliError::failed)?,
        only: &args.only,
        levels: args.levels,
        quick: args.quick,
    };
    // Everything that can be wrong is looked at before the first measurement.
    refuse_strangers("row", wanted.only, NAMES)?;
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
    let runtime = match device {
        "gpu" => Runtime::Any,
        "cuda" => Runtime::Cuda,
        "wgpu" => Runtime::Wgpu,
        _ => {
            let sentence = format!("no device is called `{device}`; there are gpu, cuda, wgpu");
            return Err(CliError::Usage(sentence));
        }
    };
    let config = named_config(&args.config).map_err(CliError::failed)?;
    let record = device::measure(runtime, &config, args.quick)?;
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
    let effort = if args.quick { curve::Effort::QUICK } else { curve::Effort::FULL };
    let record = overhead_report::OverheadRecord::measure(args.data.as_deref(), effort)?;
    write!(out, "{}", overhead_report::render(&record))?;
    write_json(args.json.as_deref(), &record, out)
}
