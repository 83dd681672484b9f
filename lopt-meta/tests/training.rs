//! Training learns, resumes bit for bit, and survives divergence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::simd::Level;
use lopt_meta::{Checkpoint, EvolutionRecipe, Recipe, Trainer};

fn quadratic() -> Recipe {
    Recipe::parse(include_str!("../recipes/quadratic20.toml")).unwrap()
}

fn recommended() -> Recipe {
    let mut recipe = Recipe::parse(include_str!("../recipes/hierarchical-rnn.toml")).unwrap();
    recipe.problems.slots = 6;
    recipe.problems.groups_per_update = 2;
    recipe.problems.most_parameters = 20;
    recipe.lengths.unroll_base = 5;
    recipe.lengths.unroll_mean = 10.0;
    recipe.lengths.life_start = 30.0;
    recipe.lengths.life_end = 60.0;
    recipe.updates = 40;
    recipe
}

/// The bytes of a checkpoint: losses not yet measured are NaN, which equals nothing but its bits.
fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.lopt");
    checkpoint.write(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// Spec 11.7: the meta-loss must fall well below -0.42, the best of any constant rate.
#[test]
fn training_on_quadratics_passes_the_sanity_bar() {
    let mut trainer = Trainer::new(quadratic(), Level::detect()).unwrap();
    let mut last = Vec::new();
    for update in 0..300 {
        let report = trainer.update();
        assert!(report.norm.is_finite() && report.used > 0, "{report:?}");
        if update >= 280 {
            last.push(report.meta_loss);
        }
    }
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    assert!(mean < -1.0, "mean meta-loss of the last 20 updates: {mean}");
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.lopt");
    let mut whole = Trainer::new(recommended(), Level::detect()).unwrap();
    for _ in 0..30 {
        whole.update();
    }
    let mut first = Trainer::new(recommended(), Level::detect()).unwrap();
    for _ in 0..17 {
        first.update();
    }
    first.checkpoint().write(&path).unwrap();
    let saved = Checkpoint::read(&path).unwrap();
    assert_eq!(bytes(&saved), bytes(&first.checkpoint()));
    let mut second = Trainer::resume(&saved, Level::detect()).unwrap();
    for _ in 17..30 {
        second.update();
    }
    assert_eq!(whole.meta().psi, second.meta().psi);
    assert!(bytes(&whole.checkpoint()) == bytes(&second.checkpoint()), "the checkpoints differ");
}

#[test]
fn a_light_checkpoint_keeps_psi_and_goes_on() {
    let mut trainer = Trainer::new(recommended(), Level::detect()).unwrap();
    for _ in 0..5 {
        trainer.update();
    }
    let light = trainer.checkpoint().light();
    let mut resumed = Trainer::resume(&light, Level::detect()).unwrap();
    assert_eq!(resumed.meta(), trainer.meta());
    assert_eq!(resumed.update().update, 6);
}

#[test]
fn threads_change_nothing() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(recommended(), Level::detect()).unwrap();
            for _ in 0..6 {
                trainer.update();
            }
            trainer.checkpoint()
        })
    };
    assert!(bytes(&run(1)) == bytes(&run(3)), "the checkpoints differ");
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_previous_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.lopt");
    let mut trainer = Trainer::new(recommended(), Level::detect()).unwrap();
    trainer.update();
    trainer.checkpoint().write(&path).unwrap();
    let old = std::fs::read(&path).unwrap();
    trainer.update();
    trainer.checkpoint().write(&path).unwrap();
    assert_eq!(std::fs::read(folder.path().join("checkpoint.lopt.previous")).unwrap(), old);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = Checkpoint::read(&path).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("checkpoint.lopt"), "{error}");
}

/// Absurd initial rates: every lane diverges, nothing becomes NaN, no update is made of nothing.
#[test]
fn diverged_lanes_are_left_out() {
    let mut recipe = quadratic();
    recipe.perturb.initial_rate = (1e6, 1e7);
    recipe.lengths.unroll_base = 20;
    recipe.lengths.unroll_mean = 1e-9;
    let mut trainer = Trainer::new(recipe, Level::detect()).unwrap();
    for _ in 0..5 {
        let report = trainer.update();
        assert!(report.diverged > 0, "{report:?}");
        assert!(report.meta_loss.is_finite() && report.norm.is_finite(), "{report:?}");
    }
    assert!(trainer.meta().psi.iter().all(|x| x.is_finite()));
}

#[test]
fn every_recipe_of_the_folder_parses_and_prints_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        count += 1;
        if EvolutionRecipe::is_meant_by(&text) {
            let recipe = EvolutionRecipe::parse(&text).unwrap();
            assert_eq!(EvolutionRecipe::parse(&recipe.to_toml()).unwrap(), recipe);
            continue;
        }
        let recipe = Recipe::parse(&text);
        let recipe = recipe.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe, "{}", path.display());
    }
    assert!(count >= 3, "{count} recipes in {folder}");
}

/// `recommended` may be another optimizer in a later version; a checkpoint's must not become it.
#[test]
fn a_checkpoint_names_its_optimizer_in_words_that_stay() {
    let mut recipe = recommended();
    recipe.switches.insert("decay".to_owned(), 7.0.into());
    let config = recipe.optimizer_config().unwrap();
    let trainer = Trainer::new(recipe.clone(), Level::detect()).unwrap();
    let saved = Recipe::parse(&trainer.checkpoint().recipe).unwrap();
    assert_eq!((saved.optimizer.as_str(), saved.optimizer_config().unwrap()), ("released", config));
    for name in ["decay", "parameter_scale", "previous_scale"] {
        assert!(saved.switches.contains_key(name), "{name}: {}", saved.switches);
    }
    assert!(!saved.switches.contains_key("asinh"), "{}", saved.switches);
    assert_eq!(recipe.pinned().unwrap(), saved);
    assert_eq!(quadratic().pinned().unwrap(), quadratic());
}

#[test]
fn bad_recipes_are_refused_in_one_sentence() {
    let text = include_str!("../recipes/quadratic20.toml");
    for (from, to, word) in [
        ("updates = 2000", "updates = 0", "updates"),
        ("slots = 8", "slots = 1", "slots"),
        ("\"released\"", "\"best\"", "best"),
        ("kind = \"adam\"", "kind = \"lion\"", "lion"),
        ("ramp = 0.0", "ramp = 2.0", "ramp"),
        ("seed = 1", "seed = -1", "seed"),
        ("seed = 1", "sed = 1", "sed"),
    ] {
        let error = Recipe::parse(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
    let mut recipe = quadratic();
    recipe.problems.names = vec!["quadratik-20".to_owned()];
    assert!(Trainer::new(recipe, Level::detect()).is_err());
}

#[test]
fn zeroed_blocks_stay_zero_and_unknown_ones_are_refused() {
    let mut recipe = recommended();
    recipe.zeroed = vec!["global_to_tensor.weight".to_owned()];
    recipe.meta_loss.log = false;
    let recipe = Recipe::parse(&recipe.to_toml()).unwrap();
    let mut trainer = Trainer::new(recipe.clone(), Level::detect()).unwrap();
    let start = trainer.meta().psi.clone();
    for _ in 0..3 {
        trainer.update();
    }
    let layout = lopt_core::meta_params::MetaLayout::new(&recipe.optimizer_config().unwrap());
    let psi = &trainer.meta().psi;
    assert!(psi[layout.global_to_tensor.weight.clone()].iter().all(|&w| w == 0.0));
    let other = layout.global_to_parameter.weight;
    assert!(psi[other.clone()].iter().zip(&start[other]).all(|(a, b)| a != b));

    let mut unknown = recommended();
    unknown.zeroed = vec!["globe".to_owned()];
    let error = Recipe::parse(&unknown.to_toml()).unwrap_err().to_string();
    assert_eq!(error, "zeroed: the optimizer has no meta-parameters called \"globe\"");
}
