//! Texts of a random language, and jobs that predict what comes next.

use std::sync::Arc;

use lopt_core::rng::{Rng, below, uniform, unit};

use super::width;
use crate::field::Job;
use crate::field::text::{LanguageModel, Text, TextJob, VALIDATION};

/// A random language: words, the next of which depends on the one before, some of them said again.
pub(super) fn language(rng: &mut Rng) -> Text {
    let letters = 5 + below(rng, 25);
    let words: Vec<Vec<usize>> = (0..width(rng, 12, 200))
        .map(|_| (0..2 + below(rng, 5)).map(|_| 1 + below(rng, letters)).chain([0]).collect())
        .collect();
    let followers: Vec<[usize; 3]> =
        words.iter().map(|_| [(); 3].map(|()| below(rng, words.len()))).collect();
    let (follows, again) = (uniform(rng, 0.2, 0.9), uniform(rng, 0.0, 0.3));
    let count = width(rng, 2000, 30_000);
    let (mut text, mut said) = (Vec::new(), vec![0]);
    while text.len() < count + VALIDATION * (MOST_CONTEXT + 2) {
        let draw = unit(rng);
        let word = if draw < again {
            said[said.len() - 1 - below(rng, said.len().min(4))]
        } else if draw < again + (1.0 - again) * follows {
            followers[said[said.len() - 1]][below(rng, 3)]
        } else {
            // low numbers are frequent
            (unit(rng).powi(2) * words.len() as f64) as usize
        };
        said.push(word);
        text.extend(&words[word]);
    }
    let validation = text.split_off(count);
    Text { characters: letters + 1, train: text, validation }
}

/// A model of a language; what a step costs, in rows of a table.
pub(super) fn sequences<M: LanguageModel>(
    text: Text,
    most_batch: usize,
    rng: &mut Rng,
    model: impl FnOnce(usize, usize) -> M,
) -> (Arc<dyn Job>, usize) {
    let (context, batch) = (width(rng, 6, MOST_CONTEXT), width(rng, 4, most_batch));
    let model = model(text.characters, context);
    let text = Arc::new(text);
    (Arc::new(TextJob { name: "practice", text, context, batch, model }), context * batch)
}

/// Longest window of a language.
const MOST_CONTEXT: usize = 20;
