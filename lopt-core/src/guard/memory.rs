//! The guard in a state file.

use super::{Fallback, Guard, LossWatch};
use wincode::{SchemaRead, SchemaWrite};

/// Numbers of a guard; its vectors go with those of the optimizer.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct GuardNumbers {
    steps: u64,
    skipped: u64,
    skipped_in_row: u32,
    cuts: u32,
    watch: [u64; 4],
    losses: [f64; 10],
    /// Per tensor, or empty before the first step.
    first_squares: Vec<Option<f64>>,
    snapshot_at: u64,
    /// Rate, and steps of every tensor, of the Adam that took over.
    fallback: Option<(f64, Vec<u64>)>,
}

impl GuardNumbers {
    /// Whether there is a point to go back to.
    pub(crate) fn has_begun(&self) -> bool {
        self.steps > 0
    }

    /// Whether what is kept per tensor is for a model of so many.
    pub(crate) fn fits(&self, tensors: usize) -> bool {
        let squares = if self.has_begun() { tensors } else { 0 };
        self.first_squares.len() == squares
            && self.fallback.as_ref().is_none_or(|(_, steps)| steps.len() == tensors)
    }

    /// Whether Adam has taken over.
    pub(crate) fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }
}

/// Number of a guard's vectors.
pub(crate) const PARTS: usize = 4;

impl Guard {
    /// Numbers and vectors; each vector is empty or `[P]`.
    pub(crate) fn memory(&self) -> (GuardNumbers, [&[f32]; PARTS]) {
        let (watch, losses) = self.watch.numbers();
        let numbers = GuardNumbers {
            steps: self.steps,
            skipped: self.skipped,
            skipped_in_row: self.skipped_in_row,
            cuts: self.cuts,
            watch,
            losses,
            first_squares: self.first_squares.clone(),
            snapshot_at: self.snapshot_at,
            fallback: self.fallback.as_ref().map(|adam| (adam.rate, adam.steps.clone())),
        };
        let [newer, older] = &self.snapshot;
        let adam = self.fallback.as_ref();
        let averages = adam.map_or(&[][..], |adam| &adam.averages);
        let mean_squares = adam.map_or(&[][..], |adam| &adam.mean_squares);
        (numbers, [newer, older, averages, mean_squares])
    }

    /// Takes what [`memory`](Self::memory) gave.
    pub(crate) fn restore_memory(&mut self, numbers: &GuardNumbers, parts: [Vec<f32>; PARTS]) {
        let [newer, older, averages, mean_squares] = parts;
        *self = Self {
            config: self.config,
            steps: numbers.steps,
            skipped: numbers.skipped,
            skipped_in_row: numbers.skipped_in_row,
            cuts: numbers.cuts,
            watch: LossWatch::from_numbers(numbers.watch, numbers.losses),
            first_squares: numbers.first_squares.clone(),
            snapshot_at: numbers.snapshot_at,
            snapshot: [newer, older],
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
