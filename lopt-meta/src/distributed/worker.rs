//! A process that unrolls: takes psi, unrolls its slots, sends what came of it.

use super::DistributedError;
use super::exchange::{MOMENT, decode, send};
use super::protocol::{Message, Start};
use super::transport::Transport;
use crate::crew::{Crew, has_turn};
use crate::learner::{Contribution, Learner, progress};
use crate::trainer::{hire, select};
use lopt_core::network::Network;
use lopt_core::simd::Level;
use std::time::{Duration, Instant};

/// Bits of a slot's id that number it within its worker.
const OWN: u64 = 0xffff_ffff;

/// How a worker behaves.
pub struct Conduct<'a> {
    /// Instructions to compute with.
    pub level: Level,
    /// The rank it takes psi from.
    pub leader: usize,
    /// It gives up when that one is silent for so long.
    pub patience: Duration,
    /// Asked now and then: whether to leave.
    pub leave: &'a dyn Fn() -> bool,
    /// Turns its pushes, by their number, into bytes: where tests put faults.
    pub encode: &'a mut dyn FnMut(u64, Message) -> Vec<u8>,
}

impl std::fmt::Debug for Conduct<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conduct").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// A share of the slots, and what is needed to unroll them.
struct Share {
    learner: Learner,
    crew: Crew,
    slots: usize,
}

/// Unrolls for its leader until it says stop; returns the number of unrolled updates.
///
/// # Errors
///
/// If the run cannot be followed or the leader is silent for too long.
pub fn follow<T: Transport>(
    transport: &mut T,
    conduct: &mut Conduct<'_>,
) -> Result<u64, DistributedError> {
    let leader = conduct.leader;
    send(transport, leader, &Message::Hello)?;
    let mut share: Option<Share> = None;
    let mut turns = 0;
    let mut heard = Instant::now();
    loop {
        if (conduct.leave)() {
            send(transport, leader, &Message::Bye)?;
            return Ok(turns);
        }
        let Some((rank, bytes)) = transport.receive(MOMENT)? else {
            if heard.elapsed() > conduct.patience {
                let seconds = conduct.patience.as_secs();
                return Err(DistributedError::Silent { rank: leader, seconds });
            }
            continue;
        };
        let message = decode(rank, &bytes)?;
        match (message, &mut share) {
            (Message::Start(start), share) => match Share::new(&start, conduct.level) {
                Ok(ready) => *share = Some(ready),
                Err(error) => {
                    send(transport, leader, &Message::Bye)?;
                    return Err(error);
                }
            },
            (Message::Psi { version, psi }, Some(share)) => {
                let contribution = share.contribute(turns, version, &psi);
                let push = Message::Push { version, number: turns, contribution };
                transport.send(leader, (conduct.encode)(turns, push))?;
                turns += 1;
            }
            (Message::Work { update, psi }, Some(share)) => {
                let net = share.learner.network_at(&psi);
                let (slots, groups) = share.of_all();
                let chosen = |id| has_turn(id, slots, groups, update);
                let part = progress(share.learner.recipe(), update);
                let outcomes = share.crew.unroll(share.learner.recipe(), &net, part, chosen);
                send(transport, leader, &Message::Outcomes { update, outcomes })?;
                turns += 1;
            }
            (Message::Save, Some(share)) => {
                send(transport, leader, &Message::Slots(share.crew.save()))?;
            }
            (Message::Stop, _) => return Ok(turns),
            (other, _) => return Err(DistributedError::Unexpected { rank, kind: other.name() }),
        }
        heard = Instant::now();
    }
}

impl Share {
    fn new(start: &Start, level: Level) -> Result<Self, DistributedError> {
        let learner = Learner::resume(&start.run, level)?;
        let entries = select(learner.recipe()).map_err(crate::trainer::TrainError::from)?;
        let crew = hire(&learner, entries, &start.ids, &start.run.slots)?;
        Ok(Self { learner, crew, slots: start.ids.len() })
    }

    /// Slots of the whole run, and groups per update.
    fn of_all(&self) -> (usize, usize) {
        let problems = &self.learner.recipe().problems;
        (problems.slots, problems.groups_per_update)
    }

    /// As many groups as an update of a single process has, of its own slots in turn.
    fn contribute(&mut self, turn: u64, version: u64, psi: &[f32]) -> Contribution {
        let psi: Vec<f64> = psi.iter().map(|&x| f64::from(x)).collect();
        let net: Network<f32> = self.learner.network_at(&psi);
        let (slots, (_, groups)) = (self.slots, self.of_all());
        let recipe = self.learner.recipe();
        let chosen = |id| has_turn(id & OWN, slots, groups, turn);
        let outcomes = self.crew.unroll(recipe, &net, progress(recipe, version), chosen);
        Contribution::reduce(outcomes.iter().map(|(_, o)| o), psi.len())
    }
}
