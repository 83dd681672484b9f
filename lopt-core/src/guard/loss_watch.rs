//! Tells a loss that looks lost from one that is noisy.
//!
//! Losses are taken in blocks, and blocks are compared by their quartiles, so that neither a single
//! outlier nor the shape of the noise decides. What looks lost is only a reason to compare
//! (`comparison.rs`).

use super::Reason;
use wincode::{SchemaRead, SchemaWrite};

/// Losses of a block.
const BLOCK: usize = 32;
/// Losses that are looked at for an explosion within the first block, from twice as many on.
const EARLY: usize = 8;
/// How many times further from zero than at first that is.
const FAR: f64 = 30.0;
/// Lost blocks in a row that are a reason to compare; each comparison in vain doubles it.
const PATIENCE: u32 = 2;
/// Comparisons in vain that count.
const MOST_DOUBLINGS: u32 = 10;

/// Quartiles of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(mut losses: [f32; BLOCK]) -> Self {
        losses.sort_unstable_by(f32::total_cmp);
        let at = |quarter: usize| f64::from(losses[quarter * BLOCK / 4]);
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

/// The block that is being filled, and what earlier ones were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct LossWatch {
    /// Losses since the watch began.
    seen: u64,
    block: [f32; BLOCK],
    first: Quartiles,
    /// The block of the lowest median.
    best: Quartiles,
    /// Lost blocks in a row.
    lost: u32,
    /// Comparisons in vain.
    vain: u32,
}

/// What a loss says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    Nothing,
    /// A block with a new lowest median is complete.
    Best,
    /// The run looks lost; a loss above `mark` does.
    Lost {
        mark: f64,
        reason: Reason,
    },
}

impl LossWatch {
    /// Takes the next finite loss.
    pub(super) fn take(&mut self, loss: f32) -> Finding {
        // an empty or wholly masked batch, which says nothing about the model
        if loss == 0.0 {
            return Finding::Nothing;
        }
        let at = (self.seen % BLOCK as u64) as usize;
        self.block[at] = loss;
        self.seen = self.seen.saturating_add(1);
        if self.seen <= BLOCK as u64
            && at + 1 >= 2 * EARLY
            && (at + 1).is_multiple_of(EARLY)
            && let Some(lost) = self.explosion(at + 1)
        {
            return lost;
        }
        if at + 1 < BLOCK {
            return Finding::Nothing;
        }
        let block = Quartiles::of(self.block);
        if self.seen == BLOCK as u64 {
            (self.first, self.best, self.lost) = (block, block, 0);
            return Finding::Best;
        }
        let mark = self.mark();
        if block.low > self.best.high && block.median > mark {
            self.lost = self.lost.saturating_add(1);
            if self.lost < PATIENCE << self.vain.min(MOST_DOUBLINGS) {
                return Finding::Nothing;
            }
            let reason = if self.has_won() {
                Reason::LostHalf { loss: block.median, best: self.best.median }
            } else {
                Reason::AboveStart { loss: block.median, start: self.first.median }
            };
            return Finding::Lost { mark, reason };
        }
        self.lost = 0;
        if block.median < self.best.median {
            self.best = block;
            return Finding::Best;
        }
        Finding::Nothing
    }

    /// Whether the last of `seen` losses are all far above the lowest of the first ones: there is no
    /// block yet to compare with.
    fn explosion(&self, seen: usize) -> Option<Finding> {
        let lowest =
            |losses: &[f32]| f64::from(losses.iter().copied().fold(f32::INFINITY, f32::min));
        let start = lowest(&self.block[..EARLY / 2]);
        let loss = lowest(&self.block[seen - EARLY..seen]);
        let mark = start + FAR * start.abs();
        let reason = Reason::AboveStart { loss, start };
        (loss > mark).then_some(Finding::Lost { mark, reason })
    }

    /// Above it a median is that of a lost run: half of what was won, or a tenth above the beginning.
    fn mark(&self) -> f64 {
        let (first, best) = (self.first.median, self.best.median);
        if self.has_won() { 0.5 * (first + best) } else { first + 0.1 * first.abs() }
    }

    fn has_first(&self) -> bool {
        self.seen >= BLOCK as u64
    }

    /// Whether the loss was ever lowered by more than noise.
    pub(super) fn has_won(&self) -> bool {
        self.has_first() && self.best.high < self.first.low
    }

    /// Whether no loss has been given.
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Whether the last block was a lost one.
    pub(super) fn looks_lost(&self) -> bool {
        self.lost > 0
    }

    /// Median of the best block; infinite before there is one.
    pub(super) fn lowest(&self) -> f64 {
        if self.has_first() { self.best.median } else { f64::INFINITY }
    }

    /// Begins a new block, as the trouble is over.
    pub(super) fn go_on(&mut self) {
        self.seen = if self.has_first() { BLOCK as u64 } else { 0 };
        self.lost = 0;
    }

    /// Begins a new block, as the model is another one.
    pub(super) fn restored(&mut self) {
        self.go_on();
        self.vain = 0;
    }

    /// Begins anew after a comparison in vain: the losses are not what they were, whatever the model.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { vain: self.vain.saturating_add(1), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First loss at which the watch complains.
    fn complaint(losses: impl Iterator<Item = f64>) -> Option<(usize, Reason)> {
        let mut watch = LossWatch::default();
        losses.enumerate().find_map(|(i, loss)| match watch.take(loss as f32) {
            Finding::Lost { reason, .. } => Some((i, reason)),
            _ => None,
        })
    }

    #[test]
    fn growth_is_found_soon() {
        let (at, reason) = complaint((0..500).map(|n| 1.02_f64.powi(n))).unwrap();
        assert!(at < 100, "{at}");
        assert!(matches!(reason, Reason::AboveStart { .. }), "{reason}");
    }

    #[test]
    fn an_explosion_within_the_first_losses_is_found() {
        let leaps: [&[f64]; 3] =
            [&[2.3, 1e6, 1e6, 1e6, 1e6], &[2.3, 5.0, 100.0, 1e4, 1e6], &[1.0, 1.0, 1.0, 1.0, 50.0]];
        for leap in leaps {
            let last = leap[4];
            let (at, _) = complaint(leap.iter().copied().chain(std::iter::repeat_n(last, 100)))
                .unwrap_or_else(|| panic!("{leap:?}"));
            assert!(at == 15, "{leap:?} {at}");
        }
        assert_eq!(complaint((0..500).map(|n| 1.3_f64.powi(n))).unwrap().0, 23);
    }

    #[test]
    fn a_relapse_below_the_start_is_found() {
        let fall_and_rise =
            (0..1000).map(|n| if n < 300 { (-f64::from(n) / 50.0).exp() } else { 0.8 });
        let (at, reason) = complaint(fall_and_rise).unwrap();
        assert!((350..400).contains(&at), "{at}");
        assert!(matches!(reason, Reason::LostHalf { .. }), "{reason}");
    }

    #[test]
    fn fewer_than_48_bad_batches_are_no_relapse() {
        for begin in 300..364 {
            let bad = |n: i32| (begin..begin + 47).contains(&n);
            let losses = (0..1000).map(|n| if bad(n) { 1e6 } else { (-f64::from(n) / 50.0).exp() });
            assert_eq!(complaint(losses), None, "from {begin}");
        }
    }

    #[test]
    fn first_batches_without_a_loss_say_nothing() {
        for empty in 1..20 {
            let losses = (0..2000).map(|n| if n < empty { 0.0 } else { 1.0 / f64::from(n) });
            assert_eq!(complaint(losses), None, "{empty}");
        }
    }
}
