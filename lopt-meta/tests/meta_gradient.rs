//! The meta-gradient of a whole unroll against central differences in `f64`, on every problem.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::HierarchicalRnnConfig;
use lopt_core::config::{GlobalInput, Normalization, RelativeRate, StepOffset};
use lopt_core::meta_params::MetaLayout;
use lopt_core::network::Network;
use lopt_core::rng::{normal, stream};
use lopt_meta::Recipe;
use lopt_meta::precision::Exact;
use lopt_meta::slot::Slot;
use lopt_meta::unroll::{Workspace, unroll};
use lopt_problems::{Entry, paper_list, quick_validation_suite, released_list};

fn recipe(switch: impl FnOnce(&mut Recipe)) -> Recipe {
    let mut recipe = Recipe::parse(include_str!("../recipes/quadratic20.toml")).unwrap();
    recipe.meta_loss.adjoint_limit = 0.0;
    recipe.meta_loss.instance_limit = 0.0;
    recipe.meta_loss.ramp = 0.5;
    recipe.perturb.initial_rate = (1e-3, 1e-2);
    switch(&mut recipe);
    recipe
}

/// Loss and meta-gradient of the second of two unrolls, from a fixed start.
fn run(
    recipe: &Recipe,
    config: &HierarchicalRnnConfig,
    entry: &Entry,
    psi: &[f64],
    steps: usize,
) -> (f64, Vec<f64>) {
    let net = Network::<f64>::new(config, psi);
    let entries = [entry.clone()];
    let mut slot = Slot::<Exact>::start(recipe, &entries, &net, 3, 0, 0.0);
    let outcome = unroll(Exact, recipe, &net, &mut slot, &mut Workspace::default(), steps);
    (outcome.losses[0], outcome.gradient)
}

fn check(name: &str, recipe: &Recipe, config: &HierarchicalRnnConfig, entry: &Entry, steps: usize) {
    let layout = MetaLayout::new(config);
    let mut rng = stream(11, &[]);
    let psi: Vec<f64> =
        layout.initialize(config, &mut rng).iter().map(|x| x + 0.05 * normal(&mut rng)).collect();
    let (loss, gradient) = run(recipe, config, entry, &psi, steps);
    assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()), "{name}: {loss}");
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    for trial in 0..2 {
        let mut direction: Vec<f64> = (0..psi.len()).map(|_| normal(&mut rng)).collect();
        if trial == 1 {
            // along the gradient, where a wrong scale shows
            direction.clone_from(&gradient);
        }
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt().max(1e-300);
        let at = |h: f64| {
            let moved: Vec<f64> =
                psi.iter().zip(&direction).map(|(p, d)| p + h * d / length).collect();
            run(recipe, config, entry, &moved, steps).0
        };
        let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d / length).sum();
        let difference =
            |h: f64| (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        // the loss of some problems has kinks: one of three step widths must agree
        let error = [1e-3, 1e-4, 1e-5]
            .map(|h| (difference(h) - exact).abs())
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        let tolerance = 1e-6 * norm + 1e-9;
        assert!(error <= tolerance, "{name}: off by {error}, norm {norm}, exact {exact}");
    }
}

#[test]
fn every_problem_of_both_lists() {
    let recipe = recipe(|_| ());
    let config = HierarchicalRnnConfig::released();
    let mut entries = paper_list();
    let known: Vec<String> = entries.iter().map(|e| e.problem.name()).collect();
    entries.extend(released_list().into_iter().filter(|e| !known.contains(&e.problem.name())));
    for entry in entries.iter().filter(|e| e.problem.layout().len() <= 300) {
        check(&entry.problem.name(), &recipe, &config, entry, 4);
    }
}

#[test]
fn networks() {
    // below the largest step, whose clip lets a derivative pass that differences do not see
    let recipe = recipe(|recipe| recipe.perturb.initial_rate = (1e-5, 1e-4));
    let config = HierarchicalRnnConfig::recommended();
    for task in quick_validation_suite() {
        let entry = Entry { set: "validation", problem: task.problem.clone() };
        if entry.problem.layout().len() < 2000 {
            check(task.name, &recipe, &config, &entry, 2);
        }
    }
}

#[test]
fn every_configuration() {
    let quadratic = &paper_list()[0];
    let sum = paper_list().into_iter().find(|e| e.problem.layout().tensor_count() > 8);
    let sum = sum.expect("the lists have a sum of nine test functions");
    let plain = recipe(|_| ());
    let r = HierarchicalRnnConfig::released;
    let configs = [
        ("paper", HierarchicalRnnConfig::paper()),
        ("appendix-d", HierarchicalRnnConfig::appendix_d()),
        ("recommended", HierarchicalRnnConfig::recommended()),
        ("mean norm", HierarchicalRnnConfig { normalization: Normalization::MeanNorm, ..r() }),
        (
            "offset on attention",
            HierarchicalRnnConfig {
                step_offset: StepOffset::Attention,
                ..HierarchicalRnnConfig::paper()
            },
        ),
        (
            "rising and falling steps",
            HierarchicalRnnConfig { warmup: 4.0, decay: 2.0, ..HierarchicalRnnConfig::paper() },
        ),
        (
            "wide from three",
            HierarchicalRnnConfig {
                parameter_scale: true,
                wide_from: 3.0,
                ..HierarchicalRnnConfig::paper()
            },
        ),
        (
            "steps that fade",
            HierarchicalRnnConfig { least_gradient: 20.0, ..HierarchicalRnnConfig::paper() },
        ),
        ("a clock", HierarchicalRnnConfig { clock: 3.0, ..HierarchicalRnnConfig::paper() }),
        ("tensor rate", HierarchicalRnnConfig { relative_rate: RelativeRate::Tensor, ..r() }),
        ("no rate", HierarchicalRnnConfig { relative_rate: RelativeRate::Off, ..r() }),
        ("global mean", HierarchicalRnnConfig { global_input: GlobalInput::MeanOfTensors, ..r() }),
        ("one scale", HierarchicalRnnConfig { timescales: 1, gradient_products: false, ..r() }),
        ("fixed decays", HierarchicalRnnConfig { learnable_decay: false, ..r() }),
        ("fixed average", HierarchicalRnnConfig { learnable_gradient_decay: false, ..r() }),
        (
            "extras",
            HierarchicalRnnConfig {
                extreme_indicator: true,
                rate_shortcut: true,
                parameter_scale: true,
                log_mean_squares: false,
                gradient_shortcut: false,
                learnable_initial_state: false,
                zero_init_rate: false,
                ..r()
            },
        ),
        (
            "sizes",
            HierarchicalRnnConfig {
                parameter_hidden: 7,
                tensor_hidden: 5,
                global_hidden: 9,
                timescales: 3,
                ..r()
            },
        ),
    ];
    for (name, config) in configs {
        check(name, &plain, &config, quadratic, 5);
        check(&format!("{name}, many tensors"), &plain, &config, &sum, 3);
    }
    let averaged = recipe(|recipe| recipe.meta_loss.averaging = 8.0);
    check("mean of the iterates", &averaged, &r(), quadratic, 5);
    check("mean, attention", &averaged, &HierarchicalRnnConfig::paper(), &sum, 4);
    let without_logarithm = recipe(|recipe| recipe.meta_loss.log = false);
    check("no logarithm", &without_logarithm, &r(), quadratic, 5);
}

#[test]
fn rescaled_noised_and_whole_batch() {
    let recipe = recipe(|r| {
        r.perturb.rescale_probability = 1.0;
        r.perturb.rescale = (0.01, 100.0);
        r.perturb.noise_probability = 1.0;
        r.perturb.noise = (1e-3, 1e-2);
        r.problems.full_batch = true;
    });
    let config = HierarchicalRnnConfig::recommended();
    for name in ["quadratic-20", "rosenbrock", "softmax-10"] {
        let all = paper_list();
        if let Some(entry) = all.iter().find(|e| e.problem.name().starts_with(name)) {
            check(name, &recipe, &config, entry, 6);
        }
    }
}

#[test]
fn a_parked_lane_pays_for_the_steps_it_does_not_run() {
    let config = HierarchicalRnnConfig::released();
    let psi = MetaLayout::new(&config).initialize(&config, &mut stream(11, &[]));
    let entry = &paper_list()[0];
    let parked = recipe(|recipe| {
        recipe.perturb.initial_rate = (3e3, 1e4);
        recipe.meta_loss.parked_above = 3.0;
    });
    let mut charged = parked.clone();
    charged.meta_loss.parked_pays = true;
    let (free, no_gradient) = run(&parked, &config, entry, &psi, 6);
    let (price, gradient) = run(&charged, &config, entry, &psi, 6);
    assert!(no_gradient.iter().all(|&g| g == 0.0), "left at the first step");
    assert!(price > free + 3.0_f64.ln(), "{price} {free}");
    assert!(gradient.iter().any(|&g| g != 0.0));
    check("parked", &charged, &config, entry, 6);
}
