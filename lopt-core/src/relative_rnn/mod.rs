//! The second generation: steps relative to the size of a tensor, their length set by a Tensor RNN and
//! a Global RNN.
//!
//! Data flows **gradient -> Parameter level (`parameter.rs`) -> sums over a tensor -> what they say
//! (`tensor.rs`) -> Tensor RNN, Global RNN (`networks.rs`) -> rates of the next step**. Directions are those
//! of Adam with Nesterov's look-ahead, zero where gradients always were zero. What the networks read
//! has no units: neither the scale of the loss nor that of the parameters changes a step's relative
//! length.

mod config;
mod networks;
mod parameter;
#[doc(hidden)]
pub mod tensor;

pub use config::RelativeRnnConfig;
#[doc(hidden)]
pub use networks::{GLOBAL_INPUTS, INPUTS, OUTPUTS};
#[doc(hidden)]
pub use parameter::EPSILON;
#[doc(hidden)]
pub use tensor::normal_length;

use std::fmt;
use std::ops::Range;

use crate::flush::FlushToZero;
use crate::layout::Layout;
use crate::optimizer::{Optimizer, StepError, check_finite, check_lengths, check_norms};
use crate::simd::{Element, Level};
use crate::tensor_step::{TensorStep, is_held};
use networks::Networks;
use parameter::{BLOCK, Elements, Rates, Step, Sums};
use tensor::{NUMBERS, Tensor};

/// A learned optimizer for one model; state: 16 bytes per parameter, and a few hundred per tensor.
///
/// The gradient is to be taken at [`attended`](Optimizer::attended); `step` leaves the parameters to use
/// in `params`. The loss is an optional input, by [`observe`](Optimizer::observe). Neither the number of
/// threads nor the SIMD level changes a bit.
#[derive(Clone)]
pub struct RelativeRnn {
    config: RelativeRnnConfig,
    pub(crate) networks: Networks,
    layout: Layout,
    level: Level,
    threads: usize,
    begun: bool,
    vectors: Vectors<f32>,
    pub(crate) tensors: Vec<Tensor>,
    /// Of the Tensor RNN, `[T, H]`.
    hidden: Vec<f64>,
    /// Of the Global RNN.
    global: Vec<f64>,
    pub(crate) loss: LossTrend,
    observed: Option<f32>,
}

/// One number per parameter each, `[P]`.
#[derive(Clone, Debug)]
struct Vectors<E> {
    /// `m`.
    mean: Vec<E>,
    /// `v`.
    square: Vec<E>,
    /// `z`.
    iterate: Vec<E>,
    /// `y`.
    attended: Vec<E>,
}

impl<E: Element> Vectors<E> {
    fn new(count: usize) -> Self {
        let zeros = || vec![E::from_f64(0.0); count];
        Self { mean: zeros(), square: zeros(), iterate: zeros(), attended: zeros() }
    }

    fn begin(&mut self, range: Range<usize>, params: &[E]) {
        self.iterate[range.clone()].copy_from_slice(&params[range.clone()]);
        self.attended[range.clone()].copy_from_slice(&params[range]);
    }

    fn elements<'a>(
        &'a mut self,
        range: Range<usize>,
        params: &'a mut [E],
        grads: &'a [E],
    ) -> Elements<'a, E> {
        let [m, v] = [&mut self.mean, &mut self.square].map(|vector| &mut vector[range.clone()]);
        let [z, y] = [&mut self.iterate, &mut self.attended].map(|it| &mut it[range.clone()]);
        let vectors = [m, v, z, y, &mut params[range.clone()]];
        Elements { gradient: &grads[range], vectors }
    }
}

impl RelativeRnn {
    /// Any meta-parameters, on a given SIMD level.
    ///
    /// # Panics
    ///
    /// If `psi` does not fit the configuration.
    #[must_use]
    pub fn new(config: &RelativeRnnConfig, psi: &[f64], layout: &Layout, level: Level) -> Self {
        let count = layout.tensor_count();
        Self {
            config: *config,
            networks: Networks::new(config, psi),
            layout: layout.clone(),
            level,
            threads: rayon::current_num_threads(),
            begun: false,
            vectors: Vectors::new(layout.len()),
            tensors: tensors(config, layout),
            hidden: vec![0.0; count * config.tensor_hidden],
            global: vec![0.0; config.global_hidden],
            loss: LossTrend::default(),
            observed: None,
        }
    }

    /// Configuration in use.
    #[must_use]
    pub fn config(&self) -> &RelativeRnnConfig {
        &self.config
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Steps since the last reset that each tensor took part in, `[T]`.
    #[must_use]
    pub fn own_steps(&self) -> Vec<u64> {
        self.tensors.iter().map(|tensor| tensor.steps).collect()
    }

    /// Root mean square of the last step of every tensor's iterate, `[T]`, in units of the parameters.
    #[must_use]
    pub fn step_sizes(&self) -> Vec<f32> {
        self.tensors.iter().map(|tensor| tensor.moved as f32).collect()
    }

    /// Length of a tensor's next step in units of its normal length.
    pub(crate) fn pace(&self, tensor: usize) -> f32 {
        self.tensors[tensor].pace() as f32
    }

    /// Has the points of tensors that have taken no step follow the parameters.
    #[doc(hidden)]
    pub fn follow(&mut self, params: &[f32]) {
        for t in 0..self.tensors.len() {
            if self.begun && self.tensors[t].steps == 0 {
                self.vectors.begin(self.layout.range(t), params);
            }
        }
    }

    /// The iterate of a tensor: that of `params` before its first step.
    pub(crate) fn iterate_mut<'a>(
        &'a mut self,
        params: &'a mut [f32],
        tensor: usize,
    ) -> &'a mut [f32] {
        let begun = self.tensors[tensor].steps > 0;
        let iterate = if begun { &mut self.vectors.iterate[..] } else { params };
        &mut iterate[self.layout.range(tensor)]
    }

    /// A step whose arguments have been checked; `tensors`: how each takes part, or empty.
    #[doc(hidden)]
    pub fn advance(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        tensors: &[TensorStep<f32>],
        loss: Option<f32>,
    ) {
        let _flush = FlushToZero::set();
        if !self.begun {
            // tensors that are held show where they are
            self.vectors.begin(0..params.len(), params);
            self.begun = true;
        }
        let h = self.config.tensor_hidden;
        let (mut mean, mut present) = ([0.0; config::MOST], 0.0);
        let mut clock: f64 = 0.0;
        for t in 0..self.tensors.len() {
            let range = self.layout.range(t);
            let tensor = &mut self.tensors[t];
            if is_held(tensors, t) || grads[range.clone()].iter().all(|&g| g == 0.0) {
                (tensor.moved, tensor.influence) = (0.0, 0.0);
                continue;
            }
            if tensor.steps == 0 {
                let squares = params[range.clone()].iter().map(|&x| f64::from(x) * f64::from(x));
                tensor.begin(squares.sum());
                self.vectors.begin(range.clone(), params);
            }
            let multiplier = tensors.get(t).map_or(1.0, |how| f64::from(how.multiplier));
            let rates = tensor.next_rates(multiplier);
            let elements = self.vectors.elements(range, params, grads);
            let sums =
                over_blocks(&rates, elements, self.threads, &|step| self.level.dispatch(step));
            let seen = tensor.observe(&sums, &rates);
            let state = &mut self.hidden[t * h..(t + 1) * h];
            tensor.set_rates(&self.networks.of_tensor(&seen, &self.global, state));
            mean.iter_mut().zip(&*state).for_each(|(mean, x)| *mean += x);
            present += 1.0;
            clock = clock.max(tensor.steps as f64);
        }
        let largest = self.tensors.iter().map(|tensor| tensor.influence).fold(0.0, f64::max);
        self.tensors.iter_mut().for_each(|tensor| tensor.quieten(largest));
        if present > 0.0 {
            mean.iter_mut().for_each(|mean| *mean /= present);
            let [fast, slow, known] = self.loss.take(loss);
            let seen: [f64; GLOBAL_INPUTS] = [fast, slow, known, clock.ln_1p() / 5.0 - 1.0];
            self.networks.of_all(&mean[..h], &seen, &mut self.global);
        }
    }
}

fn tensors(config: &RelativeRnnConfig, layout: &Layout) -> Vec<Tensor> {
    tensor::kinds(layout, config).into_iter().map(Tensor::new).collect()
}

/// The step of a tensor, block by block: the same sums in the same order for any number of threads.
fn over_blocks<E: Element>(
    rates: &Rates,
    elements: Elements<'_, E>,
    threads: usize,
    run: &(impl Fn(Step<'_, E>) -> Sums + Sync),
) -> Sums {
    let count = elements.len();
    if count <= BLOCK {
        return run(Step { rates: *rates, elements });
    }
    let blocks = count.div_ceil(BLOCK);
    let [first, second] = elements.split(blocks / 2 * BLOCK);
    let half = |part| over_blocks(rates, part, threads, run);
    if threads > 1 && count >= PAYS_THREADS {
        let in_thread = |part| {
            let _flush = FlushToZero::set();
            half(part)
        };
        let (first, second) = rayon::join(|| in_thread(first), || in_thread(second));
        return first + second;
    }
    half(first) + half(second)
}

/// Elements from which on a second thread is worth its start.
const PAYS_THREADS: usize = 1 << 17;

/// How the loss goes: averages over three horizons, and its spread.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossTrend {
    averages: [f64; 3],
    spread: f64,
    count: f64,
}

impl LossTrend {
    /// Progress at two timescales in units of the spread, from -1 to 1, and 1; zeros without a loss.
    pub fn take(&mut self, loss: Option<f32>) -> [f64; 3] {
        let Some(loss) = loss.map(f64::from).filter(|loss| loss.is_finite()) else {
            return [0.0; 3];
        };
        if self.count == 0.0 {
            self.averages = [loss; 3];
        }
        self.count += 1.0;
        let away = (loss - self.averages[1]).abs();
        self.spread += (away - self.spread) * (1.0 / (self.count + 1.0)).max(0.02);
        for (average, horizon) in self.averages.iter_mut().zip([5.0, 30.0, 200.0]) {
            *average += (loss - *average) / self.count.min(horizon);
        }
        let spread = self.spread.max(1e-12 * loss.abs()).max(1e-30);
        let [fast, middle, slow] = self.averages;
        [((middle - fast) / spread).tanh(), ((slow - middle) / spread).tanh(), 1.0]
    }

    /// What a later run needs.
    pub(crate) fn numbers(&self) -> [f64; 5] {
        let [fast, middle, slow] = self.averages;
        [fast, middle, slow, self.spread, self.count]
    }
}

/// Short: the state would be megabytes.
impl fmt::Debug for RelativeRnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.tensors.iter().map(|tensor| tensor.steps).max();
        self.layout.describe("RelativeRnn", steps.unwrap_or(0), f)
    }
}

impl Optimizer for RelativeRnn {
    fn name(&self) -> &str {
        "lopt"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        if self.begun { &self.vectors.attended } else { params }
    }

    fn observe(&mut self, loss: f32) -> bool {
        self.observed = Some(loss);
        false
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        check_norms(&self.layout, grads, |_| true)?;
        let loss = self.observed.take();
        self.advance(params, grads, &[], loss);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let floats = 4 * self.vectors.mean.len();
        let numbers = self.hidden.len() + self.global.len();
        floats * size_of::<f32>()
            + numbers * size_of::<f64>()
            + size_of_val(self.tensors.as_slice())
    }

    fn reset(&mut self) {
        self.begun = false;
        self.vectors.mean.fill(0.0);
        self.vectors.square.fill(0.0);
        self.tensors = tensors(&self.config, &self.layout);
        self.hidden.fill(0.0);
        self.global.fill(0.0);
        self.loss = LossTrend::default();
        self.observed = None;
    }
}

/// What a later run needs beside configuration and weights.
#[doc(hidden)]
#[derive(Debug)]
pub struct RelativeMemory<'a> {
    /// Whether a step was taken.
    pub begun: bool,
    /// As many for every model of a layout.
    pub numbers: Vec<f64>,
    /// `m`, `v`, `z`, `y`, each `[P]`.
    pub parts: [&'a [f32]; 4],
}

impl RelativeRnn {
    #[doc(hidden)]
    #[must_use]
    pub fn memory(&self) -> RelativeMemory<'_> {
        let mut numbers: Vec<f64> = self.tensors.iter().flat_map(Tensor::memory).collect();
        numbers.extend(&self.hidden);
        numbers.extend(&self.global);
        numbers.extend(self.loss.numbers());
        let Vectors { mean, square, iterate, attended } = &self.vectors;
        RelativeMemory { begun: self.begun, numbers, parts: [mean, square, iterate, attended] }
    }

    /// Takes what [`memory`](Self::memory) gave; lengths have been compared.
    pub(crate) fn restore(&mut self, begun: bool, numbers: &[f64], parts: &[Vec<f32>]) {
        self.begun = begun;
        let (of_tensors, rest) = numbers.split_at(self.tensors.len() * NUMBERS);
        for (tensor, numbers) in self.tensors.iter_mut().zip(of_tensors.as_chunks().0) {
            tensor.restore(numbers);
        }
        let (hidden, rest) = rest.split_at(self.hidden.len());
        self.hidden.copy_from_slice(hidden);
        let (global, rest) = rest.split_at(self.global.len());
        self.global.copy_from_slice(global);
        if let [fast, middle, slow, spread, count] = *rest {
            self.loss = LossTrend { averages: [fast, middle, slow], spread, count };
        }
        let Vectors { mean, square, iterate, attended } = &mut self.vectors;
        for (vector, part) in [mean, square, iterate, attended].into_iter().zip(parts) {
            vector.copy_from_slice(part);
        }
        self.observed = None;
    }
}
