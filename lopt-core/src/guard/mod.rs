//! The guard: watches a learned optimizer and takes the model back when the optimizer has spoilt it.
//!
//! A step without a finite gradient and loss is left out. When a run looks lost, gradients are taken
//! by turns at the best point so far and where the model is; if the best point is better, the model
//! goes back to it and the optimizer begins anew: first as before, soon after with shorter steps, then
//! as Adam. Every quiet time takes one of these measures back. `docs/guard.md` has the numbers. Steps
//! are capped relative to the size of the parameters inside the networks themselves (`scale.rs`).

mod comparison;
mod config;
mod event;
mod fallback;
mod loss_watch;
mod memory;
#[cfg(test)]
mod streams;

use crate::layout::Layout;
use comparison::{Comparison, Standing};
pub use config::{GuardConfig, GuardError};
pub use event::{GuardEvent, Reason, Stage};
use fallback::Fallback;
use loss_watch::{Finding, LossWatch};
pub(crate) use memory::{GuardNumbers, PARTS};

/// All that a guard is shown of a step before it is taken.
pub(crate) struct Shown<'a> {
    pub layout: &'a Layout,
    /// `[P]`, as they are.
    pub params: &'a [f32],
    /// `[P]`, where the optimizer takes gradients.
    pub attended: &'a [f32],
    /// Which tensors take part.
    pub counts: &'a dyn Fn(usize) -> bool,
    /// `[P]`.
    pub grads: &'a [f32],
    /// The complaint about a gradient that cannot be used.
    pub gradient: Result<(), String>,
    /// Where the gradient was taken.
    pub loss: Option<f32>,
}

impl Shown<'_> {
    /// Whether a point is finite where it takes part.
    fn is_finite(&self, point: &[f32]) -> bool {
        let ranges = self.layout.ranges().enumerate().filter(|(t, _)| (self.counts)(*t));
        ranges.flat_map(|(_, range)| &point[range]).all(|x| x.is_finite())
    }
}

/// What to do with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Step,
    /// Go on, the networks having been reset.
    BeginAnew,
    /// Leave it out.
    Skip,
    /// Leave it out, go back to the snapshot and reset the networks.
    Restore,
}

/// Memory of the guard of one model.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) config: GuardConfig,
    /// Steps asked for.
    steps: u64,
    skipped: u64,
    watch: LossWatch,
    comparison: Option<Comparison>,
    /// Whether the next gradient is to be taken at the snapshot.
    looking: bool,
    /// Full steps, full steps after a restore, shorter ones, Adam.
    caution: u8,
    /// How often caution has grown by one.
    climbed: u32,
    /// Step at which caution last changed.
    changed_at: u64,
    /// Whether a snapshot is to be taken at the next loss that is low enough.
    due: bool,
    /// Sum of the squares of every tensor's parameters before its first step, `[T]`.
    first_squares: Vec<Option<f64>>,
    /// `[P]`: where to go back to; empty before the first step.
    snapshot: Vec<f32>,
    fallback: Option<Fallback>,
    /// Events of the step under way.
    events: Vec<GuardEvent>,
}

/// Caution at which the networks' steps are cut, and at which Adam takes over.
const CUT: u8 = 2;
const ADAM: u8 = 3;

impl Guard {
    pub(crate) fn new(config: GuardConfig) -> Self {
        Self {
            config,
            steps: 0,
            skipped: 0,
            watch: LossWatch::default(),
            comparison: None,
            looking: false,
            caution: 0,
            climbed: 0,
            changed_at: 0,
            due: false,
            first_squares: Vec::new(),
            snapshot: Vec::new(),
            fallback: None,
            events: Vec::new(),
        }
    }

    /// Factor of the networks' steps.
    pub(crate) fn multiplier(&self) -> f32 {
        if self.caution == CUT { self.config.cut } else { 1.0 }
    }

    /// Steps left out.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Where the next gradient is to be taken, if not where the optimizer says.
    pub(crate) fn looks_at(&self) -> Option<&[f32]> {
        self.looking.then_some(&self.snapshot)
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

    /// Judges a step before it is taken.
    pub(crate) fn judge(&mut self, shown: &Shown<'_>) -> Verdict {
        self.steps += 1;
        if self.steps == 1 {
            self.snapshot = shown.params.to_vec();
            self.first_squares = vec![None; shown.layout.tensor_count()];
        }
        self.note_beginnings(shown);
        let verdict = self.verdict(shown);
        if matches!(verdict, Verdict::Skip | Verdict::Restore) {
            self.skipped += 1;
        }
        verdict
    }

    fn verdict(&mut self, shown: &Shown<'_>) -> Verdict {
        let wrong = match (&shown.gradient, shown.loss) {
            (Err(what), _) => Some(Reason::Gradient { what: what.clone() }),
            (Ok(()), Some(value)) if !value.is_finite() => Some(Reason::Loss { value }),
            _ => None,
        };
        // without a loss a gradient that can be used is as good as any other
        let loss = match wrong {
            Some(_) => f64::INFINITY,
            None => shown.loss.map_or(0.0, |loss| self.watch.clipped(loss)),
        };
        if std::mem::replace(&mut self.looking, false)
            && let Some(comparison) = &mut self.comparison
        {
            comparison.take_best(loss);
            return Verdict::Skip;
        }
        if let Some(reason) = &wrong {
            self.events.push(GuardEvent::Skipped { step: self.steps, reason: reason.clone() });
            if !(shown.is_finite(shown.params) && shown.is_finite(shown.attended)) {
                return self.restore(shown.layout, 1, Reason::Parameters);
            }
        }
        let otherwise = if wrong.is_some() { Verdict::Skip } else { Verdict::Step };
        if let Some(comparison) = &mut self.comparison {
            let (standing, losses) = (comparison.end_round(loss), comparison.is_of_losses());
            match standing {
                Standing::Open => self.looking = true,
                Standing::Beaten => {
                    let reason = wrong.unwrap_or(self.watch.reason(loss));
                    // networks that have won nothing get no second try
                    let levels = if losses && !self.watch.has_won() { ADAM } else { 1 };
                    return self.restore(shown.layout, levels, reason);
                }
                Standing::Even => {
                    self.comparison = None;
                    if losses && wrong.is_none() {
                        self.watch.begin_anew();
                        self.snapshot.copy_from_slice(shown.params);
                    }
                }
            }
            return otherwise;
        }
        if wrong.is_some() {
            self.compare(Comparison::of_not_finite());
            return otherwise;
        }
        if self.steps == NOTICED {
            self.notice_stillness(shown);
        }
        match shown.loss {
            Some(loss) => self.watch_loss(shown, loss),
            None if self.watch.is_empty() && self.steps.is_multiple_of(EVERY_WITHOUT_LOSS) => {
                if let Some(reason) = self.judge_size(shown) {
                    return self.restore(shown.layout, 1, reason);
                }
            }
            None => {}
        }
        self.ease(shown)
    }

    fn compare(&mut self, comparison: Comparison) {
        (self.comparison, self.looking, self.due) = (Some(comparison), true, false);
    }

    fn watch_loss(&mut self, shown: &Shown<'_>, loss: f32) {
        match self.watch.take(loss) {
            Finding::Best => self.due = true,
            Finding::Lost { rounds, risen, reason } => {
                self.events.push(GuardEvent::Compared { step: self.steps, reason });
                self.compare(Comparison::of_losses(rounds, risen));
            }
            Finding::Nothing => {}
        }
        // the model may just be about to leave the best block behind
        if self.due && f64::from(loss) <= self.watch.lowest() {
            self.due = false;
            self.snapshot.copy_from_slice(shown.params);
        }
    }

    /// Of the tensors that take part for the first time: how large they are, and that there is
    /// nothing older to go back to.
    fn note_beginnings(&mut self, shown: &Shown<'_>) {
        let tensors = shown.layout.ranges().zip(&mut self.first_squares).enumerate();
        for (_, (range, first)) in
            tensors.filter(|(t, (_, first))| first.is_none() && (shown.counts)(*t))
        {
            let params = &shown.params[range.clone()];
            *first = Some(sum_of_squares(params));
            self.snapshot[range].copy_from_slice(params);
        }
    }

    /// Without a loss: whether the tensors that take part have grown beyond all measure.
    fn judge_size(&mut self, shown: &Shown<'_>) -> Option<Reason> {
        let tensors = shown.layout.ranges().zip(&self.first_squares).enumerate();
        let (mut first, mut parameters) = (0.0, 0);
        for (_, (range, squares)) in tensors.filter(|(t, _)| (shown.counts)(*t)) {
            first += squares.unwrap_or_default();
            parameters += range.len();
        }
        let first_size = (first / parameters.max(1) as f64).sqrt();
        let size = size(shown.layout, shown.params, shown.counts);
        let limit = self.config.most_growth * first_size.max(1.0);
        // a NaN is no size to stay below
        let stays_below = size < limit;
        if !stays_below {
            return Some(Reason::Grown { size, limit });
        }
        if self.steps.is_multiple_of(KEEP_WITHOUT_LOSS) && size < limit / FAR_FROM_LIMIT {
            self.snapshot.copy_from_slice(shown.params);
        }
        None
    }

    /// Goes back, more careful by so many levels.
    fn restore(&mut self, layout: &Layout, levels: u8, reason: Reason) -> Verdict {
        self.caution = self.caution.saturating_add(levels).min(ADAM);
        self.climbed = self.climbed.saturating_add(u32::from(levels));
        self.changed_at = self.steps;
        (self.comparison, self.due) = (None, false);
        self.watch.restored();
        if self.caution == ADAM {
            self.fallback = Some(Fallback::new(self.config.fallback_rate, layout));
        }
        let (step, stage) = (self.steps, self.stage());
        self.events.push(GuardEvent::Restored { step, stage, reason });
        Verdict::Restore
    }

    /// Where the model was when all was well. Tensors that never took part are left alone.
    pub(crate) fn write_snapshot(&self, layout: &Layout, params: &mut [f32]) {
        for (range, _) in layout.ranges().zip(&self.first_squares).filter(|(_, s)| s.is_some()) {
            params[range.clone()].copy_from_slice(&self.snapshot[range]);
        }
    }

    /// Takes a measure back after a quiet time.
    fn ease(&mut self, shown: &Shown<'_>) -> Verdict {
        let doublings = self.climbed.saturating_sub(1).min(MOST_DOUBLINGS);
        let quiet = self.config.quiet.saturating_mul(1 << doublings);
        let is_quiet = self.comparison.is_none() && !self.watch.looks_lost();
        if self.caution == 0 || !is_quiet || self.steps - self.changed_at < quiet {
            return Verdict::Step;
        }
        self.changed_at = self.steps;
        let before = self.stage();
        self.caution -= 1;
        let (step, stage) = (self.steps, self.stage());
        if stage != before {
            self.events.push(GuardEvent::Eased { step, stage });
        }
        if self.fallback.take().is_some() {
            self.snapshot.copy_from_slice(shown.params);
            return Verdict::BeginAnew;
        }
        Verdict::Step
    }

    fn stage(&self) -> Stage {
        match self.caution {
            ADAM => Stage::Adam { rate: self.config.fallback_rate },
            _ => Stage::Networks { multiplier: self.multiplier() },
        }
    }

    /// Tells if nothing has moved since the beginning.
    fn notice_stillness(&mut self, shown: &Shown<'_>) {
        let (mut way, mut squares, mut pushed) = (0.0, 0.0, false);
        for (_, range) in shown.layout.ranges().enumerate().filter(|(t, _)| (shown.counts)(*t)) {
            pushed |= shown.grads[range.clone()].iter().any(|&g| g != 0.0);
            for (&now, &then) in shown.params[range.clone()].iter().zip(&self.snapshot[range]) {
                way += (f64::from(now) - f64::from(then)).powi(2);
                squares += f64::from(then).powi(2);
            }
        }
        if pushed && way <= STILL * STILL * squares {
            self.events.push(GuardEvent::NothingMoves { step: self.steps });
        }
    }
}

/// Step at which it is told if nothing has moved, before the first snapshot; and how far, in units of the
/// size of the parameters, is not at all.
const NOTICED: u64 = 30;
const STILL: f64 = 1e-5;
/// Steps between two snapshots without a loss, a multiple of those between two looks at the size.
const KEEP_WITHOUT_LOSS: u64 = 200;
/// So much smaller than the limit the parameters of a snapshot without a loss are.
const FAR_FROM_LIMIT: f64 = 100.0;
/// Doublings of the quiet time that count.
const MOST_DOUBLINGS: u32 = 40;
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
