//! What parts of the relative RNN and of its training are worth: runs without one each, all of equal length.
//! `cargo run --release -p lopt-meta --example ablations -- UPDATES PAIRS SEEDS` prints a table of scores on
//! practice jobs that are not trained on: 0 is as good as tuned AdamW, less is better.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use lopt_meta::evolution::{Part, RECOMMENDED};
use lopt_meta::{EvolutionRecipe, EvolutionTrainer};

/// A run of a recipe, and its score at the end.
fn score(mut recipe: EvolutionRecipe, [updates, pairs, seed]: [u64; 3]) -> f64 {
    (recipe.updates, recipe.pairs, recipe.seed) = (updates.max(1), pairs as usize, seed);
    let mut trainer = EvolutionTrainer::new(recipe);
    for _ in 0..updates {
        trainer.update();
    }
    trainer.validate()
}

fn main() {
    let mut given = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let [Some(Ok(updates)), Some(Ok(pairs @ 1..)), Some(Ok(seeds))] =
        [given.next(), given.next(), given.next()]
    else {
        eprintln!(
            "expected numbers of updates, of pairs in an update, and of seeds, such as 60 16 3"
        );
        std::process::exit(2);
    };
    let recipe = EvolutionRecipe::parse(RECOMMENDED).expect("the recipe is checked by tests");
    let without = |part: Part| EvolutionRecipe { without: vec![part], ..recipe.clone() };
    println!("| run of {updates} updates, {pairs} pairs each | mean score | by seed |");
    println!("| --- | --- | --- |");
    for (name, recipe, updates) in [
        ("nothing learned: the prior", recipe.clone(), 0),
        ("all parts", recipe.clone(), updates),
        ("without what is seen of gradients", without(Part::Signals), updates),
        ("without the loss", without(Part::Loss), updates),
        ("without recurrence", without(Part::Recurrence), updates),
        ("without augmentation", without(Part::Augmentation), updates),
        ("scored by training rows", without(Part::HeldOutRows), updates),
    ] {
        let of_seed = |seed| score(recipe.clone(), [updates, pairs, seed]);
        let scores: Vec<f64> = (1..=if updates == 0 { 1 } else { seeds }).map(of_seed).collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let each: Vec<String> = scores.iter().map(|score| format!("{score:.3}")).collect();
        println!("| {name} | {mean:.3} | {} |", each.join(", "));
    }
}
