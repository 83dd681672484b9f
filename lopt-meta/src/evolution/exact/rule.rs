//! The relative RNN's rule, recorded on a tape: what `lopt_core::relative_rnn` computes, for all tensors that
//! take part in a step at once.
//!
//! Elements of a tensor are a row `(1, n)`, what is known of the A tensors that take part a matrix with a row
//! each. Where the rule is not differentiable, the derivative is that of the branch taken.

use lopt_core::RelativeRnnConfig;
use lopt_core::relative_rnn::tensor::{
    BRAKE, CLEAR, DECAYS, DRIFT, Kind, LEAST_INFLUENCE, LONGEST, MOST_AGREED, MOST_DRIFT, NO_NOISE,
    POWER, ROUNDING, SIGNAL,
};
use lopt_core::relative_rnn::{EPSILON, GLOBAL_INPUTS, INPUTS, OUTPUTS};
use lopt_grad::{Real, Tape, Var};

/// What is known of a tensor between steps beside its clock, and in which columns: sizes, weights of the
/// averages, averages of what was seen, drift, length, power, mix, weight decay, decays.
pub(super) const NUMBERS: usize = 19;
const SIZES: usize = 0;
const WEIGHTS: usize = 2;
const SEEN: usize = 4;
const DRIFTED: usize = 12;
const LENGTH: usize = 13;
const EXPONENT: usize = 14;
const MIX: usize = 15;
const DECAY: usize = 16;
const AVERAGING: usize = 17;

/// What a step reads or leaves, on a tape.
pub(super) struct Carried<'t, R> {
    /// `m`, `v`, `z`, `x` and the attended `y` of every tensor, which a step does not read, `(1, n)`.
    pub elements: Vec<[Var<'t, R>; 5]>,
    /// `(A, NUMBERS)`.
    pub numbers: Var<'t, R>,
    /// `(A, H)`.
    pub hidden: Var<'t, R>,
    /// `(1, G)`.
    pub global: Var<'t, R>,
}

/// The tensors that take part in a step, and what else decides it.
pub(super) struct Rule<'a, 't, R> {
    pub tape: &'t Tape<R>,
    pub config: &'a RelativeRnnConfig,
    /// `[A]`.
    pub kinds: Vec<Kind>,
    /// Their clocks, this step counted, `[A]`.
    pub clocks: Vec<f64>,
    /// Factor of all steps.
    pub factor: f64,
    /// What is told of the loss.
    pub trend: [f64; 3],
    /// The meta-parameters.
    pub psi: Var<'t, R>,
}

/// Rates of a step, each `(A, 1)`.
struct Rates<'t, R> {
    of_mean: Var<'t, R>,
    of_gradient: Var<'t, R>,
    inflate: Var<'t, R>,
    decays: [Var<'t, R>; 2],
    step: Var<'t, R>,
    keep: Var<'t, R>,
    share: Var<'t, R>,
    mix: Var<'t, R>,
}

impl<'t, R: Real> Rule<'_, 't, R> {
    /// What a step leaves.
    ///
    /// * `gradients`: of every tensor, `(1, n)`.
    pub(super) fn step(&self, before: &Carried<'t, R>, gradients: &[Var<'t, R>]) -> Carried<'t, R> {
        let numbers = before.numbers;
        let sizes = numbers.slice(1, SIZES, 2);
        let scale = (column(sizes, 0) * column(sizes, 1)).sqrt();
        let (rates, weights) = self.rates(numbers, scale);
        let (mut elements, mut sums) = (Vec::new(), Vec::new());
        for (a, (before, &gradient)) in before.elements.iter().zip(gradients).enumerate() {
            let (after, of_tensor) = rates.row(a).of_elements(before, gradient);
            elements.push(after);
            sums.extend(of_tensor);
        }
        let count = self.kinds.len();
        // means over the elements of each tensor
        let means = Var::concat(&sums, 0).reshape(&[count, SUMS])
            * self.constants(|kind, _| kind.elements.recip());
        let present = gradients.iter().map(|gradient| {
            let all = gradient.shape().elements() as f64;
            gradient.value().iter().filter(|g| !g.is_zero()).count() as f64 / all
        });
        let present: Vec<f64> = present.map(|share| share.max(1e-12).ln()).collect();

        let influence = scale * column(means, 5).sqrt();
        let least = self.constants(|kind, _| kind.least_size);
        let size = column(means, 7).sqrt().maximum(least);
        let away = column(means, 4).sqrt() / scale;
        let cosines = self.cosines(means, away);
        let direction = (column(means, 6) + 1e-12).ln() * 0.5 + 1.0;
        let present = self.tape.constant_from(&[count, 1], |a| R::from_f64(present[a]));
        let now = Var::concat(&[cosines, direction, present], 1).reshape(&[count, 4, 1]);
        let parts = self.tape.constant_from(&[count, 1, 2], |i| {
            R::from_f64(self.clocks[i / 2].min([10.0, 100.0][i % 2]).recip())
        });
        let seen = numbers.slice(1, SEEN, 8).reshape(&[count, 4, 2]);
        let seen = (seen + (now - seen) * parts).reshape(&[count, 8]);

        let away = away.maximum(self.tape.scalar(LEAST_AWAY)).ln() + 3.0;
        let length = column(numbers, LENGTH);
        let cosine_weights =
            self.tape.constant_from(&[6], |i| R::from_f64(if i < 2 { 3.0 } else { 1.0 }));
        let inputs = Var::concat(
            &[
                seen.slice(1, 0, 6) * cosine_weights,
                (size / column(sizes, 0)).ln() * 0.5,
                away * 0.3,
                self.constants(|_, clock| (clock + 1.0).ln() / 5.0 - 1.0),
                self.constants(|kind, _| kind.matrix),
                self.constants(|kind, _| kind.told()[0]),
                self.constants(|kind, _| kind.told()[1]),
                column(seen, 7) * 0.3,
                length.ln() * 0.5,
            ],
            1,
        );
        let (hidden, out) = self.of_tensors(inputs, before);
        let next = self.next_rates(out, column(numbers, DRIFTED), column(seen, 1), cosines);
        let [drift, length, power, mix, decay, decays] = next;
        let length = self.quietened(length, influence);
        let parts =
            [column(sizes, 0), size, weights, seen, drift, length, power, mix, decay, decays];
        Carried {
            elements,
            numbers: Var::concat(&parts, 1),
            hidden,
            global: self.of_all(hidden, before.global),
        }
    }

    /// Rates of the step, and the weights of the averages after it, `(A, 2)`.
    fn rates(&self, numbers: Var<'t, R>, scale: Var<'t, R>) -> (Rates<'t, R>, Var<'t, R>) {
        let cosine = column(numbers, SEEN);
        let turned = (-cosine - CLEAR).relu() * BRAKE;
        let agreed = (cosine - CLEAR).relu() * self.constants(|kind, _| kind.agreement);
        let agreed = agreed.minimum(self.tape.scalar(MOST_AGREED));
        let normal =
            |kind: &Kind, clock: f64| self.factor * kind.normal * (clock / kind.warm_up).min(1.0);
        let wanted = column(numbers, LENGTH) * (agreed - turned).exp() * self.constants(normal);
        let relative = wanted / (wanted / LONGEST + 1.0);
        let decays = numbers.slice(1, AVERAGING, 2);
        let weights = decays * numbers.slice(1, WEIGHTS, 2) + (1.0 - decays);
        let [b1, b2] = [column(decays, 0), column(decays, 1)];
        let w1 = column(weights, 0);
        let power = column(numbers, EXPONENT);
        let rates = Rates {
            of_mean: b1 / (b1 * w1 + (1.0 - b1)),
            of_gradient: (1.0 - b1) / w1,
            inflate: column(weights, 1).recip(),
            decays: [b1, b2],
            step: scale * relative,
            keep: 1.0 - column(numbers, DECAY) * relative,
            share: (power + 1.0) / (power + self.constants(|_, clock| clock)),
            mix: column(numbers, MIX),
        };
        (rates, weights)
    }

    /// Of gradient and mean gradient, and of gradient and the way from average to iterate, `(A, 2)`.
    fn cosines(&self, means: Var<'t, R>, away: Var<'t, R>) -> Var<'t, R> {
        let pair = |a, b| Var::concat(&[column(means, a), column(means, b)], 1);
        let (products, length) = (pair(1, 3), pair(0, 5).sqrt() * pair(2, 4).sqrt());
        let (along, lengths, away) = (products.value(), length.value(), away.value());
        let shape = [self.kinds.len(), 2];
        let constants =
            |of: &dyn Fn(usize) -> f64| self.tape.constant_from(&shape, |i| R::from_f64(of(i)));
        // a way that is all rounding has a cosine, but one that no meta-parameter decides
        let moves = |i: usize| {
            let rounding = i % 2 == 1 && away[i / 2].lane(0) <= LEAST_AWAY;
            f64::from(u8::from(!lengths[i].is_zero() && !rounding))
        };
        let fixed = |i: usize| match lengths[i].is_zero() {
            true => 0.0,
            false => (1.0 - moves(i)) * along[i].lane(0) / lengths[i].lane(0),
        };
        let moving = constants(&moves);
        let safe = length * moving + constants(&|i| 1.0 - moves(i));
        // never beyond 1 but by rounding, and so without the clamp
        products * moving / safe + constants(&fixed)
    }

    /// State of the Tensor RNN `(A, H)`, and what is read out `(A, OUTPUTS)`.
    fn of_tensors(&self, inputs: Var<'t, R>, before: &Carried<'t, R>) -> (Var<'t, R>, Var<'t, R>) {
        let count = self.kinds.len();
        let x = Var::concat(&[inputs, before.global.gather_rows(&vec![0; count])], 1);
        let hidden = gru(self.psi, x, before.hidden);
        let ones = self.tape.constant_from(&[count, 1], |_| R::from_f64(1.0));
        let columns = self.config.tensor_hidden + 1 + INPUTS;
        let readout = self.psi.slice(0, self.config.readout().start, OUTPUTS * columns);
        let readout = readout.reshape(&[OUTPUTS, columns]).t();
        (hidden, Var::concat(&[hidden, ones, inputs], 1).matmul(readout))
    }

    /// State of the Global RNN after the step.
    fn of_all(&self, hidden: Var<'t, R>, global: Var<'t, R>) -> Var<'t, R> {
        let clock = self.clocks.iter().copied().fold(0.0, f64::max);
        let [fast, slow, known] = self.trend;
        let seen: [f64; GLOBAL_INPUTS] = [fast, slow, known, clock.ln_1p() / 5.0 - 1.0];
        let seen = self.tape.constant_from(&[1, GLOBAL_INPUTS], |i| R::from_f64(seen[i]));
        let mean = hidden.mean_axis(0).reshape(&[1, self.config.tensor_hidden]);
        let from = count_of_gru(self.config.tensor_hidden, INPUTS + self.config.global_hidden);
        let psi = self.psi.slice(0, from, self.config.readout().start - from);
        gru(psi, Var::concat(&[mean, seen], 1), global)
    }

    /// Drift, length, power, mix, weight decay and decays of the next step.
    fn next_rates(
        &self,
        out: Var<'t, R>,
        drift: Var<'t, R>,
        mean_cosine: Var<'t, R>,
        cosines: Var<'t, R>,
    ) -> [Var<'t, R>; 6] {
        let read = |i| column(out, i);
        let most = self.tape.scalar(MOST_DRIFT);
        let drift = (drift + read(1).tanh() * DRIFT).minimum(most).maximum(-most);
        let logits =
            self.tape.constant_from(&[2], |i| R::from_f64((DECAYS[i] / (1.0 - DECAYS[i])).ln()));
        let signal = (mean_cosine.abs() / SIGNAL).minimum(self.tape.scalar(1.0));
        let in_noise = self.constants(|kind, _| kind.power_in_noise);
        let kept = in_noise + (1.0 - in_noise) * signal;
        let noise = |cosine: Var<'t, R>| (1.0 - cosine.abs() / NO_NOISE).relu();
        let noise = noise(mean_cosine) * noise(column(cosines, 0));
        let decay = read(6).relu().minimum(self.tape.scalar(4.0));
        [
            drift,
            ((within(read(0), 2.0) + drift) * self.constants(|kind, _| kind.trust)).exp(),
            within(read(4), 2.5).exp() * POWER * kept,
            within(read(5), 4.0).sigmoid(),
            decay * noise * self.constants(|kind, _| kind.weight_decay),
            (within(out.slice(1, 2, 2), 3.0) + logits).sigmoid(),
        ]
    }

    /// Lengths, shorter for vectors whose gradients are rounding errors.
    fn quietened(&self, length: Var<'t, R>, influence: Var<'t, R>) -> Var<'t, R> {
        let least = self.tape.scalar(LEAST_INFLUENCE);
        let share = (influence / influence.max()).maximum(least).square();
        let factor = share / (share + ROUNDING * ROUNDING);
        let vector = self.constants(|kind, _| 1.0 - kind.matrix);
        length * (factor * vector + self.constants(|kind, _| kind.matrix))
    }

    /// `(A, 1)`, from what a shape tells and the clock.
    fn constants(&self, of: impl Fn(&Kind, f64) -> f64) -> Var<'t, R> {
        let shape = [self.kinds.len(), 1];
        self.tape.constant_from(&shape, |a| R::from_f64(of(&self.kinds[a], self.clocks[a])))
    }
}

impl<'t, R: Real> Rates<'t, R> {
    /// Those of one tensor, each `(1, 1)`.
    fn row(&self, a: usize) -> Self {
        let row = |x: Var<'t, R>| x.slice(0, a, 1);
        Self {
            of_mean: row(self.of_mean),
            of_gradient: row(self.of_gradient),
            inflate: row(self.inflate),
            decays: self.decays.map(row),
            step: row(self.step),
            keep: row(self.keep),
            share: row(self.share),
            mix: row(self.mix),
        }
    }

    /// The elements of a tensor after the step, and sums over them.
    fn of_elements(
        &self,
        [m, v, z, x, _]: &[Var<'t, R>; 5],
        g: Var<'t, R>,
    ) -> ([Var<'t, R>; 5], [Var<'t, R>; SUMS]) {
        let (tape, [m0, z0, x0]) = (g.tape(), [*m, *z, *x]);
        let shape = g.shape();
        let positive = |of: Var<'t, R>, yes: f64, no: f64| {
            let values = of.value();
            tape.constant_from(&shape, |i| {
                R::from_f64(if values[i].lane(0) > 0.0 { yes } else { no })
            })
        };
        let [b1, b2] = self.decays;
        let m = b1 * m0 + (1.0 - b1) * g;
        let v = b2 * *v + (1.0 - b2) * g.square();
        // where gradients always were zero nothing moves, whatever the slope of the root there
        let epsilon = positive(v, EPSILON, 1.0);
        let root = (v * self.inflate).sqrt() + epsilon;
        let d = (self.of_mean * m + self.of_gradient * g) / root;
        let u = d / (d.square() * (1.0 / 16.0) + 1.0).sqrt();
        let along = z0 - x0;
        let inwards = positive(u * z0, 1.0, 0.0);
        let z = z0 - inwards * z0 * (1.0 - self.keep) - u * self.step;
        let x = x0 + self.share * (z - x0);
        let y = x + self.mix * (z - x);
        let (gi, mi) = (g / root, m0 / root);
        let sums = [
            gi.dot(gi),
            gi.dot(mi),
            mi.dot(mi),
            g.dot(along),
            along.dot(along),
            g.dot(g),
            u.dot(u),
            z.dot(z),
        ];
        ([m, v, z, x, y], sums)
    }
}

/// Least way from average to iterate, in units of a tensor's size, that the networks are told of.
const LEAST_AWAY: f64 = 1e-6;

/// Sums over the elements of a tensor.
const SUMS: usize = 8;

fn column<R: Real>(x: Var<'_, R>, i: usize) -> Var<'_, R> {
    x.slice(1, i, 1)
}

/// `x`, softly within `-most..most`.
fn within<R: Real>(x: Var<'_, R>, most: f64) -> Var<'_, R> {
    (x / most).tanh() * most
}

/// Meta-parameters of a GRU.
fn count_of_gru(hidden: usize, inputs: usize) -> usize {
    3 * hidden * (inputs + hidden + 1)
}

/// The next state of a GRU whose meta-parameters `psi` begins with, from inputs `(A, inputs)` and state `(A, H)`.
fn gru<'t, R: Real>(psi: Var<'t, R>, x: Var<'t, R>, state: Var<'t, R>) -> Var<'t, R> {
    let (inputs, n) = (x.shape()[1], state.shape()[1]);
    let part = |from: usize, columns: usize| {
        psi.slice(0, from, 3 * n * columns).reshape(&[3 * n, columns]).t()
    };
    let given = x.matmul(part(0, inputs)) + part(3 * n * (inputs + n), 1);
    let kept = state.matmul(part(3 * n * inputs, n));
    let gates = |x: Var<'t, R>, gate: usize, count: usize| x.slice(1, gate * n, count * n);
    let opened = (gates(given, 0, 2) + gates(kept, 0, 2)).sigmoid();
    let (keep, reset) = (gates(opened, 0, 1), gates(opened, 1, 1));
    let candidate = (gates(given, 2, 1) + reset * gates(kept, 2, 1)).tanh();
    keep * state + (1.0 - keep) * candidate
}
