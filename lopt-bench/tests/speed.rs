//! `lopt speed`: the record's names, keys and numbers, and what is refused. No time is judged here.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lopt(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
    command.arg("speed").args(args).output().expect("the binary starts")
}

/// Runs a quick measurement and returns standard output and the record.
#[track_caller]
fn measure(args: &[&str]) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("speed.json");
    let file = file.to_str().expect("temporary folders have plain names");
    let output = lopt(&[args, &["--quick", "--json", file]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = fs::read_to_string(Path::new(file)).expect("the record is written");
    let record = serde_json::from_str(&json).expect("the record is JSON");
    (String::from_utf8_lossy(&output.stdout).into_owned(), record)
}

/// The command is refused with this code and one line that holds all of the words.
#[track_caller]
fn refuses(args: &[&str], code: i32, words: &[&str]) {
    let output = lopt(args);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {sentence}");
    assert_eq!(sentence.trim_end().lines().count(), 1, "{args:?}: {sentence}");
    for word in words {
        assert!(sentence.contains(word), "expected `{word}` in: {sentence}");
    }
    assert!(output.stdout.is_empty(), "{args:?} printed something");
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn positive(value: &Value) {
    assert!(value.as_f64().is_some_and(|x| x > 0.0 && x.is_finite()), "{value}");
}

#[test]
fn every_row_has_its_figures() {
    let (printed, record) = measure(&[]);
    assert_eq!(keys(&record), ["level", "machine", "rows"]);
    positive(&record["machine"]["copy_gb_per_s"]);
    positive(&record["machine"]["fma_gflop_per_s"]);
    let rows = record["rows"].as_array().expect("a list");
    let mut names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    names.dedup();
    let expected = [
        ("step", 2),
        ("step-compact", 1),
        ("step-unguarded", 1),
        ("step-guarded", 1),
        ("step-many-tensors", 1),
        ("relative", 3),
        ("relative-many-tensors", 1),
        ("adam", 2),
        ("copy", 1),
        ("meta-quadratic20", 1),
        ("meta-rosenbrock", 1),
        ("meta-softmax10", 1),
    ];
    for (name, least) in expected {
        let count = rows.iter().filter(|row| row["name"] == name).count();
        assert!(count >= least, "{count} rows are called {name}");
        assert!(printed.contains(name), "expected `{name}` in: {printed}");
    }
    for row in rows {
        let expected = [
            "floor_ns_per_param",
            "n",
            "name",
            "ns_per_param",
            "param_steps_per_s_per_core",
            "threads",
        ];
        assert_eq!(keys(row), expected);
        for key in expected.into_iter().filter(|&key| key != "name") {
            positive(&row[key]);
        }
    }
    let threads: Vec<_> =
        rows.iter().filter(|r| r["name"] == "step").map(|r| &r["threads"]).collect();
    assert!(threads.contains(&&Value::from(1)) && threads.contains(&&Value::from(2)));
}

#[test]
fn rows_can_be_chosen() {
    let (_, record) = measure(&["--only", "meta-rosenbrock", "--config", "paper", "--levels"]);
    let rows = record["rows"].as_array().expect("a list");
    assert!(rows.iter().any(|row| row["name"] == "step-portable"));
    let others = rows.iter().filter(|row| !row["name"].as_str().unwrap_or("").starts_with("step-"));
    let others: Vec<_> = others.collect();
    assert_eq!(others.len(), 1);
    assert_eq!((&others[0]["name"], &others[0]["n"]), (&"meta-rosenbrock".into(), &2.into()));
}

#[test]
fn every_batch_has_an_overhead() {
    let (printed, record) = measure(&["--overhead"]);
    assert_eq!(keys(&record), ["curves", "level", "machine"]);
    let curves = record["curves"].as_array().expect("a list");
    let names: Vec<&str> = curves.iter().filter_map(|curve| curve["name"].as_str()).collect();
    assert_eq!(names, ["digits-mlp", "images-conv", "resnet-8"]);
    for curve in curves {
        for point in curve["points"].as_array().expect("a list") {
            ["batch", "gradient_ns", "learned_ns", "adam_ns", "overhead"]
                .iter()
                .for_each(|key| positive(&point[*key]));
        }
        let crossing = &curve["below_ten_percent"];
        positive(&crossing["batch"]);
        assert!(["measured", "extrapolated"].iter().any(|how| crossing["how"] == *how));
    }
    assert!(printed.contains("below 10 %") && printed.contains("lopt/gradient"), "{printed}");
}

#[test]
fn mistakes_get_one_sentence() {
    refuses(&["--only", "stp"], 2, &["stp", "did you mean step"]);
    refuses(&["--only", "nonsense"], 2, &["nonsense", "meta-softmax10"]);
    refuses(&["--config", "own"], 2, &["own", "recommended"]);
    refuses(&["--quik"], 2, &["--quik", "--quick"]);
    refuses(&["--overhead", "--levels"], 2, &["--overhead", "--levels"]);
    refuses(&["--data", "/x"], 2, &["--overhead"]);
    refuses(&["--quick", "--json", "/dev/null/x.json"], 1, &["cannot write", "/dev/null"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().to_str().expect("temporary folders have plain names");
    refuses(&["--overhead", "--quick", "--data", folder], 1, &["found none", folder]);
}
