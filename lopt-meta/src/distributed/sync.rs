//! The root of a synchronous run: the bits of one process, unrolled by many.
//!
//! Slot `i` belongs to rank `i` modulo the number of ranks. Outcomes are gathered and reduced in the
//! order of the slots, as one process does; checkpoints hold all slots and equal its files.

use super::DistributedError;
use super::exchange::{MOMENT, decode, send};
use super::protocol::{Message, Start};
use super::transport::Transport;
use crate::checkpoint::{Checkpoint, SlotState};
use crate::crew::{Crew, has_turn};
use crate::learner::{Contribution, Learner};
use crate::trainer::{TrainError, UpdateReport, hire, select};
use crate::unroll::UnrollOutcome;
use std::time::{Duration, Instant};

/// Rank 0 of a synchronous run; the others [`follow`](super::worker::follow).
#[derive(Debug)]
pub struct SyncTrainer<T> {
    learner: Learner,
    crew: Crew,
    transport: T,
    patience: Duration,
}

impl<T: Transport> SyncTrainer<T> {
    /// Hands the slots out: those saved, or new runs if `saved` is empty.
    ///
    /// # Errors
    ///
    /// If the run cannot start or messages do not travel.
    pub fn start(
        learner: Learner,
        saved: &[SlotState],
        transport: T,
        patience: Duration,
    ) -> Result<Self, DistributedError> {
        let slots = learner.recipe().problems.slots;
        if !saved.is_empty() && saved.len() != slots {
            return Err(TrainError::Unfit.into());
        }
        let size = transport.size();
        let ids_of = |rank| (rank as u64..slots as u64).step_by(size).collect::<Vec<u64>>();
        let saved_of = |rank| saved.iter().skip(rank).step_by(size).cloned().collect::<Vec<_>>();
        let entries = select(learner.recipe()).map_err(TrainError::from)?;
        let mut transport = transport;
        for rank in 1..size {
            let start = Start { ids: ids_of(rank), run: learner.checkpoint(saved_of(rank)) };
            send(&mut transport, rank, &Message::Start(Box::new(start)))?;
        }
        let crew = hire(&learner, entries, &ids_of(0), &saved_of(0))?;
        Ok(Self { learner, crew, transport, patience })
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

    /// One meta-update.
    ///
    /// # Errors
    ///
    /// If a rank is silent, has left, or answers something else.
    pub fn update(&mut self) -> Result<UpdateReport, DistributedError> {
        let (update, psi) = (self.learner.counters().updates, self.learner.meta().psi.clone());
        let length = psi.len();
        self.tell_all(&Message::Work { update, psi })?;
        let recipe = self.learner.recipe();
        let (slots, groups) = (recipe.problems.slots, recipe.problems.groups_per_update);
        let (net, progress) = (self.learner.network(), self.learner.progress());
        let chosen = |id| has_turn(id, slots, groups, update);
        let mut outcomes: Vec<(u64, UnrollOutcome)> =
            self.crew.unroll(recipe, &net, progress, chosen);
        let answers = self.gather(|message| match message {
            Message::Outcomes { update: of, outcomes } if of == update => Ok(outcomes),
            other => Err(other),
        })?;
        outcomes.extend(answers.into_iter().flatten());
        outcomes.sort_by_key(|(id, _)| *id);
        Ok(self.learner.apply(&Contribution::reduce(outcomes.iter().map(|(_, o)| o), length)))
    }

    /// Everything needed to go on, the slots of all ranks included.
    ///
    /// # Errors
    ///
    /// If a rank is silent, has left, or answers something else.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, DistributedError> {
        self.tell_all(&Message::Save)?;
        let mut shares = vec![self.crew.save().into_iter()];
        let answers = self.gather(|message| match message {
            Message::Slots(slots) => Ok(slots),
            other => Err(other),
        })?;
        shares.extend(answers.into_iter().map(Vec::into_iter));
        let slots = self.learner.recipe().problems.slots;
        let size = shares.len();
        let all: Vec<SlotState> = (0..slots).filter_map(|i| shares[i % size].next()).collect();
        Ok(self.learner.checkpoint(all))
    }

    /// Tells everybody to stop and gives the transport back.
    ///
    /// # Errors
    ///
    /// If messages do not travel.
    pub fn stop(mut self) -> Result<T, DistributedError> {
        self.tell_all(&Message::Stop)?;
        Ok(self.transport)
    }

    fn tell_all(&mut self, message: &Message) -> Result<(), DistributedError> {
        (1..self.transport.size()).try_for_each(|rank| send(&mut self.transport, rank, message))
    }

    /// One answer of every other rank, in their order.
    fn gather<A>(
        &mut self,
        take: impl Fn(Message) -> Result<A, Message>,
    ) -> Result<Vec<A>, DistributedError> {
        let mut answers: Vec<Option<A>> = (1..self.transport.size()).map(|_| None).collect();
        let began = Instant::now();
        while let Some(missing) = answers.iter().position(Option::is_none) {
            let Some((rank, bytes)) = self.transport.receive(MOMENT)? else {
                if began.elapsed() > self.patience {
                    let seconds = self.patience.as_secs();
                    return Err(DistributedError::Silent { rank: missing + 1, seconds });
                }
                continue;
            };
            let message = decode(rank, &bytes)?;
            match take(message) {
                Ok(answer) => answers[rank - 1] = Some(answer),
                Err(Message::Hello) => {}
                Err(Message::Bye) => return Err(DistributedError::Left { rank }),
                Err(other) => {
                    return Err(DistributedError::Unexpected { rank, kind: other.name() });
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }
}
