//! A recurrent network with gated memory that predicts the next character of prose.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal, uniform};
use lopt_grad::{Real, Var};

use super::FieldTask;
use super::text::{CHARACTERS, Half, LanguageModel, TextJob, Windows};
use crate::problem::layout_of;

/// The job `lstm-text`.
pub(super) fn lstm_text() -> FieldTask {
    let name = "lstm-text";
    let model = Lstm { characters: CHARACTERS, width: 32, units: 128 };
    let job = TextJob::on(Half::Prose, name, model);
    FieldTask::new(name, ("lstm", "text-prose"), 1500, job)
}

/// Embeddings of characters, one layer of long short-term memory (Hochreiter & Schmidhuber 1997, with
/// the forget gate of Gers et al. 2000), whose state is zero at the start of a window, and a dense
/// layer on its output.
#[derive(Debug, Clone)]
pub(super) struct Lstm {
    /// Size of the vocabulary.
    pub(super) characters: usize,
    /// Elements of an embedding.
    pub(super) width: usize,
    pub(super) units: usize,
}

impl LanguageModel for Lstm {
    fn layout(&self) -> Layout {
        let tensor = |name: &str, shape: &[usize]| TensorShape::new(name, shape.to_vec());
        let Self { characters, width, units } = *self;
        layout_of(vec![
            tensor("embedding", &[characters, width]),
            tensor("input.weight", &[width, 4 * units]),
            tensor("state.weight", &[units, 4 * units]),
            tensor("gates.bias", &[4 * units]),
            tensor("head.weight", &[units, characters]),
            tensor("head.bias", &[characters]),
        ])
    }

    /// Embeddings standard normal; weights uniform up to the inverse root of the number of units, as
    /// in common frameworks; biases 0, those of the forget gate 1 (Jozefowicz et al. 2015).
    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let bound = (self.units as f64).sqrt().recip();
        let layout = self.layout();
        let mut params = Vec::with_capacity(layout.len());
        for tensor in layout.tensors() {
            params.extend((0..tensor.len()).map(|i| match tensor.name.as_str() {
                "embedding" => normal(rng) as f32,
                "gates.bias" if i / self.units == FORGET => 1.0,
                name if name.ends_with("bias") => 0.0,
                _ => uniform(rng, -bound, bound) as f32,
            }));
        }
        params
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], windows: &Windows) -> Var<'t, R> {
        let (length, n) = (windows.length, self.units);
        let rows = windows.inputs.len() / length;
        // What each character gives to the gates, computed once per character, not per position.
        let given = params[0].matmul(params[1]) + params[3];
        let mut outputs = Vec::with_capacity(length);
        let mut memory = given.tape().constant_from(&[rows, n], |_| R::default());
        let mut output = None;
        for position in 0..length {
            let characters = windows.inputs.iter().skip(position).step_by(length);
            let mut gates = given.gather_rows(&characters.copied().collect::<Vec<_>>());
            if let Some(output) = output {
                gates = gates + Var::matmul(output, params[2]);
            }
            let state = gates.lstm_cell(memory);
            outputs.push(state.slice(1, 0, n));
            output = outputs.last().copied();
            memory = state.slice(1, n, n);
        }
        let outputs = Var::concat(&outputs, 1).reshape(&[rows * length, n]);
        outputs.matmul(params[4]) + params[5]
    }
}

/// Which of the four gates is the forget gate.
const FORGET: usize = 1;

#[cfg(test)]
mod tests {
    use super::super::text::checks;
    use super::*;

    const TINY: Lstm = Lstm { characters: CHARACTERS, width: 3, units: 4 };

    #[test]
    fn gradient() {
        checks::gradient_is_right(&TINY, 5);
    }

    #[test]
    fn later_characters_are_hidden() {
        checks::later_characters_are_hidden(&TINY, 5);
    }

    #[test]
    fn the_job_can_be_learned() {
        let task = lstm_text();
        assert_eq!(task.job.layout().len(), 97_888);
        checks::starts_and_learns(&task, 1e-2);
    }
}
