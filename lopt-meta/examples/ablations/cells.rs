//! Cells: a network of its own for every parameter, in front of the relative RNN.
//!
//! Cells of all kinds read the same: sizes and signs of the gradient and of three averages of it in units of its root
//! mean square, its size within the tensor, and the clock. They give gates, odd in the gradient and zero where it
//! always was zero: `g' = g exp(gate) + sum over timescales of gate_s m_s` is what the relative RNN takes for the
//! gradient. At the start all gates are zero.

use lopt_core::optimizer::check_finite;
use lopt_core::rng::{Rng, below, normal, stream, uniform, unit};
use lopt_core::simd::Level;
use lopt_core::tensor_step::TensorStep;
use lopt_core::{Optimizer, RelativeRnn, StepError};
use lopt_meta::EvolutionRecipe;
use lopt_meta::evolution::Practice;
use lopt_meta::meta_optimizer::MetaState;
use rayon::prelude::*;

use super::Length;

/// What every parameter has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// As in the weights `recommended`.
    Nothing,
    /// A multilayer perceptron with two layers of 8 rectified units: the size of Celo2's (arXiv 2602.19142).
    Perceptron,
    /// The paper's GRU of ten units.
    Gru,
}

/// What a cell reads, and the gates that it gives.
const INPUTS: usize = 9;
const GATES: usize = 4;
/// Decays of the averages of gradients, and of that of squares.
const DECAYS: [f32; 3] = [0.5, 0.9, 0.99];
const OF_SQUARES: f32 = 0.998;
/// Units of a layer of the perceptron, and of the GRU.
const LAYER: usize = 8;
const UNITS: usize = 10;

impl Cell {
    fn hidden_weights(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Perceptron => LAYER * (INPUTS + 1) + LAYER * (LAYER + 1),
            Self::Gru => 3 * UNITS * (INPUTS + UNITS + 1),
        }
    }

    /// Units that the gates are linear in.
    fn features(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Perceptron => LAYER,
            Self::Gru => UNITS,
        }
    }

    fn weights(self) -> usize {
        let readout = if self == Self::Nothing { 0 } else { GATES * (self.features() + 1) };
        self.hidden_weights() + readout
    }

    /// Hidden layers are drawn, the readout is zero.
    fn initialize(self, rng: &mut Rng) -> Vec<f64> {
        let mut psi = vec![0.0; self.weights()];
        let inputs = INPUTS + if self == Self::Gru { UNITS } else { 0 };
        let deviation = (inputs as f64).sqrt().recip();
        psi[..self.hidden_weights()].iter_mut().for_each(|w| *w = deviation * normal(rng));
        psi
    }

    /// The gates of one parameter.
    fn gates(self, psi: &[f32], x: &[f32; INPUTS], state: &mut [f32]) -> [f32; GATES] {
        let (hidden, readout) = psi.split_at(self.hidden_weights());
        let mut features = [0.0; UNITS];
        let features = &mut features[..self.features()];
        match self {
            Self::Nothing => return [0.0; GATES],
            Self::Perceptron => {
                let (first, second) = hidden.split_at(LAYER * (INPUTS + 1));
                let mut middle = [0.0; LAYER];
                layer(first, x, &mut middle);
                middle.iter_mut().for_each(|unit| *unit = unit.max(0.0));
                layer(second, &middle, features);
                features.iter_mut().for_each(|unit| *unit = unit.max(0.0));
            }
            Self::Gru => {
                let (of_inputs, of_state) = hidden.split_at(3 * UNITS * (INPUTS + 1));
                let mut given = [0.0; 3 * UNITS];
                layer(of_inputs, x, &mut given);
                let kept: [f32; 3 * UNITS] =
                    std::array::from_fn(|row| dot(&of_state[row * UNITS..][..UNITS], state));
                for unit in 0..UNITS {
                    let [k, r, c] = [unit, UNITS + unit, 2 * UNITS + unit];
                    let keep = sigmoid(1.0 + given[k] + kept[k]);
                    let candidate = (given[c] + sigmoid(given[r] + kept[r]) * kept[c]).tanh();
                    features[unit] = keep * state[unit] + (1.0 - keep) * candidate;
                }
                state.copy_from_slice(features);
            }
        }
        let mut gates = [0.0; GATES];
        layer(readout, features, &mut gates);
        gates.map(|gate| 2.0 * (0.5 * gate).tanh())
    }
}

/// `W x + b`; a row is of the weights of its inputs, and its constant.
fn layer(weights: &[f32], x: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(weights.chunks_exact(x.len() + 1)) {
        let (weights, constant) = row.split_at(x.len());
        *out = dot(weights, x) + constant[0];
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// A relative RNN whose gradients go through a cell per parameter.
struct WithCells {
    cell: Cell,
    psi: Vec<f32>,
    inner: RelativeRnn,
    how: Vec<TensorStep<f32>>,
    /// Averages of the gradient and of its squares, `[P]` each.
    averages: [Vec<f32>; 3],
    squares: Vec<f32>,
    /// Of the cells, `[P, UNITS]`.
    state: Vec<f32>,
    gated: Vec<f32>,
    steps: Vec<i32>,
    loss: Option<f32>,
}

impl WithCells {
    fn new(cell: Cell, psi: &[f64], recipe: &EvolutionRecipe, job: &Practice, factor: f64) -> Self {
        let layout = job.task.job.layout();
        let (upper, own) = psi.split_at(recipe.networks.meta_parameters());
        // as weights hold them
        let upper: Vec<f64> = upper.iter().map(|&x| f64::from(x as f32)).collect();
        let count = layout.len();
        let zeros = |count: usize| vec![0.0; count];
        let units = if cell == Cell::Gru { UNITS } else { 0 };
        let how = TensorStep { multiplier: factor as f32, held: false };
        Self {
            cell,
            psi: own.iter().map(|&x| x as f32).collect(),
            how: vec![how; layout.tensor_count()],
            averages: DECAYS.map(|_| zeros(count)),
            squares: zeros(count),
            state: zeros(count * units),
            gated: zeros(count),
            steps: vec![0; layout.tensor_count()],
            loss: None,
            inner: RelativeRnn::new(&recipe.networks, &upper, &layout, Level::detect()),
        }
    }

    /// Gradients as the relative RNN takes them.
    fn gate(&mut self, grads: &[f32]) {
        self.gated.copy_from_slice(grads);
        if self.cell == Cell::Nothing {
            return;
        }
        for t in 0..self.steps.len() {
            let range = self.inner.layout().range(t);
            if grads[range.clone()].iter().all(|&g| g == 0.0) {
                continue;
            }
            self.steps[t] += 1;
            let steps = self.steps[t];
            let clock = ((steps + 1) as f32).ln() / 5.0 - 1.0;
            let known = DECAYS.map(|decay| 1.0 - decay.powi(steps));
            let known_squares = 1.0 - OF_SQUARES.powi(steps);
            for i in range.clone() {
                self.squares[i] += (1.0 - OF_SQUARES) * (grads[i] * grads[i] - self.squares[i]);
            }
            let mean = self.squares[range.clone()].iter().sum::<f32>() / range.len() as f32;
            let units = self.state.len() / grads.len();
            for i in range {
                let g = grads[i];
                let means: [f32; 3] = std::array::from_fn(|s| {
                    let average = &mut self.averages[s][i];
                    *average += (1.0 - DECAYS[s]) * (g - *average);
                    *average / known[s]
                });
                let size = (self.squares[i] / known_squares).sqrt() + 1e-12;
                let [a, b, c, d] = [g, means[0], means[1], means[2]].map(|x| {
                    let x = x / size;
                    x / (1.0 + x * x / 16.0).sqrt()
                });
                let within = (self.squares[i].max(1e-30) / mean.max(1e-30)).ln() / 6.0;
                let x = [a.abs(), b.abs(), c.abs(), d.abs(), a * b, a * c, a * d, within, clock];
                let state = &mut self.state[i * units..(i + 1) * units];
                let [gain, gates @ ..] = self.cell.gates(&self.psi, &x, state);
                let slow: f32 = gates.iter().zip(means).map(|(gate, mean)| gate * mean).sum();
                self.gated[i] = g * gain.exp() + slow;
            }
        }
    }
}

impl Optimizer for WithCells {
    fn name(&self) -> &str {
        "with cells"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        self.inner.attended(params)
    }

    fn observe(&mut self, loss: f32) -> bool {
        self.loss = Some(loss);
        false
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_finite(self.inner.layout(), grads)?;
        self.gate(grads);
        self.inner.advance(params, &self.gated, &self.how, self.loss.take());
        self.inner.follow(params);
        Ok(())
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.averages
            .iter_mut()
            .chain([&mut self.squares, &mut self.state])
            .for_each(|it| it.fill(0.0));
        self.steps.fill(0);
        self.loss = None;
    }

    fn memory_bytes(&self) -> usize {
        let floats = 4 * self.squares.len() + self.state.len();
        self.inner.memory_bytes() + floats * size_of::<f32>()
    }
}

/// A run by evolution strategies, as that of [`EvolutionTrainer`](lopt_meta::EvolutionTrainer): the readout of the upper
/// networks and all weights of the cell are trained. Gives its score and how many updates it took.
pub(super) fn run(
    cell: Cell,
    recipe: &EvolutionRecipe,
    [jobs, validation]: [&[Practice]; 2],
    length: Length,
) -> (f64, u64) {
    let rng = &mut stream(recipe.seed, &[0]);
    let mut psi = recipe.networks.initialize(rng);
    psi.extend(cell.initialize(rng));
    let free = recipe.networks.readout().start..psi.len();
    let score = |job: &Practice, psi: &[f64], factor: f64, seed: u64| {
        job.score(job.run(seed, &mut WithCells::new(cell, psi, recipe, job, factor)))
    };
    let mut meta = MetaState::new(psi, &recipe.meta_optimizer);
    let (goes_on, mut update) = (length.begin(), 0);
    while goes_on(update) {
        let pairs: Vec<(Vec<f64>, f64)> = (0..recipe.pairs)
            .into_par_iter()
            .map(|pair| {
                let rng = &mut stream(recipe.seed, &[1, update, pair as u64]);
                let job = &jobs[below(rng, jobs.len())];
                let most = recipe.largest_factor.ln();
                let drawn = uniform(rng, -most, most).exp();
                let factor = if unit(rng) < recipe.factor_probability { drawn } else { 1.0 };
                let seed = below(rng, 1 << 20) as u64;
                let noise: Vec<f64> = free.clone().map(|_| normal(rng)).collect();
                let [plus, minus] = [1.0, -1.0].map(|sign| {
                    let mut psi = meta.psi.clone();
                    let moved = psi[free.clone()].iter_mut().zip(&noise);
                    moved.for_each(|(x, e)| *x += sign * recipe.sigma * e);
                    score(job, &psi, factor, seed)
                });
                (noise, (plus - minus).clamp(-0.5, 0.5))
            })
            .collect();
        let mut gradient = vec![0.0; meta.psi.len()];
        let share = 1.0 / (2.0 * recipe.sigma * recipe.pairs as f64);
        for (noise, difference) in pairs {
            let moved = gradient[free.clone()].iter_mut().zip(noise);
            moved.for_each(|(g, e)| *g += share * difference * e);
        }
        meta.update(&recipe.meta_optimizer, &gradient, update, recipe.updates);
        update += 1;
    }
    let runs: Vec<(&Practice, f64)> = [1.0, 0.25, 4.0]
        .into_iter()
        .flat_map(|factor| validation.iter().map(move |job| (job, factor)))
        .collect();
    let scores: Vec<f64> =
        runs.par_iter().map(|(job, factor)| score(job, &meta.average, *factor, 1)).collect();
    (scores.iter().sum::<f64>() / scores.len() as f64, update)
}
