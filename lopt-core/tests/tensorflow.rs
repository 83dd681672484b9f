//! The reference against recorded runs of the original TensorFlow code: every state of ten steps,
//! and exact meta-gradients of whole, first-order and truncated unrolls.

mod reference;
mod tf_case;

use lopt_grad::Tape;
use reference::Reference;
use reference::number::{Number, Taped};
use reference::state::{Element, State};
use reference::unroll::{Problem, meta_loss, released_objectives, unroll};
use tf_case::{TRACE_STEPS, TfCase, TfUnroll, tf_case};

fn start<N: Number>(case: &TfCase, reference: &Reference<'_, N>) -> State<N> {
    let lift = |flat: &[f64]| -> Vec<Vec<N>> {
        let flat: Vec<N> = flat.iter().map(|&x| reference.psi[0].like(x)).collect();
        case.by_tensor(&flat)
    };
    reference.start(&lift(&case.theta), &lift(&case.log_rate))
}

fn near<N: Number>(what: &str, got: &[N], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let (got, scale) = (got.value(), expected.abs().max(1.0));
        let error = (got - expected).abs();
        assert!(error <= tolerance * scale, "{what}[{i}]: got {got}, expected {expected}");
    }
}

/// Replays the trace and compares everything the recording has.
fn check_trace<N: Number>(case: &TfCase, psi: &[N], tolerance: f64) {
    let reference = Reference::new(&case.config, psi);
    let offset = psi[reference.layout.step_offset.start];
    let attended_rate = |e: &Element<N>| match case.config.attention {
        true => e.clipped_log_rate.exp(),
        false => (e.clipped_log_rate + offset).exp(),
    };
    let mut state = start(case, &reference);
    for n in 0..TRACE_STEPS {
        let check = |field: &str, got: &[N]| {
            let what = format!("{} step {n} {field}", case.name);
            near(&what, got, &case.trace(field, n), tolerance);
        };
        check("param", &state.theta());
        check("attended", &state.attended());
        check("objective", &[case.problem.loss(&state.theta())]);
        check("objective_attended", &[case.problem.loss(&state.attended())]);
        let grads = case.problem.gradient(&state.attended());
        check("grad", &grads);

        state = reference.step(&state, &grads);
        let each =
            |field: &dyn Fn(&Element<N>) -> N| -> Vec<N> { state.elements().map(field).collect() };
        let all = |field: fn(&Element<N>) -> &[N]| -> Vec<N> {
            state.elements().flat_map(field).copied().collect()
        };
        check("rnn_input", &all(|e| &e.inputs));
        check("state.parameter", &all(|e| &e.hidden));
        check("state.scl_decay", &each(&|e| e.rms_decay));
        check("state.inp_decay", &each(&|e| e.gradient_decay));
        check("state.log_learning_rate", &each(&|e| e.log_rate));
        check("lr_attend", &each(&attended_rate));
        if case.config.attention {
            check("attention_delta", &each(&|e| e.attended_direction));
        }
        for s in 0..case.config.timescales {
            check(&format!("state.grad_accum{}", s + 1), &each(&|e| e.averages[s]));
            check(&format!("state.ms{}", s + 1), &each(&|e| e.mean_squares[s]));
        }
        let tensors: Vec<N> = state.tensors.iter().flat_map(|t| &t.hidden).copied().collect();
        check("state.layer", &tensors);
        check("global", &state.global);
        check("new_param", &state.theta());
        check("new_attended", &state.attended());
        check("state.true_param", &state.theta());
    }
    let last = case.problem.loss(&state.theta());
    near(&case.name, &[last], &[case.final_objective()], tolerance);
}

/// The meta-loss of an unroll and, on the tape, its gradient.
fn check_unroll(case: &TfCase, expected: &TfUnroll, tolerance: f64) {
    let values = Reference::new(&case.config, &case.psi);
    let origin = start(case, &values);
    let (_, carried) = unroll(&values, &case.problem, origin, expected.skipped, case.order);

    let tape = Tape::new();
    let lift = |x: f64| Taped { tape: &tape, var: tape.scalar(x) };
    let variable = |&x: &f64| Taped { tape: &tape, var: tape.variable(&[1], &[x]) };
    let psi: Vec<Taped<'_>> = case.psi.iter().map(variable).collect();
    let reference = Reference::new(&case.config, &psi);
    let begin = match expected.skipped {
        // only an unroll from the start reaches the learned initial hidden states
        0 => start(case, &reference),
        _ => carried.map(lift),
    };
    let (losses, _) = unroll(&reference, &case.problem, begin, expected.steps, case.order);
    let objectives = released_objectives(&losses);
    let loss = meta_loss(&objectives, expected.initial, case.floor);
    near(&case.name, &objectives, &expected.objectives, 1e-12);
    near(&case.name, &[loss], &[expected.loss], 1e-12);

    tape.backward(loss.var);
    let mut gradient = vec![0.0; psi.len()];
    for (slot, number) in gradient.iter_mut().zip(&psi) {
        tape.gradient_into(number.var, std::slice::from_mut(slot));
    }
    for block in &reference.layout.blocks {
        let (got, wanted) =
            (&gradient[block.range.clone()], &expected.gradient[block.range.clone()]);
        let norm = wanted.iter().map(|x| x * x).sum::<f64>().sqrt();
        let gap = got.iter().zip(wanted).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        assert!(gap <= tolerance * norm, "{} {}: {gap:e} of {norm:e}", case.name, block.name);
    }
}

fn check_case(name: &str) {
    let case = tf_case(name);
    check_trace(&case, &case.psi, 1e-12);
    for unroll in &case.unrolls() {
        check_unroll(&case, unroll, 1e-9);
    }
}

#[test]
fn c1_released_initial_weights() {
    check_case("c1_released_init.f64");
}

#[test]
fn c2_released() {
    check_case("c2_released_perturbed.f64");
}

#[test]
fn c4_attention_and_decay_per_scale() {
    check_case("c4_paper_perturbed.f64");
}

#[test]
fn c5_global_mean_of_tensors() {
    check_case("c5_paper_globalmean.f64");
}

#[test]
fn c6_first_order() {
    check_case("c6_released_no2nd.f64");
}

#[test]
fn c7_rosenbrock() {
    check_case("c7_rosenbrock_perturbed.f64");
}

#[test]
fn c2_released_in_single_precision() {
    let case = tf_case("c2_released_perturbed.f32");
    let psi: Vec<f32> = case.psi.iter().map(|&x| x as f32).collect();
    check_trace(&case, &psi, 1e-5);
}
