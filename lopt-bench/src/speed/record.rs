//! The result as data, `--json`.

use lopt_core::simd::Level;
use lopt_simd::throughput::FUNCTIONS;
use serde::Serialize;
use serde_json::json;

use super::floor::LevelSpeeds;
use super::machine::{Machine, level_name, levels};
use super::rounds::Measured;
use super::rows::{Row, Wanted};

/// A whole report.
#[derive(Debug, Clone, Serialize)]
pub struct SpeedRecord {
    /// The machine.
    pub machine: MeasuredMachine,
    /// SIMD level of the rows.
    pub level: String,
    /// One per measured case.
    pub rows: Vec<RowRecord>,
}

/// The machine and its speeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredMachine {
    /// What it is.
    #[serde(flatten)]
    pub machine: Machine,
    /// SIMD levels this CPU can run.
    pub levels: Vec<String>,
    /// Bytes read and written per second by a plain copy that leaves the caches, in 1e9.
    pub copy_gb_per_s: f64,
    /// The same by a pass in place, which fetches no line only to overwrite it.
    pub update_gb_per_s: f64,
    /// Multiply-adds, two operations each, of one core at the level of the report, in 1e9 per
    /// second.
    pub fma_gflop_per_s: f64,
    /// Nanoseconds of the elementary functions for 16 lanes, by name.
    pub function_ns: serde_json::Map<String, serde_json::Value>,
}

/// One row.
#[derive(Debug, Clone, Serialize)]
pub struct RowRecord {
    /// What was timed.
    pub name: String,
    /// Parameters.
    pub n: usize,
    /// Threads.
    pub threads: usize,
    /// CPU time per parameter and step.
    pub ns_per_param: f64,
    /// What the machine allows, see [`floor`](super::floor).
    pub floor_ns_per_param: f64,
    /// `1e9 / ns_per_param`.
    pub param_steps_per_s_per_core: f64,
    /// Time on the wall per parameter, for the table.
    #[serde(skip)]
    pub wall_ns_per_param: f64,
}

impl SpeedRecord {
    /// Puts measurements and floors together.
    pub fn new(wanted: &Wanted<'_>, level: Level, rows: &[Row], measured: &Measured) -> Self {
        let all = rows.iter().zip(measured.cpu_ns.iter().zip(&measured.wall_ns));
        let shown = all.filter(|(row, _)| wanted.shows(&row.name));
        let record = |(row, (&cpu, &wall)): (&Row, (&f64, &f64))| RowRecord {
            name: row.name.clone(),
            n: row.n,
            threads: row.threads,
            ns_per_param: cpu,
            floor_ns_per_param: measured.speeds.floor_ns(&row.needs),
            param_steps_per_s_per_core: 1e9 / cpu,
            wall_ns_per_param: wall,
        };
        let speeds = measured.speeds.levels.iter().find(|speeds| speeds.level == level);
        let function_ns = speeds.map_or_else(serde_json::Map::new, |speeds| {
            let functions = FUNCTIONS.iter().zip(speeds.functions);
            functions.map(|(f, ns)| ((*f).to_owned(), json!(ns))).collect()
        });
        let machine = MeasuredMachine {
            machine: Machine::describe(),
            levels: levels().into_iter().map(level_name).collect(),
            copy_gb_per_s: 1.0 / measured.speeds.copied_byte_ns,
            update_gb_per_s: 1.0 / measured.speeds.updated_byte_ns,
            fma_gflop_per_s: speeds.map_or(0.0, LevelSpeeds::gflop_per_s),
            function_ns,
        };
        Self { machine, level: level_name(level), rows: shown.map(record).collect() }
    }
}
