//! The laws of the fuzz targets over the inputs kept in `fuzz/regressions`, and over what is near them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(unreachable_pub, reason = "a library for the targets")]
#[path = "../../fuzz/src/lib.rs"]
mod laws;

use lopt_core::rng::{Rng, below, stream};
use std::path::{Path, PathBuf};

/// The kept inputs of one law, in the order of their names.
fn kept(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions").join(name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no kept input");
    files
}

#[test]
fn kept_inputs_break_no_law() {
    for (name, law) in laws::LAWS {
        law(&[]);
        for path in kept(name) {
            println!("{name}: {}", path.display());
            law(&std::fs::read(path).unwrap());
        }
    }
}

/// One to four changes: a bit, a byte, an inserted byte, a byte less, the rest cut off or doubled.
fn damage(input: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=below(rng, 4) {
        let at = below(rng, input.len() + 1);
        let value = [0, 1, 0x7f, 0xff, below(rng, 256) as u8][below(rng, 5)];
        match below(rng, 6) {
            0 | 1 if at < input.len() => input[at] ^= 1 << below(rng, 8),
            2 if at < input.len() => input[at] = value,
            3 if at < input.len() => drop(input.remove(at)),
            4 => input.truncate(at),
            5 if input.len() < LONGEST => input.extend_from_within(at..),
            _ => input.insert(at, value),
        }
    }
}

const LONGEST: usize = 1 << 14;

/// `LOPT_DAMAGED` inputs of each law, 200 if it is not set.
#[test]
fn damaged_inputs_break_no_law() {
    #[allow(clippy::disallowed_methods, reason = "the length of a test")]
    let tries = std::env::var("LOPT_DAMAGED").map_or(200, |n| n.parse().unwrap());
    for (which, (name, law)) in laws::LAWS.iter().enumerate() {
        let whole: Vec<Vec<u8>> =
            kept(name).iter().map(|path| std::fs::read(path).unwrap()).collect();
        for n in 0..tries {
            let mut rng = stream(n, &[which as u64]);
            let mut input = whole[below(&mut rng, whole.len())].clone();
            damage(&mut input, &mut rng);
            if std::panic::catch_unwind(|| law(&input)).is_err() {
                panic!("{name} is broken by input {n}: {input:?}");
            }
        }
    }
}

#[test]
fn every_target_is_a_law_and_every_law_a_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut found: Vec<String> = std::fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut named: Vec<&str> = laws::LAWS.iter().map(|(name, _)| *name).collect();
    named.sort_unstable();
    assert_eq!(found, named);
}
