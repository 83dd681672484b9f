//! A whole race, small: what it prints, `race.json`, `race.html`, and that it repeats.

use std::fs;
use std::path::Path;
use std::process::Command;

use lopt_core::HierarchicalRnnConfig;
use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::stream;
use lopt_core::weights::{TrainingRecord, Weights};
use serde_json::Value;

/// Runs a race into the folder and returns standard output and the record.
///
/// The learned optimizer has untrained weights, so that no result here hangs on how well the
/// built-in ones were trained.
#[track_caller]
fn race(out: &Path, args: &[&str]) -> (String, Value) {
    let weights = tempfile::NamedTempFile::new().expect("a temporary file");
    untrained().write(weights.path()).expect("weights are written");
    let output = Command::new(env!("CARGO_BIN_EXE_lopt"))
        .arg("race")
        .args(args)
        .arg("--weights")
        .arg(weights.path())
        .arg("--out")
        .arg(out)
        .env_remove("LOPT_DATA")
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    let json = fs::read_to_string(out.join("race.json")).expect("race.json is written");
    let record = serde_json::from_str(&json).expect("race.json is JSON");
    (String::from_utf8_lossy(&output.stdout).into_owned(), record)
}

fn untrained() -> Weights {
    let config = HierarchicalRnnConfig::paper();
    let psi = MetaLayout::new(&config).initialize(&config, &mut stream(0, &[]));
    let psi = psi.into_iter().map(|x| x as f32).collect();
    Weights::new(config, psi, TrainingRecord::default()).expect("finite")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The record without its clock readings and the path of its weights.
fn timeless(mut record: Value) -> Value {
    for contender in record["contenders"].as_array_mut().expect("a list") {
        if contender["name"] == "lopt" {
            contender["setting"] = Value::Null;
        }
        for clock in ["seconds", "optimizer_seconds"] {
            contender[clock] = Value::Null;
        }
    }
    record
}

#[test]
fn digits_have_a_table_a_page_and_a_record() {
    let out = folder();
    let (printed, record) = race(out.path(), &["digits-mlp", "--steps", "5", "--seeds", "1"]);

    assert_eq!(keys(&record), ["contenders", "problem", "seeds", "steps"]);
    assert_eq!((&record["problem"], &record["steps"]), (&"digits-mlp".into(), &5.into()));
    let contenders = record["contenders"].as_array().expect("a list");
    let names: Vec<&str> = contenders.iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["lopt", "adam-1e-3", "adam-tuned", "rmsprop", "sgd-momentum"]);
    for contender in contenders {
        assert!(contender["setting"].is_string() && contender["tuned"].is_boolean());
        assert!(contender["final_train_loss"].as_f64().is_some_and(|loss| loss > 0.0));
        assert!(contender["final_validation_loss"].as_f64().is_some_and(|loss| loss > 0.0));
        let accuracy = contender["test_accuracy"].as_f64().expect("digits have a test set");
        assert!((0.0..=1.0).contains(&accuracy));
        assert!(contender["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    }
    let last = |place: usize| &contenders[place]["final_validation_loss"];
    let (adam, tuned) = (last(1), last(2));
    assert!(tuned.as_f64() <= adam.as_f64(), "the grid holds the default rate");

    for word in names.iter().chain(&[
        "training loss",
        "validation loss",
        "accuracy",
        "same processor time",
        "race.html",
    ]) {
        assert!(printed.contains(word), "expected `{word}` in: {printed}");
    }
    let html = fs::read_to_string(out.path().join("race.html")).expect("race.html is written");
    assert!(html.contains("<svg") && html.matches("<polyline").count() > 10);
    assert!(html.contains("lopt race digits-mlp --steps 5 --seeds 1 --batch 64"));
    assert!(names.iter().all(|name| html.contains(name)));
    let files = fs::read_dir(out.path()).expect("the folder").count();
    assert_eq!(files, 2, "no temporary file is left");
}

#[test]
fn a_race_repeats_for_any_number_of_threads() {
    let out = folder();
    let args = ["digits-mlp", "--steps", "8", "--seeds", "2", "--only", "lopt,adam-1e-3,rmsprop"];
    let one = race(out.path(), &[&args[..], &["--threads", "1"]].concat()).1;
    let three = race(out.path(), &[&args[..], &["--threads", "3"]].concat()).1;
    assert_eq!(timeless(one), timeless(three));
}

#[test]
fn problems_without_a_test_set_have_no_accuracy() {
    let out = folder();
    let (_, record) = race(out.path(), &["rosenbrock", "--steps", "20"]);
    let contenders = record["contenders"].as_array().expect("a list");
    assert_eq!(contenders.len(), 5);
    assert!(contenders.iter().all(|contender| contender["test_accuracy"].is_null()));
}

#[test]
fn divergence_is_a_result() {
    let out = folder();
    let only = ["--only", "adam-1e-3,sgd-momentum", "--seeds", "2"];
    let (_, record) = race(out.path(), &[&["quadratic-20", "--steps", "200"][..], &only].concat());
    let grid = record["contenders"][1]["grid"].as_array().expect("sgd-momentum is tuned");
    assert_eq!(grid.len(), 9);
    assert!(grid.iter().any(|point| point["final_train_loss"].is_null()), "{grid:?}");
    assert!(record["contenders"][1]["final_train_loss"].is_number());
}
