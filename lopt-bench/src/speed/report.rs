//! The result for people.

use super::record::{MeasuredMachine, SpeedRecord};
use crate::report::number::count_text;
use crate::report::table::{align, head};

/// Machine and table as plain text.
pub fn render(record: &SpeedRecord) -> String {
    let mut rows = vec![head("row|parameters|threads|ns/parameter|floor|x floor|wall ns|M/s/core")];
    for row in &record.rows {
        rows.push(vec![
            row.name.clone(),
            count_text(row.n),
            row.threads.to_string(),
            format!("{:.2}", row.ns_per_param),
            format!("{:.2}", row.floor_ns_per_param),
            format!("{:.2}", row.ns_per_param / row.floor_ns_per_param),
            format!("{:.2}", row.wall_ns_per_param),
            format!("{:.2}", row.param_steps_per_s_per_core * 1e-6),
        ]);
    }
    format!("{}\n{}", machine(&record.machine, &record.level), align(&rows, 1))
}

/// The machine in a few lines.
fn machine(measured: &MeasuredMachine, level: &str) -> String {
    let functions = measured
        .function_ns
        .iter()
        .map(|(name, ns)| format!("{name} {:.2}", ns.as_f64().unwrap_or(f64::NAN)));
    format!(
        "{}\nlevel {level} of {}\n\
         one core: copies {:.1} GB/s (read + written), in place {:.1} GB/s; {:.1} GFLOP/s\n\
         ns for 16 lanes: {}\n",
        measured.machine,
        measured.levels.join(", "),
        measured.copy_gb_per_s,
        measured.update_gb_per_s,
        measured.fma_gflop_per_s,
        functions.collect::<Vec<_>>().join(", ")
    )
}
