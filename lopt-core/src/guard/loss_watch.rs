//! Tells a loss that looks lost from one that is noisy.
//!
//! Losses are averaged in blocks, clipped far above those of the first block, so that no single one
//! decides. What looks lost is only a reason to compare (`comparison.rs`).

use super::Reason;
use wincode::{SchemaRead, SchemaWrite};

/// Losses of a block.
const BLOCK: usize = 32;
/// Lost blocks in a row that are a reason to compare; each comparison in vain doubles it.
const PATIENCE: u32 = 5;
/// Comparisons in vain that count.
const MOST_DOUBLINGS: u32 = 10;
/// Share of what was won that may be lost.
const SHARE: f64 = 0.4;
/// Standard errors of a block that its mean may be above the best one.
const ERRORS: f64 = 6.0;
/// Losses are clipped so many times further from zero than the first ones.
const CLIP: f64 = 10.0;
/// First losses by which an explosion is known, how many times further from zero it is, how many
/// losses in a row, and up to which one.
const FIRST: usize = 6;
const FAR: f64 = 20.0;
const FAR_IN_ROW: u32 = 8;
const FAR_UNTIL: u64 = 64;

/// The block that is being filled, and what earlier ones were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct LossWatch {
    /// Losses since the watch began.
    seen: u64,
    block: [f32; BLOCK],
    /// A higher loss counts as this one.
    clip: f64,
    /// Mean of the first block.
    first: f64,
    /// Lowest mean of a block.
    best: f64,
    /// Typical standard error of the mean of a block.
    error: f64,
    /// Lost blocks in a row.
    lost: u32,
    /// Above it one of the first losses is an explosion, as long as nothing is won.
    far_above: f64,
    /// Explosions in a row.
    far: u32,
    /// Comparisons in vain.
    vain: u32,
}

/// What a loss says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    Nothing,
    /// A block with a new lowest mean is complete.
    Best,
    /// The run looks lost: it is worth this many rounds of a comparison.
    Lost {
        rounds: u8,
        /// By how much its losses have risen.
        risen: f64,
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
        if self.seen == FIRST as u64 {
            // neither of the two lowest ones decides alone, nor do the higher ones
            let mut first = [0.0; FIRST];
            first.copy_from_slice(&self.block[..FIRST]);
            first.sort_unstable_by(f32::total_cmp);
            let (start, spread) = (f64::from(first[1]), f64::from(first[2] - first[1]));
            self.far_above = start + FAR * (start.abs() + spread);
        }
        let watches = (FIRST as u64 + 1..=FAR_UNTIL).contains(&self.seen);
        let explodes = watches && f64::from(loss) > self.far_above;
        self.far = if explodes { self.far + 1 } else { 0 };
        if self.far >= FAR_IN_ROW && !self.has_won() {
            self.far = 0;
            return self.lost(4, self.clipped(loss), self.far_above);
        }
        if at + 1 == BLOCK { self.end_block() } else { Finding::Nothing }
    }

    fn end_block(&mut self) -> Finding {
        if self.seen == BLOCK as u64 {
            let mut sorted = self.block;
            sorted.sort_unstable_by(f32::total_cmp);
            let quartile = |quarter: usize| f64::from(sorted[quarter * BLOCK / 4]);
            let median = quartile(2);
            self.clip = median + CLIP * (median.abs() + quartile(3) - quartile(1));
        }
        let clipped = self.block.iter().map(|&loss| self.clipped(loss));
        let mean = clipped.clone().sum::<f64>() / BLOCK as f64;
        let squares = clipped.map(|loss| (loss - mean).powi(2)).sum::<f64>();
        let error = squares.sqrt() / BLOCK as f64;
        if self.seen == BLOCK as u64 {
            (self.first, self.best, self.error) = (mean, mean, error);
            return Finding::Best;
        }
        if mean > self.mark() {
            self.lost = self.lost.saturating_add(1);
            if self.lost < PATIENCE << self.vain.min(MOST_DOUBLINGS) {
                return Finding::Nothing;
            }
            return self.lost(32, mean, self.best);
        }
        self.lost = 0;
        self.error += (error - self.error) / 4.0;
        if mean < self.best {
            self.best = mean;
            return Finding::Best;
        }
        Finding::Nothing
    }

    fn lost(&self, rounds: u8, loss: f64, best: f64) -> Finding {
        Finding::Lost { rounds, risen: (loss - best).max(0.0), reason: Reason::Above { loss, best } }
    }

    /// Why the model goes back, with its last loss.
    pub(super) fn reason(&self, loss: f64) -> Reason {
        Reason::Above { loss, best: self.best }
    }

    /// A loss, or the highest one that counts.
    pub(super) fn clipped(&self, loss: f32) -> f64 {
        let clip = if self.has_first() { self.clip } else { f64::INFINITY };
        f64::from(loss).min(clip)
    }

    /// Above it a block is a lost one.
    fn mark(&self) -> f64 {
        let above = SHARE * (self.first - self.best);
        let unwon = if self.has_won() { 0.0 } else { SHARE * self.first.abs() };
        self.best + above.max(ERRORS * self.error).max(unwon)
    }

    fn has_first(&self) -> bool {
        self.seen >= BLOCK as u64
    }

    /// Whether the loss was ever lowered by more than noise.
    pub(super) fn has_won(&self) -> bool {
        self.has_first() && self.first - self.best > ERRORS * self.error
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
        if self.has_first() { self.best } else { f64::INFINITY }
    }

    /// Begins a new block, as the model is another one.
    pub(super) fn restored(&mut self) {
        if self.has_first() {
            self.seen = BLOCK as u64;
        } else {
            *self = Self { vain: self.vain, ..Self::default() };
        }
        (self.lost, self.far) = (0, 0);
        self.vain = 0;
    }

    /// Begins anew after a comparison in vain: the losses are not what they were, whatever the model.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { vain: self.vain.saturating_add(1), ..Self::default() };
    }
}
