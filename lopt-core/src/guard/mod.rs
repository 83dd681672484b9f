//! The guard: watches a learned optimizer and takes the model back when the optimizer has spoilt it.
//!
//! A step without a finite gradient and loss is left out. When a run looks lost, gradients are taken
//! by turns at the best point so far and where the model is; if the best point is better, the model
//! goes back to it and the optimizer begins anew: first as before, soon after with shorter steps, then
//! as Adam. Every quiet time takes one of these measures back. `docs/guard.md` has the numbers. Steps
//! are capped relative to the size of the parameters inside the networks themselves (`scale.rs`).

mod comparison;
mod config;
mod decision;
mod event;
mod fallback;
mod growth;
mod loss_watch;
mod memory;
#[cfg(test)]
mod streams;

use crate::layout::Layout;
use comparison::{Comparison, Standing};
pub use config::{GuardConfig, GuardError};
pub use decision::Decision;
use decision::{ADAM, Action};
pub use event::{GuardEvent, Reason, Stage};
use fallback::Fallback;
use growth::{size, sum_of_squares};
use loss_watch::{Finding, LossWatch};
pub(crate) use memory::{EARLIER_PARTS, EarlierNumbers, GuardNumbers, PARTS};

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

/// Memory of the guard of one model.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) config: GuardConfig,
    course: Course,
    /// `[P]`: where to go back to; empty before the first step.
    snapshot: Vec<f32>,
    fallback: Option<Fallback>,
    /// Events of the step under way.
    events: Vec<GuardEvent>,
}

/// What the guard has seen and done so far, as it is in a state file.
#[derive(Clone, Debug, Default, PartialEq)]
struct Course {
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
    /// Sum of the squares of every tensor's parameters before its first step, `[T]`, or empty.
    first_squares: Vec<Option<f64>>,
}

crate::positional!(Course {
    steps,
    skipped,
    watch,
    comparison,
    looking,
    caution,
    climbed,
    changed_at,
    due,
    first_squares
});

/// Caution at which the networks' steps are cut.
const CUT: u8 = 2;

impl Guard {
    pub(crate) fn new(config: GuardConfig) -> Self {
        let (snapshot, events) = (Vec::new(), Vec::new());
        Self { config, course: Course::default(), snapshot, fallback: None, events }
    }

    /// Factor of the networks' steps.
    pub(crate) fn multiplier(&self) -> f32 {
        self.multiplier_at(self.course.caution)
    }

    fn multiplier_at(&self, caution: u8) -> f32 {
        if caution == CUT { self.config.cut } else { 1.0 }
    }

    /// Steps left out.
    pub(crate) fn skipped(&self) -> u64 {
        self.course.skipped
    }

    /// Where the next gradient is to be taken, if not where the optimizer says.
    pub(crate) fn looks_at(&self) -> Option<&[f32]> {
        self.course.looking.then_some(&self.snapshot)
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

    /// Notes how large tensors are that take part for the first time, and that there is nothing older to
    /// go back to. Changes nothing when called again.
    pub(crate) fn begin(
        &mut self,
        layout: &Layout,
        params: &[f32],
        counts: impl Fn(usize) -> bool,
    ) {
        if self.course.first_squares.is_empty() {
            self.snapshot = params.to_vec();
            self.course.first_squares = vec![None; layout.tensor_count()];
        }
        let tensors = layout.ranges().zip(&mut self.course.first_squares).enumerate();
        for (_, (range, first)) in tensors.filter(|(t, (_, first))| first.is_none() && counts(*t)) {
            let params = &params[range.clone()];
            *first = Some(sum_of_squares(params));
            self.snapshot[range].copy_from_slice(params);
        }
    }

    /// Judges a step before it is taken, after [`begin`](Self::begin). Changes nothing but what the
    /// guard knows of the run: [`apply`](Self::apply) acts.
    pub(crate) fn judge(&mut self, shown: &Shown<'_>) -> Decision {
        let wrong = match (&shown.gradient, shown.loss) {
            (Err(what), _) => Some(Reason::Gradient { what: what.clone() }),
            (Ok(()), Some(value)) if !value.is_finite() => Some(Reason::Loss { value }),
            _ => None,
        };
        // without a loss a gradient that can be used is as good as any other
        let loss = match wrong {
            Some(_) => f64::INFINITY,
            None => shown.loss.map_or(0.0, |loss| self.course.watch.clipped(loss)),
        };
        if self.course.looking {
            if let Some(comparison) = &mut self.course.comparison {
                comparison.take_best(loss);
            }
            return Decision::new(Action::Skip, self.course.caution);
        }
        if let Some(reason) = &wrong {
            self.events.push(GuardEvent::Skipped { step: self.now(), reason: reason.clone() });
            if !(shown.is_finite(shown.params) && shown.is_finite(shown.attended)) {
                return self.restore(1, Reason::Parameters);
            }
        }
        let action = if wrong.is_some() { Action::Skip } else { Action::Step };
        let mut decision = Decision::new(action, self.course.caution);
        if let Some(comparison) = &mut self.course.comparison {
            let (standing, levels) = (comparison.end_round(loss), comparison.levels());
            match standing {
                Standing::Open => decision.look = true,
                Standing::Beaten => {
                    let reason = wrong.unwrap_or(comparison.reason());
                    return self.restore(levels, reason);
                }
                Standing::Unclear => {
                    self.course.comparison = None;
                    self.course.watch.go_on();
                }
                Standing::Even => {
                    let of_losses = comparison.is_of_losses();
                    self.course.comparison = None;
                    if of_losses && wrong.is_none() {
                        self.course.watch.begin_anew();
                        decision.keep = true;
                    }
                }
            }
            return decision;
        }
        if wrong.is_some() {
            self.compare(Comparison::of_not_finite(), &mut decision);
            return decision;
        }
        if self.now() == NOTICED {
            self.notice_stillness(shown);
        }
        match shown.loss {
            Some(loss) => self.watch_loss(loss, &mut decision),
            None if self.course.watch.is_empty()
                && self.now().is_multiple_of(EVERY_WITHOUT_LOSS) =>
            {
                match self.judge_size(shown) {
                    Ok(keep) => decision.keep = keep,
                    Err(reason) => return self.restore(1, reason),
                }
            }
            None => {}
        }
        self.ease(&mut decision);
        decision
    }

    /// Acts on a decision, be it of this guard or of that of another replica. Returns whether the
    /// networks have to begin anew.
    pub(crate) fn apply(
        &mut self,
        decision: Decision,
        layout: &Layout,
        params: &mut [f32],
    ) -> bool {
        self.course.steps = self.now();
        if decision.keep {
            self.snapshot.copy_from_slice(params);
        }
        let restores = decision.action == Action::Restore;
        if restores {
            self.write_snapshot(layout, params);
        }
        self.course.skipped = self.course.skipped.saturating_add(u64::from(!decision.takes_step()));
        (self.course.looking, self.course.caution) = (decision.look, decision.caution);
        let had_adam = self.fallback.is_some();
        if self.course.caution < ADAM {
            self.fallback = None;
        } else if restores || !had_adam {
            self.fallback = Some(Fallback::new(self.config.fallback_rate, layout));
        }
        restores || (had_adam && self.course.caution < ADAM)
    }

    /// Number of the step under way.
    fn now(&self) -> u64 {
        self.course.steps.saturating_add(1)
    }

    fn compare(&mut self, comparison: Comparison, decision: &mut Decision) {
        (self.course.comparison, self.course.due, decision.look) = (Some(comparison), false, true);
    }

    fn watch_loss(&mut self, loss: f32, decision: &mut Decision) {
        match self.course.watch.take(loss) {
            Finding::Best => self.course.due = true,
            Finding::Lost { exploded, risen, levels, reason } => {
                self.events.push(GuardEvent::Compared { step: self.now(), reason });
                self.compare(Comparison::of_losses(exploded, risen, levels), decision);
            }
            Finding::Nothing => {}
        }
        // the model may just be about to leave the best block behind
        if self.course.due && f64::from(loss) <= self.course.watch.lowest() {
            (self.course.due, decision.keep) = (false, true);
        }
    }

    /// Without a loss: whether the parameters are to become the snapshot, or the tensors that take part have
    /// grown beyond all measure.
    fn judge_size(&self, shown: &Shown<'_>) -> Result<bool, Reason> {
        let tensors = shown.layout.ranges().zip(&self.course.first_squares).enumerate();
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
            return Err(Reason::Grown { size, limit });
        }
        Ok(self.now().is_multiple_of(KEEP_WITHOUT_LOSS) && size < limit / FAR_FROM_LIMIT)
    }

    /// Goes back, more careful by so many levels.
    fn restore(&mut self, levels: u8, reason: Reason) -> Decision {
        let caution = self.course.caution.saturating_add(levels).min(ADAM);
        self.course.climbed = self.course.climbed.saturating_add(u32::from(levels));
        self.course.changed_at = self.now();
        (self.course.comparison, self.course.due) = (None, false);
        self.course.watch.restored();
        let stage = self.stage(caution);
        self.events.push(GuardEvent::Restored { step: self.now(), stage, reason });
        Decision::new(Action::Restore, caution)
    }

    /// Where the model was when all was well. Tensors that never took part are left alone.
    fn write_snapshot(&self, layout: &Layout, params: &mut [f32]) {
        for (range, _) in
            layout.ranges().zip(&self.course.first_squares).filter(|(_, s)| s.is_some())
        {
            params[range.clone()].copy_from_slice(&self.snapshot[range]);
        }
    }

    /// Takes a measure back after a quiet time.
    fn ease(&mut self, decision: &mut Decision) {
        let doublings = self.course.climbed.saturating_sub(1).min(MOST_DOUBLINGS);
        let quiet = self.config.quiet.saturating_mul(1 << doublings);
        let is_quiet = self.course.comparison.is_none() && !self.course.watch.looks_lost();
        if self.course.caution == 0
            || !is_quiet
            || self.now().saturating_sub(self.course.changed_at) < quiet
        {
            return;
        }
        self.course.changed_at = self.now();
        decision.caution = self.course.caution - 1;
        let stage = self.stage(decision.caution);
        if stage != self.stage(self.course.caution) {
            self.events.push(GuardEvent::Eased { step: self.now(), stage });
        }
        // what Adam has reached is not to be lost to networks that begin anew
        decision.keep |= self.course.caution == ADAM;
    }

    fn stage(&self, caution: u8) -> Stage {
        match caution {
            ADAM => Stage::Adam { rate: self.config.fallback_rate },
            _ => Stage::Networks { multiplier: self.multiplier_at(caution) },
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
            self.events.push(GuardEvent::NothingMoves { step: self.now() });
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
