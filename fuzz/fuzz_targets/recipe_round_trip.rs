//! A recipe that parses prints to text that parses to the same recipe.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_meta::Recipe;

fuzz_target!(|text: &str| {
    if let Ok(recipe) = Recipe::parse(text) {
        let printed = recipe.to_toml();
        assert_eq!(Recipe::parse(&printed).expect("a printed recipe parses"), recipe);
    }
});
