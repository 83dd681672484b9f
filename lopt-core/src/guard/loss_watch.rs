//! Tells a loss that looks lost from one that is noisy.
//!
//! Losses are averaged in blocks, clipped far above those of the first block, so that no single one
//! decides. What looks lost is only a reason to compare (`comparison.rs`).

use super::{ADAM, CUT, Reason};

/// Losses of a block.
const BLOCK: usize = 32;
/// Lost blocks in a row that are a reason to compare; each comparison in vain doubles it.
const PATIENCE: u32 = 6;
/// Comparisons in vain that count.
const MOST_DOUBLINGS: u32 = 10;
/// Share of what was won that may be lost.
const SHARE: f64 = 0.4;
/// Standard errors of a block that the mean of lost ones has to be above the best one, and how many of
/// their mean in addition.
const ERRORS: f64 = 6.0;
const OWN_ERRORS: f64 = 2.0;
/// Standard errors of a block that each lost one is above the best one.
const MARK_ERRORS: f64 = 5.0;
/// Standard errors that the best block is below the first one if something has been won.
const WON: f64 = 3.0;
/// Losses are clipped so many times further from zero than the first ones.
const CLIP: f64 = 10.0;
/// First losses by which an explosion is known, how many times further from zero it is, how many
/// losses in a row, and up to which one.
const FIRST: usize = 6;
const FAR: f64 = 20.0;
const FAR_IN_ROW: u32 = 8;
const FAR_UNTIL: u64 = 64;
/// Clipped losses of a block that are an explosion later on, as long as nothing is won.
const BEYOND: usize = 24;

/// The block that is being filled, and what earlier ones were like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// Lost blocks in a row, and the sums of their means and of the squares of their standard errors.
    lost: u32,
    lost_sum: f64,
    lost_squares: f64,
    /// Above it one of the first losses is an explosion, as long as nothing is won.
    far_above: f64,
    /// Explosions in a row.
    far: u32,
    /// Comparisons in vain.
    vain: u32,
}

crate::positional!(LossWatch {
    seen,
    block,
    clip,
    first,
    best,
    error,
    lost,
    lost_sum,
    lost_squares,
    far_above,
    far,
    vain
});

/// What a loss says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    Nothing,
    /// A block with a new lowest mean is complete.
    Best,
    /// The run looks lost: it is worth a comparison.
    Lost {
        /// Whether it is beyond all measure.
        exploded: bool,
        /// By how much its losses have risen.
        risen: f64,
        /// By how many levels caution grows if the optimizer is to blame.
        levels: u8,
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
            return Self::found(true, ADAM, self.clipped(loss), self.far_above);
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
        let beyond = clipped.clone().filter(|&loss| loss >= self.clip).count();
        let mean = clipped.clone().sum::<f64>() / BLOCK as f64;
        let squares = clipped.map(|loss| (loss - mean).powi(2)).sum::<f64>();
        let error = squares.sqrt() / BLOCK as f64;
        if self.seen == BLOCK as u64 {
            (self.first, self.best, self.error) = (mean, mean, error);
            return Finding::Best;
        }
        if beyond >= BEYOND && !self.has_won() {
            return Self::found(true, ADAM, mean, self.best);
        }
        if mean > self.mark() {
            self.lost = self.lost.saturating_add(1);
            self.lost_sum += mean;
            self.lost_squares += error * error;
            if self.lost < PATIENCE << self.vain.min(MOST_DOUBLINGS) || !self.looks_lost() {
                return Finding::Nothing;
            }
            // full steps have won nothing so far
            let levels = if self.has_won() { 1 } else { CUT };
            return Self::found(false, levels, self.lost_mean(), self.best);
        }
        (self.lost, self.lost_sum, self.lost_squares) = (0, 0.0, 0.0);
        // the noise of lost blocks is no measure
        self.error += (error - self.error) / 4.0;
        if mean < self.best {
            self.best = mean;
            return Finding::Best;
        }
        Finding::Nothing
    }

    fn found(exploded: bool, levels: u8, loss: f64, best: f64) -> Finding {
        let risen = (loss - best).max(0.0);
        Finding::Lost { exploded, risen, levels, reason: Reason::Above { loss, best } }
    }

    /// Mean of the lost blocks in a row.
    fn lost_mean(&self) -> f64 {
        self.lost_sum / f64::from(self.lost.max(1))
    }

    /// A loss, or the highest one that counts.
    pub(super) fn clipped(&self, loss: f32) -> f64 {
        let clip = if self.has_first() { self.clip } else { f64::INFINITY };
        f64::from(loss).min(clip)
    }

    /// Above it a block is a lost one.
    fn mark(&self) -> f64 {
        let unwon = if self.has_won() { 0.0 } else { SHARE * self.first.abs() };
        let above = SHARE * (self.first - self.best);
        self.best + above.max(unwon).max(MARK_ERRORS * self.error)
    }

    fn has_first(&self) -> bool {
        self.seen >= BLOCK as u64
    }

    /// Whether the loss was ever lowered by more than noise.
    pub(super) fn has_won(&self) -> bool {
        self.has_first() && self.first - self.best > WON * self.error
    }

    /// Whether no loss has been given.
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Whether the last blocks are lost by more than noise.
    pub(super) fn looks_lost(&self) -> bool {
        let own = self.lost_squares.sqrt() / f64::from(self.lost.max(1));
        self.lost > 0 && self.lost_mean() - self.best > ERRORS * self.error + OWN_ERRORS * own
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
        (self.lost, self.lost_sum, self.lost_squares, self.far) = (0, 0.0, 0.0, 0);
        self.vain = 0;
    }

    /// Goes on after a comparison that said nothing clear.
    pub(super) fn go_on(&mut self) {
        (self.lost, self.lost_sum, self.lost_squares) = (0, 0.0, 0.0);
        self.vain = self.vain.saturating_add(1);
    }

    /// Begins anew after a comparison in vain: the losses are not what they were, whatever the model.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { vain: self.vain.saturating_add(1), ..Self::default() };
    }
}
