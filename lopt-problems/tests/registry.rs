//! The lists have the published sizes, every name is one problem, every start is sane.

mod support;

use std::collections::BTreeSet;

use lopt_core::rng::stream;
use lopt_problems::{
    Ensemble, Entry, Evaluation, ProblemError, RACES, ReleasedTest, lookup, names, paper_list,
    paper_list_without_matmul, quick_validation_suite, race_problem, released_list,
    sampled_problem, training_ensemble,
};
use support::all_entries;

fn all_names(entries: &[Entry]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry.problem.name()).collect()
}

#[test]
fn lists_have_their_published_sizes() {
    let (released, paper) = (released_list(), paper_list());
    assert_eq!((released.len(), all_names(&released).len()), (101, 101));
    assert_eq!((paper.len(), all_names(&paper).len()), (131, 131));
    assert_eq!(paper_list_without_matmul().len(), 121);
    let sets: [(&str, usize); 18] = [
        ("quadratic_noisy", 4),
        ("quadratic_large", 3),
        ("bowl", 4),
        ("bowl_noisy", 4),
        ("softmax_2_class", 4),
        ("softmax_2_class_noisy", 4),
        ("optimization_test", 9),
        ("optimization_test_noisy", 9),
        ("fully_connected_random", 12),
        ("matmul", 10),
        ("log_objective", 6),
        ("rescale", 9),
        ("norm", 3),
        ("norm_noisy", 3),
        ("sum", 6),
        ("sum_noisy", 2),
        ("sparse_gradient", 6),
        ("sparse_gradient_mlp", 3),
    ];
    for (set, count) in sets {
        assert_eq!(released.iter().filter(|entry| entry.set == set).count(), count, "{set}");
    }
}

/// Sizes of the released entries: the published code has mean 174, median 25, maximum 2530, and 60
/// entries of a single tensor.
#[test]
fn released_sizes_are_the_published_ones() {
    let layouts: Vec<_> = released_list().iter().map(|entry| entry.problem.layout()).collect();
    let mut sizes: Vec<usize> = layouts.iter().map(|layout| layout.len()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes[50], sizes[100]), (25, 2530));
    assert_eq!(sizes.iter().sum::<usize>() / 101, 174);
    assert_eq!(layouts.iter().filter(|layout| layout.tensor_count() == 1).count(), 60);
}

#[test]
fn wide_entries_are_small_and_distinct() {
    let wide = training_ensemble(Ensemble::WidePaper);
    assert_eq!(all_names(&wide).len(), wide.len());
    assert!(wide.len() > 120, "{} entries", wide.len());
    assert!(wide.iter().all(|entry| entry.problem.layout().len() <= 128));
    let large = training_ensemble(Ensemble::WidePaperLarge);
    assert!(large.iter().any(|entry| entry.problem.name() == "quadratic-2048"));
    assert_eq!("wide-paper".parse::<Ensemble>().unwrap(), Ensemble::WidePaper);
}

#[test]
fn every_name_is_found_or_asks_for_its_files() {
    let all = names();
    assert!(all.len() > 280, "{} names", all.len());
    let mut need_files = Vec::new();
    for name in &all {
        match lookup(name, None) {
            Ok(problem) => assert_eq!(&problem.name(), name),
            Err(ProblemError::NeedsData { .. }) => need_files.push(name.as_str()),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!(need_files.len(), 9, "{need_files:?}");
    assert!(RACES.iter().all(|race| all.iter().any(|name| name == race)));
    assert!(ReleasedTest::ALL.iter().all(|test| all.iter().any(|name| name == test.name())));
    let error = lookup("nonsense", None).unwrap_err().to_string();
    assert_eq!(error, "there is no problem `nonsense`; names() lists them all");
}

#[test]
fn sampled_problems_are_small() {
    let mut rng = stream(30, &[]);
    for _ in 0..500 {
        let problem = sampled_problem(&mut rng).problem;
        assert!(problem.layout().len() <= 128, "{}", problem.name());
    }
}

/// In single precision every entry starts at a finite loss `>= 0` with a finite gradient.
#[test]
fn every_start_is_finite() {
    let mut entries = all_entries();
    entries.extend(training_ensemble(Ensemble::WidePaper));
    let mut rng = stream(31, &[]);
    entries.extend((0..100).map(|_| sampled_problem(&mut rng)));
    for task in quick_validation_suite() {
        entries.push(Entry { set: "validation", problem: task.problem });
    }
    for entry in entries {
        let name = entry.problem.name();
        let mut rng = stream(17, &[]);
        let instance = entry.problem.instance(&mut rng);
        let params = entry.problem.init(&instance, &mut rng);
        assert_eq!(params.len(), entry.problem.layout().len(), "{name}");
        let mut evaluation = Evaluation::new(entry.problem, instance);
        let (loss, gradient) = evaluation.value_and_gradient(&params, None);
        assert!(loss >= 0.0 && loss.is_finite(), "{name} starts at {loss}");
        assert!(gradient.iter().all(|g| g.is_finite()), "{name}: {gradient:?}");
        assert!(gradient.iter().any(|&g| g != 0.0), "{name} has no gradient");
        assert_eq!(evaluation.loss(&params, None), loss, "{name}");
        if entry.set == "validation" {
            let mean = evaluation.mean_loss(&params, 150);
            assert!((mean - loss).abs() <= 1e-5 * loss, "{name}: {mean} in chunks, {loss} at once");
        }
    }
}

/// Equal seeds give equal draws, different seeds different ones.
#[test]
fn draws_repeat() {
    for entry in all_entries() {
        let draw = |seed| {
            let mut rng = stream(seed, &[]);
            let instance = entry.problem.instance(&mut rng);
            let params = entry.problem.init(&instance, &mut rng);
            (instance, params)
        };
        if entry.problem.layout().len() < 300 {
            assert_eq!(draw(1), draw(1), "{}", entry.problem.name());
            assert_ne!(draw(1), draw(2), "{}", entry.problem.name());
        }
    }
}

#[test]
fn a_race_has_training_and_test_data() {
    let race = race_problem("digits-mlp", None).unwrap();
    let (train, test) = (race.train.unwrap(), race.test.unwrap());
    assert_eq!((train.len(), test.len(), race.batch), (4000, 1000, Some(64)));
    let params = vec![0.0; race.problem.layout().len()];
    let guess = race.problem.accuracy(&params, &test).unwrap();
    assert!((0.05..0.15).contains(&guess), "{guess}");
    assert!(matches!(race_problem("mnist-mlp", None), Err(ProblemError::NeedsData { .. })));
    assert!(race_problem("rosenbrock", None).unwrap().train.is_none());
}
