//! A rank between workers and the root of an asynchronous run: it sums what its workers push and
//! pushes the mean on, so that the root gets one message where there would be many.
//!
//! To its workers it is a [`Server`] with the newest psi that the root gave it, to the root it is a
//! worker. It pushes as soon as it has got one gradient for each worker, whoever sent them, and
//! only one at a time: a slow root makes its sums larger, not its queue longer.

use super::DistributedError;
use super::exchange::{MOMENT, decode, send};
use super::note::Note;
use super::protocol::{Message, Start};
use super::server::{Limits, Server, Source, Standing};
use super::transport::Transport;
use super::tree::ROOT;
use crate::checkpoint::Checkpoint;
use crate::config::Recipe;
use crate::learner::Contribution;
use crate::trainer::{TrainError, UpdateReport};
use std::time::{Duration, Instant};

/// What an aggregator hands down and sums up.
#[derive(Debug)]
pub struct Relay {
    start: Start,
    groups: usize,
    version: u64,
    psi: Vec<f32>,
    sum: Option<Sum>,
}

/// Contributions that wait for the next push.
#[derive(Debug)]
struct Sum {
    contribution: Contribution,
    pushes: usize,
    /// Version of psi of the oldest one.
    oldest: u64,
}

impl Relay {
    /// With what the root said first.
    ///
    /// # Errors
    ///
    /// If the run's recipe does not parse.
    pub fn new(start: Start, version: u64, psi: Vec<f32>) -> Result<Self, TrainError> {
        let groups = Recipe::parse(&start.run.recipe)?.problems.groups_per_update;
        Ok(Self { start, groups, version, psi, sum: None })
    }

    /// The root has a newer psi.
    pub fn renew(&mut self, version: u64, psi: Vec<f32>) {
        (self.version, self.psi) = (version, psi);
    }

    /// Contributions summed since the last push.
    #[must_use]
    pub fn pushes(&self) -> usize {
        self.sum.as_ref().map_or(0, |sum| sum.pushes)
    }

    /// The mean over all lanes of what came since the last push, as push `number`.
    pub fn push(&mut self, number: u64) -> Option<Message> {
        let Sum { contribution, oldest, .. } = self.sum.take()?;
        Some(Message::Push { version: oldest, number, contribution })
    }
}

impl Source for Relay {
    fn version(&self) -> u64 {
        self.version
    }

    fn psi(&self) -> Vec<f32> {
        self.psi.clone()
    }

    fn length(&self) -> usize {
        self.psi.len()
    }

    fn share(&self, workers: usize) -> usize {
        self.start.ids.len().div_ceil(workers).max(self.groups)
    }

    fn run(&self) -> Checkpoint {
        self.start.run.clone()
    }

    fn take(&mut self, version: u64, contribution: &Contribution) -> Option<UpdateReport> {
        if let Some(sum) = &mut self.sum {
            sum.contribution.merge(contribution);
            sum.pushes += 1;
            sum.oldest = sum.oldest.min(version);
        } else {
            let contribution = contribution.clone();
            self.sum = Some(Sum { contribution, pushes: 1, oldest: version });
        }
        None
    }
}

/// Sums for the root until it says stop and all workers know; returns the number of pushes to it.
/// `note`: what is to be logged.
///
/// # Errors
///
/// If the root is silent for ten times the patience, all workers are lost, or messages do not travel.
pub fn aggregate<T: Transport>(
    transport: &mut T,
    workers: &[usize],
    limits: Limits,
    leave: &dyn Fn() -> bool,
    note: &mut dyn FnMut(Note),
) -> Result<u64, DistributedError> {
    send(transport, ROOT, &Message::Hello)?;
    let began = Instant::now();
    let mut early = Vec::new();
    let Some(relay) = begin(transport, limits.patience, leave, &mut early)? else { return Ok(0) };
    let mut server = Server::new(relay, workers.iter().copied(), limits, began.elapsed());
    let (mut pushes, mut asked, mut closing) = (0, None, false);
    loop {
        let now = began.elapsed();
        let message = match early.pop() {
            Some(message) => Some(message),
            None => transport.receive(MOMENT)?,
        };
        match message {
            Some((ROOT, bytes)) => match decode(ROOT, &bytes)? {
                Message::Psi { version, psi } => {
                    server.source_mut().renew(version, psi);
                    asked = None;
                }
                Message::Stop => {
                    server.close();
                    (asked, closing) = (None, true);
                }
                other => {
                    return Err(DistributedError::Unexpected { rank: ROOT, kind: other.name() });
                }
            },
            Some((rank, bytes)) => {
                for reply in server.handle(rank, &bytes, now).replies {
                    send(transport, rank, &reply)?;
                }
            }
            None => server.look_around(now),
        }
        server.take_notes().into_iter().for_each(&mut *note);
        let present = server.count(Standing::Present);
        if present == 0 {
            if closing {
                return Ok(pushes);
            }
            send(transport, ROOT, &Message::Bye)?;
            return Err(DistributedError::NoWorkers);
        }
        if !closing && leave() {
            send(transport, ROOT, &Message::Bye)?;
            server.close();
            closing = true;
        }
        match asked {
            Some(since) if now.saturating_sub(since) > 10 * limits.patience => {
                let seconds = (10 * limits.patience).as_secs();
                return Err(DistributedError::Silent { rank: ROOT, seconds });
            }
            None if !closing && server.source().pushes() >= present => {
                if let Some(push) = server.source_mut().push(pushes) {
                    send(transport, ROOT, &push)?;
                    pushes += 1;
                    asked = Some(now);
                }
            }
            _ => {}
        }
    }
}

/// Waits for the run and the first psi; `None` if there is none. `early`: what workers said before.
fn begin<T: Transport>(
    transport: &mut T,
    patience: Duration,
    leave: &dyn Fn() -> bool,
    early: &mut Vec<(usize, Vec<u8>)>,
) -> Result<Option<Relay>, DistributedError> {
    let began = Instant::now();
    let mut start = None;
    while !leave() {
        let Some((rank, bytes)) = transport.receive(MOMENT)? else {
            if began.elapsed() > 10 * patience {
                let seconds = (10 * patience).as_secs();
                return Err(DistributedError::Silent { rank: ROOT, seconds });
            }
            continue;
        };
        if rank != ROOT {
            early.insert(0, (rank, bytes));
            continue;
        }
        match (decode(rank, &bytes)?, start.take()) {
            (Message::Start(run), _) => start = Some(run),
            (Message::Psi { version, psi }, Some(run)) => {
                return Ok(Some(Relay::new(*run, version, psi)?));
            }
            (Message::Stop, _) => return Ok(None),
            (other, _) => return Err(DistributedError::Unexpected { rank, kind: other.name() }),
        }
    }
    send(transport, ROOT, &Message::Bye)?;
    Ok(None)
}
