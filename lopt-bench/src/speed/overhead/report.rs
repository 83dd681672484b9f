//! The curves for people, and as data.

use std::path::Path;

use lopt_core::simd::Level;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Effort, measure};
use super::fit::Crossing;
use super::tasks;
use crate::error::CliError;
use crate::parallel::pool;
use crate::report::number::count_text;
use crate::report::table::{align, head};
use crate::speed::machine::{Machine, level_name};

/// All curves, `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OverheadRecord {
    /// The machine.
    pub machine: Machine,
    /// SIMD level of the learned step.
    pub level: String,
    /// One per model.
    pub curves: Vec<Curve>,
}

impl OverheadRecord {
    /// Measures the curves of all models, on one thread: its CPU time is then the wall clock of an
    /// idle core.
    ///
    /// # Errors
    ///
    /// If the data cannot be read, a step is refused, or the thread cannot be started.
    pub fn measure(data: Option<&Path>, effort: Effort) -> Result<Self, CliError> {
        let curves = pool(1)?.install(|| {
            let mut tasks = tasks::tasks(data)?;
            tasks.iter_mut().map(|task| measure(task, effort)).collect::<Result<_, CliError>>()
        })?;
        Ok(Self { machine: Machine::describe(), level: level_name(Level::detect()), curves })
    }
}

/// A table per model.
pub fn render(record: &OverheadRecord) -> String {
    let (machine, level) = (&record.machine, &record.level);
    let tables: String = record.curves.iter().map(|curve| format!("\n{}", table(curve))).collect();
    format!("{machine}; level {level}; one thread\n{tables}")
}

fn table(curve: &Curve) -> String {
    let mut rows = vec![head("batch|gradient ms|lopt ms|adam ms|lopt/gradient|step over Adam's")];
    let ms = |ns: f64| format!("{:.4}", ns * 1e-6);
    for point in &curve.points {
        rows.push(vec![
            point.batch.to_string(),
            ms(point.gradient_ns),
            ms(point.learned_ns),
            ms(point.adam_ns),
            format!("{:.1} %", 100.0 * point.overhead),
            format!("+{:.1} %", 100.0 * point.overhead_over_adam),
        ]);
    }
    let (how, batch) = match curve.below_ten_percent {
        Crossing::Measured { batch } => ("measured", batch),
        Crossing::Extrapolated { batch } => ("extrapolated by the fit", batch),
    };
    let line = curve.gradient_fit;
    format!(
        "{}: {} parameters in {} tensors\n{}gradient = {:.4} ms + {:.5} ms per row; {how}: \
         below 10 % from a batch of {batch} on\n",
        curve.name,
        count_text(curve.parameters),
        curve.tensors,
        align(&rows, 0),
        line.fixed_ns * 1e-6,
        line.per_row_ns * 1e-6,
    )
}
