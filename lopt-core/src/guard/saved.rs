//! The guard in a state file.

use super::decision::ADAM;
use super::{Comparison, Fallback, Guard, LossWatch};
use wincode::{SchemaRead, SchemaWrite};

/// Numbers of a guard; its vectors go with those of the optimizer.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct GuardNumbers {
    steps: u64,
    skipped: u64,
    watch: LossWatch,
    comparison: Option<Comparison>,
    looking: bool,
    unusable: bool,
    due: bool,
    caution: u8,
    climbed: u32,
    changed_at: u64,
    faint: u64,
    /// Per tensor, or empty before the first step.
    first_squares: Vec<Option<f64>>,
    /// Rate, and steps of every tensor, of the Adam that took over.
    fallback: Option<(f64, Vec<u64>)>,
}

impl GuardNumbers {
    /// Whether there is a point to go back to.
    pub(crate) fn has_begun(&self) -> bool {
        !self.first_squares.is_empty()
    }

    /// Whether Adam has taken over.
    pub(crate) fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Whether the numbers can be those of the guard of a model of so many tensors.
    pub(crate) fn fits(&self, tensors: usize) -> bool {
        let squares = if self.has_begun() { tensors } else { 0 };
        self.caution <= ADAM
            && self.has_fallback() == (self.caution == ADAM)
            && self.first_squares.len() == squares
            && self.fallback.as_ref().is_none_or(|(_, steps)| steps.len() == tensors)
    }
}

/// Number of a guard's vectors.
pub(crate) const PARTS: usize = 3;

impl Guard {
    /// Numbers and vectors; each vector is empty or `[P]`.
    pub(crate) fn memory(&self) -> (GuardNumbers, [&[f32]; PARTS]) {
        let numbers = GuardNumbers {
            steps: self.steps,
            skipped: self.skipped,
            watch: self.watch,
            comparison: self.comparison,
            looking: self.looking,
            unusable: self.unusable,
            due: self.due,
            caution: self.caution,
            climbed: self.climbed,
            changed_at: self.changed_at,
            faint: self.faint,
            first_squares: self.first_squares.clone(),
            fallback: self.fallback.as_ref().map(|adam| (adam.rate, adam.steps.clone())),
        };
        let adam = self.fallback.as_ref();
        let averages = adam.map_or(&[][..], |adam| &adam.averages);
        let mean_squares = adam.map_or(&[][..], |adam| &adam.mean_squares);
        (numbers, [&self.snapshot, averages, mean_squares])
    }

    /// Takes what [`memory`](Self::memory) gave.
    pub(crate) fn restore_memory(&mut self, numbers: &GuardNumbers, parts: [Vec<f32>; PARTS]) {
        let [snapshot, averages, mean_squares] = parts;
        *self = Self {
            config: self.config,
            steps: numbers.steps,
            skipped: numbers.skipped,
            watch: numbers.watch,
            comparison: numbers.comparison,
            looking: numbers.looking,
            unusable: numbers.unusable,
            due: numbers.due,
            caution: numbers.caution,
            climbed: numbers.climbed,
            changed_at: numbers.changed_at,
            faint: numbers.faint,
            first_squares: numbers.first_squares.clone(),
            snapshot,
            fallback: numbers.fallback.clone().map(|(rate, steps)| Fallback {
                rate,
                steps,
                averages,
                mean_squares,
            }),
            events: Vec::new(),
        };
    }
}
