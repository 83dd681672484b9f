//! The root of an asynchronous run, as a state machine: it takes what came and says what to answer.
//!
//! Every push is answered at once with the newest psi, whether it was of use or not, so that no
//! worker ever waits for another one. Time is an argument: nothing here looks at a clock.

use super::note::Note;
use super::protocol::{Message, ProtocolError, Start};
use crate::learner::{Contribution, Learner};
use crate::trainer::UpdateReport;
use std::time::Duration;

/// After so many useless messages in a row a worker is told to stop.
const MOST_USELESS: u32 = 10;

/// psi, and what is known of the workers.
#[derive(Debug)]
pub struct Server {
    learner: Learner,
    limits: Limits,
    workers: Vec<Worker>,
    staleness: Vec<u64>,
    notes: Vec<Note>,
    closing: bool,
}

/// What a server puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Gradients made with a psi more updates old than this are skipped.
    pub staleness: u64,
    /// A worker of which nothing is heard for so long is lost.
    pub patience: Duration,
}

/// What one worker did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// How it stands.
    pub standing: Standing,
    /// Pushes that moved psi.
    pub used: u64,
    /// Pushes that were too old.
    pub stale: u64,
    /// Messages that were malformed or not finite.
    pub useless: u64,
    useless_in_a_row: u32,
    heard: Duration,
}

/// How a worker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is expected to push, or to say hello.
    #[default]
    Present,
    /// Nothing was heard of it for too long.
    Lost,
    /// It was told to stop, or left.
    Gone,
}

/// What follows from a message.
#[derive(Debug, Default)]
pub struct Answer {
    /// Messages for its sender, in this order.
    pub replies: Vec<Message>,
    /// The update it led to.
    pub report: Option<UpdateReport>,
}

impl Server {
    /// Waits for workers of ranks 1 to `workers`. `now`: time since any fixed moment, as always here.
    #[must_use]
    pub fn new(learner: Learner, workers: usize, limits: Limits, now: Duration) -> Self {
        let workers = vec![Worker { heard: now, ..Worker::default() }; workers];
        let (staleness, notes) = (Vec::new(), Vec::new());
        Self { learner, limits, workers, staleness, notes, closing: false }
    }

    /// What learns.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// What learns.
    pub fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    /// The workers; the first one has rank 1.
    #[must_use]
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// Number of workers that stand so.
    #[must_use]
    pub fn count(&self, standing: Standing) -> usize {
        self.workers.iter().filter(|w| w.standing == standing).count()
    }

    /// Pushes by age in updates, those that were skipped for it included.
    #[must_use]
    pub fn staleness(&self) -> &[u64] {
        &self.staleness
    }

    /// What happened since this was last asked.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// From now on everybody who asks is told to stop.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Takes a message of a worker.
    pub fn handle(&mut self, rank: usize, bytes: &[u8], now: Duration) -> Answer {
        let Some(worker) = rank.checked_sub(1).and_then(|i| self.workers.get_mut(i)) else {
            return Answer::default();
        };
        worker.heard = now;
        if worker.standing == Standing::Lost {
            worker.standing = Standing::Present;
            self.notes.push(Note::Back(rank));
        }
        let stop = worker.standing == Standing::Gone || self.closing;
        match Message::decode(bytes) {
            Ok(Message::Bye) => {
                worker.standing = Standing::Gone;
                self.notes.push(Note::Left(rank));
                Answer::default()
            }
            _ if stop => {
                worker.standing = Standing::Gone;
                Answer { replies: vec![Message::Stop], report: None }
            }
            Ok(Message::Hello) => {
                self.notes.push(Note::Joined(rank));
                let start = Message::Start(Box::new(self.start(rank)));
                Answer { replies: vec![start, self.psi()], report: None }
            }
            Ok(Message::Push { version, contribution, .. }) => {
                self.push(rank, version, &contribution)
            }
            Ok(other) => {
                let error = ProtocolError::Misplaced { kind: other.name() };
                self.useless(rank, Note::Malformed(rank, error))
            }
            Err(error) => self.useless(rank, Note::Malformed(rank, error)),
        }
    }

    /// Notices who has been silent too long. Ask when nothing is waiting to be handled.
    pub fn look_around(&mut self, now: Duration) {
        for (i, worker) in self.workers.iter_mut().enumerate() {
            let silence = now.saturating_sub(worker.heard);
            if worker.standing == Standing::Present && silence > self.limits.patience {
                worker.standing = Standing::Lost;
                self.notes.push(Note::Lost(i + 1, silence.as_secs()));
            }
        }
    }

    /// Forgives all silence so far: the server itself was busy.
    pub fn forgive(&mut self, now: Duration) {
        self.workers.iter_mut().for_each(|worker| worker.heard = now);
    }

    fn push(&mut self, rank: usize, version: u64, contribution: &Contribution) -> Answer {
        let newest = self.learner.counters().updates;
        let (got, expected) = (contribution.gradient.len(), self.learner.meta().psi.len());
        if got != expected {
            let error = ProtocolError::Size { expected, got };
            return self.useless(rank, Note::Malformed(rank, error));
        }
        let Some(age) = newest.checked_sub(version) else {
            let error = ProtocolError::Future { got: version, newest };
            return self.useless(rank, Note::Malformed(rank, error));
        };
        let finite = contribution.gradient.iter().all(|g| g.is_finite());
        if !finite || !contribution.meta_loss.is_finite() {
            return self.useless(rank, Note::NotFinite(rank));
        }
        // the last entry stands for all that is as old or older
        let entry = age.min(self.limits.staleness.saturating_add(1)).min(MOST_AGES) as usize;
        if self.staleness.len() <= entry {
            self.staleness.resize(entry + 1, 0);
        }
        self.staleness[entry] += 1;
        let worker = &mut self.workers[rank - 1];
        worker.useless_in_a_row = 0;
        if age > self.limits.staleness {
            worker.stale += 1;
            if worker.stale == 1 {
                self.notes.push(Note::Stale(rank, age));
            }
            return Answer { replies: vec![self.psi()], report: None };
        }
        worker.used += 1;
        let report = Some(self.learner.apply(contribution));
        Answer { replies: vec![self.psi()], report }
    }

    fn useless(&mut self, rank: usize, note: Note) -> Answer {
        self.notes.push(note);
        let worker = &mut self.workers[rank - 1];
        worker.useless += 1;
        worker.useless_in_a_row += 1;
        if worker.useless_in_a_row < MOST_USELESS {
            return Answer { replies: vec![self.psi()], report: None };
        }
        worker.standing = Standing::Gone;
        self.notes.push(Note::Dismissed(rank));
        Answer { replies: vec![Message::Stop], report: None }
    }

    fn psi(&self) -> Message {
        let psi = self.learner.meta().psi.iter().map(|&x| x as f32).collect();
        Message::Psi { version: self.learner.counters().updates, psi }
    }

    /// A worker's share of the slots. Their ids are its own, so that all workers draw differently.
    fn start(&self, rank: usize) -> Start {
        let problems = &self.learner.recipe().problems;
        let share = problems.slots.div_ceil(self.workers.len()).max(problems.groups_per_update);
        let ids = (0..share as u64).map(|i| ((rank as u64) << 32) | i).collect();
        Start { ids, run: self.learner.checkpoint(Vec::new()).light() }
    }
}

/// Longest histogram of ages.
const MOST_AGES: u64 = 1 << 16;
