//! A thousand steps of one training run: how far rounding carries the two apart.

use crate::pair::{Pair, difference, embedded, layout};
use lopt_core::rng::{normal, stream};
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, Layout, Optimizer, Weights};

/// A network with one hidden layer on 64 rows of random data, its gradient written out.
struct Network {
    inputs: Vec<[f32; 8]>,
    targets: Vec<f32>,
}

const UNITS: usize = 16;

const NAMES: [&str; 3] = ["recommended", "hierarchical-rnn", "paper"];

impl Network {
    fn new() -> Self {
        let mut rng = stream(9, &[]);
        let mut draw = || normal(&mut rng) as f32;
        let inputs: Vec<[f32; 8]> = (0..64).map(|_| std::array::from_fn(|_| draw())).collect();
        let targets = inputs.iter().map(|x| (x[0] * x[1]).sin() + 0.5 * x[2]).collect();
        Self { inputs, targets }
    }

    /// `W [16, 8], b [16], w [16], c`.
    fn layout() -> Layout {
        layout(&[8 * UNITS, UNITS, UNITS, 1])
    }

    /// Loss and gradient.
    fn gradient(&self, p: &[f32]) -> (f32, Vec<f32>) {
        let (b, w, c) = (8 * UNITS, 9 * UNITS, 10 * UNITS);
        let mut grads = vec![0.0; p.len()];
        let mut loss = 0.0;
        for (x, y) in self.inputs.iter().zip(&self.targets) {
            let unit = |j: usize| {
                let sum: f32 = (0..8).map(|i| p[8 * j + i] * x[i]).sum();
                (sum + p[b + j]).tanh()
            };
            let h: [f32; UNITS] = std::array::from_fn(unit);
            let error = (0..UNITS).map(|j| p[w + j] * h[j]).sum::<f32>() + p[c] - y;
            loss += error * error / 64.0;
            let up = 2.0 * error / 64.0;
            grads[c] += up;
            for j in 0..UNITS {
                grads[w + j] += up * h[j];
                let back = up * p[w + j] * (1.0 - h[j] * h[j]);
                grads[b + j] += back;
                (0..8).for_each(|i| grads[8 * j + i] += back * x[i]);
            }
        }
        (loss, grads)
    }
}

/// Another run of the CPU that differs by rounding alone, and its first parameters: of a hierarchical RNN on
/// another SIMD level; of a relative RNN, which has the same bits on all of them, from parameters that are one
/// rounding error away.
fn other_run(name: &str, layout: &Layout, start: &[f32]) -> (Box<dyn Optimizer>, Vec<f32>) {
    let weights = Weights::embedded(name).unwrap();
    let Ok(config) = weights.hierarchical_rnn() else {
        let host = embedded(name).init(layout).unwrap();
        return (Box::new(host), start.iter().map(|x| x.next_up()).collect());
    };
    let host = HierarchicalRnn::new(&config, &weights.psi_f64(), layout, Level::Portable);
    (Box::new(host.with_averaging(8.0)), start.to_vec())
}

/// Largest differences after 10, 100 and 1000 steps of one training run: between CPU and device, and
/// between two runs of the CPU that differ by rounding alone.
fn drift(
    name: &str,
    layout: &Layout,
    problem: impl Fn(&[f32]) -> (f32, Vec<f32>),
) -> [[f64; 2]; 3] {
    let mut pair = Pair::new(&embedded(name), layout, 3);
    let (mut second, mut other) = other_run(name, layout, &pair.theta);
    let first = problem(&pair.theta).0;
    let mut seen = [[0.0; 2]; 3];
    for step in 1..=1000 {
        let grads = problem(second.attended(&other)).1;
        second.step(&mut other, &grads).unwrap();
        let at = pair.device.attended(&pair.params);
        let grads = problem(&pair.device.download(at).unwrap()).1;
        pair.on_device(&grads, &[], None);
        let grads = problem(pair.host.attended(&pair.theta)).1;
        pair.host.step(&mut pair.theta, &grads).unwrap();
        if let Some(i) = [10, 100, 1000].iter().position(|&at| at == step) {
            let theta = pair.moved();
            seen[i] = [difference(&theta, &pair.theta), difference(&other, &pair.theta)];
            let losses = [&theta, &pair.theta].map(|p| problem(p).0);
            let [device, runs] = seen[i];
            println!(
                "{name}, step {step}: CPU and device {device:.1e} apart, two runs of the CPU \
                 {runs:.1e}; losses {losses:?} of {first}"
            );
        }
    }
    seen
}

/// A bowl with curvatures from 0.1 to 10 around a point: all training runs end there.
fn bowl(p: &[f32]) -> (f32, Vec<f32>) {
    let (mut loss, mut grads) = (0.0, Vec::with_capacity(p.len()));
    for (i, x) in p.iter().enumerate() {
        let curvature = 10.0_f32.powf((i % 21) as f32 / 10.0 - 1.0);
        let away = x - (i as f32 * 0.7).sin();
        loss += 0.5 * curvature * away * away;
        grads.push(curvature * away);
    }
    (loss, grads)
}

#[test]
fn a_thousand_steps_end_together() {
    for name in NAMES {
        let seen = drift(name, &layout(&[300, 7, 64]), bowl);
        // on the way rounding grows where steps are long, between two runs of the CPU, too
        for [device, runs] in seen {
            assert!(device < 1e-3_f64.max(10.0 * runs), "{name}: {seen:?}");
        }
        assert!(seen[2][0] < 1e-3, "{name}: {seen:?}");
    }
}

/// Along the valleys of a network rounding grows: there is no tolerance but that of the CPU itself.
#[test]
fn rounding_grows_as_on_the_cpu() {
    let problem = Network::new();
    for name in NAMES {
        let seen = drift(name, &Network::layout(), |p| problem.gradient(p));
        assert!(seen[0][0] < 1e-5, "{name}: {seen:?}");
    }
}
