//! One step of the relative RNN, forward and back: what is carried from step to step, and its adjoint.

use lopt_core::RelativeRnnConfig;
use lopt_core::layout::Layout;
use lopt_core::relative_rnn::RelativeMemory;
use lopt_core::relative_rnn::tensor::{self, Kind};
use lopt_grad::{Real, Tape, Var};

use super::rule::{Carried, NUMBERS, Rule};

/// What is carried from step to step, or its adjoint.
#[derive(Clone, Debug)]
pub(super) struct State<R> {
    /// Steps that every tensor took part in, `[T]`.
    pub steps: Vec<u64>,
    /// `m`, `v`, `z`, `x` and `y`, each `[P]`.
    pub elements: [Vec<R>; 5],
    /// `(T, NUMBERS)`.
    pub numbers: Vec<R>,
    /// Of the Tensor RNN, `(T, H)`.
    pub hidden: Vec<R>,
    /// Of the Global RNN, `[G]`.
    pub global: Vec<R>,
}

impl<R: Real> State<R> {
    /// The adjoint of a state on which nothing depends.
    pub(super) fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        let Self { elements, numbers, hidden, global, .. } = &mut zeros;
        for part in elements.iter_mut().chain([numbers, hidden, global]) {
            part.fill(R::default());
        }
        zeros
    }
}

/// Where `x` and `y` are among the elements of a [`State`].
pub(super) const AVERAGE: usize = 3;
pub(super) const ATTENDED: usize = 4;

/// What a step is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a, R> {
    /// At `y`, `[P]`.
    pub gradient: &'a [R],
    /// Factor of all steps.
    pub factor: f64,
    /// What is told of the loss, which has no adjoint.
    pub trend: [f64; 3],
}

/// Steps of the tensors of a model, on a tape that is used again and again.
#[derive(Debug)]
pub(super) struct Steps<R> {
    config: RelativeRnnConfig,
    layout: Layout,
    kinds: Vec<Kind>,
    tape: Tape<R>,
}

/// A step on the tape.
struct Recorded<'t, R> {
    /// Numbers of the tensors that took part, `[A]`.
    tensors: Vec<usize>,
    psi: Var<'t, R>,
    gradients: Vec<Var<'t, R>>,
    before: Carried<'t, R>,
    after: Carried<'t, R>,
}

impl<R: Real> Steps<R> {
    pub(super) fn new(config: &RelativeRnnConfig, layout: &Layout) -> Self {
        let kinds = tensor::kinds(layout, config);
        Self { config: *config, layout: layout.clone(), kinds, tape: Tape::new() }
    }

    /// The state of an optimizer, whose averaged iterates are `params`, `[P]`.
    pub(super) fn state(&self, memory: &RelativeMemory<'_>, params: &[f32]) -> State<R> {
        let singles =
            |values: &[f32]| -> Vec<R> { values.iter().map(|&x| R::from_f32(x)).collect() };
        let doubles =
            |values: &[f64]| -> Vec<R> { values.iter().map(|&x| R::from_f64(x)).collect() };
        let [m, v, z, y] = memory.parts;
        let mut elements = [m, v, z, params, y].map(singles);
        let (of_tensors, rest) = memory.numbers.split_at(self.kinds.len() * tensor::NUMBERS);
        let (mut steps, mut numbers) = (Vec::new(), Vec::new());
        let of_tensors = of_tensors.as_chunks::<{ tensor::NUMBERS }>().0;
        // the length of the last step decides nothing
        for (t, [clock, known @ .., _length, b1, b2]) in of_tensors.iter().enumerate() {
            let mut of_tensor = known.to_vec();
            of_tensor.extend([b1, b2]);
            steps.push(*clock as u64);
            if steps[t] == 0 {
                let range = self.layout.range(t);
                let squares = params[range.clone()].iter().map(|&x| f64::from(x) * f64::from(x));
                of_tensor[..2].fill(self.kinds[t].size(squares.sum()));
                for points in [2, ATTENDED] {
                    elements[points][range.clone()]
                        .copy_from_slice(&singles(&params[range.clone()]));
                }
            }
            numbers.extend(doubles(&of_tensor));
        }
        let (hidden, rest) = rest.split_at(self.kinds.len() * self.config.tensor_hidden);
        let global = &rest[..self.config.global_hidden];
        State { steps, elements, numbers, hidden: doubles(hidden), global: doubles(global) }
    }

    /// The state after a step.
    #[cfg(test)]
    pub(super) fn forward(
        &mut self,
        psi: &[R],
        before: &State<R>,
        given: Given<'_, R>,
    ) -> State<R> {
        let mut after = before.clone();
        self.tape.clear();
        let Some(recorded) = self.record(psi, before, given) else { return after };
        recorded.tensors.iter().for_each(|&t| after.steps[t] += 1);
        self.each(&recorded.tensors, &recorded.after, &mut after, |x, first, values| {
            values.copy_from_slice(&x.value()[first..first + values.len()]);
        });
        after
    }

    /// Turns the adjoint of the state after a step into that of the state before it.
    ///
    /// * `of_gradient`: becomes the adjoint of the gradient, `[P]`.
    /// * `of_psi`: the adjoint of psi is added to it.
    pub(super) fn back(
        &mut self,
        psi: &[R],
        before: &State<R>,
        given: Given<'_, R>,
        adjoint: &mut State<R>,
        of_gradient: &mut [R],
        of_psi: &mut [f64],
    ) {
        of_gradient.fill(R::default());
        self.tape.clear();
        let Some(recorded) = self.record(psi, before, given) else { return };
        let mut terms = Vec::new();
        self.each(&recorded.tensors, &recorded.after, adjoint, |x, first, adjoint| {
            let constant = self.tape.constant(&[adjoint.len()], adjoint);
            let all = x.shape().elements();
            let whole = adjoint.len() == all;
            let part = if whole { x } else { x.reshape(&[all]).slice(0, first, adjoint.len()) };
            terms.push(part.dot(constant));
        });
        self.tape.backward(Var::concat(&terms, 0).sum());
        self.each(&recorded.tensors, &recorded.before, adjoint, |x, first, adjoint| {
            self.tape.with_gradient(x, |gradient| match gradient {
                Some(gradient) => {
                    adjoint.copy_from_slice(&gradient[first..first + adjoint.len()]);
                }
                None => adjoint.fill(R::default()),
            });
        });
        for (&t, &gradient) in recorded.tensors.iter().zip(&recorded.gradients) {
            self.tape.gradient_into(gradient, &mut of_gradient[self.layout.range(t)]);
        }
        self.tape.with_gradient(recorded.psi, |gradient| {
            let gradient = gradient.unwrap_or_default();
            of_psi.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g.lane(0));
        });
    }

    /// None where no tensor has a gradient: nothing changes then.
    fn record(&self, psi: &[R], before: &State<R>, given: Given<'_, R>) -> Option<Recorded<'_, R>> {
        let of = |t: usize| &given.gradient[self.layout.range(t)];
        let tensors: Vec<usize> =
            (0..self.kinds.len()).filter(|&t| !of(t).iter().all(R::is_zero)).collect();
        let (tape, [h, g]) = (&self.tape, [self.config.tensor_hidden, self.config.global_hidden]);
        let row = |values: &[R]| tape.variable(&[1, values.len()], values);
        let rows = |values: &[R], width: usize| {
            let of_tensor = |&t: &usize| values[t * width..(t + 1) * width].iter().copied();
            let values: Vec<R> = tensors.iter().flat_map(of_tensor).collect();
            tape.variable(&[tensors.len(), width], &values)
        };
        if tensors.is_empty() {
            return None;
        }
        let elements =
            |&t: &usize| std::array::from_fn(|i| row(&before.elements[i][self.layout.range(t)]));
        let carried = Carried {
            elements: tensors.iter().map(elements).collect(),
            numbers: rows(&before.numbers, NUMBERS),
            hidden: rows(&before.hidden, h),
            global: tape.variable(&[1, g], &before.global),
        };
        let gradients: Vec<_> = tensors.iter().map(|&t| row(of(t))).collect();
        let rule = Rule {
            tape,
            config: &self.config,
            kinds: tensors.iter().map(|&t| self.kinds[t]).collect(),
            clocks: tensors.iter().map(|&t| (before.steps[t] + 1) as f64).collect(),
            factor: given.factor,
            trend: given.trend,
            psi: tape.variable(&[psi.len()], psi),
        };
        let after = rule.step(&carried, &gradients);
        Some(Recorded { psi: rule.psi, tensors, gradients, before: carried, after })
    }

    /// Everything on the tape, from which element on, beside its place in a state.
    fn each<'t>(
        &self,
        tensors: &[usize],
        carried: &Carried<'t, R>,
        state: &mut State<R>,
        mut visit: impl FnMut(Var<'t, R>, usize, &mut [R]),
    ) {
        for (a, &t) in tensors.iter().enumerate() {
            for (&x, values) in carried.elements[a].iter().zip(&mut state.elements) {
                visit(x, 0, &mut values[self.layout.range(t)]);
            }
            let h = self.config.tensor_hidden;
            let numbers = &mut state.numbers[t * NUMBERS..(t + 1) * NUMBERS];
            visit(carried.numbers, a * NUMBERS, numbers);
            visit(carried.hidden, a * h, &mut state.hidden[t * h..(t + 1) * h]);
        }
        visit(carried.global, 0, &mut state.global);
    }
}
