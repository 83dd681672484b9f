//! `lopt train --distributed`: what each process that `mpirun` started does.

use std::io::Write;
use std::time::Duration;

use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_core::weights::WeightsError;
use lopt_meta::distributed::DistributedError;
use lopt_meta::distributed::aggregator::aggregate;
use lopt_meta::distributed::mpi::MpiTransport;
use lopt_meta::distributed::protocol::Message;
use lopt_meta::distributed::server::{Limits, Server, Standing};
use lopt_meta::distributed::sync::SyncTrainer;
use lopt_meta::distributed::transport::Transport;
use lopt_meta::distributed::tree::{ROOT, Tree};
use lopt_meta::distributed::worker::{Conduct, follow};
use lopt_meta::{Checkpoint, Learner, Recipe, UpdateReport};

use crate::args::{Distributed, TrainArgs};
use crate::commands::fault_injection::Fault;
use crate::commands::train::{Beginning, Course, Session, Training, beginning, recipe};
use crate::error::CliError;
use crate::interrupt;
use crate::output::{OutputFolder, say};
use crate::parallel::no_threads;
use crate::record::COMMIT;
use crate::timing::{Clock, Stopwatch};

/// Does this process's part. A run that lost somebody ends by `MPI_Abort`: `MPI_Finalize` would wait
/// for the lost; by then everything is saved and said.
pub(super) fn run(args: &TrainArgs, how: Distributed, out: &mut dyn Write) -> Result<(), CliError> {
    let fault: Option<Fault> = args.fault.as_deref().map(Fault::parse).transpose()?;
    // MPI is called by this thread, so this one must not be of the pool
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(1))
        .build_global()
        .map_err(no_threads)?;
    let mut transport = MpiTransport::join().map_err(CliError::failed)?;
    interrupt::leave_notes()?;
    let rank = transport.rank();
    let mut orphaned = false;
    let ended = if rank == ROOT {
        match how {
            Distributed::Sync => lead_together(args, &mut transport, out),
            Distributed::Async => serve(args, &mut transport, out),
        }
    } else {
        let fault = fault.filter(|fault| fault.rank == rank);
        let worked = follow_or_aggregate(args, how, &mut transport, fault);
        // without a root nobody else can end the run, and mpirun would wait for ever
        orphaned = matches!(worked, Err(DistributedError::Silent { .. }));
        worked.map(|()| true).map_err(CliError::failed)
    };
    match ended {
        Ok(true) => transport.finish(),
        Ok(false) => {
            out.flush()?;
            transport.abandon(0, true);
        }
        Err(error) => {
            let who = if rank == ROOT { String::new() } else { format!("rank {rank}: ") };
            say(format_args!("error: {who}{error}"));
            transport.abandon(error.exit_code().into(), rank == 0 || orphaned);
        }
    }
    Ok(())
}

/// The root of a synchronous run.
fn lead_together(
    args: &TrainArgs,
    transport: &mut MpiTransport,
    out: &mut dyn Write,
) -> Result<bool, CliError> {
    let folder = OutputFolder::open(&args.out)?;
    let _lock = folder.lock()?;
    let (learner, saved) = learner(args, &folder)?;
    let slots = saved.map(|saved| saved.slots).unwrap_or_default();
    let patience = Duration::from_secs(args.patience);
    let trainer =
        SyncTrainer::start(learner, &slots, transport, patience).map_err(CliError::failed)?;
    drop(slots);
    let mut session = Session::new(trainer, &folder);
    session.run(!args.unscored)?;
    session.report(out)?;
    session.trainer.stop().map_err(CliError::failed)?;
    Ok(true)
}

/// The root of an asynchronous run; whether everybody came to its end.
fn serve(
    args: &TrainArgs,
    transport: &mut MpiTransport,
    out: &mut dyn Write,
) -> Result<bool, CliError> {
    let below =
        Tree::new(transport.size(), args.aggregators).map_err(CliError::failed)?.below(ROOT);
    let folder = OutputFolder::open(&args.out)?;
    let _lock = folder.lock()?;
    let (learner, _) = learner(args, &folder)?;
    let limits = limits(args, below.len());
    let service = Service {
        server: Server::new(learner, below, limits, Duration::ZERO),
        transport,
        began: Stopwatch::start(Clock::Wall),
        busy: 0.0,
        pushes: 0,
        bytes: 0,
        span: None,
    };
    let mut session = Session::new(service, &folder);
    session.run(!args.unscored)?;
    session.report(out)?;
    session.trainer.dismiss()?;
    session.trainer.report(out)?;
    Ok(session.trainer.server.count(Standing::Lost) == 0)
}

/// What a rank that serves so many workers puts up with.
fn limits(args: &TrainArgs, workers: usize) -> Limits {
    Limits {
        staleness: args.staleness.unwrap_or(4 * workers as u64),
        patience: Duration::from_secs(args.patience),
    }
}

/// Every rank but the root.
fn follow_or_aggregate(
    args: &TrainArgs,
    how: Distributed,
    transport: &mut MpiTransport,
    fault: Option<Fault>,
) -> Result<(), DistributedError> {
    if how == Distributed::Sync {
        return work(args, ROOT, transport, fault);
    }
    let (tree, rank) = (Tree::new(transport.size(), args.aggregators)?, transport.rank());
    let below = tree.below(rank);
    if below.is_empty() {
        return work(args, tree.above(rank), transport, fault);
    }
    let mut note = |note| say(format_args!("aggregator {rank}: {note}"));
    let limits = limits(args, below.len());
    aggregate(transport, &below, limits, &interrupt::asked, &mut note).map(|_| ())
}

/// A worker of either kind of run.
fn work(
    args: &TrainArgs,
    leader: usize,
    transport: &mut MpiTransport,
    fault: Option<Fault>,
) -> Result<(), DistributedError> {
    let mut encode = |number, message: Message| match &fault {
        Some(fault) if number >= fault.after => {
            fault.damage(fault.befall(message).encode(), number)
        }
        _ => message.encode(),
    };
    let mut conduct = Conduct {
        level: Level::detect(),
        leader,
        // the root may be busy with a validation; a dead one should not keep workers for ever
        patience: Duration::from_secs(args.patience.saturating_mul(10)),
        leave: &interrupt::asked,
        encode: &mut encode,
    };
    follow(transport, &mut conduct).map(|_| ())
}

/// A server, its connections and its clock.
struct Service<'a> {
    server: Server,
    transport: &'a mut MpiTransport,
    began: Stopwatch,
    /// CPU seconds from having a message to having handed the answer over: cores may be shared.
    busy: f64,
    pushes: u64,
    bytes: u64,
    /// When the first and the last push came, in seconds since it began.
    span: Option<(f64, f64)>,
}

impl Training for Service<'_> {
    fn course(&self) -> Course<'_> {
        let learner = self.server.source();
        Course::new(learner.recipe(), learner.counters(), &learner.meta().psi)
    }

    fn weights(&self) -> Result<Weights, WeightsError> {
        self.server.source().weights(COMMIT)
    }

    fn update(&mut self) -> Result<Option<UpdateReport>, CliError> {
        let report = self.attend(MOMENT)?;
        if self.server.count(Standing::Present) == 0 {
            return Err(CliError::failed(DistributedError::NoWorkers));
        }
        Ok(report)
    }

    fn validate(&mut self) -> f64 {
        let score = self.server.source_mut().validate();
        self.server.forgive(self.running());
        score
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, CliError> {
        // the runs of workers are theirs: new ones begin when this one goes on
        Ok(self.server.source().checkpoint(Vec::new()))
    }
}

impl Service<'_> {
    /// How long it has run.
    fn running(&self) -> Duration {
        Duration::from_secs_f64(self.began.seconds())
    }

    /// Handles the next message, if one comes in this time.
    fn attend(&mut self, wait: Duration) -> Result<Option<UpdateReport>, CliError> {
        let message = self.transport.receive(wait).map_err(CliError::failed)?;
        let now = self.running();
        let mut report = None;
        if let Some((rank, bytes)) = message {
            let cpu = Stopwatch::start(Clock::Thread);
            let answer = self.server.handle(rank, &bytes, now);
            for reply in answer.replies {
                self.transport.send(rank, reply.encode()).map_err(CliError::failed)?;
            }
            if answer.report.is_some() {
                let now = now.as_secs_f64();
                self.span = Some((self.span.map_or(now, |(first, _)| first), now));
                self.busy += cpu.seconds();
                self.pushes += 1;
                self.bytes += bytes.len() as u64;
            }
            report = answer.report;
        } else {
            self.server.look_around(now);
        }
        for note in self.server.take_notes() {
            say(note);
        }
        Ok(report)
    }

    /// Tells everybody who still pushes to stop; whoever does not within the patience is lost.
    fn dismiss(&mut self) -> Result<(), CliError> {
        self.server.close();
        while self.server.count(Standing::Present) > 0 {
            self.attend(MOMENT)?;
        }
        Ok(())
    }

    /// What the work cost.
    fn report(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let seconds = self.span.map_or(0.0, |(first, last)| last - first);
        let pushes = self.pushes.max(1);
        let ages = self.server.staleness().iter().enumerate().filter(|(_, n)| **n > 0);
        let ages: Vec<String> = ages.map(|(age, n)| format!("{age}:{n}")).collect();
        writeln!(
            out,
            "{} pushes, {:.1} updates/s; {} bytes and {:.0} us of the server's CPU per push; staleness {}",
            self.pushes,
            (pushes - 1) as f64 / seconds.max(1e-9),
            self.bytes / pushes,
            1e6 * self.busy / pushes as f64,
            ages.join(" ")
        )?;
        for worker in self.server.workers() {
            writeln!(
                out,
                "worker {}: {} used, {} stale, {} useless, {}",
                worker.rank,
                worker.used,
                worker.stale,
                worker.useless,
                format!("{:?}", worker.standing).to_lowercase()
            )?;
        }
        Ok(())
    }
}

/// What learns, and the checkpoint it goes on from.
fn learner(
    args: &TrainArgs,
    folder: &OutputFolder,
) -> Result<(Learner, Option<Checkpoint>), CliError> {
    let level = Level::detect();
    Ok(match beginning::<Recipe>(args, recipe(args)?, folder)? {
        Beginning::Fresh(recipe) => (Learner::new(recipe, level)?, None),
        Beginning::Weights(recipe, from) => (Learner::from_weights(recipe, &from, level)?, None),
        Beginning::Checkpoint(saved) => (Learner::resume(&saved, level)?, Some(*saved)),
    })
}

impl<T: Transport> Training for SyncTrainer<T> {
    fn course(&self) -> Course<'_> {
        let learner = self.learner();
        Course::new(learner.recipe(), learner.counters(), &learner.meta().psi)
    }

    fn weights(&self) -> Result<Weights, WeightsError> {
        self.learner().weights(COMMIT)
    }

    fn update(&mut self) -> Result<Option<UpdateReport>, CliError> {
        self.update().map(Some).map_err(CliError::failed)
    }

    fn validate(&mut self) -> f64 {
        self.learner_mut().validate()
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, CliError> {
        self.checkpoint().map_err(CliError::failed)
    }
}

/// How long one look for messages takes; a request to end is noticed as soon.
const MOMENT: Duration = Duration::from_millis(100);
