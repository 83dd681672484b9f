//! A whole evaluation, small: what it prints, the keys of its record, its cache.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `lopt evaluate` on one seed of tasks cut to twelve steps, with its baselines in the folder.
fn evaluate(folder: &Path, args: &[&str]) -> Output {
    evaluate_seeds(folder, "1", args)
}

fn evaluate_seeds(folder: &Path, seeds: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lopt"))
        .args(["evaluate", "hierarchical-rnn", "--seeds", seeds, "--steps", "12", "--cache"])
        .arg(folder.join("cache"))
        .args(args)
        .env_remove("LOPT_DATA")
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn record(path: &Path) -> Value {
    let json = fs::read_to_string(path).expect("the record is written");
    serde_json::from_str(&json).expect("the record is JSON")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn a_suite_has_figures_a_table_and_a_record() {
    let dir = folder();
    let file = dir.path().join("out/result.json");
    let path = file.to_str().expect("temporary folders have plain names");
    let args = ["--suite", "quick", "--rates", "1e-4", "--json", path];
    let output = evaluate(dir.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("baselines of conv-relu-digits"));
    let printed = text(&output.stdout);
    for word in ["5 tasks, 0 skipped", "mlp-tanh-spirals", "25x", "from 1e-4", "failures"] {
        assert!(printed.contains(word), "expected `{word}` in: {printed}");
    }

    let first = record(&file);
    for key in [
        "win_rate_vs_adam_1e3",
        "speedup_iqm_vs_adam_1e3",
        "win_rate_vs_cross_family_adam",
        "win_rate_vs_tuned_adam",
        "win_rate_vs_tuned_cosine_adam",
        "speedup_iqm_vs_tuned_adam",
        "final_loss_ratio_iqm_vs_tuned_adam",
        "failure_rate",
        "still_falling_at_25x",
    ] {
        assert!(first[key].is_number(), "{key}: {}", first[key]);
    }
    let tasks = first["tasks"].as_array().expect("a list");
    assert_eq!(tasks.len(), 5);
    assert!(tasks.iter().all(|task| task["steps"] == 12 && task["tuned_loss"].is_number()));
    assert_eq!(first["by_rate"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["by_horizon"][2]["multiple"], 25);
    let speedup = &first["by_horizon"][0]["figures"]["speedup_iqm_vs_tuned_adam"];
    assert_eq!(speedup["value"], first["speedup_iqm_vs_tuned_adam"]);
    assert!(speedup["low"].as_f64() <= speedup["high"].as_f64());

    // From the cache, on another number of threads, the same.
    let output = evaluate(dir.path(), &[&args[..], &["--threads", "1"]].concat());
    assert!(output.status.success() && !text(&output.stderr).contains("baselines"));
    assert_eq!(record(&file), first);
}

#[test]
fn other_seeds_are_other_runs_with_baselines_of_their_own() {
    let dir = folder();
    let path = dir.path().join("result.json");
    let name = path.to_str().expect("temporary folders have plain names");
    let args = ["--suite", "quick", "--only", "mlp-relu-teacher", "--rates", "1", "--json", name];
    let run = |seeds: &str, more: &[&str]| {
        let output = evaluate_seeds(dir.path(), seeds, &[&args[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        (record(&path), text(&output.stdout), text(&output.stderr))
    };
    let (first, printed, _) = run("1", &[]);
    assert!(first["first_seed"] == 0 && !printed.contains("seeds from"), "{printed}");
    // The same seed as the second of two and as the first of one.
    let (both, ..) = run("2", &[]);
    let (second, printed, made) = run("1", &["--first-seed", "1"]);
    assert!(made.contains("baselines of mlp-relu-teacher"), "{made}");
    assert!(second["first_seed"] == 1 && printed.contains("seeds from 1 on"), "{printed}");
    for key in ["loss", "adam_1e3_loss"] {
        let [one, two, all] =
            [&first, &second, &both].map(|of| of["tasks"][0][key].as_f64().expect("a loss"));
        assert!(one != two, "{key} is {one} on both seeds");
        assert!((all / (one * two).sqrt() - 1.0).abs() < 1e-3, "{key}: {one}, {two}, {all}");
    }
    // Nor has the first seed lost its own.
    let (again, _, made) = run("1", &[]);
    assert_eq!(again["tasks"][0]["adam_1e3_loss"], first["tasks"][0]["adam_1e3_loss"]);
    assert!(again["first_seed"] == 0 && !made.contains("baselines"), "{made}");
}

#[test]
fn tasks_without_their_data_are_named() {
    let dir = folder();
    let args = ["--suite", "validation", "--only", "factorisation-completion", "--baselines-only"];
    let output = evaluate(dir.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("factorisation-2/completion"));
    let output = evaluate(dir.path(), &["--suite", "validation", "--only", "softmax-mnist"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let sentence = text(&output.stderr);
    assert!(sentence.contains("softmax-mnist") && sentence.contains("MNIST"), "{sentence}");
}

#[test]
fn nonsense_is_refused() {
    let dir = folder();
    for (args, word) in [
        (&["--suite", "quack"][..], "did you mean quick?"),
        (&["--suite", "quick", "--rates=-1"], "--rates"),
        (&["--suite", "quick", "--only", "mlp-relu-digit"], "mlp-relu-digits"),
    ] {
        let output = evaluate(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
    fs::create_dir(dir.path().join("cache")).expect("a folder");
    fs::write(dir.path().join("cache/mlp-relu-teacher-12.json"), "{").expect("a file");
    let output = evaluate(dir.path(), &["--suite", "quick"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("mlp-relu-teacher-12.json"));
}
