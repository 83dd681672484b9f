//! The command as a user meets it: exit codes, one sentence on standard error, files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use lopt_core::{HierarchicalRnnConfig, Weights};
use lopt_meta::Checkpoint;

fn lopt(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lopt"))
        .args(args)
        .env_remove("LOPT_DATA")
        .env_remove("LOPT_SIMD")
        .output()
        .expect("the binary starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is text")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is text")
}

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lopt-meta/recipes/quadratic20.toml");

/// The command fails with this code and one line that holds all of the words.
#[track_caller]
fn refuses(args: &[&str], code: i32, words: &[&str]) {
    let output = lopt(args);
    let sentence = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {sentence}");
    assert_eq!(sentence.trim_end().lines().count(), 1, "{args:?}: {sentence}");
    assert!(sentence.starts_with("error: ") && !sentence.contains("panicked"), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "expected `{word}` in: {sentence}");
    }
    assert_eq!(stdout(&output), "");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

#[test]
fn numbers_of_nothing_are_refused() {
    for flag in ["--steps", "--seeds", "--batch", "--threads"] {
        refuses(&["race", flag, "0"], 2, &[flag, "from 1 to"]);
    }
    refuses(&["race", "--steps", "-1"], 2, &["--steps", "'-1'", "from 1 to"]);
    refuses(&["race", "--seeds", "1000000000000"], 2, &["--seeds", "from 1 to"]);
    refuses(&["race", "--steps", "many"], 2, &["--steps", "many"]);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| dir.path().join(name);
    assert!(Command::new("mkfifo").arg(file("pipe")).status().expect("mkfifo").success());
    symlink("/dev/zero", file("zero")).expect("a link");
    symlink(file("loop"), file("loop")).expect("a link");
    fs::create_dir(file("folder")).expect("a folder");
    fs::File::create(file("huge")).and_then(|f| f.set_len(1 << 34)).expect("a sparse file");
    let out = file("out");
    let out = path(&out);
    for name in ["pipe", "zero", "loop", "folder", "huge"] {
        let special = file(name);
        let special = path(&special);
        refuses(&["weights", "inspect", special], 1, &[name]);
        refuses(&["weights", "extract", special, "--out", out], 1, &[name]);
        refuses(&["weights", "average", "hierarchical-rnn", special, "--out", out], 1, &[name]);
        refuses(&["race", "rosenbrock", "--weights", special], 1, &[name]);
        refuses(&["train", "--config", special, "--out", out], 1, &[name]);
        refuses(&["train", "--config", RECIPE, "--from", special, "--out", out], 1, &[name]);
        let run = dir.path().join(format!("run-{name}"));
        fs::create_dir(&run).expect("a folder");
        symlink(special, run.join("checkpoint.lopt")).expect("a link");
        let run = path(&run);
        refuses(&["train", "--config", RECIPE, "--out", run], 1, &["holds a run already"]);
        refuses(&["train", "--config", RECIPE, "--out", run, "--resume"], 1, &["checkpoint"]);
        let records = dir.path().join(format!("records-{name}"));
        fs::create_dir_all(records.join("memory")).expect("a folder");
        symlink(special, records.join("memory/records.jsonl")).expect("a link");
        let bench = ["bench", "memory", "--quick", "--out", path(&records)];
        refuses(&bench, 1, &["records.jsonl"]);
    }
}

#[test]
fn control_characters_do_not_reach_a_terminal() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("w.lopt");
    let weights = Weights::embedded("hierarchical-rnn").expect("built in");
    let (config, psi, mut record) = weights.into_parts();
    record.recipe.push_str("# \u{1b}]0;title\u{7}\n");
    Weights::new(config, psi, record).expect("sound").write(&file).expect("weights are written");
    let output = lopt(&["weights", "inspect", path(&file)]);
    assert!(output.status.success() && stdout(&output).contains("]0;title"));
    assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&7));
    refuses(&["race", "two\nlines\u{1b}[31m"], 2, &["two\\nlines\\u{1b}[31m"]);
}

#[test]
fn sentences_say_what_there_is() {
    refuses(&["evaluate", "hierarchical-rnn", "--suite", "quik"], 2, &["did you mean quick?"]);
    refuses(
        &["evaluate", "hierarchical-rnn", "--suite", "zzzzzzzz"],
        2,
        &["validation", "field-test"],
    );
    refuses(
        &["evaluate", "hierarchical-rnn", "--ensemble", "zzzzzzzz"],
        2,
        &["uncertain", "large"],
    );
    let only = ["evaluate", "hierarchical-rnn", "--suite", "quick", "--only", "mlp-relu-digit"];
    refuses(&only, 2, &["no task is called", "did you mean"]);
    let none = ["evaluate", "hierarchical-rnn", "--ensemble", "paper", "--most-parameters", "1"];
    refuses(&none, 2, &["no problem of at most 1"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
    let listed = command.args(["problems", "rosenbrock"]).env("LOPT_DATA", "").output();
    let listed = listed.expect("the binary starts");
    assert!(listed.status.success(), "{}", stderr(&listed));
}

#[cfg(unix)]
#[test]
fn weights_may_have_any_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join(OsStr::from_bytes(b"w-\xff.lopt"));
    let lopt = |args: &[&str], last: &[&OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
        command.args(args).args(last).status().expect("the binary starts").success()
    };
    let set = ["weights", "set-rate", "hierarchical-rnn", "--rate", "1e-3", "--out"];
    assert!(lopt(&set, &[file.as_os_str()]) && file.exists());
    assert!(lopt(&["weights", "inspect"], &[file.as_os_str()]));
}

#[test]
fn all_experiments_are_looked_at_before_the_first() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("bench");
    let bench = ["bench", "all", "--data", "/no/such/folder", "--out", path(&out)];
    refuses(&bench, 1, &["data"]);
    assert!(!out.exists(), "nothing has begun");
}

#[test]
fn batches_must_fit_the_problem() {
    refuses(&["race", "digits-mlp", "--batch", "1000000"], 2, &["--batch", "1000000", "4000"]);
    refuses(&["race", "quadratic-20", "--batch", "5"], 2, &["quadratic-20", "--batch"]);
}

#[test]
fn unknown_names_get_a_suggestion() {
    refuses(&["race", "digit-mlp"], 2, &["digit-mlp", "did you mean digits-mlp?"]);
    refuses(&["race", "xyzzy"], 2, &["xyzzy", "lopt problems"]);
    refuses(&["race", "--only", "adam-tune"], 2, &["adam-tune", "did you mean adam-tuned?"]);
    refuses(&["rce"], 2, &["rce", "race"]);
    refuses(&["race", "--stps", "3"], 2, &["--stps", "--steps"]);
    refuses(&["problems", "no-such-text"], 2, &["no-such-text"]);
    refuses(&["bench", "fg5"], 2, &["fg5", "did you mean fig5"]);
    refuses(&["weights", "inspect", "recomended"], 1, &["did you mean recommended?"]);
    refuses(&["evaluate", "prodigi", "--suite", "field"], 1, &["did you mean prodigy?"]);
    refuses(&["evaluate", "xyzzy", "--suite", "field"], 1, &["hierarchical-rnn", "adamw"]);
    let out = tempfile::tempdir().expect("a temporary folder");
    let train = ["train", "--out", path(out.path()), "--config", "hierarchical-rn"];
    refuses(&train, 1, &["did you mean hierarchical-rnn?"]);
}

#[test]
fn missing_data_are_named() {
    refuses(&["race", "mnist-mlp"], 1, &["mnist-mlp", "--data", "LOPT_DATA"]);
    let empty = tempfile::tempdir().expect("a temporary folder");
    let folder = path(empty.path());
    refuses(&["race", "mnist-mlp", "--data", folder], 1, &["found none", folder]);
    refuses(&["race", "cifar-conv", "--data", "/no/such/folder"], 1, &["/no/such/folder"]);
}

#[test]
fn an_output_folder_must_be_writable() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("taken");
    fs::write(&file, "mine").expect("a file");
    let file = path(&file);
    refuses(&["race", "rosenbrock", "--out", file], 1, &["cannot write", file]);
    assert_eq!(fs::read_to_string(file).expect("still there"), "mine");
}

#[test]
fn bad_weights_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("weights.lopt");
    fs::write(&file, "these are no weights").expect("a file");
    let file = path(&file);
    refuses(&["weights", "inspect", file], 1, &[file]);
    refuses(&["weights", "inspect", "/no/such/file"], 1, &["/no/such/file"]);
    refuses(&["race", "rosenbrock", "--weights", file], 1, &[file]);
}

#[test]
fn built_in_weights_are_described() {
    let output = lopt(&["weights", "inspect", "hierarchical-rnn"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for word in ["meta-parameters", "validation", "parameter_hidden", "blocks", "rms"] {
        assert!(text.contains(word), "expected `{word}` in: {text}");
    }
}

#[test]
fn weights_of_one_network_are_averaged() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| path(&dir.path().join(name)).to_owned();
    let (fast, mean) = (file("fast.lopt"), file("mean.lopt"));
    assert!(
        lopt(&["weights", "set-rate", "hierarchical-rnn", "--rate", "1e-1", "--out", &fast])
            .status
            .success()
    );

    let average = ["weights", "average", "--out", &mean, "hierarchical-rnn"];
    refuses(&[&average[..], &[&fast]].concat(), 1, &[&fast, "--like"]);
    refuses(
        &[&average[..], &["paper"]].concat(),
        1,
        &["hierarchical-rnn", "paper", "other networks"],
    );
    let like_paper = ["hierarchical-rnn", "--like", "paper"];
    refuses(
        &[&average[..], &like_paper].concat(),
        1,
        &["hierarchical-rnn", "paper", "other networks"],
    );
    assert!(!Path::new(&mean).exists(), "a refusal writes nothing");

    let output = lopt(&[&average[..], &[&fast, "--like", &fast]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let [shipped, fast, mean] = [
        Weights::embedded("hierarchical-rnn").expect("built in"),
        Weights::read(Path::new(&fast)).expect("written by the command"),
        Weights::read(Path::new(&mean)).expect("written by the command"),
    ];
    assert_eq!(mean.psi(), shipped.psi());
    let line = format!(
        "# - hierarchical-rnn: seed {}, {} updates",
        shipped.record().seed,
        shipped.record().updates
    );
    assert!(mean.record().recipe.contains(&line), "{}", mean.record().recipe);
    assert_eq!(mean.config(), fast.config());
    assert_ne!(mean.config(), shipped.config());
}

#[test]
fn weights_of_a_checkpoint_get_the_pace_of_others() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| path(&dir.path().join(name)).to_owned();
    let (run, as_trained, paced, slow) = (file("run"), file("a"), file("b"), file("slow"));
    let train = ["train", "--config", RECIPE, "--threads", "1", "--unscored", "--updates", "1"];
    let output = lopt(&[&train[..], &["--out", &run]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let checkpoint = format!("{run}/checkpoint.lopt");
    let extract = |out: &str, like: &[&str]| {
        let output = lopt(&[&["weights", "extract", &checkpoint, "--out", out], like].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        Weights::read(Path::new(out)).expect("written by the command")
    };
    let trained = extract(&as_trained, &[]);
    let (config, psi, record) = trained.clone().into_parts();
    let config = config.hierarchical_rnn().expect("a hierarchical RNN");
    let config = HierarchicalRnnConfig { decay: 777.0, least_gradient: 1e-7, ..config };
    let other = Weights::new(config, psi, record).expect("sound");
    other.write(Path::new(&slow)).expect("weights are written");

    let like = extract(&paced, &["--like", &slow]);
    assert_eq!((like.config(), like.psi()), (other.config(), trained.psi()));
    let unlike = ["weights", "extract", &checkpoint, "--out", &paced, "--like", "hierarchical-rnn"];
    refuses(&unlike, 1, &["hierarchical-rnn", "other networks"]);
}

#[test]
fn distributed_training_says_what_it_needs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = path(folder.path());
    let train = ["train", "--config", RECIPE, "--out", out];
    #[cfg(not(feature = "mpi"))]
    refuses(&[&train[..], &["--distributed", "async"]].concat(), 2, &["--features mpi"]);
    refuses(&[&train[..], &["--staleness", "3"]].concat(), 2, &["--distributed"]);
    refuses(&[&train[..], &["--updates", "0"]].concat(), 2, &["--updates"]);
}

#[test]
fn training_needs_a_recipe() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let out = path(out.path());
    let missing = ["train", "--config", "/no/such.toml", "--out", out];
    refuses(&missing, 1, &["cannot read `/no/such.toml`"]);
    refuses(&["train", "--config", "x.toml"], 2, &["--out"]);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("recipe.toml");
    fs::write(&file, "updates = \"many\"").expect("a file");
    refuses(&["train", "--config", path(&file), "--out", out], 1, &[path(&file)]);
    let resumed = ["train", "--config", RECIPE, "--out", out, "--resume"];
    refuses(&resumed, 1, &["checkpoint"]);
    fs::write(Path::new(out).join("checkpoint.lopt"), "a run").expect("a file");
    refuses(&resumed, 1, &["checkpoint"]);
    refuses(&resumed[..5], 1, &["holds a run already", "--resume"]);
    fs::rename(
        Path::new(out).join("checkpoint.lopt"),
        Path::new(out).join("checkpoint.lopt.previous"),
    )
    .expect("the same folder");
    refuses(&resumed, 1, &["checkpoint.lopt.previous", "the one before"]);
    for name in ["checkpoint.lopt.previous", "light.lopt", "weights.lopt"] {
        let out = tempfile::tempdir().expect("a temporary folder");
        fs::write(out.path().join(name), "kept").expect("a file");
        let fresh = ["train", "--config", RECIPE, "--out", path(out.path())];
        refuses(&fresh, 1, &["holds a run already", name]);
        assert_eq!(fs::read(out.path().join(name)).expect("still there"), b"kept");
    }
}

#[test]
fn a_resumed_run_gets_another_length_only_by_name() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let out = path(out.path());
    let train = |rest: &[&'static str]| {
        let common = ["train", "--config", RECIPE, "--threads", "1", "--unscored", "--out", out];
        [&common[..], rest].concat()
    };
    let saved = || Checkpoint::read(&Path::new(out).join("checkpoint.lopt")).expect("a checkpoint");
    assert!(lopt(&train(&["--updates", "3"])).status.success());
    refuses(&train(&["--resume"]), 1, &["a run of 3 updates", "--updates"]);
    refuses(&train(&["--resume", "--updates", "2"]), 1, &["has done 3 updates"]);
    assert_eq!(saved().counters.updates, 3);
    assert!(lopt(&train(&["--resume", "--updates", "5"])).status.success());
    assert_eq!(saved().counters.updates, 5);
    assert!(saved().recipe.contains("updates = 5\n"), "{}", saved().recipe);
}

#[test]
fn problems_are_listed_with_sizes() {
    let output = lopt(&["problems"]);
    let list = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut lines = list.lines();
    assert!(lines.next().is_some_and(|header| header.contains("parameters")));
    assert!(lines.next().is_some_and(|line| line.starts_with("digits-mlp")));
    assert!(list.contains("mnist-conv") && list.contains("needs data"), "{list}");
    assert!(list.lines().count() > 131);
    let part = stdout(&lopt(&["problems", "rosenbrock"]));
    assert!(part.lines().skip(1).all(|line| line.contains("rosenbrock")), "{part}");
}

#[test]
fn help_and_version_are_no_errors() {
    for args in [&["--help"][..], &["--version"], &["race", "--help"]] {
        let output = lopt(args);
        assert!(output.status.success() && stderr(&output).is_empty());
        assert!(stdout(&output).contains("lopt"));
    }
}

#[test]
fn the_environment_chooses_instructions() {
    let with = |level: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lopt"));
        command.args(["weights", "inspect", "recommended"]).env("LOPT_SIMD", level);
        command.output().expect("the binary starts")
    };
    for level in ["portable", ""] {
        let output = with(level);
        assert!(output.status.success(), "{level}: {}", stderr(&output));
    }
    let output = with("bogus");
    let sentence = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    for word in ["error: ", "LOPT_SIMD", "bogus", "portable, avx2 or avx512"] {
        assert!(sentence.contains(word), "expected `{word}` in: {sentence}");
    }
    assert_eq!(stdout(&output), "");
}
