//! Sequences of symbols, one-hot, with a label for the whole sequence.

use lopt_core::rng::{Rng, below, normal, shuffle, unit};

use crate::instance::{Array, Dataset};

/// Paths of Markov chains, labelled by the chain; see [`Recipe::Chains`](super::Recipe::Chains).
pub(super) fn chains(
    symbols: usize,
    classes: usize,
    length: usize,
    rows: usize,
    rng: &mut Rng,
) -> Dataset {
    let transition = |rng: &mut Rng| -> Vec<f64> {
        let raw: Vec<f64> = (0..symbols).map(|_| (SHARPNESS * normal(rng)).exp()).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|x| x / sum).collect()
    };
    let rules: Vec<Vec<f64>> = (0..classes * symbols).map(|_| transition(rng)).collect();
    let mut set = Sequences::new(length, symbols, rows);
    for row in 0..rows {
        let class = row % classes;
        let mut symbol = below(rng, symbols);
        for _ in 0..length {
            set.push(&[symbol]);
            symbol = draw(&rules[class * symbols + symbol], rng);
        }
        set.labels.push(class);
    }
    set.finish(classes)
}

/// Which symbol occurs most often; see [`Recipe::Majority`](super::Recipe::Majority).
pub(super) fn majority(symbols: usize, length: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let mut set = Sequences::new(length, symbols, rows);
    while set.labels.len() < rows {
        let favourite = below(rng, symbols);
        let mut pick = || if unit(rng) < FAVOURED { favourite } else { below(rng, symbols) };
        let sequence: Vec<usize> = (0..length).map(|_| pick()).collect();
        let count = |symbol: usize| sequence.iter().filter(|&&s| s == symbol).count();
        let counts: Vec<usize> = (0..symbols).map(count).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        let mut winners = (0..symbols).filter(|&symbol| counts[symbol] == most);
        // A tie has no answer.
        if let (Some(winner), None) = (winners.next(), winners.next()) {
            sequence.iter().for_each(|&symbol| set.push(&[symbol]));
            set.labels.push(winner);
        }
    }
    set.finish(symbols)
}

/// Pairs, then a key whose value is asked for; see [`Recipe::Recall`](super::Recipe::Recall).
pub(super) fn recall(
    keys: usize,
    values: usize,
    pairs: usize,
    rows: usize,
    rng: &mut Rng,
) -> Dataset {
    assert!((1..=keys).contains(&pairs), "the keys of a sequence differ");
    let mut set = Sequences::new(pairs + 1, keys + values, rows);
    let mut order: Vec<usize> = (0..keys).collect();
    for _ in 0..rows {
        shuffle(rng, &mut order);
        let chosen: Vec<usize> = (0..pairs).map(|_| below(rng, values)).collect();
        for (&key, value) in order.iter().zip(&chosen) {
            set.push(&[key, keys + value]);
        }
        let asked = below(rng, pairs);
        set.push(&[order[asked]]);
        set.labels.push(chosen[asked]);
    }
    set.finish(values)
}

/// One index with the given probabilities.
fn draw(probabilities: &[f64], rng: &mut Rng) -> usize {
    let mut rest = unit(rng);
    for (i, probability) in probabilities.iter().enumerate() {
        rest -= probability;
        if rest < 0.0 {
            return i;
        }
    }
    probabilities.len() - 1
}

/// A set of `(length, width)` sequences under construction.
struct Sequences {
    length: usize,
    width: usize,
    values: Vec<f32>,
    labels: Vec<usize>,
}

impl Sequences {
    fn new(length: usize, width: usize, rows: usize) -> Self {
        let values = Vec::with_capacity(rows * length * width);
        Self { length, width, values, labels: Vec::with_capacity(rows) }
    }

    /// Appends one position with ones at these places.
    fn push(&mut self, ones: &[usize]) {
        let start = self.values.len();
        self.values.resize(start + self.width, 0.0);
        ones.iter().for_each(|&one| self.values[start + one] = 1.0);
    }

    fn finish(self, classes: usize) -> Dataset {
        let shape = [self.labels.len(), self.length, self.width];
        Dataset { features: Array::new(shape, self.values), labels: self.labels, classes }
    }
}

/// Deviation of the logarithms of transition probabilities.
const SHARPNESS: f64 = 1.2;

/// Probability that a position holds the favoured symbol outright.
const FAVOURED: f64 = 0.25;
