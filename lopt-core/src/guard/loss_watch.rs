//! Tells a loss that looks lost from one that is noisy.
//!
//! Losses are taken in blocks, and a block is known by its mean and the standard error of that. Losses
//! far above the first ones are clipped, so that no single one decides; a median would not see a model
//! that is right on most rows and hopelessly wrong on the others. What looks lost is only a reason to
//! compare (`comparison.rs`).

use super::Reason;
use wincode::{SchemaRead, SchemaWrite};

/// Losses of a block.
const BLOCK: usize = 32;
/// The last losses of a block, which have to look lost as well.
const LAST: usize = 8;
/// How many times further from zero than at first is far.
const FAR: f64 = 10.0;
/// Standard errors that the mean of a block may be off.
const ERRORS: f64 = 3.0;
/// Lost blocks in a row that are a reason to compare; each comparison in vain doubles it.
const PATIENCE: u32 = 2;
/// Comparisons in vain that count.
const MOST_DOUBLINGS: u32 = 10;

/// Mean of the clipped losses of a block, and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Block {
    mean: f64,
    error: f64,
}

impl Block {
    fn of(losses: &[f32], clip: f64) -> Self {
        let clipped = losses.iter().map(|&loss| f64::from(loss).min(clip));
        let count = losses.len() as f64;
        let mean = clipped.clone().sum::<f64>() / count;
        let squares = clipped.map(|loss| (loss - mean).powi(2)).sum::<f64>();
        Self { mean, error: squares.sqrt() / count }
    }

    /// The lowest the mean may really be.
    fn low(&self) -> f64 {
        self.mean - ERRORS * self.error
    }

    /// The highest the mean may really be.
    fn high(&self) -> f64 {
        self.mean + ERRORS * self.error
    }
}

/// The block that is being filled, and what earlier ones were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct LossWatch {
    /// Losses since the watch began.
    seen: u64,
    block: [f32; BLOCK],
    /// A higher loss counts as this one.
    clip: f64,
    first: Block,
    /// The block of the lowest mean.
    best: Block,
    /// Lost blocks in a row.
    lost: u32,
    /// Comparisons in vain.
    vain: u32,
}

/// What a loss says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    Nothing,
    /// A block with a new lowest mean is complete.
    Best,
    /// The run looks lost: its mean loss is above `mark`, where losses count for `clip` at most.
    Lost {
        mark: f64,
        clip: f64,
        reason: Reason,
    },
}

impl LossWatch {
    /// Takes the next finite loss.
    pub(super) fn take(&mut self, loss: f32) -> Finding {
        // at the start, an empty or wholly masked batch, which says nothing about the model
        if loss == 0.0 && !self.has_first() {
            return Finding::Nothing;
        }
        let at = (self.seen % BLOCK as u64) as usize;
        self.block[at] = loss;
        self.seen = self.seen.saturating_add(1);
        if self.seen <= BLOCK as u64
            && let Some(lost) = self.explosion(at + 1)
        {
            return lost;
        }
        if at + 1 < BLOCK {
            return Finding::Nothing;
        }
        if self.seen == BLOCK as u64 {
            self.begin();
            return Finding::Best;
        }
        let block = Block::of(&self.block, self.clip);
        let mark = self.mark();
        let last = Block::of(&self.block[BLOCK - LAST..], self.clip);
        if block.low() > self.best.high() && block.mean.min(last.mean) > mark {
            self.lost = self.lost.saturating_add(1);
            if self.lost < PATIENCE << self.vain.min(MOST_DOUBLINGS) {
                return Finding::Nothing;
            }
            let reason = if self.has_won() {
                Reason::LostHalf { loss: block.mean, best: self.best.mean }
            } else {
                Reason::AboveStart { loss: block.mean, start: self.first.mean }
            };
            return Finding::Lost { mark, clip: self.clip, reason };
        }
        self.lost = 0;
        if block.mean < self.best.mean {
            self.best = block;
            return Finding::Best;
        }
        Finding::Nothing
    }

    /// The first block is complete.
    fn begin(&mut self) {
        let mut sorted = self.block;
        sorted.sort_unstable_by(f32::total_cmp);
        let quartile = |quarter: usize| f64::from(sorted[quarter * BLOCK / 4]);
        let median = quartile(2);
        self.clip = median + FAR * (median.abs() + quartile(3) - quartile(1));
        self.first = Block::of(&self.block, self.clip);
        (self.best, self.lost) = (self.first, 0);
    }

    /// Whether the last of `seen` losses are all far above the first ones, while there is no block yet
    /// to compare with. One of the first may be an outlier, until all others are far above it.
    fn explosion(&self, seen: usize) -> Option<Finding> {
        const FIRST: usize = 4;
        if seen < FIRST + LAST {
            return None;
        }
        let (start, rest) = if seen == BLOCK {
            (self.block[0], &self.block[1..])
        } else {
            let mut first = [0.0; FIRST];
            first.copy_from_slice(&self.block[..FIRST]);
            first.sort_unstable_by(f32::total_cmp);
            (first[1], &self.block[seen - LAST..seen])
        };
        let start = f64::from(start);
        let loss = f64::from(rest.iter().copied().fold(f32::INFINITY, f32::min));
        let mark = start + FAR * start.abs();
        let reason = Reason::AboveStart { loss, start };
        (loss > mark).then_some(Finding::Lost { mark, clip: mark + FAR * start.abs(), reason })
    }

    /// Above it a mean is that of a lost run: half of what was won, or clearly above the beginning.
    fn mark(&self) -> f64 {
        let (first, best) = (&self.first, &self.best);
        if self.has_won() {
            return 0.5 * (first.mean + best.mean);
        }
        first.high().max(first.mean + first.mean.abs() / FAR)
    }

    fn has_first(&self) -> bool {
        self.seen >= BLOCK as u64
    }

    /// Whether the loss was ever lowered by more than noise.
    pub(super) fn has_won(&self) -> bool {
        self.has_first() && self.best.high() < self.first.low()
    }

    /// Whether no loss has been given.
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Whether the last block was a lost one.
    pub(super) fn looks_lost(&self) -> bool {
        self.lost > 0
    }

    /// Mean of the best block; infinite before there is one.
    pub(super) fn lowest(&self) -> f64 {
        if self.has_first() { self.best.mean } else { f64::INFINITY }
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
        let leaps: [(&[f64], usize); 3] = [
            (&[2.3, 1e6, 1e6, 1e6, 1e6], 31),
            (&[2.3, 5.0, 100.0, 1e4, 1e6], 11),
            (&[1.0, 1.0, 1.0, 1.0, 50.0], 11),
        ];
        for (leap, expected) in leaps {
            let last = leap[4];
            let (at, _) = complaint(leap.iter().copied().chain(std::iter::repeat_n(last, 100)))
                .unwrap_or_else(|| panic!("{leap:?}"));
            assert_eq!(at, expected, "{leap:?}");
        }
        assert_eq!(complaint((0..500).map(|n| 1.3_f64.powi(n))).unwrap().0, 18);
    }

    #[test]
    fn a_model_that_is_wrong_on_some_rows_only_is_lost() {
        let (at, _) = complaint((0..500).map(|n| match n {
            0..100 => 2.3,
            _ if n % 5 < 2 => 50.0,
            _ => 0.0,
        }))
        .unwrap();
        assert!(at < 200, "{at}");
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
    fn bad_batches_that_pass_within_50_steps_are_no_relapse() {
        for (begin, steps) in (300..364).flat_map(|begin| [1, 10, 50].map(|steps| (begin, steps))) {
            let bad = |n: i32| (begin..begin + steps).contains(&n);
            let losses = (0..1000).map(|n| if bad(n) { 1e6 } else { (-f64::from(n) / 50.0).exp() });
            let found = complaint(losses);
            // unless they end with the second block
            assert!(found.is_none() || steps == 50, "{begin}, {steps}: {found:?}");
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
