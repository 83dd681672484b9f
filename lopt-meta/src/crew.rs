//! The slots that one process advances, on its threads.

use crate::checkpoint::SlotState;
use crate::config::Recipe;
use crate::precision::Single;
use crate::slot::Slot;
use crate::unroll::{UnrollOutcome, Workspace, unroll};
use lopt_core::network::Network;
use lopt_core::simd::Level;
use lopt_problems::Entry;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// All slots of a run, or a process's share of them, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Crew {
    entries: Vec<Entry>,
    slots: Vec<Slot<Single>>,
    precision: Single,
    workspaces: Vec<Mutex<Workspace<f32>>>,
}

impl Crew {
    /// Starts run `draw` of each of these slots. `progress`: how far meta-training is, 0 to 1.
    pub(crate) fn start(
        recipe: &Recipe,
        entries: Vec<Entry>,
        net: &Network<f32>,
        ids: &[u64],
        draw: u64,
        progress: f64,
        level: Level,
    ) -> Self {
        let start = |&id: &u64| Slot::start(recipe, &entries, net, id, draw, progress);
        let slots = ids.par_iter().map(start).collect();
        Self::of(entries, slots, level)
    }

    /// Goes on with saved slots, one per id; `None` if they do not fit.
    pub(crate) fn restore(
        recipe: &Recipe,
        entries: Vec<Entry>,
        net: &Network<f32>,
        ids: &[u64],
        saved: &[SlotState],
        level: Level,
    ) -> Option<Self> {
        if ids.len() != saved.len() {
            return None;
        }
        let pairs = ids.par_iter().zip(saved);
        let slots: Option<Vec<_>> =
            pairs.map(|(&id, saved)| Slot::restore(recipe, &entries, net, id, saved)).collect();
        Some(Self::of(entries, slots?, level))
    }

    fn of(entries: Vec<Entry>, slots: Vec<Slot<Single>>, level: Level) -> Self {
        let threads = rayon::current_num_threads();
        let workspaces = (0..threads).map(|_| Mutex::new(Workspace::default())).collect();
        Self { entries, slots, precision: Single(level), workspaces }
    }

    /// Unrolls the slots whose ids are `chosen`; outcomes with their ids, in the order of the slots.
    pub(crate) fn unroll(
        &mut self,
        recipe: &Recipe,
        net: &Network<f32>,
        progress: f64,
        chosen: impl Fn(u64) -> bool,
    ) -> Vec<(u64, UnrollOutcome)> {
        let (entries, workspaces, precision) = (&self.entries, &self.workspaces, self.precision);
        let run = |slot: &mut Slot<Single>| {
            if slot.steps >= slot.life {
                *slot = Slot::start(recipe, entries, net, slot.id, slot.draw + 1, progress);
            }
            let thread = rayon::current_thread_index().unwrap_or(0) % workspaces.len();
            let mut workspace = workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let steps = slot.unroll_length(recipe);
            let outcome = unroll(precision, recipe, net, slot, &mut workspace, steps);
            for (lane, _) in outcome.diverged.iter().enumerate().filter(|(_, d)| **d) {
                slot.restart_lane(recipe, net, lane);
            }
            (slot.id, outcome)
        };
        let mut active: Vec<&mut Slot<Single>> =
            self.slots.iter_mut().filter(|slot| chosen(slot.id)).collect();
        active.par_iter_mut().with_max_len(1).map(|slot| run(slot)).collect()
    }

    /// What a checkpoint needs of the slots.
    pub(crate) fn save(&self) -> Vec<SlotState> {
        self.slots.iter().map(Slot::save).collect()
    }
}

/// Whether slot `i` of `slots` is one of the `groups` whose turn it is.
pub(crate) fn has_turn(i: u64, slots: usize, groups: usize, turn: u64) -> bool {
    let first = (turn as usize).wrapping_mul(groups) % slots;
    (i as usize + slots - first) % slots < groups
}
