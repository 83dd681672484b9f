//! Checkpoints of every version that was written: `tests/data` has a light one of each as it was kept,
//! but for meta-parameters beyond the third.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::sealed::seal;
use lopt_meta::{Checkpoint, Recipe};
use std::path::{Path, PathBuf};

fn path(version: u32) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(format!("checkpoint-{version}.lopt"))
}

#[test]
fn checkpoints_of_every_version_are_read() {
    let of = [
        (1, 6_100, 65_292_464, "recommended"),
        (2, 564, 25_438_512, "recommended"),
        (4, 37_476, 798_777_024, "paper"),
        (7, 1_325, 13_933_360, "paper"),
    ];
    for (version, updates, instance_steps, optimizer) in of {
        let checkpoint = Checkpoint::read(&path(version)).unwrap();
        let counters = &checkpoint.counters;
        assert_eq!((counters.updates, counters.instance_steps), (updates, instance_steps));
        assert_eq!((checkpoint.meta.psi.len(), checkpoint.slots.len()), (3, 0));
        assert_eq!(Recipe::parse(&checkpoint.recipe).unwrap().optimizer, optimizer);
    }
}

/// A changed version is found, though the checksum is that of the contents.
#[test]
fn no_damaged_bit_makes_a_checkpoint_one_of_another_version() {
    for version in [1, 2, 4, 7] {
        let bytes = std::fs::read(path(version)).unwrap();
        for bit in 0..32 {
            let mut damaged = bytes.clone();
            damaged[8 + bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::from_bytes(&damaged).is_err(), "version {version}, bit {bit}");
        }
    }
}

/// The runs in it were of an optimizer that remembered other things.
#[test]
fn an_earlier_checkpoint_is_read_without_its_runs() {
    let bytes = std::fs::read(path(4)).unwrap();
    let light = Checkpoint::read(&path(4)).unwrap();
    // the last word of the contents is the number of runs
    let mut with_runs = bytes[28..bytes.len() - 8].to_vec();
    with_runs.extend(2_u64.to_le_bytes());
    with_runs.extend([7; 1000]);
    assert_eq!(Checkpoint::from_bytes(&seal(&with_runs, b"LOPTCKPT", 4)).unwrap(), light);
    assert!(Checkpoint::from_bytes(&seal(&with_runs, b"LOPTCKPT", 7)).is_err());
    let error = Checkpoint::from_bytes(&seal(&with_runs, b"LOPTCKPT", 8)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not usable as a checkpoint: the file has format version 8, and the newest that this program \
         reads is 7: it takes a newer program"
    );
}
