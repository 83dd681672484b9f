//! What may happen to a trainer: it is killed, told to stop, meets a full or closed disk, or another
//! trainer. Nothing may be lost and nothing wrongly accepted.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lopt_core::Weights;
use lopt_core::rng::{stream, unit};
use lopt_meta::Checkpoint;

/// A run that never ends by itself and saves after every update.
fn recipe(folder: &Path) -> String {
    let text = include_str!("../../lopt-meta/recipes/quadratic20.toml");
    let text = text
        .replace("updates = 2000", "updates = 1000000")
        .replace("checkpoint_every = 500", "checkpoint_every = 1")
        .replace("unroll_base = 40", "unroll_base = 3")
        .replace("unroll_mean = 60.0", "unroll_mean = 1.0")
        .replace("slots = 8", "slots = 2");
    let path = folder.join("recipe.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn train(folder: &Path, resume: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
    let out = folder.join("run");
    command.args(["train", "--threads", "1", "--config", &recipe(folder), "--out"]).arg(&out);
    if resume {
        command.arg("--resume");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn checkpoint(folder: &Path) -> Option<Checkpoint> {
    let path = folder.join("run/checkpoint.lopt");
    path.exists().then(|| Checkpoint::read(&path).unwrap())
}

/// Waits for a checkpoint beyond this update.
fn wait_beyond(folder: &Path, update: u64) -> u64 {
    let began = Instant::now();
    loop {
        let saved = checkpoint(folder).map(|saved| saved.counters.updates);
        if let Some(now) = saved.filter(|&now| now > update) {
            return now;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint after {update}");
        sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn sentence(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    errors[0].to_owned()
}

#[test]
fn told_to_stop_it_saves_and_says_so() {
    for name in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let child = train(folder.path(), false).spawn().unwrap();
        wait_beyond(folder.path(), 3);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        let updates = checkpoint(folder.path()).unwrap().counters.updates;
        let expected = format!("interrupted after update {updates}; saved, continue with --resume");
        assert!(sentence(&output).ends_with(&expected), "{}", sentence(&output));
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = stream(3, &[]);
    let mut updates = 0;
    // `LOPT_KILLS=200 cargo test --release -p lopt-bench --test faults` for the long form
    #[allow(clippy::disallowed_methods, reason = "the length of a test is the environment's")]
    let kills: u64 = std::env::var("LOPT_KILLS").map_or(20, |text| text.parse().unwrap());
    for kill in 0..kills {
        let resume = folder.path().join("run/checkpoint.lopt").exists();
        let mut child = train(folder.path(), resume).spawn().unwrap();
        // every fourth one gets on, however slow the machine is
        if kill % 4 == 0 {
            wait_beyond(folder.path(), updates);
        }
        sleep(Duration::from_micros((60_000.0 * unit(&mut rng)) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = checkpoint(folder.path()).unwrap().counters.updates;
        assert!(now >= updates, "back from {updates} to {now}");
        updates = now;
        Weights::read(&folder.path().join("run/weights.lopt")).unwrap();
    }
    assert!(updates >= kills.div_ceil(4), "{updates}");
}

#[test]
fn a_second_trainer_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = train(folder.path(), false).spawn().unwrap();
    wait_beyond(folder.path(), 0);
    let second = train(folder.path(), true).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(sentence(&second).contains("another `lopt` works in"), "{}", sentence(&second));
    child.kill().unwrap();
    child.wait().unwrap();
    let third = train(folder.path(), true).spawn().unwrap();
    let now = checkpoint(folder.path()).unwrap().counters.updates;
    wait_beyond(folder.path(), now);
    signal(&third, "-TERM");
    assert_eq!(third.wait_with_output().unwrap().status.code(), Some(130));
}

/// A limit on the size of files is what a full disk looks like to a process that ignores the signal.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = train(folder.path(), false).spawn().unwrap();
    wait_beyond(folder.path(), 2);
    signal(&child, "-TERM");
    child.wait_with_output().unwrap();
    let before = fs::read(folder.path().join("run/checkpoint.lopt")).unwrap();

    let kilobytes = before.len() / 2048;
    let command = train(folder.path(), true);
    let words: Vec<&str> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let script = format!(
        "trap '' XFSZ; ulimit -f {kilobytes}; exec {} {}",
        env!("CARGO_BIN_EXE_lopt"),
        words.join(" ")
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(sentence(&output).contains("cannot write checkpoint"), "{}", sentence(&output));
    assert!(fs::read(folder.path().join("run/checkpoint.lopt")).unwrap() == before);
    checkpoint(folder.path()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
    let config = recipe(folder.path());
    // nobody writes there, root neither
    command.args(["train", "--config", &config, "--out", "/proc/lopt-run"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        sentence(&output).contains("cannot write to `/proc/lopt-run`"),
        "{}",
        sentence(&output)
    );
}

/// Every byte of a small checkpoint is damaged in turn, and every shorter file is tried.
#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let child = train(folder.path(), false).spawn().unwrap();
    wait_beyond(folder.path(), 0);
    signal(&child, "-TERM");
    child.wait_with_output().unwrap();
    let bytes = fs::read(folder.path().join("run/light.lopt")).unwrap();
    assert!(Checkpoint::from_bytes(&bytes).is_ok());
    // a checksum of all bytes: a stride of a prime finds what every byte would, in seconds
    for at in (0..bytes.len()).step_by(97).chain(0..64) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(Checkpoint::from_bytes(&damaged).is_err(), "byte {at}");
        assert!(Checkpoint::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
}
