//! `docs/your-own-problem.md` shows the example as it is, and the example does what it says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "the example's main is not called by every test")]
#[path = "../examples/your_own_problem.rs"]
mod example;

#[test]
fn the_page_shows_the_example() {
    let page = include_str!("../../docs/your-own-problem.md");
    let program = include_str!("../examples/your_own_problem.rs");
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).collect();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        let (code, _) = block.split_once("```").unwrap();
        assert!(program.contains(code), "not in the example:\n{code}");
    }
}

#[test]
fn own_weights_are_better_than_the_embedded_ones_and_adam() {
    let scores = example::train_and_compare(300, 40).unwrap();
    let own = scores[0].1;
    for (name, score) in &scores[1..] {
        assert!(own < score - 0.5, "{own}, {name}: {score}");
    }
}
