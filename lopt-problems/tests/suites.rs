//! No family is in two suites, sizes and horizons are those that were promised.

use std::collections::BTreeSet;

use lopt_problems::{Evaluation, Family, Suite, SuiteTasks, TRAINING_FAMILIES, suite};

fn without_files(kind: Suite) -> SuiteTasks {
    suite(kind, None).expect("no file is needed")
}

fn families(suite: &SuiteTasks) -> Vec<Family> {
    let tasks = suite.tasks.iter().map(|task| task.family);
    tasks.chain(suite.skipped.iter().map(|task| task.family)).collect()
}

fn names(suite: &SuiteTasks) -> Vec<&'static str> {
    let tasks = suite.tasks.iter().map(|task| task.name);
    tasks.chain(suite.skipped.iter().map(|task| task.name)).collect()
}

#[test]
fn no_family_is_in_two_lists() {
    let (validation, test) = (without_files(Suite::Validation), without_files(Suite::Test));
    let all: Vec<Family> =
        [families(&validation), families(&test), TRAINING_FAMILIES.to_vec()].concat();
    let distinct: BTreeSet<Family> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
    assert!(families(&validation).len() >= 10 && families(&test).len() >= 14);
    let names = [names(&validation), names(&test)].concat();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn tasks_on_files_are_named_where_there_are_none() {
    let skipped = without_files(Suite::Validation).skipped;
    assert!(skipped.iter().any(|task| task.needs == "MNIST"));
    assert!(skipped.iter().any(|task| task.needs == "CIFAR-10"));
    let empty = tempfile::tempdir().expect("a temporary folder");
    let same = suite(Suite::Validation, Some(empty.path())).expect("an empty folder is no error");
    assert_eq!(same.skipped, skipped);
}

/// The quick suite is the five tasks of the log of meta-training.
#[test]
fn quick_tasks_are_the_first_of_validation() {
    let (quick, validation) = (without_files(Suite::Quick), without_files(Suite::Validation));
    let known = ["mlp-relu", "mlp-tanh", "spirals", "digits-conv", "digits-mlp"];
    assert_eq!((quick.tasks.len(), quick.skipped.len()), (known.len(), 0));
    for ((quick, known), validation) in quick.tasks.iter().zip(known).zip(&validation.tasks) {
        assert_eq!(quick.problem.name(), format!("validation-{known}"));
        assert_eq!((quick.name, quick.steps), (validation.name, validation.steps));
    }
    assert_eq!("quick".parse::<Suite>().expect("a name"), Suite::Quick);
    let error = "quack".parse::<Suite>().expect_err("no name").to_string();
    assert_eq!(error, "expected quick, validation or test, got `quack`");
}

/// Horizons from 100 to 800 steps and to 20,000 in all; every start is finite and goes downhill.
#[test]
fn tasks_are_sane() {
    for kind in [Suite::Validation, Suite::Test] {
        for task in without_files(kind).tasks {
            let name = task.name;
            assert!((100..=800).contains(&task.steps) && task.steps * task.longest <= 20_000);
            assert!([1, 5, 25].contains(&task.longest) && (1..=5).contains(&task.seeds), "{name}");
            let mut rng = lopt_core::rng::stream(3, &[]);
            let instance = task.problem.instance(&mut rng);
            let params = task.problem.init(&instance, &mut rng);
            assert!((100..=1_000_000).contains(&params.len()), "{name}: {}", params.len());
            assert_eq!(task.problem.batch_size().is_some(), instance.dataset.is_some(), "{name}");
            let mut evaluation = Evaluation::new(task.problem, instance);
            let (loss, gradient) = evaluation.value_and_gradient(&params, None);
            let gradient = gradient.to_vec();
            assert!(loss.is_finite() && loss > 0.0, "{name} starts at {loss}");
            let square: f32 = gradient.iter().map(|g| g * g).sum();
            let small = 1e-3 * loss / square;
            let next: Vec<f32> = params.iter().zip(&gradient).map(|(x, g)| x - small * g).collect();
            assert!(evaluation.loss(&next, None) < loss, "{name} does not fall");
        }
    }
}
