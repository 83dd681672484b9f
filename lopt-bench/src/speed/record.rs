//! The result as data, `--json`.

use lopt_core::simd::Level;
use serde::Serialize;
use serde_json::json;

use super::functions::FUNCTIONS;
use super::machine::{Machine, level_name};
use super::rounds::Measured;
use super::rows::{Row, Wanted};

/// A whole report.
#[derive(Debug, Clone, Serialize)]
pub struct SpeedRecord {
    /// The machine.
    pub machine: Machine,
    /// SIMD level of the rows.
    pub level: String,
    /// One per measured case.
    pub rows: Vec<RowRecord>,
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
        let mut machine = Machine::describe();
        machine.copy_gb_per_s = 1.0 / measured.speeds.copied_byte_ns;
        machine.update_gb_per_s = 1.0 / measured.speeds.updated_byte_ns;
        if let Some(speeds) = measured.speeds.levels.iter().find(|speeds| speeds.level == level) {
            machine.fma_gflop_per_s = speeds.gflop_per_s();
            let functions = FUNCTIONS.iter().zip(speeds.functions);
            machine.function_ns =
                functions.map(|(f, ns)| (f.name().to_owned(), json!(ns))).collect();
        }
        Self { machine, level: level_name(level), rows: shown.map(record).collect() }
    }
}
