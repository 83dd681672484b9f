//! The rows of the report: which cases, in which sizes, and what each needs at least.

use lopt_baselines::Adam;
use lopt_core::rng::{below, stream};
use lopt_core::simd::Level;
use lopt_core::{GuardConfig, HierarchicalRnnConfig, Layout, TensorShape};
use lopt_problems::Problem as _;

use super::cases::{self, Case};
use super::floor::Needs;
use super::machine::{level_name, levels};
use super::operations::{ADAM_BYTES, Operations, RELATIVE_BYTES, compact_step_bytes, step_bytes};
use crate::error::CliError;

/// Names that `--only` takes.
pub const NAMES: [&str; 11] = [
    "relative",
    "relative-many-tensors",
    "step",
    "step-compact",
    "step-guarded",
    "step-many-tensors",
    "adam",
    "copy",
    "meta-quadratic20",
    "meta-rosenbrock",
    "meta-softmax10",
];

/// A row before it is measured.
#[expect(missing_debug_implementations, reason = "cases have none")]
pub struct Row {
    /// Name; several rows may share it.
    pub name: String,
    /// Parameters.
    pub n: usize,
    /// Threads.
    pub threads: usize,
    /// What it needs at least.
    pub needs: Needs,
    /// What is timed.
    pub case: Case,
}

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Name of the optimizer, as recipes know it.
    pub name: &'a str,
    /// Its sizes and switches.
    pub config: HierarchicalRnnConfig,
    /// These names; all of them for an empty list.
    pub only: &'a [String],
    /// The step at every SIMD level, too.
    pub levels: bool,
    /// Models a tenth as large.
    pub quick: bool,
}

impl Wanted<'_> {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    /// Makes the rows. Copy and in-place pass are always there, because the floor needs them.
    ///
    /// # Errors
    ///
    /// If a case cannot be made.
    pub fn rows(&self, level: Level) -> Result<Vec<Row>, CliError> {
        let config = &self.config;
        let large = if self.quick { 100_000 } else { 1_000_000 };
        let huge = 10 * large;
        let one = single(large)?;
        let row = |name: &str, layout: &Layout, threads, bytes, level, case| {
            Row::new(name, layout.len(), threads, needs(config, layout, bytes, level), case)
        };
        let bytes = step_bytes(config);
        let step = |name: &str, layout: &Layout, level, threads| {
            let case = cases::learned_step(config, layout, level, threads, false)?;
            Ok::<Row, CliError>(row(name, layout, threads, bytes, level, case))
        };
        let relative = |name: &str, layout: &Layout, threads| {
            let case = cases::relative_step(layout, level, threads)?;
            let operations = Operations::of_relative_step();
            let needs = Needs { bytes: RELATIVE_BYTES, operations, level };
            Ok::<Row, CliError>(Row::new(name, layout.len(), threads, needs, case))
        };
        let mut rows = Vec::new();
        if self.wants("relative") {
            rows.push(relative("relative", &one, 1)?);
            rows.push(relative("relative", &one, 2)?);
        }
        if self.wants("relative-many-tensors") {
            let many = many_tensors()?;
            rows.push(relative("relative-many-tensors", &many, 1)?);
            rows.push(relative("relative", &single(many.len())?, 1)?);
        }
        if self.wants("step") {
            rows.push(step("step", &one, level, 1)?);
            rows.push(step("step", &one, level, 2)?);
        }
        if self.wants("step-compact") {
            let case = cases::learned_step(config, &one, level, 1, true)?;
            let bytes = compact_step_bytes(config);
            rows.push(row("step-compact", &one, 1, bytes, level, case));
        }
        if self.wants("step-guarded") {
            for (name, guard) in
                [("step-unguarded", None), ("step-guarded", Some(GuardConfig::default()))]
            {
                let case = cases::whole_step(config, &one, guard)?;
                rows.push(row(name, &one, 1, bytes, level, case));
            }
        }
        if self.wants("step-many-tensors") {
            let many = many_tensors()?;
            rows.push(step("step-many-tensors", &many, level, 1)?);
            rows.push(step("step", &single(many.len())?, level, 1)?);
        }
        if self.levels {
            for level in levels() {
                rows.push(step(&format!("step-{}", level_name(level)), &one, level, 1)?);
            }
        }
        let moved = Needs { bytes: ADAM_BYTES, operations: Operations::default(), level };
        if self.wants("adam") {
            for n in [huge, large] {
                let layout = single(n)?;
                let case = cases::step(&layout, 1, || Ok(Adam::new(&layout, 1e-3)))?;
                rows.push(Row::new("adam", n, 1, moved, case));
            }
        }
        rows.push(Row::new(COPY, huge, 1, moved, cases::copy(huge, ADAM_BYTES)));
        rows.push(Row::new(IN_PLACE, huge, 1, moved, cases::in_place(huge, ADAM_BYTES)));
        for (name, problem) in META {
            if self.wants(name) {
                let layout = lopt_problems::lookup(problem, None)?.layout();
                let n = layout.len();
                let case = cases::meta_update(problem, self.name, level, n)?;
                let operations = Operations::of_meta(config, n, layout.tensor_count());
                // An unroll of a small problem stays in the caches.
                let needs = Needs { bytes: 0.0, operations, level };
                rows.push(Row::new(name, n, 1, needs, case));
            }
        }
        Ok(rows)
    }

    /// Whether a row is asked for, or is there for the floor only.
    pub fn shows(&self, row: &str) -> bool {
        row != IN_PLACE && (row != COPY || self.wants(COPY))
    }
}

/// The row that says how fast memory is from one place to another.
pub const COPY: &str = "copy";

/// The row that says how fast memory is in place; it is part of the machine, not of the table.
pub const IN_PLACE: &str = "in-place";

/// Rows of meta-training and their problems.
const META: [(&str, &str); 3] = [
    ("meta-quadratic20", "quadratic-20"),
    ("meta-rosenbrock", "rosenbrock"),
    ("meta-softmax10", "softmax-10"),
];

impl Row {
    fn new(name: &str, n: usize, threads: usize, needs: Needs, case: Case) -> Self {
        Self { name: name.to_owned(), n, threads, needs, case }
    }
}

/// What a step over such a layout needs. A small state may stay in the caches, where a copy's speed says
/// nothing: then no bytes.
fn needs(config: &HierarchicalRnnConfig, layout: &Layout, bytes: f64, level: Level) -> Needs {
    let n = layout.len();
    let operations = Operations::of_step(config, n, layout.tensor_count());
    let cached = n as f64 * bytes / 2.0 < CACHE_BYTES;
    Needs { bytes: if cached { 0.0 } else { bytes }, operations, level }
}

pub(super) fn single(n: usize) -> Result<Layout, CliError> {
    Ok(Layout::single(n)?)
}

/// 300 tensors of 1 to 1000 elements, the same every time.
pub(super) fn many_tensors() -> Result<Layout, CliError> {
    let mut rng = stream(3, &[]);
    let shapes = (0..300).map(|i| TensorShape::new(format!("t{i}"), [1 + below(&mut rng, 1000)]));
    Ok(Layout::new(shapes.collect())?)
}

/// A state below this is taken to live in a cache.
const CACHE_BYTES: f64 = 32e6;
