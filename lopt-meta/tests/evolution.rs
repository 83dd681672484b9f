//! Evolution strategies: the same bits again, from a checkpoint, and what the scores mean.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::AdamW;
use lopt_core::{RelativeRnnConfig, Weights};
use lopt_meta::evolution::{
    Calibration, Estimator, Part, Practice, RECOMMENDED, Rows, tuned_adamw,
};
use lopt_meta::{Checkpoint, EvolutionRecipe, EvolutionTrainer};
use lopt_problems::{plain_practice, practice};

fn recipe() -> EvolutionRecipe {
    let mut recipe = EvolutionRecipe::parse(RECOMMENDED).unwrap();
    (recipe.jobs, recipe.pairs, recipe.updates, recipe.readout_first) = (3, 2, 4, 2);
    recipe
}

fn in_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

fn update(trainer: &mut EvolutionTrainer, times: usize) {
    for _ in 0..times {
        trainer.update();
    }
}

#[test]
fn a_run_gives_the_same_bits_with_any_number_of_threads_and_when_it_is_resumed() {
    let whole = in_threads(1, || {
        let mut trainer = EvolutionTrainer::new(recipe());
        update(&mut trainer, 4);
        trainer.weights("").unwrap()
    });
    let in_two = in_threads(2, || {
        let mut trainer = EvolutionTrainer::new(recipe());
        let first = trainer.meta().psi.clone();
        update(&mut trainer, 2);
        let readout = recipe().networks.readout();
        let psi = &trainer.meta().psi;
        assert_eq!(psi[..readout.start], first[..readout.start]);
        assert_ne!(psi[readout.clone()], first[readout]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.lopt");
        trainer.checkpoint().write(&path).unwrap();
        let mut resumed = EvolutionTrainer::resume(&Checkpoint::read(&path).unwrap()).unwrap();
        update(&mut resumed, 2);
        assert_ne!(resumed.meta().psi[..10], first[..10]);
        resumed.weights("").unwrap()
    });
    assert!(whole == in_two);
    assert_eq!(whole.record().updates, 4);
    EvolutionTrainer::from_weights(recipe(), &whole).unwrap();
    let other = Weights::embedded("paper").unwrap();
    assert!(EvolutionTrainer::from_weights(recipe(), &other).is_err());
}

#[test]
fn gradients_can_be_exact() {
    for estimator in [Estimator::Exact, Estimator::Mix] {
        let mut recipe = recipe();
        (recipe.estimator, recipe.unroll) = (estimator, 8);
        let text = recipe.to_toml();
        assert_eq!(EvolutionRecipe::parse(&text).unwrap(), recipe);
        let run = |threads| {
            in_threads(threads, || {
                let mut trainer = EvolutionTrainer::new(recipe.clone());
                let report = trainer.update();
                assert!(report.norm > 0.0 && report.diverged == 0, "{report:?}");
                trainer.meta().psi.clone()
            })
        };
        let psi = run(2);
        assert!(estimator == Estimator::Exact || psi == run(1));
        recipe.without = vec![Part::HeldOutRows];
        let refused = EvolutionRecipe::parse(&recipe.to_toml()).unwrap_err().to_string();
        assert!(refused.contains("held-out rows"), "{refused}");
    }
    let usual = recipe().to_toml();
    assert!(!usual.contains("estimator") && !usual.contains("unroll"));
}

/// The embedded weights are those of the checkpoint from which their training goes on.
#[test]
fn the_embedded_weights_are_those_of_the_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../meta-training/recommended.lopt");
    let run = EvolutionTrainer::resume(&Checkpoint::read(path.as_ref()).unwrap()).unwrap();
    assert_eq!(*run.recipe(), EvolutionRecipe::parse(RECOMMENDED).unwrap());
    let embedded = Weights::embedded("recommended").unwrap();
    assert!(run.weights("").unwrap().psi() == embedded.psi());
    assert_eq!(embedded.config(), run.weights("").unwrap().config());
    assert_eq!(embedded.record().recipe, run.recipe().to_toml());
    // a run may also begin where the weights that were given out are
    let begun = EvolutionTrainer::from_weights(run.recipe().clone(), &embedded).unwrap();
    assert_eq!(begun.meta().psi, embedded.psi_f64());
}

#[test]
fn calibration_changes_the_readout_alone() {
    let mut recipe = recipe();
    recipe.calibration =
        Calibration { readout: 0.0, length: 0.5, weight_decay: 1.0, networks: None };
    let psi = EvolutionTrainer::new(recipe.clone()).weights("").unwrap().psi().to_vec();
    let networks = recipe.networks;
    let mut expected = vec![0.0; networks.readout().len()];
    // outputs are rows: of the state, constant, of the inputs; length is the first, weight decay the last
    expected[8] = 0.5;
    expected[6 * 23 + 8] = 1.0;
    assert_eq!(psi[networks.readout()], expected);
    recipe.calibration = Calibration::default();
    let plain = EvolutionTrainer::new(recipe).weights("").unwrap().psi().to_vec();
    assert_eq!(psi[..networks.readout().start], plain[..networks.readout().start]);
}

/// What is taken away plays no part: other numbers for it change nothing.
#[test]
fn a_run_can_do_without_a_part() {
    use lopt_core::{Layout, Optimizer, RelativeRnn, TensorShape, simd::Level};
    let networks = recipe().networks;
    let layout = Layout::new(vec![TensorShape::new("w", [6, 4])]).unwrap();
    let run = |psi: &[f64], told: bool| {
        let mut optimizer = RelativeRnn::new(&networks, psi, &layout, Level::detect());
        let mut params = vec![0.3; 24];
        for step in 0..30 {
            if told {
                optimizer.observe(1.0 / (1.0 + step as f32));
            }
            let grads: Vec<f32> = (0..24).map(|i| 1.0 + i as f32).collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        params
    };
    for part in [Part::Signals, Part::Loss, Part::Recurrence] {
        let mut recipe = recipe();
        (recipe.without, recipe.readout_first) = (vec![part], 0);
        let text = recipe.to_toml();
        assert_eq!(EvolutionRecipe::parse(&text).unwrap(), recipe);
        let mut trainer = EvolutionTrainer::new(recipe);
        update(&mut trainer, 2);
        let psi = trainer.meta().psi.clone();
        let held = psi.iter().filter(|&&x| x == 0.0).count();
        let expected = match part {
            Part::Signals => 9 * (3 * 8 + 7),
            Part::Loss => 3 * 3 * 4,
            _ => 8 * 7,
        };
        assert_eq!(held, expected, "{part:?}");
        if part == Part::Loss {
            assert!(run(&psi, true) == run(&psi, false));
        }
    }
    let plain = plain_practice(3).job.start(1);
    assert_eq!(plain.params.len(), practice(3).job.start(1).params.len());
    assert_ne!(plain.params, practice(3).job.start(1).params);
}

#[test]
fn scores_are_relative_to_tuned_adamw() {
    for number in [0, 2] {
        let task = practice(number);
        let tuned = tuned_adamw(&task, Rows::Validation);
        let job = Practice::new(task.clone(), Rows::Validation, tuned);
        assert!(job.teaches());
        let better = tuned - 0.05 * (task.job.guessing() - tuned);
        assert!(job.score([tuned; 3]).abs() < 1e-9);
        assert!(job.score([better; 3]) < -0.5);
        assert!(job.score([f64::INFINITY; 3]) > 1.0);
        let mut slow = AdamW::new(&task.job.layout(), 1e-6, 0.0);
        assert!(job.score(job.run(0, &mut slow)) > 1.0);
    }
}

/// Parameters that hardly move have about the same loss on rows that are trained on as on others; a network
/// that learns rows by heart has less on them.
#[test]
fn training_rows_can_be_scored() {
    let task = practice(10);
    let run = |rows| {
        let mut slow = AdamW::new(&task.job.layout(), 1e-9, 0.0);
        Practice::new(task.clone(), rows, 0.0).run(0, &mut slow)
    };
    for (training, validation) in run(Rows::Training).into_iter().zip(run(Rows::Validation)) {
        assert!((training / validation - 1.0).abs() < 0.2, "{training}, {validation}");
    }
    assert!(tuned_adamw(&task, Rows::Training) < tuned_adamw(&task, Rows::Validation));
}

/// The file of what tuned AdamW reaches is that of these jobs.
#[test]
fn known_scores_are_right() {
    let known = include_str!("../src/evolution/tuned.txt").lines();
    let known: Vec<(u64, f64)> = known
        .map(|line| line.split_once(' ').unwrap())
        .map(|(number, loss)| (number.parse().unwrap(), loss.parse().unwrap()))
        .collect();
    assert_eq!(known.len(), 81 + 1215);
    for &(number, loss) in
        known.iter().filter(|(number, _)| [0, 1, 1001, 1006, 1014].contains(number))
    {
        let again = tuned_adamw(&practice(number), Rows::Validation);
        assert!((again - loss).abs() < 1e-3 * loss.abs(), "{number}: {again}, {loss}");
    }
}

/// The networks are told of no larger tensors than they are trained on (`tensor.rs` of the relative RNN).
#[test]
fn no_practice_job_has_larger_tensors_than_the_networks_are_told_of() {
    for number in (0..81).chain(1000..2215) {
        for tensor in practice(number).job.layout().tensors() {
            let inputs = tensor.len() / tensor.shape.last().unwrap();
            let longer = inputs.max(*tensor.shape.last().unwrap());
            let matrix = longer < tensor.len();
            assert!(tensor.len() <= 4500 && (longer <= 450 || !matrix), "{number}: {tensor:?}");
        }
    }
}

#[test]
fn recipes_that_cannot_be_followed_are_refused() {
    let change = |from: &str, to: &str| {
        assert!(RECOMMENDED.contains(from));
        EvolutionRecipe::parse(&RECOMMENDED.replace(from, to)).unwrap_err().to_string()
    };
    assert_eq!(
        change("pairs = 64", "pairs = 0"),
        "pairs is 0.0, expected a number from 1.0 to 100000.0"
    );
    assert!(change("sigma = 0.05", "sigma = nan").starts_with("sigma is NaN"));
    assert!(change("jobs = 1215", "jobs = 1216").starts_with("jobs is 1216"));
    assert!(
        change("tensor_hidden = 8", "tensor_hidden = 7").starts_with("calibration.networks has")
    );
    assert!(change("warm_up = 40.0", "warm_up = 0.0").contains("warm_up is 0"));
    assert!(change("shorter_with_depth = 0.5", "shorter_with_depth = -1.0").contains("is -1"));
    assert!(change("tensor_hidden = 8", "tensor_hidden = 0").contains("tensor_hidden is 0"));
    assert!(change("kind = \"adam\"", "kind = \"lion\"").contains("lion"));
    assert!(change("readout = 0.5", "readout = 2").starts_with("calibration.readout is 2"));
    assert!(change("seed = 1", "sed = 1").contains("sed"));
    assert_eq!(RelativeRnnConfig::recommended().meta_parameters(), 1013);
}
