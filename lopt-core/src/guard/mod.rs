//! The guard: watches a learned optimizer and takes the model back when it diverges.
//!
//! A gradient or loss that is not finite leaves the step out. When that goes on, when the averaged
//! loss stays above its beginning or loses half of what was won, or (without a loss) when the
//! parameters grow beyond all measure, the model goes back to where it was best and the networks
//! begin anew with steps a tenth as long; when that does not help, Adam takes over. `docs/guard.md`
//! has the numbers and what they were chosen by. Steps are capped relative to the size of the
//! parameters inside the networks themselves (`scale.rs`).

mod event;
mod fallback;
mod loss_watch;
mod memory;

use crate::layout::Layout;
pub use event::{GuardEvent, Reason};
use fallback::Fallback;
use loss_watch::LossWatch;
pub(crate) use memory::{GuardNumbers, PARTS};

/// How the guard behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Factor of the step length at each cut, more than 0 and at most 1.
    pub cut: f32,
    /// Cuts before Adam takes over; none if the loss was never lowered.
    pub cuts: u32,
    /// Adam's learning rate, a positive number.
    pub fallback_rate: f64,
    /// Steps in a row without a finite gradient and loss that count as divergence.
    pub most_skipped: u32,
    /// Least number of steps between two snapshots of the parameters.
    pub snapshot_every: u64,
    /// Without a loss: largest root mean square of the parameters that are trained, in units of what it was at first
    /// or of one, whichever is larger; at least 1, infinite for no limit.
    pub most_growth: f64,
}

impl GuardConfig {
    /// Checks ranges.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), GuardError> {
        let cut = f64::from(self.cut);
        let settings = [
            ("cut", cut, cut > 0.0 && cut <= 1.0, "more than 0 and at most 1"),
            (
                "fallback_rate",
                self.fallback_rate,
                self.fallback_rate > 0.0 && self.fallback_rate.is_finite(),
                "a positive number",
            ),
            ("most_growth", self.most_growth, self.most_growth >= 1.0, "at least 1"),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((what, value, _, expected)) => Err(GuardError { what, value, expected }),
            None => Ok(()),
        }
    }
}

/// A setting of a guard that is out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the guard's {what} is {value}, expected {expected}")]
pub struct GuardError {
    /// Which setting.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// What it may be.
    pub expected: &'static str,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            cut: 0.1,
            cuts: 1,
            fallback_rate: 1e-3,
            most_skipped: 10,
            snapshot_every: 20,
            most_growth: 1000.0,
        }
    }
}

/// What to do with a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Go on.
    Step,
    /// Leave it out.
    Skip,
    /// Go back to the snapshot and begin anew, leaving this gradient out.
    Restart,
}

/// Memory of the guard of one model.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) config: GuardConfig,
    /// Steps asked for.
    steps: u64,
    skipped: u64,
    skipped_in_row: u32,
    cuts: u32,
    watch: LossWatch,
    /// Sum of the squares of every tensor's parameters before its first step, `[T]`.
    first_squares: Vec<Option<f64>>,
    /// Step of the last snapshot.
    snapshot_at: u64,
    /// `[P]` each: where to go back to; the second one, older, only where there is no loss.
    snapshot: [Vec<f32>; 2],
    fallback: Option<Fallback>,
    /// Events of the step under way.
    events: Vec<GuardEvent>,
}

impl Guard {
    pub(crate) fn new(config: GuardConfig) -> Self {
        Self {
            config,
            steps: 0,
            skipped: 0,
            skipped_in_row: 0,
            cuts: 0,
            watch: LossWatch::default(),
            first_squares: Vec::new(),
            snapshot_at: 0,
            snapshot: [Vec::new(), Vec::new()],
            fallback: None,
            events: Vec::new(),
        }
    }

    /// Factor of the step length.
    pub(crate) fn multiplier(&self) -> f32 {
        let cuts = self.cuts.min(self.config.cuts);
        self.config.cut.powi(i32::try_from(cuts).unwrap_or(i32::MAX))
    }

    /// Steps left out because a gradient or the loss was not finite.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The optimizer that took over.
    pub(crate) fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// The optimizer that took over, to make a step.
    pub(crate) fn fallback_mut(&mut self) -> Option<&mut Fallback> {
        self.fallback.as_mut()
    }

    /// Takes the events of the last step.
    pub(crate) fn take_events(&mut self) -> Vec<GuardEvent> {
        std::mem::take(&mut self.events)
    }

    /// Judges a step before it is taken. `params`: as they are; `counts`: which tensors take part;
    /// `gradient`: the complaint about the
    /// gradient, if it cannot be used; `loss`: where the gradient was taken.
    pub(crate) fn judge(
        &mut self,
        layout: &Layout,
        params: &[f32],
        counts: impl Fn(usize) -> bool,
        gradient: Result<(), String>,
        loss: Option<f32>,
    ) -> Verdict {
        self.steps += 1;
        if self.steps == 1 {
            self.snapshot[0] = params.to_vec();
            self.first_squares = vec![None; layout.tensor_count()];
        }
        self.note_beginnings(layout, params, &counts);
        let wrong = match (gradient, loss) {
            (Err(what), _) => Some(Reason::Gradient { what }),
            (Ok(()), Some(value)) if !value.is_finite() => Some(Reason::Loss { value }),
            _ => None,
        };
        if let Some(reason) = wrong {
            self.skipped += 1;
            self.skipped_in_row += 1;
            if self.skipped_in_row < self.config.most_skipped || self.fallback.is_some() {
                self.events.push(GuardEvent::Skipped { step: self.steps, reason });
                return Verdict::Skip;
            }
            return self.go_back(layout, reason);
        }
        self.skipped_in_row = 0;
        if self.fallback.is_some() {
            return Verdict::Step;
        }
        match loss {
            Some(loss) => match self.watch.take(f64::from(loss)) {
                Err(reason) => return self.go_back(layout, reason),
                Ok(better) => {
                    let due = self.snapshot_at.saturating_add(self.config.snapshot_every);
                    if better && self.steps >= due {
                        self.snapshot_at = self.steps;
                        self.snapshot[0].copy_from_slice(params);
                    }
                }
            },
            None if self.watch.seen == 0 && self.steps.is_multiple_of(EVERY_WITHOUT_LOSS) => {
                return self.judge_size(layout, params, counts);
            }
            None => {}
        }
        Verdict::Step
    }

    /// Of the tensors that take part for the first time: how large they are, and that there is
    /// nothing older to go back to.
    fn note_beginnings(&mut self, layout: &Layout, params: &[f32], counts: impl Fn(usize) -> bool) {
        let tensors = layout.ranges().zip(&mut self.first_squares).enumerate();
        for (_, (range, first)) in tensors.filter(|(t, (_, first))| first.is_none() && counts(*t)) {
            *first = Some(sum_of_squares(&params[range.clone()]));
            for snapshot in self.snapshot.iter_mut().filter(|snapshot| !snapshot.is_empty()) {
                snapshot[range.clone()].copy_from_slice(&params[range.clone()]);
            }
        }
    }

    /// Without a loss: by the size of the parameters of the tensors that take part.
    fn judge_size(
        &mut self,
        layout: &Layout,
        params: &[f32],
        counts: impl Fn(usize) -> bool,
    ) -> Verdict {
        let tensors = layout.ranges().zip(&self.first_squares).enumerate();
        let (mut first, mut parameters) = (0.0, 0);
        for (_, (range, squares)) in tensors.filter(|(t, _)| counts(*t)) {
            first += squares.unwrap_or_default();
            parameters += range.len();
        }
        let first_size = (first / parameters.max(1) as f64).sqrt();
        let size = size(layout, params, counts);
        let limit = self.config.most_growth * first_size.max(1.0);
        // a NaN is no size to stay below
        if size < limit {
            let every = self.config.snapshot_every.saturating_mul(10);
            if self.steps >= self.snapshot_at.saturating_add(every) {
                self.snapshot_at = self.steps;
                let [newer, older] = &mut self.snapshot;
                older.clone_from(newer);
                newer.copy_from_slice(params);
            }
            return Verdict::Step;
        }
        self.go_back(layout, Reason::Grown { size, limit })
    }

    fn go_back(&mut self, layout: &Layout, reason: Reason) -> Verdict {
        // weights that have won nothing get no second try
        let last = self.watch.has_won_nothing() || self.cuts >= self.config.cuts;
        self.cuts = if last { self.config.cuts.saturating_add(1) } else { self.cuts + 1 };
        self.skipped_in_row = 0;
        self.watch.restart();
        let step = self.steps;
        self.events.push(if last {
            let rate = self.config.fallback_rate;
            self.fallback = Some(Fallback::new(rate, layout));
            GuardEvent::TookOver { step, rate, reason }
        } else {
            GuardEvent::CutBack { step, multiplier: self.multiplier(), reason }
        });
        Verdict::Restart
    }

    /// Where the model was when all was well. Without a loss the newer snapshot may already be on
    /// the way to disaster. Tensors that never took part are left alone.
    pub(crate) fn restore(&self, layout: &Layout, params: &mut [f32]) {
        let [newer, older] = &self.snapshot;
        let from = if self.watch.start == 0.0 && !older.is_empty() { older } else { newer };
        for (range, _) in layout.ranges().zip(&self.first_squares).filter(|(_, s)| s.is_some()) {
            params[range.clone()].copy_from_slice(&from[range]);
        }
    }
}

/// Steps between two looks at the size of the parameters.
const EVERY_WITHOUT_LOSS: u64 = 10;

/// Root mean square of the tensors for which `counts` says so.
fn size(layout: &Layout, params: &[f32], counts: impl Fn(usize) -> bool) -> f64 {
    let (mut squares, mut parameters, mut run) = (0.0, 0, 0..0);
    for (_, range) in layout.ranges().enumerate().filter(|(t, _)| counts(*t)) {
        parameters += range.len();
        if range.start == run.end {
            run.end = range.end;
        } else {
            squares += sum_of_squares(&params[std::mem::replace(&mut run, range)]);
        }
    }
    squares += sum_of_squares(&params[run]);
    (squares / parameters.max(1) as f64).sqrt()
}

fn sum_of_squares(params: &[f32]) -> f64 {
    // lanes let the compiler vectorise
    const LANES: usize = 16;
    let (chunks, rest) = params.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    let mut total = 0.0_f64;
    for block in chunks.chunks(1024) {
        for chunk in block {
            for lane in 0..LANES {
                sums[lane] += chunk[lane] * chunk[lane];
            }
        }
        total += sums.iter().map(|&s| f64::from(s)).sum::<f64>();
        sums = [0.0; LANES];
    }
    total + rest.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
}
