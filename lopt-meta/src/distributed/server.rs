//! Who serves workers in an asynchronous run, as a state machine: it takes what came and says what
//! to answer.
//!
//! Every push is answered at once with the newest psi, whether it was of use or not, so that no
//! worker ever waits for another one. Time is an argument: nothing here looks at a clock. The root
//! serves from its [`Learner`], an [`aggregator`](super::aggregator) from what the root told it.

use super::note::Note;
use super::protocol::{Message, ProtocolError, Start};
use crate::checkpoint::Checkpoint;
use crate::learner::{Contribution, Learner};
use crate::trainer::UpdateReport;
use std::time::Duration;

/// After so many useless messages in a row a worker is told to stop.
const MOST_USELESS: u32 = 10;

/// Where psi comes from, and where gradients go.
pub trait Source {
    /// Updates that led to the psi at hand.
    fn version(&self) -> u64;

    /// psi.
    fn psi(&self) -> Vec<f32>;

    /// Number of its scalars.
    fn length(&self) -> usize;

    /// Slots of each of so many workers, at least as many as a push takes.
    fn share(&self, workers: usize) -> usize;

    /// The run without the states of slots.
    fn run(&self) -> Checkpoint;

    /// Takes a sound contribution made with psi of this version; what followed, if it was an update.
    fn take(&mut self, version: u64, contribution: &Contribution) -> Option<UpdateReport>;
}

impl Source for Learner {
    fn version(&self) -> u64 {
        self.counters().updates
    }

    fn psi(&self) -> Vec<f32> {
        self.meta().psi.iter().map(|&x| x as f32).collect()
    }

    fn length(&self) -> usize {
        self.meta().psi.len()
    }

    fn share(&self, workers: usize) -> usize {
        let problems = &self.recipe().problems;
        problems.slots.div_ceil(workers).max(problems.groups_per_update)
    }

    fn run(&self) -> Checkpoint {
        self.checkpoint(Vec::new()).light()
    }

    fn take(&mut self, _: u64, contribution: &Contribution) -> Option<UpdateReport> {
        Some(self.apply(contribution))
    }
}

/// psi, and what is known of the workers.
#[derive(Debug)]
pub struct Server<S = Learner> {
    source: S,
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
    /// Its rank.
    pub rank: usize,
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

impl<S: Source> Server<S> {
    /// Waits for the workers of these ranks. `now`: time since any fixed moment, as always here.
    #[must_use]
    pub fn new(
        source: S,
        ranks: impl IntoIterator<Item = usize>,
        limits: Limits,
        now: Duration,
    ) -> Self {
        let worker = |rank| Worker { rank, heard: now, ..Worker::default() };
        let workers = ranks.into_iter().map(worker).collect();
        let (staleness, notes) = (Vec::new(), Vec::new());
        Self { source, limits, workers, staleness, notes, closing: false }
    }

    /// Where psi comes from.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Where psi comes from.
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The workers, in the order of the ranks given.
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
        let Some(at) = self.workers.iter().position(|worker| worker.rank == rank) else {
            return Answer::default();
        };
        let worker = &mut self.workers[at];
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
                self.push(at, version, &contribution)
            }
            Ok(other) => {
                let error = ProtocolError::Misplaced { kind: other.name() };
                self.useless(at, Note::Malformed(rank, error))
            }
            Err(error) => self.useless(at, Note::Malformed(rank, error)),
        }
    }

    /// Notices who has been silent too long. Ask when nothing is waiting to be handled.
    pub fn look_around(&mut self, now: Duration) {
        for worker in &mut self.workers {
            let silence = now.saturating_sub(worker.heard);
            if worker.standing == Standing::Present && silence > self.limits.patience {
                worker.standing = Standing::Lost;
                self.notes.push(Note::Lost(worker.rank, silence.as_secs()));
            }
        }
    }

    /// Forgives all silence so far: the server itself was busy.
    pub fn forgive(&mut self, now: Duration) {
        self.workers.iter_mut().for_each(|worker| worker.heard = now);
    }

    fn push(&mut self, at: usize, version: u64, contribution: &Contribution) -> Answer {
        let rank = self.workers[at].rank;
        let newest = self.source.version();
        let (got, expected) = (contribution.gradient.len(), self.source.length());
        if got != expected {
            let error = ProtocolError::Size { expected, got };
            return self.useless(at, Note::Malformed(rank, error));
        }
        let Some(age) = newest.checked_sub(version) else {
            let error = ProtocolError::Future { got: version, newest };
            return self.useless(at, Note::Malformed(rank, error));
        };
        let finite = contribution.gradient.iter().all(|g| g.is_finite());
        if !finite || !contribution.meta_loss.is_finite() {
            return self.useless(at, Note::NotFinite(rank));
        }
        // the last entry stands for all that is as old or older
        let entry = age.min(self.limits.staleness.saturating_add(1)).min(MOST_AGES) as usize;
        if self.staleness.len() <= entry {
            self.staleness.resize(entry + 1, 0);
        }
        self.staleness[entry] += 1;
        let worker = &mut self.workers[at];
        worker.useless_in_a_row = 0;
        if age > self.limits.staleness {
            worker.stale += 1;
            if worker.stale == 1 {
                self.notes.push(Note::Stale(rank, age));
            }
            return Answer { replies: vec![self.psi()], report: None };
        }
        worker.used += 1;
        let report = self.source.take(version, contribution);
        Answer { replies: vec![self.psi()], report }
    }

    fn useless(&mut self, at: usize, note: Note) -> Answer {
        self.notes.push(note);
        let worker = &mut self.workers[at];
        worker.useless += 1;
        worker.useless_in_a_row += 1;
        if worker.useless_in_a_row < MOST_USELESS {
            return Answer { replies: vec![self.psi()], report: None };
        }
        worker.standing = Standing::Gone;
        let note = Note::Dismissed(worker.rank);
        self.notes.push(note);
        Answer { replies: vec![Message::Stop], report: None }
    }

    fn psi(&self) -> Message {
        Message::Psi { version: self.source.version(), psi: self.source.psi() }
    }

    /// A worker's share of the slots. Their ids are its own, so that all workers draw differently.
    fn start(&self, rank: usize) -> Start {
        let share = self.source.share(self.workers.len());
        let ids = (0..share as u64).map(|i| ((rank as u64) << 32) | i).collect();
        Start { ids, run: self.source.run() }
    }
}

/// Longest histogram of ages.
const MOST_AGES: u64 = 1 << 16;
