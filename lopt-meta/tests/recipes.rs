//! Recipes with absurd values: refused, or a run that can be gone on with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::simd::Level;
use lopt_meta::config::QUADRATIC20;
use lopt_meta::{Recipe, Trainer};
use toml::{Table, Value};

/// Values that no field was made for, as TOML writes them.
const ABSURD: [&str; 14] = [
    "nan",
    "inf",
    "-inf",
    "-1.0",
    "-1",
    "0",
    "0.0",
    "1e-320",
    "1e308",
    "9223372036854775807",
    "1000000000000",
    "\"text\"",
    "true",
    "[nan, inf]",
];

/// Every field that is no table, as the names on the way to it.
fn fields(table: &Table, way: &[String], all: &mut Vec<Vec<String>>) {
    for (name, value) in table {
        let way = [way, std::slice::from_ref(name)].concat();
        match value {
            Value::Table(inner) => fields(inner, &way, all),
            _ => all.push(way),
        }
    }
}

fn recipe() -> Table {
    let mut table: Table = toml::from_str(QUADRATIC20).unwrap();
    // fields that may be missing
    let mut set = |table_name: &str, name: &str, value: Value| {
        table[table_name].as_table_mut().unwrap().insert(name.to_owned(), value);
    };
    set("lengths", "short_share", Value::Float(0.5));
    set("lengths", "short_life", Value::Float(60.0));
    set("meta_loss", "lost_limit", Value::Float(0.5));
    set("meta_loss", "averaging", Value::Float(1.0));
    set("problems", "slots", Value::Integer(2));
    set("problems", "groups_per_update", Value::Integer(1));
    table
}

fn with(way: &[String], value: &Value) -> String {
    let mut table = recipe();
    let mut place = &mut table;
    let (last, above) = way.split_last().unwrap();
    for name in above {
        place = place[name].as_table_mut().unwrap();
    }
    place.insert(last.clone(), value.clone());
    toml::to_string(&table).unwrap()
}

#[test]
fn absurd_values_are_refused_or_do_no_harm() {
    let mut all = Vec::new();
    fields(&recipe(), &[], &mut all);
    assert!(all.len() > 30, "{all:?}");
    let (mut refused, mut run) = (0, 0);
    for way in &all {
        for text in ABSURD {
            let parsed: Table = toml::from_str(&format!("value = {text}")).unwrap();
            let Ok(recipe) = Recipe::parse(&with(way, &parsed["value"])) else {
                refused += 1;
                continue;
            };
            let what = || format!("{way:?} = {text}");
            // NaN is not equal to itself, and so no run with one could be gone on with
            assert_eq!(Recipe::parse(&recipe.to_toml()).as_ref(), Ok(&recipe), "{}", what());
            let Ok(mut trainer) = Trainer::new(recipe, Level::detect()) else { continue };
            trainer.update();
            assert!(trainer.meta().psi.iter().all(|x| (*x as f32).is_finite()), "{}", what());
            let resumed = Trainer::resume(&trainer.checkpoint(), Level::detect()).unwrap();
            assert_eq!(resumed.meta(), trainer.meta(), "{}", what());
            run += 1;
        }
    }
    assert!(refused > 200 && run > 20, "{refused} refused, {run} run");
}

#[test]
fn refusals_name_the_field_in_a_short_line() {
    let refusal = |way: [&str; 2], value| {
        Recipe::parse(&with(&way.map(str::to_owned), &value)).unwrap_err().to_string()
    };
    let sentence = refusal(["meta_optimizer", "rate"], Value::Float(f64::NAN));
    assert_eq!(sentence, "meta_optimizer.rate is NaN, expected a number from 0.0 to 1.0");
    let sentence = refusal(["problems", "slots"], Value::Integer(1_000_000_000_000));
    assert!(sentence.starts_with("problems.slots is 1000000000000"), "{sentence}");
    let sentence = refusal(["meta_loss", "epsilon"], Value::String("x".repeat(300_000)));
    assert!(sentence.contains("epsilon") && sentence.len() < 1000, "{}", sentence.len());
    assert!(!sentence.contains('\n'));
}
