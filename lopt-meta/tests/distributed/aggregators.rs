//! Ranks that sum for the root: what they push is the mean, and faults below them stay below.

use super::{PATIENCE, assert_learned, recipe, serve, work};
use lopt_core::simd::Level;
use lopt_meta::distributed::aggregator::{Relay, aggregate};
use lopt_meta::distributed::note::Note;
use lopt_meta::distributed::protocol::{Message, Start};
use lopt_meta::distributed::server::{Limits, Server, Source};
use lopt_meta::distributed::transport::{ChannelTransport, Transport};
use lopt_meta::distributed::tree::{ROOT, Tree};
use lopt_meta::distributed::{DistributedError, worker};
use lopt_meta::{Contribution, Learner};
use std::thread;
use std::time::Duration;

fn contribution(g: f64, used: usize) -> Contribution {
    let gradient = vec![g, -g];
    Contribution { gradient, used, meta_loss: 10.0 * g, instance_steps: 100, diverged: 1 }
}

#[test]
fn what_is_pushed_on_is_the_mean_over_lanes_with_the_oldest_psi() {
    let run = Learner::new(recipe(4), Level::detect()).unwrap().checkpoint(Vec::new());
    let mut relay = Relay::new(Start { ids: vec![0; 9], run }, 5, vec![0.0; 2]).unwrap();
    assert!(relay.push(0).is_none());
    for (version, g, used) in [(5, 1.0, 16), (3, 2.0, 16), (4, 7.0, 0), (5, 3.0, 32)] {
        assert!(relay.take(version, &contribution(g, used)).is_none());
    }
    assert_eq!(relay.pushes(), 4);
    let Some(Message::Push { version: 3, number: 8, contribution }) = relay.push(8) else {
        panic!("a push with the oldest version");
    };
    assert_eq!(contribution.gradient, [2.25, -2.25]);
    assert_eq!((contribution.used, contribution.meta_loss), (64, 22.5));
    assert_eq!((contribution.instance_steps, contribution.diverged), (400, 4));
    assert_eq!(relay.pushes(), 0);
    // nine slots for four workers, but never fewer than a push takes
    assert_eq!(relay.share(4), 3.max(recipe(4).problems.groups_per_update));
}

#[test]
fn a_tree_learns_although_one_worker_sends_garbage() {
    let tree = Tree::new(7, 2).unwrap();
    let mut ends = ChannelTransport::connect(7).into_iter();
    let mut root = ends.next().unwrap();
    let limits = Limits { staleness: 12, patience: PATIENCE };
    let (mut aggregators, mut workers) = (Vec::new(), Vec::new());
    for mut end in ends {
        let (rank, below) = (end.rank(), tree.below(end.rank()));
        if below.is_empty() {
            let garbage_from = if rank == 3 { 3 } else { u64::MAX };
            workers.push(thread::spawn(move || work(end, tree.above(rank), garbage_from)));
        } else {
            aggregators.push(thread::spawn(move || {
                let mut notes = Vec::new();
                let note = &mut |note| notes.push(note);
                let pushes = aggregate(&mut end, &below, limits, &|| false, note);
                (pushes.unwrap(), notes)
            }));
        }
    }
    let mut recipe = recipe(8);
    recipe.lengths.unroll_base = 30;
    recipe.meta_optimizer.warmup = 10;
    let learner = Learner::new(recipe, Level::detect()).unwrap();
    let mut server = Server::new(learner, tree.below(ROOT), limits, Duration::ZERO);
    let reports = serve(&mut root, &mut server, 300);
    let aggregators: Vec<_> = aggregators.into_iter().map(|a| a.join().unwrap()).collect();
    let pushes: u64 = workers.into_iter().map(|worker| worker.join().unwrap().unwrap()).sum();
    assert_learned(&reports);
    assert_eq!(server.source().counters().updates, 300);
    // two sound workers below the second aggregator all the way: two pushes in each of its own
    let lanes = reports.iter().map(|report| report.used).max().unwrap();
    assert!(lanes >= 32, "{lanes} lanes in one update");
    let above: u64 = aggregators.iter().map(|(pushes, _)| pushes).sum();
    assert!((300..=302).contains(&above), "{above} pushes to the root");
    assert!(pushes > above, "{pushes} of workers, {above} of aggregators");
    assert!(aggregators[0].1.contains(&Note::Dismissed(3)), "{:?}", aggregators[0].1);
    assert!(!aggregators[1].1.iter().any(|note| matches!(note, Note::Dismissed(_))));
}

#[test]
fn an_aggregator_without_workers_left_says_so() {
    let mut ends = ChannelTransport::connect(3).into_iter();
    let (mut root, mut middle, mut below) =
        (ends.next().unwrap(), ends.next().unwrap(), ends.next().unwrap());
    let learner = Learner::new(recipe(2), Level::detect()).unwrap();
    let limits = Limits { staleness: 4, patience: PATIENCE };
    let mut server = Server::new(learner, [1], limits, Duration::ZERO);
    below.send(1, Message::Hello.encode()).unwrap();
    below.send(1, Message::Bye.encode()).unwrap();
    let middle = thread::spawn(move || aggregate(&mut middle, &[2], limits, &|| false, &mut drop));
    serve(&mut root, &mut server, u64::MAX);
    assert!(matches!(middle.join().unwrap(), Err(DistributedError::NoWorkers)));
    assert_eq!(server.take_notes(), [Note::Joined(1), Note::Left(1)]);
    // what the worker was told before it left
    let mut heard = Vec::new();
    while let Some((_, bytes)) = below.receive(Duration::ZERO).unwrap() {
        heard.push(Message::decode(&bytes).unwrap().name());
    }
    assert_eq!(heard, ["start", "psi"]);
}

#[test]
fn an_aggregator_gives_up_on_a_root_that_is_silent() {
    let mut ends = ChannelTransport::connect(3);
    let limits = Limits { staleness: 4, patience: Duration::from_millis(20) };
    let end = aggregate(&mut ends[1], &[2], limits, &|| false, &mut drop);
    assert!(matches!(end, Err(DistributedError::Silent { rank: ROOT, .. })));
    // and so does a worker on it
    let mut conduct = worker::Conduct {
        level: Level::detect(),
        leader: 1,
        patience: Duration::from_millis(20),
        leave: &|| false,
        encode: &mut |_, message| message.encode(),
    };
    let end = worker::follow(&mut ends[2], &mut conduct);
    assert!(matches!(end, Err(DistributedError::Silent { rank: 1, .. })));
}
