//! Sixteen instances side by side give what each gives alone.

mod support;

use lopt_core::rng::stream;
use lopt_grad::{F32x16, Tape, Var};
use lopt_problems::{
    Array, Ensemble, Evaluation, Instance, LaneArray, Problem, pack_arrays, pack_lanes,
    pack_slices, training_ensemble,
};
use support::all_entries;

fn record<'t>(tape: &'t Tape<F32x16>, arrays: &[LaneArray]) -> Vec<Var<'t, F32x16>> {
    arrays.iter().map(|array| tape.constant(&array.shape, &array.values)).collect()
}

/// Lanes against single evaluations, up to the rounding of other kernels.
fn check(problem: &std::sync::Arc<dyn lopt_problems::AnyProblem>) {
    let name = problem.name();
    let draw = |lane| {
        let mut rng = stream(23, &[lane]);
        let instance = problem.instance(&mut rng);
        let params = problem.init(&instance, &mut rng);
        (instance, params)
    };
    let (instances, params): (Vec<Instance>, Vec<Vec<f32>>) = (0..16).map(draw).unzip();
    let rows: Option<Vec<usize>> = problem.batch_size().map(|batch| (0..batch.min(5)).collect());
    let batches: Vec<Vec<Array>> =
        instances.iter().map(|instance| problem.batch(instance, rows.as_deref())).collect();

    let tape = Tape::<F32x16>::new();
    let layout = problem.layout();
    let lanes = pack_slices(&params.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let tensors = layout.tensors().iter().zip(layout.ranges());
    let variables: Vec<_> =
        tensors.map(|(tensor, range)| tape.variable(&tensor.shape, &lanes[range])).collect();
    let constants = record(&tape, &pack_lanes(&instances));
    let batch = record(&tape, &pack_arrays(&batches.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let loss = problem.loss(&tape, &variables, &constants, &batch);
    tape.backward(loss);
    let mut gradient = vec![F32x16::default(); layout.len()];
    for (variable, range) in variables.into_iter().zip(layout.ranges()) {
        tape.gradient_into(variable, &mut gradient[range]);
    }

    for (lane, (instance, params)) in instances.into_iter().zip(&params).enumerate() {
        let mut evaluation = Evaluation::new(problem.clone(), instance);
        let (alone, slope) = evaluation.value_and_gradient(params, rows.as_deref());
        let together = loss.item().0[lane];
        let close = (alone - together).abs() <= 1e-4 * alone.abs() + 1e-5;
        assert!(close, "{name}, lane {lane}: {together} instead of {alone}");
        let size = slope.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
        for (&single, packed) in slope.iter().zip(&gradient) {
            let gap = (single - packed.0[lane]).abs();
            assert!(gap <= 2e-3 * size + 1e-5, "{name}, lane {lane}: {packed:?} not {single}");
        }
    }
}

#[test]
fn lanes_equal_single_evaluations() {
    let mut entries = all_entries();
    entries.extend(training_ensemble(Ensemble::WidePaper));
    for entry in entries {
        if entry.problem.layout().len() <= 300 {
            check(&entry.problem);
        }
    }
}

#[test]
fn missing_lanes_repeat_the_last() {
    let packed = pack_slices(&[&[1.0, 2.0], &[3.0, 4.0]]);
    assert_eq!(packed[1].0[..4], [2.0, 4.0, 4.0, 4.0]);
}
