//! A transformer that predicts the next character of source code.

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, normal};
use lopt_grad::{Real, Var};

use super::FieldTask;
use super::text::{CHARACTERS, CONTEXT, Half, LanguageModel, TextJob, Windows};
use crate::problem::layout_of;

/// The job `transformer-text`.
pub(super) fn transformer_text() -> FieldTask {
    let characters = CHARACTERS;
    let model = Transformer { characters, layers: 3, width: 96, heads: 4, context: CONTEXT };
    let name = "transformer-text";
    let job = TextJob::on(Half::Code, name, model);
    FieldTask::new(name, ("transformer", "text-code"), 1000, job)
}

/// A decoder as in GPT-2 (Radford et al. 2019): embeddings of characters and of positions, layers of
/// causal self-attention and a hidden layer of four times the width with GELU, each on the normalised
/// sum so far and added to it, a last normalisation, and logits with weights of their own.
#[derive(Debug, Clone)]
pub(super) struct Transformer {
    /// Size of the vocabulary.
    pub(super) characters: usize,
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    /// Most positions of a window.
    pub(super) context: usize,
}

impl Transformer {
    /// The outputs of all heads side by side, `(B, length, width)`, from queries, keys and values, the
    /// heads of each side by side, `(B, length, 3 width)`.
    fn attend<'t, R: Real>(&self, projected: Var<'t, R>) -> Var<'t, R> {
        let columns = self.width / self.heads;
        let scale = (columns as f64).sqrt().recip();
        let heads = (0..self.heads).map(|head| {
            let part = |i| projected.slice(2, i * self.width + head * columns, columns);
            let scores = (part(0) * scale).matmul(part(1).t());
            scores.causal_softmax().matmul(part(2))
        });
        Var::concat(&heads.collect::<Vec<_>>(), 2)
    }
}

impl LanguageModel for Transformer {
    fn layout(&self) -> Layout {
        let n = self.width;
        let tensor = |name: &str, shape: &[usize]| TensorShape::new(name, shape.to_vec());
        let (characters, context) = (self.characters, self.context);
        let mut tensors =
            vec![tensor("embedding", &[characters, n]), tensor("positions", &[context, n])];
        for layer in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| {
                tensors.push(tensor(&format!("layer{layer}.{name}"), shape));
            };
            add("attention.norm.gain", &[n]);
            add("attention.norm.bias", &[n]);
            add("attention.project.weight", &[n, 3 * n]);
            add("attention.output.weight", &[n, n]);
            add("hidden.norm.gain", &[n]);
            add("hidden.norm.bias", &[n]);
            add("hidden.expand.weight", &[n, 4 * n]);
            add("hidden.output.weight", &[4 * n, n]);
        }
        tensors.push(tensor("norm.gain", &[n]));
        tensors.push(tensor("norm.bias", &[n]));
        tensors.push(tensor("head.weight", &[n, characters]));
        layout_of(tensors)
    }

    /// As GPT-2 starts: weights normal with deviation 0.02, those whose product is added to the sum
    /// so far with that over the root of the number of such products; gains 1, biases 0.
    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let added = 0.02 / (2.0 * self.layers as f64).sqrt();
        let layout = self.layout();
        let mut params = Vec::with_capacity(layout.len());
        for tensor in layout.tensors() {
            let (mean, deviation) = match tensor.name.as_str() {
                name if name.ends_with("gain") => (1.0, 0.0),
                name if name.ends_with("bias") => (0.0, 0.0),
                name if name.ends_with("output.weight") => (0.0, added),
                _ => (0.0, 0.02),
            };
            params.extend((0..tensor.len()).map(|_| (mean + deviation * normal(rng)) as f32));
        }
        params
    }

    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], windows: &Windows) -> Var<'t, R> {
        let (length, n) = (windows.length, self.width);
        let shape = [windows.inputs.len() / length, length, n];
        let (first, rest) = params.split_at(2);
        let (layers, last) = rest.split_at(rest.len() - 3);
        let embedded = first[0].gather_rows(&windows.inputs).reshape(&shape);
        let mut sum = embedded + first[1].slice(0, 0, length);
        for layer in layers.chunks_exact(TENSORS) {
            let (attention, hidden) = layer.split_at(TENSORS / 2);
            let projected = norm(sum, attention).matmul(attention[2]);
            sum = sum + self.attend(projected).matmul(attention[3]);
            let expanded = norm(sum, hidden).matmul(hidden[2]).gelu();
            sum = sum + expanded.matmul(hidden[3]);
        }
        norm(sum, last).matmul(last[2])
    }
}

/// Layer normalisation with a gain and a bias, the first two tensors (Ba et al. 2016).
pub(super) fn norm<'t, R: Real>(x: Var<'t, R>, tensors: &[Var<'t, R>]) -> Var<'t, R> {
    x.layer_norm(1e-5) * tensors[0] + tensors[1]
}

/// Parameter tensors of a layer.
const TENSORS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::text::checks;
    use super::*;

    const TINY: Transformer =
        Transformer { characters: CHARACTERS, layers: 2, width: 6, heads: 2, context: 5 };

    #[test]
    fn gradient() {
        checks::gradient_is_right(&TINY, 5);
    }

    #[test]
    fn attention_is_causal() {
        checks::later_characters_are_hidden(&TINY, 5);
    }

    #[test]
    fn the_job_can_be_learned() {
        let task = transformer_text();
        assert_eq!(task.job.layout().len(), 357_696);
        checks::starts_and_learns(&task, 3e-3);
    }
}
