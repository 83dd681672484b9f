//! The step on the tape against `lopt_core::RelativeRnn`, its adjoint against finite differences in `f64`.

use lopt_core::layout::Layout;
use lopt_core::relative_rnn::tensor::kinds;
use lopt_core::rng::{normal, stream};
use lopt_core::{TensorShape, Weights};
use lopt_grad::{Real, ScalarFn, Tape, Var, hessian_vector_product};
use lopt_problems::practice;

use super::super::score::Rows;
use super::rule::NUMBERS;
use super::*;

/// A noisy regression by a small network, with a table of which a step uses some rows or none, and matrices beside
/// it, so many that depth counts.
struct Fit {
    step: u64,
}

impl ScalarFn for Fit {
    fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        let mut rng = stream(2, &[self.step]);
        let mut drawn =
            |shape: &[usize]| tape.constant_from(shape, |_| R::from_f64(normal(&mut rng)));
        let (rows, noise) = (drawn(&[6, 4]), drawn(&[6, 1]));
        let hidden = (rows.matmul(x[0]) + x[1]).tanh();
        let mut loss = (hidden.matmul(x[2]) - noise * 0.3 - rows.slice(1, 0, 1)).square().mean();
        for &beside in &x[4..] {
            loss = loss + (beside - 0.2).square().sum() * 0.1;
        }
        match self.step % 3 {
            0 => loss,
            part => {
                let used = x[3].gather_rows(&[part as usize, 3]);
                loss + (used - 0.4).square().sum() * 0.1 + (used * x[3].gather_rows(&[0, 0])).sum()
            }
        }
    }
}

fn layout() -> Layout {
    let shapes = [("w", vec![4, 3]), ("b", vec![3]), ("head", vec![3, 1]), ("table", vec![5, 2])];
    let mut shapes = shapes.map(|(name, shape)| TensorShape::new(name, shape)).to_vec();
    shapes.extend((0..4).map(|i| TensorShape::new(format!("beside{i}"), [2, 2])));
    Layout::new(shapes).expect("fits")
}

fn derivatives(step: u64, at: &[f64], direction: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let layout = layout();
    let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| t.shape.as_slice()).collect();
    hessian_vector_product(&Fit { step }, &shapes, at, direction)
}

fn psi() -> Vec<f64> {
    let mut rng = stream(3, &[]);
    let count = RelativeRnnConfig::recommended().meta_parameters();
    (0..count).map(|_| 0.25 * normal(&mut rng)).collect()
}

fn started() -> (RelativeRnn, Vec<f32>, Steps<f64>) {
    let (config, layout) = (RelativeRnnConfig::recommended(), layout());
    let optimizer = RelativeRnn::new(&config, &psi(), &layout, Level::detect());
    let mut rng = stream(4, &[]);
    let params = (0..layout.len()).map(|_| (0.5 * normal(&mut rng)) as f32).collect();
    (optimizer, params, Steps::new(&config, &layout))
}

/// The states of 60 steps, of which the last is that of the optimizer.
fn states() -> Vec<State<f64>> {
    let (mut optimizer, mut params, mut on_tape) = started();
    let how = vec![TensorStep { multiplier: 1.5, held: false }; layout().tensor_count()];
    let mut trend = LossTrend::default();
    let mut states = vec![on_tape.state(&optimizer.memory(), &params)];
    for step in 0..60 {
        let at = states[step].elements[ATTENDED].clone();
        let (loss, gradient, _) = derivatives(step as u64, &at, &at);
        let single: Vec<f32> = gradient.iter().map(|&g| g as f32).collect();
        let trend = trend.take(Some(loss as f32));
        let given = Given { gradient: &gradient, factor: 1.5, trend };
        states.push(on_tape.forward(&psi(), &states[step], given));
        optimizer.advance(&mut params, &single, &how, Some(loss as f32));
        let ours = on_tape.state(&optimizer.memory(), &params);
        let theirs = &states[step + 1];
        assert_eq!(ours.steps, theirs.steps);
        for (part, (ours, theirs)) in parts(&ours).into_iter().zip(parts(theirs)).enumerate() {
            for (a, b) in ours.iter().zip(theirs) {
                let error = (a - b).abs();
                assert!(error < 2e-4 * b.abs().max(0.1), "step {step}, part {part}: {a} {b}");
            }
        }
    }
    states
}

fn parts(state: &State<f64>) -> Vec<&Vec<f64>> {
    let State { elements, numbers, hidden, global, .. } = state;
    elements.iter().chain([numbers, hidden, global]).collect()
}

#[test]
fn the_step_is_that_of_the_optimizer() {
    let last = states().pop().expect("has steps");
    assert_eq!(last.steps, [60, 60, 60, 40, 60, 60, 60, 60]);
}

/// The loss after some steps from a state, and where these steps came by.
fn unrolled(psi: &[f64], from: &State<f64>, first: u64, count: u64) -> (f64, Vec<State<f64>>) {
    let mut on_tape = started().2;
    let mut states = vec![from.clone()];
    for step in first..first + count {
        let before = &states[states.len() - 1];
        let gradient = derivatives(step, &before.elements[ATTENDED], &before.elements[0]).1;
        let given = Given { gradient: &gradient, factor: 1.5, trend: TREND };
        let after = on_tape.forward(psi, before, given);
        states.push(after);
    }
    let average = &states[states.len() - 1].elements[AVERAGE];
    (derivatives(1, average, average).0, states)
}

const TREND: [f64; 3] = [0.3, -0.2, 1.0];

/// Of psi and of everything in the state at the start, with the second derivatives of the loss.
#[test]
fn the_adjoint_is_right() {
    let (psi, states, count) = (psi(), states(), 9);
    for first in [0, 37] {
        let from = &states[first];
        let (_, passed) = unrolled(&psi, from, first as u64, count);
        let end = &passed[count as usize];
        let mut adjoint = end.zeros_like();
        let average = &end.elements[AVERAGE];
        adjoint.elements[AVERAGE] = derivatives(1, average, average).1;
        let (mut of_psi, mut on_tape) = (vec![0.0; psi.len()], started().2);
        let mut of_gradient = vec![0.0; layout().len()];
        for (i, before) in passed[..count as usize].iter().enumerate().rev() {
            let step = (first + i) as u64;
            let at = &before.elements[ATTENDED];
            let gradient = derivatives(step, at, at).1;
            let given = Given { gradient: &gradient, factor: 1.5, trend: TREND };
            on_tape.back(&psi, before, given, &mut adjoint, &mut of_gradient, &mut of_psi);
            let product = derivatives(step, at, &of_gradient).2;
            adjoint.elements[ATTENDED].iter_mut().zip(&product).for_each(|(y, h)| *y += h);
        }
        let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let check =
            |name: &str, analytic: f64, [scale, step]: [f64; 2], change: &dyn Fn(f64) -> f64| {
                let difference = (change(step) - change(-step)) / (2.0 * step);
                let error = (analytic - difference).abs();
                assert!(error < 1e-5 * scale + 1e-9, "{first} {name}: {analytic} {difference}");
            };
        let readout = RelativeRnnConfig::recommended().readout().start;
        let of_global = 3 * 8 * (14 + 4 + 8 + 1) + 3;
        for i in [0, 17, 200, 450, of_global, readout - 2, readout + 8, readout + 30, 1010] {
            check(&format!("psi {i}"), of_psi[i], [largest(&of_psi), 1e-5], &|by| {
                let mut moved = psi.clone();
                moved[i] += by;
                unrolled(&moved, from, first as u64, count).0
            });
        }
        assert!(largest(&of_psi[readout..]) > 1e-4);
        if first == 0 {
            // iterate, average and attended point are one, and the root of a sum that is zero has no slope
            for i in [0, 7, 13, 16, 22] {
                let t = (0..4).find(|&t| layout().range(t).contains(&i)).expect("is in a tensor");
                let kind = kinds(&layout(), &RelativeRnnConfig::recommended())[t];
                let start = &from.elements[AVERAGE];
                let sizes: f64 = adjoint.numbers[t * NUMBERS..][..2].iter().sum();
                let slope = start[i] / (kind.elements * from.numbers[t * NUMBERS]);
                let points: f64 = adjoint.elements[2..].iter().map(|part| part[i]).sum();
                check(&format!("start {i}"), points + sizes * slope, [1.0, 1e-5], &|by| {
                    let mut moved = from.clone();
                    moved.elements[2..].iter_mut().for_each(|part| part[i] += by);
                    let points = &moved.elements[AVERAGE][layout().range(t)];
                    let size = kind.size(points.iter().map(|x| x * x).sum());
                    moved.numbers[t * NUMBERS..][..2].fill(size);
                    unrolled(&psi, &moved, 0, count).0
                });
            }
            continue;
        }
        for part in 0..8 {
            let adjoint = parts(&adjoint)[part].clone();
            for i in (0..adjoint.len()).step_by(adjoint.len().div_ceil(12)) {
                let square = from.elements[1].get(i).copied().unwrap_or_default();
                let step = if part == 1 { 3e-4 * square } else { 1e-5 };
                // squares of what never had a gradient cannot get smaller
                if step == 0.0 {
                    continue;
                }
                check(&format!("part {part}, {i}"), adjoint[i], [largest(&adjoint), step], &|by| {
                    let mut moved = from.clone();
                    let State { elements, numbers, hidden, global, .. } = &mut moved;
                    let mut parts: Vec<_> =
                        elements.iter_mut().chain([numbers, hidden, global]).collect();
                    parts[part][i] += by;
                    unrolled(&psi, &moved, first as u64, count).0
                });
            }
        }
    }
}

/// Along the gradient of an unroll of a practice job its score changes as the gradient says, in single precision.
#[test]
fn unrolls_of_practice_jobs_have_right_gradients() {
    let psi = Weights::embedded("recommended").expect("is embedded").psi_f64();
    let networks = RelativeRnnConfig::recommended();
    let mut checked = 0;
    for number in 0..9 {
        let task = practice(number);
        let tuned = 0.3 * task.job.guessing();
        let job = Practice::new(task, Rows::Validation, tuned);
        let run = |psi: &[f64]| unroll(&job, &networks, psi, 0.5, 5, 0..10).expect("is not lost");
        let gradient = run(&psi).gradient;
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        // scores of losses far above guessing are limited
        if norm == 0.0 {
            continue;
        }
        let moved = |by: f64| {
            let moved = psi.iter().zip(&gradient).map(|(x, g)| x + by * g / norm);
            run(&moved.collect::<Vec<f64>>()).score
        };
        let difference = (moved(0.01) - moved(-0.01)) / 0.02;
        // of the others differences cross the kinks of relu, and move running statistics
        if ["recurrent", "attention", "smooth"].contains(&job.task.family) {
            let family = job.task.family;
            assert!((norm - difference).abs() < 0.03 * norm, "{family}: {norm} {difference}");
            checked += 1;
        }
    }
    assert_eq!(checked, 3);
}
