//! The field suite, small: its record, that it repeats and goes on, and the object of `lopt evaluate`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs `lopt` with these arguments and without data from files; returns standard output.
#[track_caller]
fn lopt(args: &[&str], folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lopt"))
        .args(args)
        .env_remove("LOPT_DATA")
        .current_dir(folder)
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a record");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_quick_record_repeats_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let bench = |out: &str, cache: &str, threads: &str| {
        let args = ["bench", "field", "--quick", "--out", out, "--cache", cache];
        lopt(&[&args[..], &["--threads", threads]].concat(), folder.path())
    };
    let printed = bench("a", "cache-a", "1");
    let path = |out: &str| folder.path().join(out).join("field/records.jsonl");
    let record = fs::read(path("a")).unwrap();

    // a header, and for each of three jobs its facts, 13 settings and twice seven factors
    let all = rows(&path("a"));
    assert_eq!(all.len(), 1 + 3 * (1 + 13 + 14));
    let runs = || all.iter().filter(|row| row["row"] == "run");
    for run in runs() {
        let validation = run["validation"].as_array().expect("validation losses");
        let loss = |place: usize| validation[place][1].as_f64().expect("a number");
        if run["workload"] == "table-regression" {
            // a network that answers about 0 where targets have mean 14 and deviation 5
            assert!((150.0..300.0).contains(&loss(0)), "{run}");
        }
        if run["outcome"] == "finished" {
            assert_eq!((validation.len(), &validation[40][0]), (41, &40.into()));
        }
    }
    let last = |contender: &str, setting: &str| {
        let one = |run: &&Value| {
            run["workload"] == "table-regression"
                && run["contender"] == contender
                && run["setting"] == setting
        };
        let run = runs().find(one).expect("the run");
        run["validation"][40][1].as_f64().expect("a number")
    };
    // forty steps of a thousandth each lead nowhere near raw targets of 14, larger rates do
    let slow = last("adamw-cosine", "rate 1e-4, warm-up and cosine");
    let fast = last("adamw-cosine", "rate 1e-2, warm-up and cosine");
    assert!(slow > 150.0 && fast < 100.0, "{slow} {fast}");
    for part in ["field: 2 jobs, 1 seeds", "field-test: 1 jobs", "regret_mean", "wins_vs_tuned"] {
        assert!(printed.contains(part), "{part} is missing in\n{printed}");
    }

    // other threads, and a run that was killed after some rows
    bench("b", "cache-b", "3");
    assert!(fs::read(path("b")).unwrap() == record, "threads change the record");
    let part = record.len() / 2;
    fs::create_dir_all(path("c").parent().unwrap()).unwrap();
    fs::write(path("c"), &record[..part]).unwrap();
    bench("c", "cache-a", "2");
    assert!(fs::read(path("c")).unwrap() == record, "a run that goes on changes the record");

    lopt(&["report", "--records", "a", "--out", "report"], folder.path());
    let page = fs::read_to_string(folder.path().join("report/report.html")).unwrap();
    for part in ["validation loss over steps", "processor seconds", "recommender", "regret"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(folder.path().join("report/plots/field-field-steps.svg").exists());
}

#[test]
fn evaluate_writes_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let evaluate = |suite: &str, json: &str| {
        let args = ["evaluate", "recommended", "--suite", suite, "--steps", "20", "--seeds", "1"];
        let more = ["--cache", "cache", "--json", json, "--only"];
        let job = if suite == "field" { "recommender" } else { "table-classification" };
        lopt(&[&args[..], &more, &[job]].concat(), folder.path());
        let text = fs::read_to_string(folder.path().join(json)).unwrap();
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    for suite in ["field", "field-test"] {
        let figures = evaluate(suite, "figures.json");
        assert_eq!(figures["jobs"].as_array().map(Vec::len), Some(1));
        for key in [
            "wins_vs_adamw_1e3",
            "wins_vs_best_untuned",
            "wins_vs_tuned_adamw",
            "regret_mean",
            "regret_min",
            "late_progress",
            "failure_rate",
        ] {
            let value = figures[key].as_f64().unwrap_or_else(|| panic!("{key}"));
            assert!((0.0..=1.0).contains(&value), "{key} {value}");
        }
        for key in [
            "loss_ratio_geomean_vs_tuned_adamw",
            "speedup_geomean_vs_tuned_adamw",
            "speedup_seconds_geomean_vs_tuned_adamw",
        ] {
            assert!(figures[key].as_f64().is_some_and(|value| value > 0.0), "{key}");
        }
        // the baselines are there now: figures that do not depend on the clock stay
        let again = evaluate(suite, "again.json");
        assert_eq!(
            figures["loss_ratio_geomean_vs_tuned_adamw"],
            again["loss_ratio_geomean_vs_tuned_adamw"]
        );
        assert_eq!(figures["jobs"][0]["losses"], again["jobs"][0]["losses"]);
    }

    // a run of another machine keeps its losses, but not its seconds
    let cache = fs::read_dir(folder.path().join("cache/field")).unwrap();
    for file in cache.map(|entry| entry.unwrap().path()) {
        let elsewhere = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            if row.get("cpu").is_some() {
                row["cpu"] = "another".into();
                row["seconds"] = 1e6.into();
            }
            row.to_string() + "\n"
        };
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"cpu\""), "{text}");
        fs::write(&file, text.lines().map(elsewhere).collect::<String>()).unwrap();
    }
    let figures = evaluate("field-test", "first.json");
    let seconds = figures["jobs"][0]["seconds_per_step"].as_object().unwrap();
    assert!(seconds.len() > 5, "{seconds:?}");
    assert!(seconds.values().all(|seconds| seconds.as_f64().unwrap() < 1.0), "{seconds:?}");
}
