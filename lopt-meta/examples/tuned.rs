//! Writes what tuned AdamW reaches on practice jobs, as in `src/evolution/tuned.txt`:
//! `cargo run --release -p lopt-meta --example tuned -- 0..81 1000..2215`; with names of families beside the
//! numbers (`classification`) only theirs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::ops::Range;

use lopt_meta::evolution::{Rows, tuned_adamw};
use lopt_problems::practice;
use rayon::prelude::*;

fn main() {
    let (ranges, families): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|given| given.contains(".."));
    for given in ranges {
        let Some(numbers) = range(&given) else {
            eprintln!("`{given}` is not a range of numbers such as 1000..2215");
            std::process::exit(2);
        };
        let numbers: Vec<u64> = numbers.collect();
        let found: Vec<(u64, f64)> = numbers
            .par_iter()
            .map(|&number| (number, practice(number)))
            .filter(|(_, task)| {
                families.is_empty() || families.iter().any(|name| name == task.family)
            })
            .map(|(number, task)| (number, tuned_adamw(&task, Rows::Validation)))
            .collect();
        for (number, loss) in found {
            println!("{number} {loss}");
        }
    }
}

fn range(text: &str) -> Option<Range<u64>> {
    let (first, end) = text.split_once("..")?;
    Some(first.parse().ok()?..end.parse().ok()?)
}
