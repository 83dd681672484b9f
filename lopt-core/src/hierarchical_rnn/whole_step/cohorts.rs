//! Tensors that have had their gradients in the same steps: each such cohort is a model of its own.
//!
//! A tensor without a gradient takes no step. Its time stands still, so what rises or falls with time
//! does so with the tensor's own steps. The Global RNN and the mean log rate belong to those that were
//! there: after thousands of steps of other tensors they say that the model is solved, and a tensor that
//! joins late would diverge by them. So tensors stay together as long as their gradients come together.
//! Where some of them are missing in a step, these part, with a copy of the hidden vector of the Global
//! RNN. A cohort then takes the very steps that it would take if the others were not there.

use crate::simd::{Element, TILE};
use crate::tensor_step::{TensorStep, is_held};

/// Which tensors are together, and how many steps they have taken since the last reset.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohorts {
    /// Cohort of every tensor, `[T]`.
    of: Vec<u32>,
    /// Steps of every cohort.
    steps: Vec<u64>,
    /// Whether a cohort has tensors with a gradient in the step under way, and without.
    seen: Vec<[bool; 2]>,
}

impl Cohorts {
    /// All tensors together before their first step.
    pub fn one(tensors: usize) -> Self {
        Self { of: vec![0; tensors], steps: vec![0], seen: Vec::new() }
    }

    /// Those of a file, if they can be.
    pub fn restored(of: &[u32], steps: &[u64]) -> Option<Self> {
        let mut filled = vec![false; steps.len()];
        for &cohort in of {
            *filled.get_mut(cohort as usize)? = true;
        }
        let sound = !filled.is_empty() && filled.iter().all(|&filled| filled);
        sound.then(|| Self { of: of.to_vec(), steps: steps.to_vec(), seen: Vec::new() })
    }

    /// For a file: the cohort of every tensor, `[T]`, and the steps of every cohort.
    pub fn memory(&self) -> (&[u32], &[u64]) {
        (&self.of, &self.steps)
    }

    /// Number of cohorts.
    pub fn count(&self) -> usize {
        self.steps.len()
    }

    /// Cohort of a tensor.
    pub fn of(&self, tensor: usize) -> usize {
        self.of[tensor] as usize
    }

    /// Steps of a cohort.
    pub fn steps(&self, cohort: usize) -> u64 {
        self.steps[cohort]
    }

    /// Steps of a tensor.
    pub fn steps_of(&self, tensor: usize) -> u64 {
        self.steps(self.of(tensor))
    }

    /// Before a step: tensors that are held part from those of their cohort that are not. Returns, for
    /// every cohort that is new, the one it was part of.
    pub fn part<E>(&mut self, tensors: &[TensorStep<E>]) -> Vec<usize> {
        self.seen.clear();
        self.seen.resize(self.count(), [tensors.is_empty(), false]);
        if tensors.is_empty() {
            return Vec::new();
        }
        for (t, &cohort) in self.of.iter().enumerate() {
            self.seen[cohort as usize][usize::from(is_held(tensors, t))] = true;
        }
        let mut parents = Vec::new();
        let mut new = vec![None; if self.seen.contains(&[true; 2]) { self.count() } else { 0 }];
        for (t, cohort) in self.of.iter_mut().enumerate() {
            let parent = *cohort as usize;
            if self.seen[parent] != [true; 2] || !is_held(tensors, t) {
                continue;
            }
            *cohort = *new[parent].get_or_insert_with(|| {
                parents.push(parent);
                self.steps.push(self.steps[parent]);
                self.steps.len() as u32 - 1
            });
        }
        self.seen.resize(self.steps.len(), [false, true]);
        parents
    }

    /// Whether a cohort takes the step before which [`part`](Self::part) was called.
    pub fn takes_part(&self, cohort: usize) -> bool {
        self.seen[cohort][0]
    }

    /// A cohort takes a step.
    pub fn count_step(&mut self, cohort: usize) {
        self.steps[cohort] = self.steps[cohort].saturating_add(1);
    }

    /// How tensors take part in the step of one cohort, all others being held. Left empty if all tensors
    /// are alike in it.
    pub fn steps_in<E: Element>(
        &self,
        cohort: usize,
        tensors: &[TensorStep<E>],
        own: &mut Vec<TensorStep<E>>,
    ) {
        own.clear();
        if self.count() == 1 {
            own.extend_from_slice(tensors);
            return;
        }
        own.extend(self.of.iter().enumerate().map(|(t, &of)| {
            let step = tensors.get(t).copied().unwrap_or_else(TensorStep::whole);
            TensorStep { held: of as usize != cohort, ..step }
        }));
    }
}

/// Hidden vectors of the Global RNN of all cohorts but the first, whose is in the state.
#[derive(Clone, Debug)]
pub struct OtherGlobals<E> {
    /// `[cohort - 1][H_G]`.
    values: Vec<E>,
    units: usize,
}

impl<E: Element> OtherGlobals<E> {
    /// Before a second cohort.
    pub fn none(units: usize) -> Self {
        Self { values: Vec::new(), units }
    }

    /// Hidden vectors, one cohort after another.
    pub fn values(&self) -> &[E] {
        &self.values
    }

    /// Takes what [`values`](Self::values) gave.
    pub fn restore(&mut self, values: &[E]) {
        self.values = values.to_vec();
    }

    /// One more, that of a cohort that others part from; `global`: that of the first, rows of which the
    /// first column counts.
    pub fn push_copy(&mut self, parent: usize, global: &[E], lanes: usize) {
        match parent.checked_sub(1) {
            Some(at) => self.values.extend_from_within(at * self.units..(at + 1) * self.units),
            None => self.values.extend(global.chunks_exact(TILE * lanes).map(|row| row[0])),
        }
    }

    /// Puts that of a cohort in the place of that of the first; the same again puts both back.
    pub fn exchange(&mut self, cohort: usize, global: &mut [E], lanes: usize) {
        let Some(at) = cohort.checked_sub(1) else { return };
        let own = &mut self.values[at * self.units..(at + 1) * self.units];
        for (row, value) in global.chunks_exact_mut(TILE * lanes).zip(own) {
            let first = std::mem::replace(value, row[0]);
            row[..lanes].fill(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: TensorStep<f32> = TensorStep { multiplier: 1.0, held: false };
    const HELD: TensorStep<f32> = TensorStep { multiplier: 1.0, held: true };

    fn step(cohorts: &mut Cohorts, tensors: &[TensorStep<f32>]) -> Vec<usize> {
        let parents = cohorts.part(tensors);
        for cohort in 0..cohorts.count() {
            if cohorts.takes_part(cohort) {
                cohorts.count_step(cohort);
            }
        }
        parents
    }

    #[test]
    fn tensors_part_when_gradients_do_not_come_together() {
        let mut cohorts = Cohorts::one(4);
        assert!(step(&mut cohorts, &[]).is_empty());
        assert!(step(&mut cohorts, &[WHOLE; 4]).is_empty());
        assert!(step(&mut cohorts, &[HELD; 4]).is_empty());
        assert_eq!(cohorts.memory(), (&[0; 4][..], &[2][..]));
        assert_eq!(step(&mut cohorts, &[WHOLE, HELD, WHOLE, HELD]), [0]);
        assert_eq!(cohorts.memory(), (&[0, 1, 0, 1][..], &[3, 2][..]));
        assert!(step(&mut cohorts, &[]).is_empty());
        assert_eq!(step(&mut cohorts, &[HELD, WHOLE, WHOLE, HELD]), [0, 1]);
        assert_eq!(cohorts.memory(), (&[2, 1, 0, 3][..], &[5, 4, 4, 3][..]));
        assert_eq!((0..4).map(|t| cohorts.steps_of(t)).collect::<Vec<_>>(), [4, 4, 5, 3]);
        let mut own = Vec::new();
        cohorts.steps_in(1, &[], &mut own);
        assert_eq!(own, [HELD, WHOLE, HELD, HELD]);
        let (of, steps) = cohorts.memory();
        let back = Cohorts::restored(of, steps).unwrap();
        assert_eq!(back.memory(), cohorts.memory());
        assert_eq!(Cohorts::restored(&[0, 2], &[1, 1]), None);
        assert_eq!(Cohorts::restored(&[0, 0], &[1, 1]), None);
        assert_eq!(Cohorts::restored(&[], &[]), None);
    }

    #[test]
    fn a_copy_of_the_global_state_goes_with_those_that_part() {
        // rows of two lanes
        let mut global = vec![7.0_f64; 2 * TILE * 2];
        global[TILE * 2..].fill(8.0);
        let mut others = OtherGlobals::none(2);
        others.push_copy(0, &global, 2);
        others.exchange(1, &mut global, 2);
        global[..2].fill(1.0);
        others.exchange(1, &mut global, 2);
        assert_eq!((global[0], global[TILE * 2]), (7.0, 8.0));
        others.push_copy(1, &global, 2);
        assert_eq!(others.values(), [1.0, 8.0, 1.0, 8.0]);
        others.exchange(2, &mut global, 2);
        assert_eq!((global[1], global[TILE * 2 + 1]), (1.0, 8.0));
    }
}
