//! Distributed training within one process, over channels: equal bits, learning, and what servers
//! and messages put up with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod aggregators;

use std::thread;
use std::time::Duration;

use lopt_core::simd::Level;
use lopt_meta::distributed::note::Note;
use lopt_meta::distributed::protocol::{Message, ProtocolError};
use lopt_meta::distributed::server::{Limits, Server, Standing};
use lopt_meta::distributed::sync::SyncTrainer;
use lopt_meta::distributed::transport::{ChannelTransport, Transport};
use lopt_meta::distributed::worker::{Conduct, follow};
use lopt_meta::distributed::{DistributedError, transport::TransportError};
use lopt_meta::{Contribution, Learner, Recipe, Trainer, UpdateReport};
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn recipe(slots: usize) -> Recipe {
    let mut recipe = Recipe::parse(include_str!("../../recipes/quadratic20.toml")).unwrap();
    recipe.problems.names = vec!["bowl-5".to_owned()];
    recipe.problems.slots = slots;
    recipe.lengths.unroll_base = 5;
    recipe.lengths.unroll_mean = 5.0;
    // short enough that runs end and new ones begin
    recipe.lengths.life_start = 30.0;
    recipe.lengths.life_end = 30.0;
    recipe
}

/// A worker that does as it is told; garbage from the push of this number on.
fn work(
    mut end: ChannelTransport,
    leader: usize,
    garbage_from: u64,
) -> Result<u64, DistributedError> {
    let mut encode = |number: u64, message: Message| {
        let mut bytes = message.encode();
        if number >= garbage_from {
            bytes[60] ^= 4;
        }
        bytes
    };
    let (level, leave) = (Level::detect(), &|| false);
    let (patience, encode) = (PATIENCE, &mut encode);
    follow(&mut end, &mut Conduct { level, leader, patience, leave, encode })
}

fn server(workers: usize) -> Server {
    let learner = Learner::new(recipe(4), Level::detect()).unwrap();
    let limits = Limits { staleness: 3, patience: Duration::from_secs(10) };
    Server::new(learner, 1..=workers, limits, Duration::ZERO)
}

/// Serves until everybody has left, and closes after so many updates.
fn serve(root: &mut ChannelTransport, server: &mut Server, updates: u64) -> Vec<UpdateReport> {
    let mut reports = Vec::new();
    while server.count(Standing::Present) > 0 {
        let Some((rank, bytes)) = root.receive(PATIENCE).unwrap() else { panic!("nobody speaks") };
        let answer = server.handle(rank, &bytes, Duration::ZERO);
        for reply in answer.replies {
            root.send(rank, reply.encode()).unwrap();
        }
        if let Some(report) = answer.report {
            if report.update == updates {
                server.close();
            }
            reports.push(report);
        }
    }
    reports
}

fn assert_learned(reports: &[UpdateReport]) {
    let (first, last) = (reports[0].meta_loss, reports[reports.len() - 1].meta_loss_average);
    assert!(last < first - 0.3, "{first} to {last}");
}

fn push(server: &Server, version: u64, g: f64) -> Message {
    let gradient = vec![g; server.source().meta().psi.len()];
    let contribution =
        Contribution { gradient, used: 16, meta_loss: -1.0, instance_steps: 160, diverged: 0 };
    Message::Push { version, number: 0, contribution }
}

fn tell(server: &mut Server, rank: usize, message: &Message, seconds: u64) -> Vec<Message> {
    let bytes = message.encode();
    server.handle(rank, &bytes, Duration::from_secs(seconds)).replies
}

#[test]
fn synchronous_ranks_give_the_bits_of_one_process_and_its_checkpoints() {
    for ranks in [1, 2, 3, 7] {
        let mut alone = Trainer::new(recipe(5), Level::detect()).unwrap();
        let mut ends = ChannelTransport::connect(ranks).into_iter();
        let root = ends.next().unwrap();
        let others: Vec<_> =
            ends.map(|end| thread::spawn(move || work(end, 0, u64::MAX))).collect();
        let learner = Learner::new(recipe(5), Level::detect()).unwrap();
        let mut together = SyncTrainer::start(learner, &[], root, PATIENCE).unwrap();
        for _ in 0..12 {
            assert_eq!(together.update().unwrap(), alone.update(), "{ranks} ranks");
        }
        let saved = together.checkpoint().unwrap();
        assert!(saved == alone.checkpoint(), "{ranks} ranks");
        drop(together.stop().unwrap());
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap().unwrap(), 12));

        // the other way round: many ranks go on from it, and so does one
        let mut ends = ChannelTransport::connect(2).into_iter();
        let root = ends.next().unwrap();
        let other = ends.next().unwrap();
        let other = thread::spawn(move || work(other, 0, u64::MAX));
        let learner = Learner::resume(&saved, Level::detect()).unwrap();
        let mut together = SyncTrainer::start(learner, &saved.slots, root, PATIENCE).unwrap();
        let mut alone = Trainer::resume(&saved, Level::detect()).unwrap();
        for _ in 0..5 {
            assert_eq!(together.update().unwrap(), alone.update());
        }
        drop(together.stop().unwrap());
        other.join().unwrap().unwrap();
    }
}

#[test]
fn a_rank_that_leaves_ends_a_synchronous_run_with_a_sentence() {
    let mut ends = ChannelTransport::connect(2).into_iter();
    let root = ends.next().unwrap();
    let mut other = ends.next().unwrap();
    other.send(0, Message::Bye.encode()).unwrap();
    let learner = Learner::new(recipe(2), Level::detect()).unwrap();
    let mut together = SyncTrainer::start(learner, &[], root, PATIENCE).unwrap();
    assert_eq!(together.update().unwrap_err().to_string(), "rank 1 has left the run");
}

#[test]
fn asynchronous_workers_learn_beside_one_that_sends_garbage() {
    let mut ends = ChannelTransport::connect(4).into_iter();
    let mut root = ends.next().unwrap();
    let others: Vec<_> = ends
        .enumerate()
        .map(|(i, end)| thread::spawn(move || work(end, 0, if i == 0 { 3 } else { u64::MAX })))
        .collect();
    let mut recipe = recipe(6);
    recipe.lengths.unroll_base = 30;
    recipe.meta_optimizer.warmup = 10;
    let learner = Learner::new(recipe, Level::detect()).unwrap();
    let limits = Limits { staleness: 12, patience: PATIENCE };
    let mut server = Server::new(learner, 1..=3, limits, Duration::ZERO);
    let reports = serve(&mut root, &mut server, 300);
    for other in others {
        assert!(other.join().unwrap().unwrap() > 0);
    }
    assert_learned(&reports);
    assert_eq!(server.source().counters().updates, 300);
    assert_eq!((server.workers()[0].used, server.workers()[0].useless), (3, 10));
    assert!(server.take_notes().contains(&Note::Dismissed(1)));
    assert_eq!(server.staleness().iter().sum::<u64>(), 300);
}

#[test]
fn a_server_takes_what_is_of_use_and_answers_everything() {
    let mut server = server(2);
    let replies = tell(&mut server, 1, &Message::Hello, 0);
    let [Message::Start(start), Message::Psi { version: 0, .. }] = &replies[..] else {
        panic!("{replies:?}");
    };
    assert_eq!(start.ids, [1 << 32, (1 << 32) + 1]);
    let before = server.source().meta().psi.clone();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let message = push(&server, 0, bad);
        assert!(matches!(tell(&mut server, 1, &message, 0)[..], [Message::Psi { .. }]));
    }
    let short = Contribution {
        gradient: vec![0.0; 3],
        used: 1,
        meta_loss: 0.0,
        instance_steps: 1,
        diverged: 0,
    };
    tell(&mut server, 1, &Message::Push { version: 0, number: 0, contribution: short }, 0);
    let message = push(&server, 1, 0.1);
    tell(&mut server, 1, &message, 0);
    tell(&mut server, 1, &Message::Save, 0);
    assert!(server.handle(1, b"nonsense", Duration::ZERO).report.is_none());
    assert!(server.handle(9, b"nobody", Duration::ZERO).replies.is_empty());
    assert_eq!(server.source().meta().psi, before);
    assert_eq!(server.source().counters().updates, 0);

    // fresh enough up to the bound, then skipped
    for _ in 0..4 {
        let message = push(&server, 0, 0.1);
        tell(&mut server, 1, &message, 0);
    }
    let message = push(&server, 0, 0.1);
    assert!(matches!(tell(&mut server, 2, &message, 0)[..], [Message::Psi { version: 4, .. }]));
    assert_eq!(server.source().counters().updates, 4);
    assert_eq!(server.staleness(), [1, 1, 1, 1, 1]);
    assert_eq!((server.workers()[0].useless, server.workers()[1].stale), (7, 1));
    let notes = server.take_notes();
    assert!(notes.contains(&Note::Stale(2, 4)));
    assert!(notes.contains(&Note::Malformed(1, ProtocolError::Future { got: 1, newest: 0 })));
}

#[test]
fn a_worker_that_sends_ten_useless_messages_in_a_row_is_told_to_stop() {
    let mut server = server(2);
    for _ in 0..9 {
        assert!(matches!(server.handle(1, &[], Duration::ZERO).replies[..], [Message::Psi { .. }]));
    }
    // one good push and the count begins again
    let message = push(&server, 0, 0.1);
    tell(&mut server, 1, &message, 0);
    for _ in 0..9 {
        server.handle(1, &[], Duration::ZERO);
    }
    assert_eq!(server.handle(1, &[], Duration::ZERO).replies, [Message::Stop]);
    let message = push(&server, 1, 0.1);
    assert_eq!(tell(&mut server, 1, &message, 0), [Message::Stop]);
    assert_eq!(server.source().counters().updates, 1);
}

#[test]
fn a_silent_worker_is_lost_until_it_is_heard_again() {
    let mut server = server(2);
    let message = push(&server, 0, 0.1);
    tell(&mut server, 2, &message, 6);
    server.look_around(Duration::from_secs(11));
    assert_eq!(server.take_notes(), [Note::Lost(1, 11)]);
    assert_eq!((server.count(Standing::Lost), server.count(Standing::Present)), (1, 1));
    server.look_around(Duration::from_secs(12));
    assert!(server.take_notes().is_empty());
    tell(&mut server, 1, &Message::Hello, 13);
    assert_eq!(server.take_notes(), [Note::Back(1), Note::Joined(1)]);
    // a busy server does not blame the workers
    server.forgive(Duration::from_secs(100));
    server.look_around(Duration::from_secs(105));
    assert!(server.take_notes().is_empty());
    server.close();
    assert_eq!(tell(&mut server, 1, &Message::Hello, 106), [Message::Stop]);
    assert!(tell(&mut server, 2, &Message::Bye, 106).is_empty());
    assert_eq!(server.count(Standing::Gone), 2);
}

#[test]
fn a_server_and_a_resumed_one_save_the_same() {
    let mut server = server(1);
    for i in 0..5 {
        let message = push(&server, i, 0.1);
        tell(&mut server, 1, &message, 0);
    }
    let saved = server.source().checkpoint(Vec::new());
    let again = Learner::resume(&saved, Level::detect()).unwrap();
    assert!(again.checkpoint(Vec::new()) == saved);
}

#[test]
fn there_is_no_rank_beyond_the_last() {
    let mut ends = ChannelTransport::connect(1);
    assert_eq!(ends[0].send(1, Vec::new()), Err(TransportError::NoRank { rank: 1 }));
}

fn message() -> impl Strategy<Value = Message> {
    let floats = prop::collection::vec(any::<f32>().prop_filter("equal", |x| !x.is_nan()), 0..40);
    let push = (floats.clone(), any::<[u32; 2]>(), any::<[u64; 3]>(), -9.0..9.0_f64).prop_map(
        |(gradient, [used, diverged], [version, number, instance_steps], meta_loss)| {
            let gradient = gradient.into_iter().map(f64::from).collect();
            let (used, diverged) = (used as usize, diverged as usize);
            let contribution = Contribution { gradient, used, meta_loss, instance_steps, diverged };
            Message::Push { version, number, contribution }
        },
    );
    let psi = (any::<u64>(), floats).prop_map(|(version, psi)| Message::Psi { version, psi });
    let work = (any::<u64>(), prop::collection::vec(-1e9..1e9_f64, 0..40))
        .prop_map(|(update, psi)| Message::Work { update, psi });
    prop_oneof![
        Just(Message::Hello),
        Just(Message::Save),
        Just(Message::Stop),
        Just(Message::Bye),
        Just(Message::Slots(Vec::new())),
        push,
        psi,
        work,
    ]
}

proptest! {
    #[test]
    fn messages_come_back_as_they_were(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_changed_bit_and_any_cut_is_noticed(
        message in message(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let bytes = message.encode();
        let at = at.index(bytes.len());
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        prop_assert!(Message::decode(&damaged).is_err());
        prop_assert!(Message::decode(&bytes[..at]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(Message::decode(&longer).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_message(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Message::decode(&bytes).is_err());
    }
}
