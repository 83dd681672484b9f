//! What is kept of a tensor between steps: its clock, what was seen of it, the rates of its next step.

use super::config::RelativeRnnConfig;
use super::networks::{INPUTS, OUTPUTS, sigmoid};
use super::parameter::{Rates, Sums};
use crate::layout::{Layout, TensorShape};

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    kind: Kind,
    /// Steps it took part in.
    pub steps: u64,
    /// Root mean square of its iterate at its first step and now, each at least [`Kind::least_size`].
    sizes: [f64; 2],
    /// Sums of the weights in the averages of gradients and of their squares.
    weights: [f64; 2],
    /// Cosine of gradient and mean gradient, of gradient and the way from average to iterate, log size
    /// of the direction, log share of gradients that are not 0: averages over 10 and over 100 steps.
    seen: [[f64; 2]; 4],
    /// The first of these cosines in the last step.
    cosine: f64,
    /// What changes of the step length have added up to.
    drift: f64,
    /// Step in units of its normal length.
    length: f64,
    decays: [f64; 2],
    /// Exponent of the average: it goes over about the last `1 / (power + 1)` of the steps.
    power: f64,
    mix: f64,
    /// Weight decay in units of the relative step.
    weight_decay: f64,
    /// Root mean square of the last step.
    pub moved: f64,
    /// Size times root mean square of the last gradient, 0 without one: what a relative change of an element
    /// changes the loss by.
    pub influence: f64,
}

/// What a shape tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// 1 with two axes of more than one element, else 0.
    pub matrix: f64,
    /// Number of elements.
    pub elements: f64,
    /// The longer of its two sides, or 1.
    pub longer: f64,
    /// Step in units of its size, where the networks say nothing.
    pub normal: f64,
    /// What its size counts as at least, so that it can leave zero.
    pub least_size: f64,
    /// How much longer its steps get for each unit of the cosine, logarithmically; 0 for all but what gives a
    /// single output.
    pub agreement: f64,
    /// What the logarithm of the step length that the networks ask for is multiplied by.
    pub trust: f64,
    /// Steps until a step has its whole length.
    pub warm_up: f64,
    /// That of the configuration.
    pub power_in_noise: f64,
    /// Likewise; 0 for what is no matrix.
    pub weight_decay: f64,
}

/// What the shapes of a model tell, `[T]`.
#[must_use]
pub fn kinds(layout: &Layout, config: &RelativeRnnConfig) -> Vec<Kind> {
    let matrices = layout.tensors().iter().filter(|shape| sides(&shape.shape).is_some()).count();
    layout.tensors().iter().map(|shape| Kind::of(shape, matrices as f64, config)).collect()
}

impl Kind {
    /// * `matrices`: of the whole model.
    fn of(shape: &TensorShape, matrices: f64, config: &RelativeRnnConfig) -> Self {
        let (elements, sides) = (shape.len() as f64, sides(&shape.shape));
        let longer = sides.map_or(1.0, |[a, b]| a.max(b));
        let RelativeRnnConfig { agreement, power_in_noise, weight_decay, .. } = *config;
        // what goes through a deep network is changed by the steps of all its layers
        let depth = (matrices / FEW_MATRICES).max(1.0);
        let matrix = f64::from(u8::from(sides.is_some()));
        Self {
            matrix,
            elements,
            longer,
            normal: normal_length(&shape.shape) / depth.powf(config.shorter_with_depth),
            least_size: LEAST_SIZE * (MOST_SIDE / longer).sqrt().min(1.0),
            agreement: if gives_single_output(&shape.shape) { agreement } else { 0.0 },
            trust: depth.powf(-config.doubt_with_depth),
            warm_up: config.warm_up + config.warm_up_per_matrix * matrices,
            power_in_noise,
            weight_decay: matrix * weight_decay,
        }
    }

    /// What the Tensor RNN reads of its number of elements and of its longer side.
    #[must_use]
    pub fn told(&self) -> [f64; 2] {
        let [elements, longer] = [self.elements.min(MOST_ELEMENTS), self.longer.min(MOST_SIDE)];
        [elements.ln() / 5.0 - 1.0, longer.ln() / 4.0 - 0.5]
    }

    /// Root mean square of elements with this sum of squares, not below the least.
    #[must_use]
    pub fn size(&self, squares: f64) -> f64 {
        (squares / self.elements).sqrt().max(self.least_size)
    }
}

impl Tensor {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            steps: 0,
            sizes: [0.0; 2],
            weights: [0.0; 2],
            seen: [[0.0; 2]; 4],
            cosine: 0.0,
            drift: 0.0,
            length: 1.0,
            decays: DECAYS,
            power: POWER,
            mix: MIX,
            weight_decay: 0.0,
            moved: 0.0,
            influence: 0.0,
        }
    }

    /// Before its first step, at parameters of this sum of squares.
    pub(super) fn begin(&mut self, squares: f64) {
        self.sizes = [self.kind.size(squares); 2];
    }

    /// Geometric mean of the sizes: lets small tensors grow without letting large ones run away.
    fn scale(&self) -> f64 {
        (self.sizes[0] * self.sizes[1]).sqrt()
    }

    /// The length of the next step in units of its normal length, before its bound.
    pub(super) fn pace(&self) -> f64 {
        // gradients that turn round from step to step come from steps that are too long, gradients that
        // keep their direction from steps that are too short
        let [cosine, _] = self.seen[0];
        let turned = BRAKE * (-cosine - CLEAR).max(0.0);
        let agreed = (self.kind.agreement * (cosine - CLEAR).max(0.0)).min(MOST_AGREED);
        let warm = ((self.steps + 1) as f64 / self.kind.warm_up).min(1.0);
        self.length * (agreed - turned).exp() * warm
    }

    /// Counts a step and gives its rates.
    pub(super) fn next_rates(&mut self, multiplier: f64) -> Rates {
        let wanted = multiplier * self.kind.normal * self.pace();
        self.steps += 1;
        let [b1, b2] = self.decays;
        let [w1, w2] = &mut self.weights;
        *w1 = b1 * *w1 + (1.0 - b1);
        *w2 = b2 * *w2 + (1.0 - b2);
        let weights = [*w1, b1 * *w1 + (1.0 - b1), *w2];
        let relative = wanted / (1.0 + wanted / LONGEST);
        Rates {
            decays: self.decays,
            weights,
            step: self.scale() * relative,
            keep: 1.0 - self.weight_decay * relative,
            share: (self.power + 1.0) / (self.steps as f64 + self.power),
            mix: self.mix,
        }
    }

    /// Takes in what was seen in a step of these rates; gives the inputs of the Tensor RNN.
    pub(super) fn observe(&mut self, sums: &Sums, rates: &Rates) -> [f64; INPUTS] {
        let (count, steps) = (self.kind.elements, self.steps as f64);
        let scale = self.scale();
        self.influence = scale * (sums.along[2] / count).sqrt();
        self.sizes[1] = self.kind.size(sums.size);
        self.moved = rates.step * (sums.direction / count).sqrt();
        let [gg, gm, mm] = sums.scaled;
        let [ga, aa, g2] = sums.along;
        let now = [
            cosine(gm, gg, mm),
            cosine(ga, g2, aa),
            0.5 * (sums.direction / count + 1e-12).ln() + 1.0,
            (sums.present / count).max(1e-12).ln(),
        ];
        self.cosine = now[0];
        for (averages, now) in self.seen.iter_mut().zip(now) {
            for (average, horizon) in averages.iter_mut().zip([10.0, 100.0]) {
                *average += (now - *average) / steps.min(horizon);
            }
        }
        let [mean, along, direction, present] = self.seen;
        let [elements, longer] = self.kind.told();
        [
            3.0 * mean[0],
            3.0 * mean[1],
            along[0],
            along[1],
            direction[0],
            direction[1],
            0.5 * (self.sizes[1] / self.sizes[0]).ln(),
            0.3 * (((aa / count).sqrt() / scale).max(1e-6).ln() + 3.0),
            (steps + 1.0).ln() / 5.0 - 1.0,
            self.kind.matrix,
            elements,
            longer,
            0.3 * present[1],
            0.5 * self.length.ln(),
        ]
    }

    /// The rates of the next step from what the networks read out.
    pub(super) fn set_rates(&mut self, out: &[f64; OUTPUTS]) {
        let [length, change, decay1, decay2, power, mix, weight_decay] = *out;
        self.drift = (self.drift + DRIFT * change.tanh()).clamp(-MOST_DRIFT, MOST_DRIFT);
        self.length = (self.kind.trust * (within(length, 2.0) + self.drift)).exp();
        let moved = |decay: f64, by: f64| sigmoid((decay / (1.0 - decay)).ln() + within(by, 3.0));
        self.decays = [moved(DECAYS[0], decay1), moved(DECAYS[1], decay2)];
        // the steps of noise alone average out, and the more of them the better
        let signal = (self.seen[0][1].abs() / SIGNAL).min(1.0);
        let in_noise = self.kind.power_in_noise;
        let kept = in_noise + (1.0 - in_noise) * signal;
        self.power = kept * POWER * within(power, 2.5).exp();
        self.mix = sigmoid(within(mix, 4.0));
        // what is no matrix, such as a bias, has its size for a reason; and gradients in which there is
        // no noise need none: those agree, or turn round, or do the one and the other
        let noise = |cosine: f64| (1.0 - cosine.abs() / NO_NOISE).max(0.0);
        let noise = noise(self.seen[0][1]) * noise(self.cosine);
        self.weight_decay = self.kind.weight_decay * noise * weight_decay.clamp(0.0, 4.0);
    }

    /// Shortens the next step of a vector whose gradients are rounding errors of sums that are zero, such as
    /// those of a bias in front of a batch normalisation: it would wander, and running statistics with it.
    ///
    /// * `largest`: influence of all tensors.
    pub(super) fn quieten(&mut self, largest: f64) {
        if self.kind.matrix == 0.0 && self.influence > 0.0 {
            let share = (self.influence / largest).max(LEAST_INFLUENCE).powi(2);
            self.length *= share / (share + ROUNDING * ROUNDING);
        }
    }

    /// What kernels of a device know of a shape.
    #[cfg(feature = "cubecl")]
    pub(crate) fn kind(&self) -> impl Iterator<Item = f64> {
        let ([elements, longer], kind) = (self.kind.told(), self.kind);
        let shape = [kind.matrix, elements, longer, kind.elements, kind.normal, kind.least_size];
        let lengths = [kind.agreement, kind.trust, kind.warm_up];
        shape.into_iter().chain(lengths).chain([kind.power_in_noise, kind.weight_decay])
    }

    /// What a later run needs.
    pub(super) fn memory(&self) -> [f64; NUMBERS] {
        let mut numbers = [0.0; NUMBERS];
        let parts: [&[f64]; 6] = [
            &[self.steps as f64],
            &self.sizes,
            &self.weights,
            self.seen.as_flattened(),
            &[self.drift, self.length, self.power, self.mix, self.weight_decay, self.moved],
            &self.decays,
        ];
        numbers.iter_mut().zip(parts.into_iter().flatten()).for_each(|(n, x)| *n = *x);
        numbers
    }

    /// Takes what [`memory`](Self::memory) gave.
    pub(super) fn restore(&mut self, numbers: &[f64; NUMBERS]) {
        let mut next = numbers.iter().copied();
        let mut one = || next.next().unwrap_or_default();
        self.steps = one() as u64;
        self.sizes = [one(), one()];
        self.weights = [one(), one()];
        self.seen = std::array::from_fn(|_| [one(), one()]);
        [self.drift, self.length, self.power] = [one(), one(), one()];
        [self.mix, self.weight_decay, self.moved] = [one(), one(), one()];
        self.decays = [one(), one()];
    }
}

/// Numbers that are kept of a tensor, the clock first.
pub const NUMBERS: usize = 21;

fn cosine(product: f64, a: f64, b: f64) -> f64 {
    let length = a.sqrt() * b.sqrt();
    if length > 0.0 { (product / length).clamp(-1.0, 1.0) } else { 0.0 }
}

/// `x`, softly within `-most..most`.
fn within(x: f64, most: f64) -> f64 {
    most * (x / most).tanh()
}

/// Step in units of a tensor's size, where the networks say nothing. The elements of a step add up where
/// those of a random matrix cancel out, so that its largest singular value is the root of the product of
/// the two sides, and that of the matrix the sum of their roots: every matrix moves by the same part of it
/// (Yang et al. 2023, "A Spectral Condition for Feature Learning").
#[must_use]
pub fn normal_length(shape: &[usize]) -> f64 {
    sides(shape).map_or(LENGTH, |[a, b]| OF_MATRIX * (a.sqrt().recip() + b.sqrt().recip()).min(1.0))
}

/// Whether these are the weights of a single output, of which all axes but one have one element, or its bias.
fn gives_single_output(shape: &[usize]) -> bool {
    match shape.iter().filter(|&&extent| extent > 1).count() {
        0 => true,
        1 => shape.len() > 1,
        _ => false,
    }
}

/// Inputs and outputs of a matrix, in any order: frameworks differ in it, and a shape does not tell.
///
/// Of a convolution with a kernel of some axes, one side is a channel axis, the other one the rest. Kernels
/// come before the channels or after them.
fn sides(shape: &[usize]) -> Option<[f64; 2]> {
    if shape.iter().filter(|&&extent| extent > 1).count() < 2 {
        return None;
    }
    let (&last, others) = shape.split_last()?;
    let outputs = if kernel_is_last(shape) { shape[0] } else { last };
    let inputs = others.iter().product::<usize>() * last / outputs;
    Some([inputs as f64, outputs as f64])
}

/// Whether the kernel's axes come last, after two of channels, and not first. A kernel is a square or a cube
/// where what stands at the other end is not; else it is the smaller of the two.
fn kernel_is_last(shape: &[usize]) -> bool {
    let axes = shape.len().saturating_sub(2);
    let [first, last] = [&shape[..axes], &shape[shape.len() - axes..]];
    let regular = |kernel: &[usize]| axes > 1 && kernel.windows(2).all(|pair| pair[0] == pair[1]);
    match (regular(first), regular(last)) {
        (true, false) => false,
        (false, true) => true,
        _ => last.iter().product::<usize>() < first.iter().product(),
    }
}

/// Step in units of a tensor's size, for what is no matrix.
const LENGTH: f64 = 0.08;
/// The same for a matrix, in units of the sum of the inverse roots of its sides: as long for one of 64 by 64.
const OF_MATRIX: f64 = 0.32;
/// Matrices of a model whose steps are not shorter for being deep.
const FEW_MATRICES: f64 = 4.0;
/// Bound of a step in those units.
pub const LONGEST: f64 = 0.3;
/// Steps until a step has its whole length, where the configuration says nothing.
pub const WARM_UP: f64 = 50.0;
/// Decays of the averages of gradients and of their squares, where the networks say nothing.
pub const DECAYS: [f64; 2] = [0.9, 0.998];
/// Exponent of the average, where the networks say nothing.
pub const POWER: f64 = 8.0;
/// Size of the mean cosine of gradient and mean gradient from which on gradients are more than noise.
pub const SIGNAL: f64 = 0.04;
/// Where gradients are taken at the start, between average and iterate.
const MIX: f64 = 0.5;
/// Least size of a tensor with few inputs; the elements of a matrix are the smaller, the more it has.
const LEAST_SIZE: f64 = 0.05;
/// Size of the cosine of gradient and mean gradient from which on gradients turn round, or agree.
pub const CLEAR: f64 = 0.3;
/// How much shorter steps get for each unit of the cosine where gradients turn round, logarithmically.
pub const BRAKE: f64 = 4.0;
/// The most that agreement lengthens a step, logarithmically: it is far above its bound then.
pub const MOST_AGREED: f64 = 20.0;
/// Share of the largest influence below which gradients are taken for rounding errors.
pub const ROUNDING: f64 = 3e-4;
/// Least such share: keeps the step above zero.
pub const LEAST_INFLUENCE: f64 = 1e-6;
/// Size of that cosine from which on there is no weight decay.
pub const NO_NOISE: f64 = 0.25;
/// Most elements that the networks are told of: as many as tensors have that they are trained on.
const MOST_ELEMENTS: f64 = 4500.0;
/// Longest side that they are told of, likewise.
const MOST_SIDE: f64 = 450.0;
/// Most that the log of the step length drifts in a step.
pub const DRIFT: f64 = 0.02;
/// The same in all steps.
pub const MOST_DRIFT: f64 = 2.0;
