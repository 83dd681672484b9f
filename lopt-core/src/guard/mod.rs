//! The guard: watches a learned optimizer and takes the model back when the optimizer has spoilt it.
//!
//! A step without a finite gradient and loss is left out. When a run looks lost, gradients are taken
//! by turns at the best point so far and where the model is; if the best point is better, the model
//! goes back to it and the optimizer begins anew: first as before, soon after with shorter steps, then
//! as Adam. Every quiet time takes one of these measures back. `docs/guard.md` has the definitions.
//! Steps are capped relative to the size of the parameters inside the networks themselves
//! (`scale.rs`).

mod comparison;
mod config;
mod decision;
mod event;
mod fallback;
mod growth;
mod loss_watch;
mod saved;
#[cfg(test)]
mod streams;

use crate::layout::Layout;
use comparison::{Comparison, Standing};
pub use config::{GuardConfig, GuardError};
pub use decision::Decision;
use decision::{ADAM, Action};
pub use event::{GuardEvent, Reason, Stage};
use fallback::Fallback;
use growth::size;
use loss_watch::{Finding, LossWatch};
pub(crate) use saved::{GuardNumbers, PARTS};

/// All that the guard is shown of a step before it is taken.
pub(crate) struct Shown<'a> {
    pub layout: &'a Layout,
    /// `[P]`, as they are.
    pub params: &'a [f32],
    /// `[P]`, where gradients are taken.
    pub attended: &'a [f32],
    /// Which tensors take part.
    pub counts: &'a dyn Fn(usize) -> bool,
    /// Largest entry without its sign, or the complaint about a gradient that cannot be used.
    pub gradient: Result<f32, String>,
    /// Where the gradient was taken.
    pub loss: Option<f32>,
    /// Root mean square at which the networks' steps are a quarter as long; 0 for none.
    pub least_gradient: f64,
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
    /// Steps asked for.
    steps: u64,
    skipped: u64,
    watch: LossWatch,
    comparison: Option<Comparison>,
    /// Whether the next gradient is to be taken at the snapshot.
    looking: bool,
    /// Whether the last step could not be taken.
    unusable: bool,
    /// A snapshot is due at the next loss that is low enough.
    due: bool,
    /// Place in the table of stages: full steps, full steps after a restore, shorter ones, Adam.
    caution: u8,
    /// How often caution has grown by one.
    climbed: u32,
    /// Step at which caution last changed.
    changed_at: u64,
    /// Steps since the beginning whose gradient was too small to move anything.
    faint: u64,
    /// Root mean square of the parameters before the first step.
    first_size: f64,
    /// `[P]`: where to go back to; empty before the first step.
    snapshot: Vec<f32>,
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
            watch: LossWatch::default(),
            comparison: None,
            looking: false,
            unusable: false,
            due: false,
            caution: 0,
            climbed: 0,
            changed_at: 0,
            faint: 0,
            first_size: 0.0,
            snapshot: Vec::new(),
            fallback: None,
            events: Vec::new(),
        }
    }

    /// Factor of the networks' steps.
    pub(crate) fn multiplier(&self) -> f32 {
        if self.caution + 1 == ADAM { self.config.cut } else { 1.0 }
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

    /// Judges a step before it is taken. Changes nothing but what the guard knows:
    /// [`apply`](Self::apply) acts.
    pub(crate) fn judge(&mut self, shown: &Shown<'_>) -> Decision {
        self.steps += 1;
        if self.steps == 1 {
            self.first_size = size(shown.layout, shown.params, &shown.counts);
        }
        let wrong = match (&shown.gradient, shown.loss) {
            (Err(what), _) => Some(Reason::Gradient { what: what.clone() }),
            (Ok(_), Some(value)) if !value.is_finite() => Some(Reason::Loss { value }),
            _ => None,
        };
        let unusable = wrong.is_some();
        let again = std::mem::replace(&mut self.unusable, unusable);
        if let Some(reason) = wrong {
            self.events.push(GuardEvent::Skipped { step: self.steps, reason });
            if !(shown.is_finite(shown.params) && shown.is_finite(shown.attended)) {
                return self.restore(1, Reason::Parameters);
            }
        }
        let action = if unusable { Action::Skip } else { Action::Step };
        let mut decision = Decision::new(action, self.caution);
        // without a loss a gradient that can be used is as good as any other
        let known = shown.loss.map_or(f64::NEG_INFINITY, f64::from);
        let loss = if unusable { f64::INFINITY } else { known };
        if let Some(comparison) = &mut self.comparison {
            if self.looking {
                comparison.best = loss;
                decision.action = Action::Skip;
                return decision;
            }
            let best = comparison.best;
            match comparison.end_round(loss) {
                Standing::Open => decision.look = true,
                Standing::Beaten => return self.give_up(loss, best),
                standing => decision.keep = self.end_comparison(standing, loss),
            }
            return decision;
        }
        if unusable {
            // a single gradient may overflow where losses are scaled up
            let no_loss = shown.loss.is_some_and(|loss| !loss.is_finite());
            if self.steps > 1 && (no_loss || again) {
                self.comparison = Some(Comparison::of_not_finite());
                decision.look = true;
            }
            return decision;
        }
        self.notice_faint(shown);
        match shown.loss {
            Some(loss) => self.watch_loss(loss, &mut decision),
            None if self.watch.is_empty() && self.steps.is_multiple_of(EVERY_WITHOUT_LOSS) => {
                let size = size(shown.layout, shown.params, &shown.counts);
                let limit = self.config.most_growth * self.first_size.max(1.0);
                // a NaN is no size to stay below
                let stays_below = size < limit;
                if !stays_below {
                    return self.restore(1, Reason::Grown { size, limit });
                }
                decision.keep =
                    self.steps.is_multiple_of(KEEP_WITHOUT_LOSS) && size < limit / FAR_FROM_LIMIT;
            }
            None => {}
        }
        self.ease(&mut decision);
        decision
    }

    /// Acts on a decision, of this guard or of that of another replica. Returns whether the networks
    /// have to begin anew.
    pub(crate) fn apply(&mut self, decision: Decision, params: &mut [f32]) -> bool {
        if self.snapshot.is_empty() {
            self.snapshot = params.to_vec();
        } else if decision.keep {
            self.snapshot.copy_from_slice(params);
        }
        let restores = decision.action == Action::Restore;
        if restores {
            params.copy_from_slice(&self.snapshot);
        }
        self.skipped += u64::from(decision.action == Action::Skip);
        (self.looking, self.caution) = (decision.look, decision.caution);
        let had_adam = self.fallback.is_some();
        if decision.caution < ADAM {
            self.fallback = None;
        } else if restores || !had_adam {
            self.fallback = Some(Fallback::new(self.config.fallback_rate, params.len()));
        }
        restores || had_adam && decision.caution < ADAM
    }

    fn watch_loss(&mut self, loss: f32, decision: &mut Decision) {
        match self.watch.take(loss) {
            Finding::Best => self.due = true,
            Finding::Lost { mark, clip, reason } => {
                self.events.push(GuardEvent::Compared { step: self.steps, reason });
                self.comparison = Some(Comparison::of_losses(mark, clip, f64::from(loss)));
                (self.due, decision.look) = (false, true);
            }
            Finding::Nothing => {}
        }
        // the model may just be about to leave the best block behind
        if self.due && f64::from(loss) <= self.watch.lowest() {
            (self.due, decision.keep) = (false, true);
        }
    }

    /// The best point was better than the model, whose last loss is given, all the time.
    fn give_up(&mut self, loss: f64, best: f64) -> Decision {
        let finite = self.comparison.is_none_or(|c| !c.of_not_finite);
        // networks that have won nothing get no second try
        let levels = if finite && !self.watch.has_won() { ADAM } else { 1 };
        self.restore(levels, Reason::Beaten { loss, best })
    }

    /// Returns whether the parameters are to become the snapshot.
    fn end_comparison(&mut self, standing: Standing, loss: f64) -> bool {
        let finite = self.comparison.take().is_some_and(|c| !c.of_not_finite);
        if standing == Standing::Recovered {
            if finite {
                self.watch.go_on();
            }
            return false;
        }
        if finite {
            self.watch.begin_anew();
        }
        finite && loss.is_finite()
    }

    /// Goes back, more careful by so many levels.
    fn restore(&mut self, levels: u8, reason: Reason) -> Decision {
        let caution = self.caution.saturating_add(levels).min(ADAM);
        self.climbed = self.climbed.saturating_add(u32::from(levels));
        self.changed_at = self.steps;
        self.comparison = None;
        self.due = false;
        self.watch.restored();
        let stage = self.stage(caution);
        self.events.push(GuardEvent::Restored { step: self.steps, stage, reason });
        Decision::new(Action::Restore, caution)
    }

    /// Takes a measure back after a quiet time.
    fn ease(&mut self, decision: &mut Decision) {
        let doublings = self.climbed.saturating_sub(1).min(MOST_DOUBLINGS);
        let quiet = self.config.quiet.saturating_mul(1 << doublings);
        let is_quiet = self.comparison.is_none() && !self.watch.looks_lost();
        if self.caution == 0 || !is_quiet || self.steps.saturating_sub(self.changed_at) < quiet {
            return;
        }
        self.changed_at = self.steps;
        decision.caution = self.caution - 1;
        let stage = self.stage(decision.caution);
        if stage != self.stage(self.caution) {
            self.events.push(GuardEvent::Eased { step: self.steps, stage });
        }
    }

    fn stage(&self, caution: u8) -> Stage {
        match caution {
            0 | 1 => Stage::Networks { multiplier: 1.0 },
            2 => Stage::Networks { multiplier: self.config.cut },
            _ => Stage::Adam { rate: self.config.fallback_rate },
        }
    }

    /// Tells once if nothing has moved since the beginning.
    fn notice_faint(&mut self, shown: &Shown<'_>) {
        let (Ok(largest), true) = (&shown.gradient, self.faint < FAINT_STEPS) else { return };
        let (largest, least) = (*largest, shown.least_gradient as f32);
        if largest >= least / FAINT {
            self.faint = FAINT_STEPS;
        } else if largest > 0.0 {
            self.faint += 1;
            if self.faint == FAINT_STEPS {
                let step = self.steps;
                self.events.push(GuardEvent::NothingMoves { step, largest, least });
            }
        }
    }
}

/// Steps between two looks at the size of the parameters, without a loss.
const EVERY_WITHOUT_LOSS: u64 = 10;
/// Steps between two snapshots without a loss, a multiple of the above.
const KEEP_WITHOUT_LOSS: u64 = 200;
/// So much smaller than the limit the parameters of a snapshot without a loss are.
const FAR_FROM_LIMIT: f64 = 100.0;
/// Doublings of the quiet time that count.
const MOST_DOUBLINGS: u32 = 40;
/// Steps that move nothing before it is told.
const FAINT_STEPS: u64 = 16;
/// A gradient so many times below the least one has a hundredth of a step (`fade.rs`).
const FAINT: f32 = 3.0;
