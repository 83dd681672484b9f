//! The L2L optimizer against its plain twin: steps, meta-gradient, files, refusals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::rng::{normal, stream};
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_core::{Layout, Optimizer};
use lopt_grad::{Tape, Var};
use lopt_meta::l2l::{
    L2L_BLOCKS, L2l, L2lNetwork, L2lState, L2lUnroll, L2lWeights, META_PARAMETERS, initial_psi,
};

/// psi as variables, one per block.
fn blocks<'t>(tape: &'t Tape<f64>, psi: &[f64]) -> Vec<Var<'t, f64>> {
    let mut at = 0;
    let block = |&(_, shape): &(&str, &[usize])| {
        let len = shape.iter().product::<usize>();
        at += len;
        tape.variable(shape, &psi[at - len..at])
    };
    L2L_BLOCKS.iter().map(block).collect()
}

/// One LSTM of the twin: `[x, h] W + b`, gates in the order i, j, f, o.
fn lstm<'t>(
    w: Var<'t, f64>,
    b: Var<'t, f64>,
    x: Var<'t, f64>,
    [c, h]: [Var<'t, f64>; 2],
) -> [Var<'t, f64>; 2] {
    let z = Var::concat(&[x, h], 1).matmul(w) + b;
    let gate = |k: usize| z.slice(1, 20 * k, 20);
    let c = (gate(2) + 1.0).sigmoid() * c + gate(0).sigmoid() * gate(1).tanh();
    [c, gate(3).sigmoid() * c.tanh()]
}

/// The twin: what the steps of a run move by, from the published equations on the tape.
fn twin<'t>(tape: &'t Tape<f64>, psi: &[Var<'t, f64>], grads: &[Vec<f64>]) -> Vec<Var<'t, f64>> {
    let zeros = || tape.constant_from(&[grads[0].len(), 20], |_| 0.0);
    let (mut first, mut second) = ([zeros(), zeros()], [zeros(), zeros()]);
    let step = |g: &Vec<f64>| {
        let x: Vec<f64> = g
            .iter()
            .flat_map(|g| {
                let size = (g.abs() + f64::from(f32::EPSILON)).ln() / 5.0;
                [size.max(-1.0), (g * 5.0_f64.exp()).clamp(-1.0, 1.0)]
            })
            .collect();
        first = lstm(psi[0], psi[1], tape.constant(&[g.len(), 2], &x), first);
        second = lstm(psi[2], psi[3], first[1], second);
        (second[1].matmul(psi[4]) + psi[5]) * 0.01
    };
    grads.iter().map(step).collect()
}

/// Gradients of all sizes, `[steps][coordinates]`.
fn gradients(steps: usize, coordinates: usize) -> Vec<Vec<f64>> {
    let mut rng = stream(5, &[]);
    let mut draw = || normal(&mut rng) * 10.0_f64.powf(2.0 * normal(&mut rng) - 2.0);
    (0..steps).map(|_| (0..coordinates).map(|_| draw()).collect()).collect()
}

/// Larger than at the start, so that gates are not near one half.
fn psi() -> Vec<f64> {
    initial_psi(&mut stream(6, &[])).into_iter().map(|x| 1.5 * x + 0.01).collect()
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.available())
}

#[test]
fn steps_are_those_of_the_twin() {
    let (steps, coordinates, psi) = (6, 70, psi());
    let grads = gradients(steps, coordinates);
    let tape = Tape::new();
    let moves = twin(&tape, &blocks(&tape, &psi), &grads);

    let exact = L2lNetwork::<f64>::new(&psi, Level::Portable).unwrap();
    let mut state = L2lState::new(coordinates);
    let mut params = vec![0.0; coordinates];
    let mut sum = vec![0.0; coordinates];
    let mut path = Vec::new();
    for (grads, moved) in grads.iter().zip(&moves) {
        exact.forward(&mut state, &mut params, grads);
        sum.iter_mut().zip(moved.value()).for_each(|(sum, x)| *sum += x);
        for (a, b) in params.iter().zip(&sum) {
            assert!((a - b).abs() < 1e-14, "{a}, {b}");
        }
        path.push(params.clone());
    }

    let weights = L2lWeights::new(&psi, TrainingRecord::default()).unwrap();
    for level in levels() {
        let layout = Layout::single(coordinates).unwrap();
        let mut optimizer = L2l::with_level(&layout, &weights, level).unwrap();
        for _ in 0..2 {
            let mut params = vec![0.0_f32; coordinates];
            for (grads, exact) in grads.iter().zip(&path) {
                let grads: Vec<f32> = grads.iter().map(|&g| g as f32).collect();
                optimizer.step(&mut params, &grads).unwrap();
                for (&a, b) in params.iter().zip(exact) {
                    assert!((f64::from(a) - b).abs() < 1e-7, "{level:?}: {a}, {b}");
                }
            }
            optimizer.reset();
        }
    }
}

/// The meta-loss `sum_t v_t . (what step t moves by)` has these adjoints, and no gradient in it
/// depends on psi: its derivative is the whole derivative, nothing has to be detached.
#[test]
fn the_meta_gradient_is_the_twins_and_that_of_differences() {
    let (steps, coordinates, psi) = (7, 70, psi());
    let (warm, grads) = (gradients(3, coordinates), gradients(steps, coordinates));
    let adjoints: Vec<Vec<f64>> = (0..steps)
        .map(|t| (0..coordinates).map(|i| ((t * 31 + i) as f64 * 0.7).sin()).collect())
        .collect();

    let exact = L2lNetwork::<f64>::new(&psi, Level::Portable).unwrap();
    let start = L2lState::new(coordinates);
    let unroll = L2lUnroll { start: &start, gradients: &grads, adjoints: &adjoints };
    let gradient = exact.backward(unroll).unwrap();

    let tape = Tape::new();
    let variables = blocks(&tape, &psi);
    let moves = twin(&tape, &variables, &grads);
    let weighted = moves
        .iter()
        .zip(&adjoints)
        .map(|(moved, v)| (*moved * tape.constant(&[coordinates, 1], v)).sum());
    let loss = weighted.reduce(|a, b| a + b).unwrap();
    tape.backward(loss);
    let mut expected = vec![0.0; META_PARAMETERS];
    let mut at = 0;
    for variable in variables {
        let len = variable.value().len();
        tape.gradient_into(variable, &mut expected[at..at + len]);
        at += len;
    }
    let size = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
    for (i, (a, b)) in gradient.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() < 1e-13 * size, "meta-parameter {i}: {a}, {b}, of {size}");
    }

    // differences along a direction, by the exact kernel
    let value = |psi: &[f64]| {
        let network = L2lNetwork::<f64>::new(psi, Level::Portable).unwrap();
        let mut state = L2lState::new(coordinates);
        let mut total = 0.0;
        for (grads, v) in grads.iter().zip(&adjoints) {
            let mut moved = vec![0.0; coordinates];
            network.forward(&mut state, &mut moved, grads);
            total += moved.iter().zip(v).map(|(x, v)| x * v).sum::<f64>();
        }
        total
    };
    let mut rng = stream(9, &[]);
    let direction: Vec<f64> = psi.iter().map(|_| normal(&mut rng)).collect();
    let along =
        |h: f64| -> Vec<f64> { psi.iter().zip(&direction).map(|(x, d)| x + h * d).collect() };
    let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
    let quotient = (value(&along(1e-6)) - value(&along(-1e-6))) / 2e-6;
    assert!((slope - quotient).abs() < 1e-7 * slope.abs().max(size), "{slope}, {quotient}");

    // single precision, from a state that is not zero
    let single = |x: &[Vec<f64>]| -> Vec<Vec<f32>> {
        x.iter().map(|x| x.iter().map(|&x| x as f32).collect()).collect()
    };
    let mut start = L2lState::<f64>::new(coordinates);
    for grads in &warm {
        exact.forward(&mut start, &mut vec![0.0; coordinates], grads);
    }
    let unroll = L2lUnroll { start: &start, gradients: &grads, adjoints: &adjoints };
    let expected = exact.backward(unroll).unwrap();
    let size = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (warm, grads, adjoints) = (single(&warm), single(&grads), single(&adjoints));
    for level in levels() {
        let network = L2lNetwork::<f32>::new(&psi, level).unwrap();
        let mut start = L2lState::new(coordinates);
        for grads in &warm {
            network.forward(&mut start, &mut vec![0.0; coordinates], grads);
        }
        let unroll = L2lUnroll { start: &start, gradients: &grads, adjoints: &adjoints };
        let gradient = network.backward(unroll).unwrap();
        let gap: f64 = gradient.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum();
        assert!(gap.sqrt() < 1e-5 * size, "{level:?}: off by {} of {size}", gap.sqrt());
    }
}

#[test]
fn threads_change_nothing() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let network = L2lNetwork::<f64>::new(&psi(), Level::Portable).unwrap();
            let (grads, mut params) = (gradients(3, 150), vec![0.0; 150]);
            let mut state = L2lState::new(150);
            grads.iter().for_each(|grads| network.forward(&mut state, &mut params, grads));
            let unroll = L2lUnroll { start: &state, gradients: &grads, adjoints: &grads };
            (params, network.backward(unroll).unwrap())
        })
    };
    assert!(run(1) == run(3), "the number of threads changed a bit");
}

#[test]
fn files_round_trip_and_damage_is_refused() {
    let record = TrainingRecord { seed: 7, ..TrainingRecord::default() };
    let weights = L2lWeights::new(&psi(), record).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l2l.lopt");
    weights.write(&path).unwrap();
    assert_eq!(L2lWeights::read(&path).unwrap(), weights);
    let bytes = weights.to_bytes();
    for at in [0, 9, 13, 21, 40, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(L2lWeights::from_bytes(&damaged).is_err(), "byte {at}");
    }
    assert!(L2lWeights::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let missing = L2lWeights::read(&folder.path().join("none.lopt")).unwrap_err().to_string();
    assert!(missing.contains("none.lopt") && !missing.contains('\n'), "{missing}");
}

#[test]
fn the_optimizer_is_a_plain_value() {
    fn is_plain_optimizer<T: Optimizer + Clone + Send + Sync + 'static>() {}
    is_plain_optimizer::<L2l>();
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    let refused = |psi: &[f64]| {
        let error = L2lWeights::new(psi, TrainingRecord::default()).unwrap_err();
        L2lNetwork::<f32>::new(psi, Level::Portable)
            .map_or_else(|e| e.to_string(), |_| String::new())
            + &error.to_string()
    };
    let mut psi = psi();
    assert!(refused(&psi[1..]).contains("5141 meta-parameters, not 5140"));
    psi[17] = f64::INFINITY;
    assert!(refused(&psi).contains("meta-parameter 17"));
    psi[17] = 0.0;

    let network = L2lNetwork::<f32>::new(&psi, Level::Portable).unwrap();
    let start = L2lState::new(3);
    let (three, two) = (vec![0.0_f32; 3], vec![0.0_f32; 2]);
    let all = [three.clone(), three];
    let uneven = L2lUnroll { start: &start, gradients: &all, adjoints: &all[..1] };
    assert!(network.backward(uneven).is_err());
    let short = [two];
    let unroll = L2lUnroll { start: &start, gradients: &all[..1], adjoints: &short };
    assert!(network.backward(unroll).is_err());

    let weights = L2lWeights::new(&psi, TrainingRecord::default()).unwrap();
    let mut optimizer = L2l::new(&Layout::single(2).unwrap(), &weights).unwrap();
    let mut params = [1.0, 2.0];
    assert!(optimizer.step(&mut params, &[0.0]).is_err());
    assert!(optimizer.step(&mut params, &[0.0, f32::NAN]).is_err());
    assert_eq!(params, [1.0, 2.0]);
}
