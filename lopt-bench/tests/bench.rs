//! Every experiment in its quick size: that it runs, what it shows, that it repeats itself.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use lopt_bench::experiment::claim::Verdict::{self, Open, Shown};
use lopt_bench::experiment::definition::{Definition, Kind, all, named};
use lopt_bench::experiment::findings::Findings;

fn lopt(args: &[&str], out: &Path) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_lopt"))
        .args(args)
        .arg("--out")
        .arg(out)
        .env_remove("LOPT_DATA")
        .output();
    command.expect("the binary starts")
}

/// Runs an experiment on one thread and reads its record.
fn quick(name: &str) -> Findings {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = lopt(&["bench", name, "--quick", "--threads", "1"], dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let definition = &named(name).expect("the name is known")[0];
    let found = Findings::read(&dir.path().join(name), definition).expect("a record");
    if definition.kind == Kind::Races {
        complete(&found);
    }
    found
}

/// Every contender ran on every workload and seed, and its loss began where all begin.
fn complete(found: &Findings) {
    let (results, scale) = (found.results(), found.definition.scale(true));
    assert_eq!(results.workloads, scale.workloads);
    assert_eq!(results.contenders, found.definition.contenders);
    for cells in &results.cells {
        let initial = cells[0].rows[0].initial().expect("step 0 is measured");
        for cell in cells {
            assert_eq!(cell.rows.len(), scale.seeds);
            assert_eq!(cell.rows[0].initial(), Some(initial));
            assert!([1, 9].contains(&cell.tried), "{}", cell.tried);
        }
    }
}

fn verdicts(found: &Findings) -> Vec<Verdict> {
    found.claims().iter().map(|finding| finding.verdict).collect()
}

#[test]
fn fig2_old_learned_optimizers_do_not_transfer() {
    let found = quick("fig2");
    assert_eq!(verdicts(&found)[1..3], [Shown, Shown]);
    let l2l = found.record.trainings().next().expect("the LSTM was trained");
    let curve = &l2l.curve;
    assert!(curve[curve.len() - 1].1 < 0.9 * curve[0].1, "{curve:?}");
}

#[test]
fn fig3_problems_of_the_training_set() {
    let found = quick("fig3");
    let results = found.results();
    // on the quadratic, the problem it knows best, by far
    let of = |name| {
        results.cell("quadratic-20", name).and_then(|cell| cell.mean_last()).expect("it ran")
    };
    assert!(of("paper") < 0.2 * of("adam"), "{} {}", of("paper"), of("adam"));
}

#[test]
fn fig4a_problems_of_other_kinds() {
    // against Adam two small networks and two seeds leave it open
    assert_eq!(verdicts(&quick("fig4a"))[1..3], [Shown, Shown]);
}

#[test]
fn fig4b_scale() {
    assert_eq!(verdicts(&quick("fig4b"))[..2], [Shown, Shown]);
}

#[test]
fn fig5_robust_to_the_initial_rate() {
    assert_eq!(verdicts(&quick("fig5")), [Shown, Shown]);
}

#[test]
fn fig6_and_sizes_train_every_variant() {
    for name in ["fig6", "sizes"] {
        let found = quick(name);
        let trained: Vec<&str> = found.record.trainings().map(|row| row.name.as_str()).collect();
        assert_eq!(trained, found.definition.contenders);
        // each variant is another optimizer
        let mut weights: Vec<&str> =
            found.record.trainings().map(|row| row.weights.as_str()).collect();
        weights.sort_unstable();
        weights.dedup();
        assert_eq!(weights.len(), trained.len());
    }
}

/// Times are for reading: how many batches a machine has time for, and what they cost, is not asserted.
#[test]
fn fig7_measures_an_overhead_for_every_batch() {
    let found = quick("fig7");
    for curve in &found.timed.expect("curves").curves {
        assert!(!curve.points.is_empty());
        assert!(curve.points.is_sorted_by(|a, b| a.batch < b.batch));
        for point in &curve.points {
            assert_eq!(point.overhead, point.learned_ns / point.gradient_ns);
        }
    }
}

#[test]
fn c1_lengths_and_memory_have_their_figures() {
    assert_eq!(verdicts(&quick("c1")), [Shown, Shown]);
    let found = quick("memory");
    let bytes = |name| found.record.bars().find(|bar| bar.name == name).map(|bar| bar.value);
    let known = [("sgd", 0.0), ("momentum", 4.0), ("rmsprop", 4.0), ("adam", 8.0), ("lion", 4.0)];
    for (name, expected) in known {
        assert_eq!(bytes(name), Some(expected), "{name}");
    }
}

#[test]
fn contenders_and_corpus() {
    assert_eq!(verdicts(&quick("contenders"))[..2], [Shown, Shown]);
    assert!(verdicts(&quick("corpus")).iter().all(|verdict| [Shown, Open].contains(verdict)));
}

#[test]
fn records_repeat_byte_for_byte_whatever_the_threads() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let mut records = Vec::new();
    for (dir, threads) in dirs.iter().zip(["1", "1", "2"]) {
        let output = lopt(&["bench", "fig3", "--quick", "--threads", threads], dir.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        records.push(fs::read(dir.path().join("fig3/records.jsonl")).expect("a record"));
    }
    assert!(records[0] == records[1] && records[0] == records[2]);

    // interrupted in the middle of a line, it goes on and ends with the same bytes
    let path = dirs[0].path().join("fig3/records.jsonl");
    fs::write(&path, &records[0][..records[0].len() / 2]).expect("the record is cut");
    let output = lopt(&["bench", "fig3", "--quick"], dirs[0].path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(&path).expect("a record") == records[0]);
}

/// These are also the bits of the same command on an emulated Nehalem, Haswell and EPYC Rome.
#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn the_portable_level_has_the_same_bits_on_every_machine() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_lopt"))
        .args(["bench", "fig3", "--quick", "--out"])
        .arg(dir.path())
        .env("LOPT_SIMD", "portable")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let record = fs::read_to_string(dir.path().join("fig3/records.jsonl")).expect("a record");
    // the first line names the commit
    let (_, rows) = record.split_once('\n').expect("rows");
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = rows.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    assert_eq!(hash, 0xf3ec_5bf5_00dc_4d23, "{hash:#x}");
}

#[test]
fn the_report_has_every_experiment_and_its_plots() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let records = dir.path().join("records");
    for name in ["fig5", "c1", "memory"] {
        assert!(lopt(&["bench", name, "--quick"], &records).status.success());
    }
    let out = dir.path().join("report");
    let path = records.to_str().expect("temporary folders have plain names");
    let output = lopt(&["report", "--records", path], &out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(out.join("report.html")).expect("a page");
    for part in
        ["Figure 5", "Appendix C.1", "lopt bench memory --quick", "<svg", "shown", "</html>"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(["<script", "<link", "src=", "@import"].iter().all(|part| !page.contains(part)));
    for plot in ["fig5-quadratic-20.svg", "fig5-quadratic-20.png", "memory-bars-1.svg"] {
        assert!(out.join("plots").join(plot).exists(), "{plot}");
    }
}

#[test]
fn bad_commands_get_one_sentence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = lopt(&["bench", "fig9"], dir.path());
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.starts_with("error: no experiment is called `fig9`; did you mean fig2 or fig3"),
        "{text}"
    );
    let output = lopt(&["report", "--records", "/nowhere"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    let output = lopt(&["bench", "fig4a"], dir.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("MNIST") && text.lines().count() == 1, "{text}");
}

#[test]
fn definitions_name_what_exists() {
    let definitions: Vec<Definition> = all().expect("they parse");
    for definition in definitions {
        assert!(!definition.story.trim().is_empty() && !definition.claims.is_empty());
        for claim in &definition.claims {
            assert!(claim.most.is_some() || claim.least.is_some(), "{}", claim.text);
        }
    }
}
