//! The guard in a state file.

use super::{ADAM, CUT, Course, Fallback, Guard};

/// Numbers of a guard; its vectors go with those of the optimizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GuardNumbers {
    course: Course,
    /// Rate, and steps of every tensor, of the Adam that took over.
    fallback: Option<(f64, Vec<u64>)>,
}

crate::positional!(GuardNumbers { course, fallback });

impl GuardNumbers {
    /// Whether there is a point to go back to.
    pub(crate) fn has_begun(&self) -> bool {
        !self.course.first_squares.is_empty()
    }

    /// Whether these can be the numbers of a guard of a model of so many tensors.
    pub(crate) fn fits(&self, tensors: usize) -> bool {
        let squares = if self.has_begun() { tensors } else { 0 };
        (self.has_begun() || *self == Self::default())
            && self.course.caution <= ADAM
            && self.course.changed_at <= self.course.steps
            && self.has_fallback() == (self.course.caution == ADAM)
            && self.course.comparison.is_none_or(|comparison| comparison.is_open())
            && self.course.first_squares.len() == squares
            && self.fallback.as_ref().is_none_or(|(_, steps)| steps.len() == tensors)
    }

    /// Whether Adam has taken over.
    pub(crate) fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }
}

/// Number of a guard's vectors.
pub(crate) const PARTS: usize = 3;

/// Numbers of the guard in files of versions 7 to 9, which watched a running average of the loss. It had
/// four vectors: the second one was an older snapshot.
#[derive(Clone, Debug)]
pub(crate) struct EarlierNumbers {
    steps: u64,
    skipped: u64,
    _skipped_in_row: u32,
    cuts: u32,
    _watch: [u64; 4],
    _losses: [f64; 10],
    first_squares: Vec<Option<f64>>,
    _snapshot_at: u64,
    fallback: Option<(f64, Vec<u64>)>,
}

crate::positional!(EarlierNumbers {
    steps,
    skipped,
    _skipped_in_row,
    cuts,
    _watch,
    _losses,
    first_squares,
    _snapshot_at,
    fallback,
});

/// Number of an earlier guard's vectors.
pub(crate) const EARLIER_PARTS: usize = 4;

impl From<EarlierNumbers> for GuardNumbers {
    /// What had been done stays done, for a quiet time; the watch begins anew.
    fn from(earlier: EarlierNumbers) -> Self {
        let caution = match (&earlier.fallback, earlier.cuts) {
            (Some(_), _) => ADAM,
            (None, 0) => 0,
            (None, _) => CUT,
        };
        let course = Course {
            steps: earlier.steps,
            skipped: earlier.skipped,
            caution,
            climbed: caution.into(),
            changed_at: if caution == 0 { 0 } else { earlier.steps },
            first_squares: earlier.first_squares,
            ..Course::default()
        };
        Self { course, fallback: earlier.fallback }
    }
}

impl Guard {
    /// Numbers and vectors; each vector is empty or `[P]`.
    pub(crate) fn memory(&self) -> (GuardNumbers, [&[f32]; PARTS]) {
        let numbers = GuardNumbers {
            course: self.course.clone(),
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
            course: numbers.course.clone(),
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
