//! `lopt speed --device`: the step on a GPU beside a copy and Adam on the same one.

use lopt_core::gpu::{Client, DeviceError, DeviceLearnedOptimizer, Runtime, copy, cubecl};
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::weights::{OptimizerConfig, TrainingRecord};
use lopt_core::{
    BuildError, HierarchicalRnnConfig, Layout, LearnedOptimizerConfig, RelativeRnnConfig, Weights,
};
use serde::Serialize;

use super::device_adam::DeviceAdam;
use super::operations::ADAM_BYTES;
use super::rounds::median;
use super::rows::{many_tensors, single};
use crate::error::CliError;
use crate::report::number::count_text;
use crate::report::table::{align, head};
use crate::timing::{Clock, Stopwatch};

/// Bytes that a copy reads and writes per float.
const COPY_BYTES: f64 = 8.0;

/// The result as data.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceRecord {
    /// Runtime and kind of shaders.
    pub runtime: String,
    /// One per measured case.
    pub rows: Vec<DeviceRow>,
}

/// One row.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceRow {
    /// What was timed.
    pub name: String,
    /// Parameters.
    pub n: usize,
    /// Time on the wall per parameter and step.
    pub ns_per_param: f64,
    /// Bytes that a step must read and write per parameter.
    pub bytes_per_param: f64,
    /// `bytes_per_param / ns_per_param`.
    pub gb_per_s: f64,
    /// Of the bandwidth of the copy of as many floats.
    pub of_copy: f64,
    /// Time in units of Adam's with as many parameters.
    pub adams: f64,
}

/// Times all rows on the first device of a runtime.
///
/// # Errors
///
/// If there is none, or it fails.
pub fn measure(
    runtime: Runtime,
    config: &HierarchicalRnnConfig,
    quick: bool,
) -> Result<DeviceRecord, CliError> {
    let client = runtime.client().map_err(CliError::failed)?;
    let sizes = if quick { [100_000, 10_000] } else { [10_000_000, 1_000_000] };
    let mut layouts = Vec::new();
    for n in sizes {
        layouts.push(("step", single(n)?));
    }
    layouts.push(("step-many-tensors", many_tensors()?));
    let mut rows = Vec::new();
    for (name, layout) in &layouts {
        rows.extend(
            measure_layout(&client, name, config, layout, quick).map_err(CliError::failed)?,
        );
    }
    Ok(DeviceRecord { runtime: client.name().to_owned(), rows })
}

/// Copy, Adam and the steps of both learned optimizers over one layout, in turn, so that noise hits all alike.
fn measure_layout(
    client: &Client,
    name: &str,
    config: &HierarchicalRnnConfig,
    layout: &Layout,
    quick: bool,
) -> Result<[DeviceRow; 4], DeviceError> {
    let n = layout.len();
    let psi = MetaLayout::new(config).initialize(config, &mut stream(0, &[]));
    let mut learned = untrained(client, layout, *config, &psi)?;
    let sizes = RelativeRnnConfig::recommended();
    let psi = sizes.initialize(&mut stream(0, &[]));
    let mut relative = untrained(client, layout, sizes, &psi)?;
    let mut adam = DeviceAdam::new(client, n, 1e-3);
    let [params, grads, others] = [0.5, 0.1, 0.5].map(|x| learned.upload(&vec![x; n]));
    let (params, grads, others) = (params?, grads?, others?);
    let (rounds, seconds) = if quick { (3, 0.05) } else { (9, 0.3) };
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        times[0].push(time(client, seconds, || {
            copy(client, &grads, &others, n);
            Ok(())
        })?);
        times[1].push(time(client, seconds, || adam.step(&others, &grads))?);
        times[2].push(time(client, seconds, || learned.step(&params, &grads, &[]))?);
        times[3].push(time(client, seconds, || relative.step(&params, &grads, &[]))?);
    }
    let [copied, adams, steps, relatives] = times.map(|times| median(times) * 1e9 / n as f64);
    let bytes = |optimizer: &DeviceLearnedOptimizer| optimizer.bytes_moved() as f64 / n as f64;
    let row = |name: &str, ns: f64, bytes: f64| DeviceRow {
        name: name.to_owned(),
        n,
        ns_per_param: ns,
        bytes_per_param: bytes,
        gb_per_s: bytes / ns,
        of_copy: bytes / ns / (COPY_BYTES / copied),
        adams: ns / adams,
    };
    Ok([
        row("copy", copied, COPY_BYTES),
        row("adam", adams, ADAM_BYTES),
        row(name, steps, bytes(&learned)),
        row(&name.replace("step", "relative"), relatives, bytes(&relative)),
    ])
}

/// The optimizer on a device, with these meta-parameters.
fn untrained(
    client: &Client,
    layout: &Layout,
    config: impl Into<OptimizerConfig>,
    psi: &[f64],
) -> Result<DeviceLearnedOptimizer, DeviceError> {
    let psi = psi.iter().map(|&x| x as f32).collect();
    let weights = Weights::new(config, psi, TrainingRecord::default()).map_err(BuildError::from)?;
    let config = LearnedOptimizerConfig::new().with_weights(weights).with_guard(None);
    config.init_on_device(client, layout)
}

/// Seconds of one run among as many as take `seconds`; the first one, which may compile, is not
/// counted.
fn time(
    client: &Client,
    seconds: f64,
    mut run: impl FnMut() -> Result<(), DeviceError>,
) -> Result<f64, DeviceError> {
    run()?;
    wait(client)?;
    let mut count = 1_u32;
    loop {
        let watch = Stopwatch::start(Clock::Wall);
        for _ in 0..count {
            run()?;
        }
        wait(client)?;
        let elapsed = watch.seconds();
        if elapsed >= seconds {
            return Ok(elapsed / f64::from(count));
        }
        count = count.saturating_mul(2);
    }
}

/// Waits until everything given to the device is done.
fn wait(client: &Client) -> Result<(), DeviceError> {
    cubecl::future::block_on(client.sync()).map_err(|error| DeviceError::Device(error.to_string()))
}

/// The result for people.
pub fn render(record: &DeviceRecord) -> String {
    let mut rows = vec![head("row|parameters|ns/parameter|bytes/parameter|GB/s|of copy|x Adam")];
    for row in &record.rows {
        rows.push(vec![
            row.name.clone(),
            count_text(row.n),
            format!("{:.3}", row.ns_per_param),
            format!("{:.0}", row.bytes_per_param),
            format!("{:.1}", row.gb_per_s),
            format!("{:.0} %", 100.0 * row.of_copy),
            format!("{:.1}", row.adams),
        ]);
    }
    format!("runtime {}\n\n{}", record.runtime, align(&rows, 1))
}
