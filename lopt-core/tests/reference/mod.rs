//! The whole update rule of the hierarchical RNN optimizer in plain scalar maths: read this first.
//!
//! It is written for the eye, one parameter at a time, and generic over the kind of number: on
//! `f64` it is the oracle of the fast kernels, on the tape the oracle of their adjoints. Equation
//! numbers are those of Wichrowska et al. 2017; `h` are hidden states, `w`, `b`, `v`, `A` weights.

#![allow(dead_code, reason = "each test binary uses a part of this module")]

pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod state;
pub(crate) mod two_tensors;
pub(crate) mod unroll;
pub(crate) mod variants;

use lopt_core::config::{GlobalInput, HierarchicalRnnConfig, Normalization};
use lopt_core::config::{RelativeRate, StepOffset};
use lopt_core::meta_params::{AffineBlocks, GruBlocks, MetaLayout};
use number::Number;
use state::{Element, State, Tensor};
use std::ops::Range;

/// The optimizer: a configuration and its meta-parameters `psi`.
pub(crate) struct Reference<'a, N> {
    pub(crate) config: &'a HierarchicalRnnConfig,
    pub(crate) layout: MetaLayout,
    pub(crate) psi: &'a [N],
}

impl<'a, N: Number> Reference<'a, N> {
    pub(crate) fn new(config: &'a HierarchicalRnnConfig, psi: &'a [N]) -> Self {
        let layout = MetaLayout::new(config);
        assert_eq!(psi.len(), layout.len(), "meta-parameters of this configuration");
        Self { config, layout, psi }
    }

    /// The state before the first step; `theta` and `log_rate` have one list per tensor.
    pub(crate) fn start(&self, theta: &[Vec<N>], log_rate: &[Vec<N>]) -> State<N> {
        let (c, l) = (self.config, &self.layout);
        let zero = self.psi[0].like(0.0);
        let initial = |range: &Range<usize>, hidden: usize| match range.is_empty() {
            true => vec![zero; hidden],
            false => self.psi[range.clone()].to_vec(),
        };
        let element = |(&theta, &log_rate): (&N, &N)| Element {
            theta,
            attended: theta,
            hidden: initial(&l.parameter_initial, c.parameter_hidden),
            log_rate,
            gradient_decay: zero,
            rms_decay: zero,
            averages: vec![zero; c.timescales],
            mean_squares: vec![zero; c.mean_squares()],
            inputs: vec![],
            direction: zero,
            attended_direction: zero,
            clipped_log_rate: log_rate,
        };
        let tensor = |(theta, log_rate): (&Vec<N>, &Vec<N>)| Tensor {
            elements: theta.iter().zip(log_rate).map(element).collect(),
            hidden: initial(&l.tensor_initial, c.tensor_hidden),
        };
        let tensors = theta.iter().zip(log_rate).map(tensor).collect();
        State { tensors, global: initial(&l.global_initial, c.global_hidden), steps: 0 }
    }

    /// One step; `grads` is flat, taken at the attended parameters.
    pub(crate) fn step(&self, state: &State<N>, grads: &[N]) -> State<N> {
        self.step_beside(state, grads, mean(state.elements().map(|e| e.log_rate)))
    }

    /// One step with a mean log rate that may be that of more tensors.
    pub(crate) fn step_beside(&self, state: &State<N>, grads: &[N], problem_mean: N) -> State<N> {
        let problem_square = mean(state.elements().map(|e| e.attended * e.attended));
        let mut rest = grads;
        let mut tensors = Vec::new();
        for tensor in &state.tensors {
            let (own, others) = rest.split_at(tensor.elements.len());
            tensors.push(self.step_tensor(
                tensor,
                own,
                &state.global,
                problem_mean,
                problem_square,
                state.steps,
            ));
            rest = others;
        }
        // (12)
        let mut input = match self.config.global_input {
            GlobalInput::MeanOfTensors => column_means(tensors.iter().map(|t| t.hidden.clone())),
            GlobalInput::LastTensor => tensors[tensors.len() - 1].hidden.clone(),
        };
        if self.config.clock > 0.0 {
            input.push(self.psi[0].like(self.config.clock_reading(state.steps)));
        }
        let global = self.gru(&self.layout.global, &input, &state.global, None);
        State { tensors, global, steps: state.steps + 1 }
    }

    fn step_tensor(
        &self,
        old: &Tensor<N>,
        grads: &[N],
        global: &[N],
        problem_mean: N,
        problem_square: N,
        steps: u64,
    ) -> Tensor<N> {
        let l = &self.layout;
        let from_tensor = self.affine(&l.tensor_to_parameter, &old.hidden);
        let from_global = self.affine(&l.global_to_parameter, global);
        let bias: Vec<N> = from_tensor.iter().zip(&from_global).map(|(&x, &y)| x + y).collect();
        let reference_rate = match self.config.relative_rate {
            RelativeRate::Tensor => mean(old.elements.iter().map(|e| e.log_rate)),
            RelativeRate::Problem | RelativeRate::Off => problem_mean,
        };

        let square = |e: &Element<N>| e.attended * e.attended;
        let size = mean(old.elements.iter().map(square)) + problem_square.times(0.01);
        let (n, wide) = (old.elements.len() as f64, self.config.wide_from);
        let width = if wide > 0.0 && n > wide { (n * wide).ln() / 8.0 } else { n.ln() / 4.0 };
        let log_scale = size.plus(1e-4).ln().times(0.5).plus(-width);

        let mut elements = old.elements.clone();
        for (e, &g) in elements.iter_mut().zip(grads) {
            self.accumulate(e, g);
            e.inputs = self.inputs(e, reference_rate, log_scale);
            e.hidden = self.gru(&l.parameter, &e.inputs, &e.hidden, Some(&bias)); // (10)
            self.read_out(e, log_scale.value() + self.config.log_largest(steps));
        }
        let direction_length = self.length(elements.iter().map(|e| e.direction));
        let attended_length = self.length(elements.iter().map(|e| e.attended_direction));
        let fade = self.fade(grads);
        for e in &mut elements {
            e.direction = e.direction / direction_length;
            e.attended_direction = e.attended_direction / attended_length;
            self.advance(e, self.config.log_pace(steps), fade);
        }

        // (11)
        let input = column_means(elements.iter().map(|e| [&e.hidden[..], &e.inputs].concat()));
        let bias = self.affine(&l.global_to_tensor, global);
        let hidden = self.gru(&l.tensor, &input, &old.hidden, Some(&bias));
        Tensor { elements, hidden }
    }

    /// Gradient averages and their mean squares, (1), (2), (17). The decay of scale `s` is
    /// `a^(2^-s)`, so each is the root of the one before; a single scale is not averaged.
    fn accumulate(&self, e: &mut Element<N>, g: N) {
        let blend = |decay: N, new: N, old: N| (decay.like(1.0) - decay) * new + decay * old;
        let mut a = e.gradient_decay;
        for average in &mut e.averages {
            *average = if self.config.timescales > 1 { blend(a, g, *average) } else { g };
            a = a.sqrt();
        }
        let per_scale = self.config.rms_decay_per_scale;
        let mut b = e.rms_decay;
        let mut signals = e.averages.clone();
        if self.config.previous_scale {
            // the raw gradient counts as scale -1, so its decay is b^2
            signals.insert(0, g);
            b = if per_scale { b * b } else { b };
        }
        for (mean_square, x) in e.mean_squares.iter_mut().zip(signals) {
            *mean_square = blend(b, (x * x).plus(1e-12), *mean_square);
            b = if per_scale { b.sqrt() } else { b };
        }
    }

    /// The inputs `x` of the Parameter RNN: scaled gradients `m_s` (3), (17), their products,
    /// relative log mean squares (4), relative log rate, two rarely used ones, and the log rate
    /// relative to the size of the parameters.
    fn inputs(&self, e: &Element<N>, reference_rate: N, log_scale: N) -> Vec<N> {
        let c = self.config;
        // with previous-scale normalisation the extra mean square in front shifts the pairs by one
        let scale = |(&average, &mean_square): (&N, &N)| {
            let scaled = average / mean_square.plus(1e-16).sqrt();
            if c.asinh { scaled.asinh() } else { scaled }
        };
        let mut x: Vec<N> = e.averages.iter().zip(&e.mean_squares).map(scale).collect();
        if c.gradient_products {
            let products: Vec<N> = x.windows(2).map(|m| m[0] * m[1]).collect();
            x.extend(products);
        }
        if c.log_mean_squares {
            let own = &e.mean_squares[e.mean_squares.len() - c.timescales..];
            let logs: Vec<N> = own.iter().map(|square| square.plus(1e-16).ln()).collect();
            let center = mean(logs.iter().copied());
            x.extend(logs.iter().map(|&log| log - center));
        }
        if c.relative_rate != RelativeRate::Off {
            x.push(e.log_rate - reference_rate);
        }
        if c.extreme_indicator {
            let below = e.log_rate.like(1e-6_f64.ln()) - e.log_rate;
            x.push(e.log_rate.relu() - below.relu());
        }
        if c.rate_shortcut {
            x.push(e.log_rate.plus(-(1e-3_f64.ln())));
        }
        if c.parameter_scale {
            let centre = 1e-2_f64.ln() + 50_f64.ln() / 4.0;
            x.push((e.log_rate - log_scale).plus(-centre).times(0.25));
        }
        x
    }

    /// From the new hidden state to directions, decays and log rate, (7), (8), (13).
    fn read_out(&self, e: &mut Element<N>, log_largest: f64) {
        let (c, l) = (self.config, &self.layout);
        let zero = e.theta.like(0.0);
        let direction = |weight: &Range<usize>, shortcut: &Range<usize>| {
            self.dot(&e.hidden, weight) + self.dot(&e.inputs[..shortcut.len()], shortcut)
        };
        let linear = |weight: &Range<usize>, bias: &Range<usize>| {
            self.dot(&e.hidden, weight) + self.psi[bias.start]
        };
        e.direction = direction(&l.direction, &l.direction_shortcut);
        if c.attention {
            e.attended_direction = direction(&l.attention, &l.attention_shortcut);
        }
        e.rms_decay = match c.learnable_decay {
            true => linear(&l.rms_decay_weight, &l.rms_decay_bias).sigmoid(),
            false => zero.like(0.93),
        };
        e.gradient_decay = match c.learnable_decay && c.learnable_gradient_decay {
            true => linear(&l.gradient_decay_weight, &l.gradient_decay_bias).sigmoid(),
            false => zero.like(0.89),
        };
        if c.dynamic_output_scale {
            let wanted = e.log_rate + linear(&l.log_rate_weight, &l.log_rate_bias);
            let largest = match c.parameter_scale {
                true => c.max_log_rate.min(log_largest),
                false => c.max_log_rate,
            };
            e.clipped_log_rate = wanted.clip_straight_through(-c.max_log_rate, largest);
            let keep = self.psi[l.rate_momentum.start].sigmoid();
            e.log_rate = keep * e.log_rate + (keep.like(1.0) - keep) * e.clipped_log_rate;
        }
    }

    /// What the directions of a tensor are divided by, (5), (6), (18).
    fn length(&self, directions: impl Iterator<Item = N> + Clone) -> N {
        let squares = directions.clone().map(|d| d * d);
        let n = directions.count() as f64;
        match self.config.normalization {
            Normalization::None => sum(squares).like(1.0),
            Normalization::Rms => mean(squares).plus(1e-16).sqrt(),
            Normalization::MeanNorm => sum(squares).plus(1e-16).sqrt().times(1.0 / n),
        }
    }

    /// Factor of the steps of a tensor with these gradients.
    fn fade(&self, grads: &[N]) -> N {
        let square = mean(grads.iter().map(|&g| g * g));
        let least = self.config.least_gradient.powi(2);
        if least == 0.0 {
            return square.like(1.0);
        }
        let root = square / square.plus(least);
        root * root
    }

    /// Moves parameter and attended point, both from the old parameter, (5), (6), (9), (19). All
    /// learned step lengths are times the pace and the tensor's fade.
    fn advance(&self, e: &mut Element<N>, log_pace: f64, fade: N) {
        let old = e.theta;
        let (mut rate, mut attended_rate) = (old.like(1.0), old.like(1.0));
        if self.config.dynamic_output_scale {
            let l = e.clipped_log_rate.plus(log_pace);
            let offset = || self.psi[self.layout.step_offset.start];
            let (shift, attended_shift) = match self.config.step_offset {
                StepOffset::None => (old.like(0.0), old.like(0.0)),
                StepOffset::Parameter => (offset(), old.like(0.0)),
                StepOffset::Attention => (old.like(0.0), offset()),
            };
            rate = (l + shift).exp() * fade;
            attended_rate = (l + attended_shift).exp() * fade;
        }
        e.theta = old - rate * e.direction;
        e.attended = match self.config.attention {
            true => old - attended_rate * e.attended_direction,
            false => e.theta,
        };
    }

    /// A GRU cell with an injected bias `[reset | update | candidate]`.
    fn gru(&self, cell: &GruBlocks, x: &[N], h: &[N], injected: Option<&[N]>) -> Vec<N> {
        let n = h.len();
        let injected = injected.map_or_else(|| vec![h[0].like(0.0); 3 * n], <[N]>::to_vec);
        let gates = self.linear(&cell.gates_weight, &cell.gates_bias, &[x, h].concat());
        let reset: Vec<N> = (0..n).map(|i| (gates[i] + injected[i]).sigmoid()).collect();
        let kept: Vec<N> = reset.iter().zip(h).map(|(&r, &h)| r * h).collect();
        let candidate =
            self.linear(&cell.candidate_weight, &cell.candidate_bias, &[x, &kept].concat());
        let unit = |i: usize| {
            let update = (gates[n + i] + injected[n + i]).sigmoid();
            let new = (candidate[i] + injected[2 * n + i]).tanh();
            update * h[i] + (update.like(1.0) - update) * new
        };
        (0..n).map(unit).collect()
    }

    fn affine(&self, map: &AffineBlocks, x: &[N]) -> Vec<N> {
        self.linear(&map.weight, &map.bias, x)
    }

    /// `x W + b`, `W` row-major with one row per entry of `x`.
    fn linear(&self, weight: &Range<usize>, bias: &Range<usize>, x: &[N]) -> Vec<N> {
        let (w, outputs) = (&self.psi[weight.clone()], bias.len());
        assert_eq!(w.len(), x.len() * outputs, "shape of a weight matrix");
        let column =
            |j| (0..x.len()).fold(self.psi[bias.start + j], |y, i| y + x[i] * w[i * outputs + j]);
        (0..outputs).map(column).collect()
    }

    fn dot(&self, x: &[N], weight: &Range<usize>) -> N {
        let products = x.iter().zip(&self.psi[weight.clone()]).map(|(&x, &w)| x * w);
        products.reduce(|a, b| a + b).unwrap_or_else(|| self.psi[0].like(0.0))
    }
}

pub(crate) fn sum<N: Number>(values: impl Iterator<Item = N>) -> N {
    values.reduce(|a, b| a + b).expect("a sum of something")
}

pub(crate) fn mean<N: Number>(values: impl Iterator<Item = N> + Clone) -> N {
    let n = values.clone().count() as f64;
    let total = sum(values);
    total / total.like(n)
}

/// Mean over rows of equal width.
fn column_means<N: Number>(rows: impl Iterator<Item = Vec<N>>) -> Vec<N> {
    let rows: Vec<Vec<N>> = rows.collect();
    (0..rows[0].len()).map(|j| mean(rows.iter().map(|row| row[j]))).collect()
}
