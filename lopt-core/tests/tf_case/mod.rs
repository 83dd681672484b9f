//! Runs of the original TensorFlow code, recorded in `tests/data`, in the names of this crate.
//!
//! The arrays come from the code that Wichrowska et al. published (tensorflow/models,
//! `research/learned_optimizer`), run once as released (`.f32`) and once with every constant in
//! double precision (`.f64`). A case has inputs (`psi`, `theta`, `log_rate`, the problem), a trace
//! of ten steps with all states, and exact meta-gradients of three unrolls.

#![allow(dead_code, reason = "each test binary uses a part of this module")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod problem;

pub(crate) use problem::TfProblem;

use crate::reference::names::meta_parameters;
use crate::reference::unroll::{Floor, Order};
use lopt_core::config::{GlobalInput, HierarchicalRnnConfig};
use lopt_core::{Layout, TensorShape};
use npyz::{DType, NpyFile, TypeChar};
use std::collections::BTreeMap;
use std::io::Read as _;
use zip::ZipArchive;

/// One recorded run.
pub(crate) struct TfCase {
    pub(crate) name: String,
    pub(crate) config: HierarchicalRnnConfig,
    pub(crate) order: Order,
    pub(crate) floor: Floor,
    /// Tensors `p0`, `p1`, ...
    pub(crate) layout: Layout,
    /// Meta-parameters in the order of `MetaLayout`.
    pub(crate) psi: Vec<f64>,
    pub(crate) problem: TfProblem,
    /// `[P]` parameters and log rates before the first step.
    pub(crate) theta: Vec<f64>,
    pub(crate) log_rate: Vec<f64>,
    arrays: BTreeMap<String, Array>,
}

/// Number of steps in the trace of each case.
pub(crate) const TRACE_STEPS: usize = 10;

/// One unroll with its exact meta-gradient.
pub(crate) struct TfUnroll {
    /// Steps taken before the unroll, whose end state it starts from as a constant.
    pub(crate) skipped: usize,
    pub(crate) steps: usize,
    pub(crate) loss: f64,
    /// Loss at the very first step.
    pub(crate) initial: f64,
    pub(crate) objectives: Vec<f64>,
    /// `d loss / d psi` in the order of `MetaLayout`.
    pub(crate) gradient: Vec<f64>,
}

struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// Loads `tests/data/{name}.npz`, for instance `c2_released_perturbed.f64`.
pub(crate) fn tf_case(name: &str) -> TfCase {
    let path = format!("{}/../lopt-core/tests/data/{name}.npz", env!("CARGO_MANIFEST_DIR"));
    let arrays = read_npz(&path);
    let (config, order, floor) = switches(name);
    let count = if arrays.contains_key("init.p1") { 2 } else { 1 };
    let tensor = |t| {
        let name = format!("p{t}");
        let shape = arrays[&format!("init.{name}")].shape.clone();
        TensorShape::new(name, shape)
    };
    let layout = Layout::new((0..count).map(tensor).collect()).unwrap();
    let psi = meta_parameters(&config, |tf| arrays[&format!("w.{tf}")].values.clone());
    let problem = match arrays.get("problem.W") {
        Some(w) => {
            let (w, y) = (w.values.clone(), arrays["problem.y"].values.clone());
            TfProblem::Quadratic { w, y }
        }
        None => TfProblem::Rosenbrock,
    };
    let per_parameter = |prefix: &str| -> Vec<f64> {
        (0..count).flat_map(|t| arrays[&format!("{prefix}p{t}")].values.clone()).collect()
    };
    let (theta, log_rate) = (per_parameter("init."), per_parameter("init.log_lr."));
    let name = name.to_owned();
    TfCase { name, config, order, floor, layout, psi, problem, theta, log_rate, arrays }
}

/// The flags that the case was run with (`flags` in its JSON file).
fn switches(name: &str) -> (HierarchicalRnnConfig, Order, Floor) {
    let released = HierarchicalRnnConfig::released();
    let c4 = HierarchicalRnnConfig {
        attention: true,
        rms_decay_per_scale: true,
        ..HierarchicalRnnConfig::released()
    };
    let c5 = HierarchicalRnnConfig { global_input: GlobalInput::MeanOfTensors, ..c4 };
    match &name[..2] {
        "c1" | "c2" | "c7" => (released, Order::Second, Floor::OnRatio),
        "c4" => (c4, Order::Second, Floor::OnBoth),
        "c5" => (c5, Order::Second, Floor::OnBoth),
        "c6" => (released, Order::First, Floor::OnRatio),
        _ => panic!("no such case: {name}"),
    }
}

impl TfCase {
    /// A field of the trace at one step, the tensors one after another; see `shared/reference/tf`
    /// of the project's archive for the fields. `state.*` and `new_*` are values after the step.
    pub(crate) fn trace(&self, field: &str, step: usize) -> Vec<f64> {
        if let Some(array) = self.arrays.get(&format!("trace.{field}")) {
            return array.row(step).to_vec();
        }
        let row = |t| self.arrays[&format!("trace.{field}.p{t}")].row(step).to_vec();
        (0..self.layout.tensor_count()).flat_map(row).collect()
    }

    /// Loss at theta after the last step of the trace.
    pub(crate) fn final_objective(&self) -> f64 {
        self.arrays["trace.objective_final"].values[0]
    }

    /// The unrolls: five and ten steps from the start, and five carried on after the first five.
    pub(crate) fn unrolls(&self) -> [TfUnroll; 3] {
        [("T5", 0, 5), ("T10", 0, 10), ("second", 5, 5)].map(|(key, skipped, steps)| {
            let array = |field: &str| &self.arrays[&format!("meta.{key}.{field}")].values;
            TfUnroll {
                skipped,
                steps,
                loss: array("loss")[0],
                initial: array("initial_obj")[0],
                objectives: array("objectives").clone(),
                gradient: meta_parameters(&self.config, |tf| array(&format!("grad.{tf}")).clone()),
            }
        })
    }

    /// Splits a flat `[P]` vector by tensors.
    pub(crate) fn by_tensor<N: Copy>(&self, flat: &[N]) -> Vec<Vec<N>> {
        self.layout.ranges().map(|range| flat[range].to_vec()).collect()
    }
}

impl Array {
    /// Entry `i` of the first axis.
    fn row(&self, i: usize) -> &[f64] {
        let width = self.values.len() / self.shape[0];
        &self.values[i * width..(i + 1) * width]
    }
}

fn read_npz(path: &str) -> BTreeMap<String, Array> {
    let mut archive = ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut arrays = BTreeMap::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().unwrap().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let file = NpyFile::new(&bytes[..]).unwrap();
        let shape = file.shape().iter().map(|&extent| extent as usize).collect();
        let DType::Plain(kind) = file.dtype() else { panic!("{name}: {:?}", file.dtype()) };
        assert_eq!(kind.type_char(), TypeChar::Float, "{name}");
        let values = match kind.size_field() {
            4 => file.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
            _ => file.into_vec::<f64>().unwrap(),
        };
        arrays.insert(name, Array { shape, values });
    }
    arrays
}
