//! The hand-designed contenders against recorded runs of their publications' code
//! (`data/contenders.py`), and how each behaves on a quadratic.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::{
    DAdaptAdam, Lion, LionRule, Muon, NAdamW, NAdamWRule, Prodigy, ScheduleFreeAdamW,
    ScheduleFreePlus,
};
use lopt_core::{Layout, Optimizer, Schedule, StepError, TensorShape};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The problem and the runs of `data/contenders.json`.
#[derive(Deserialize)]
struct Recorded {
    tensors: Vec<Tensor>,
    start: Vec<f32>,
    curvature: Vec<f64>,
    target: Vec<f64>,
    noise: Vec<Vec<f64>>,
    /// Steps after which `params` were kept.
    recorded: Vec<usize>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
struct Case {
    params: Vec<Vec<f64>>,
}

impl Recorded {
    fn read() -> Self {
        serde_json::from_str(include_str!("data/contenders.json")).unwrap()
    }

    fn layout(&self) -> Layout {
        let shape = |t: &Tensor| TensorShape::new(t.name.clone(), t.shape.clone());
        Layout::new(self.tensors.iter().map(shape).collect()).unwrap()
    }

    fn gradient(&self, n: usize, point: &[f32]) -> Vec<f32> {
        let noise = self.noise.get(n);
        let entry = |i: usize| {
            let slope = self.curvature[i] * (f64::from(point[i]) - self.target[i]);
            (slope + noise.map_or(0.0, |noise| noise[i])) as f32
        };
        (0..point.len()).map(entry).collect()
    }

    fn loss(&self, n: usize, point: &[f32]) -> f32 {
        let noise = self.noise.get(n);
        let term = |i: usize| {
            let away = f64::from(point[i]) - self.target[i];
            away * (0.5 * self.curvature[i] * away + noise.map_or(0.0, |noise| noise[i]))
        };
        (0..point.len()).map(term).sum::<f64>() as f32
    }

    fn step(&self, n: usize, optimizer: &mut dyn Optimizer, params: &mut [f32]) {
        let at = optimizer.attended(params);
        let (loss, grads) = (self.loss(n, at), self.gradient(n, at));
        assert!(!optimizer.observe(loss));
        optimizer.step(params, &grads).unwrap();
    }

    /// Compares a whole run; errors are relative to the largest parameter.
    fn check(&self, name: &str, mut optimizer: impl Optimizer, start: &[f32], tolerance: f64) {
        let case = &self.cases[name];
        let mut params = start.to_vec();
        for n in 0..self.noise.len() {
            self.step(n, &mut optimizer, &mut params);
            let Some(row) = self.recorded.iter().position(|&step| step == n + 1) else { continue };
            let expected = &case.params[row];
            let scale = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for (i, (&got, &expected)) in params.iter().zip(expected).enumerate() {
                let error = (f64::from(got) - expected).abs() / scale;
                assert!(
                    error <= tolerance,
                    "{name}, step {}, parameter {i}: got {got}, expected {expected}",
                    n + 1
                );
            }
        }
    }
}

#[test]
fn runs_follow_the_published_code() {
    let recorded = Recorded::read();
    let (layout, start) = (&recorded.layout(), &recorded.start);
    let fading = Schedule::Exponential { rate: 0.95 };

    recorded.check("nadamw", NAdamW::with_rule(layout, 0.05, NAdamWRule::new(0.1)), start, 1e-5);
    recorded.check("nadamw-algoperf", NAdamWRule::algoperf_default(layout, 100), start, 1e-5);
    recorded.check(
        "lion",
        Lion::with_rule(layout, 0.01, LionRule::default().with_weight_decay(0.1)),
        start,
        1e-5,
    );

    let warmup = Schedule::Constant.after_warmup(5);
    let schedule_free =
        ScheduleFreeAdamW::new(layout, 0.1).with_weight_decay(0.1).with_schedule(warmup);
    recorded.check("schedule-free", schedule_free, start, 1e-5);

    recorded.check("prodigy", Prodigy::new(layout), &vec![0.0; layout.len()], 1e-5);
    let prodigy = Prodigy::new(layout)
        .with_first_distance(0.01)
        .with_growth_limit(1.5)
        .with_coefficient(2.0)
        .with_weight_decay(0.1)
        .with_bias_correction()
        .with_safeguarded_warmup()
        .with_schedule(fading.clone());
    recorded.check("prodigy-options", prodigy, start, 1e-5);

    recorded.check("d-adapt-adam", DAdaptAdam::new(layout), start, 1e-5);
    let d_adapt = DAdaptAdam::new(layout)
        .with_first_distance(0.01)
        .with_growth_limit(1.5)
        .with_weight_decay(0.1)
        .with_bias_correction()
        .with_schedule(fading);
    recorded.check("d-adapt-adam-options", d_adapt, start, 1e-5);

    let muon = Muon::new(layout, 0.02).with_adam_rate(0.01).with_weight_decay(0.1);
    recorded.check("muon", muon, start, 1e-4);
    let muon = Muon::new(layout, 0.01).with_rms_matched_rate().with_weight_decay(0.1);
    recorded.check("muon-rms-matched", muon, start, 1e-4);

    recorded.check("schedule-free-plus", ScheduleFreePlus::new(layout), start, 1e-5);
    let plus = ScheduleFreePlus::new(layout)
        .with_learning_rate(0.5)
        .with_schedule(Schedule::Constant.after_warmup(5))
        .with_betas(0.8, 0.9)
        .with_interpolation(0.8)
        .with_annealing(0.965, 20)
        .with_average_warmup(8)
        .with_norm_decay(0.5)
        .with_weight_decay(0.5);
    recorded.check("schedule-free-plus-options", plus, start, 1e-5);
}

fn warmed_up(layout: &Layout) -> ScheduleFreePlus {
    let warmup = Schedule::Constant.after_warmup(50);
    ScheduleFreePlus::new(layout).with_schedule(warmup).with_average_warmup(100)
}

fn all(layout: &Layout) -> Vec<Box<dyn Optimizer>> {
    let cosine = || Schedule::Cosine { steps: 1000, floor: 0.0 };
    vec![
        Box::new(NAdamW::with_rule(layout, 0.05, NAdamWRule::new(0.0)).with_schedule(cosine())),
        Box::new(Lion::new(layout, 0.05).with_schedule(cosine())),
        Box::new(ScheduleFreeAdamW::new(layout, 0.1)),
        Box::new(warmed_up(layout)),
        Box::new(Prodigy::new(layout).with_schedule(cosine())),
        Box::new(DAdaptAdam::new(layout).with_schedule(cosine())),
        Box::new(Muon::new(layout, 0.05).with_adam_rate(0.05).with_schedule(cosine())),
        Box::new(Muon::new(layout, 0.05).with_rms_matched_rate().with_schedule(cosine())),
    ]
}

#[test]
fn a_quadratic_is_solved_and_a_reset_repeats_the_run() {
    let recorded = Recorded { noise: Vec::new(), ..Recorded::read() };
    for mut optimizer in all(&recorded.layout()) {
        let mut run = || {
            let mut params = recorded.start.clone();
            (0..1000).for_each(|n| recorded.step(n, &mut *optimizer, &mut params));
            let error = |(&got, &target): (&f32, &f64)| (f64::from(got) - target).abs();
            let worst = params.iter().zip(&recorded.target).map(error).fold(0.0, f64::max);
            let name = optimizer.name().to_owned();
            assert!(worst < 1e-2, "{name}: {worst}");
            optimizer.reset();
            params
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn refused_steps_change_nothing() {
    let recorded = Recorded::read();
    let layout = &recorded.layout();
    for (mut optimizer, mut twin) in all(layout).into_iter().zip(all(layout)) {
        let (mut params, mut twin_params) = (recorded.start.clone(), recorded.start.clone());
        recorded.step(0, &mut *optimizer, &mut params);
        recorded.step(0, &mut *twin, &mut twin_params);

        let mut bad = recorded.gradient(1, &params);
        let error = optimizer.step(&mut params, &bad[1..]).unwrap_err();
        assert!(matches!(error, StepError::LengthMismatch { what: "grads", .. }), "{error}");
        bad[28] = f32::NAN;
        let error = optimizer.step(&mut params, &bad).unwrap_err();
        assert!(matches!(error, StepError::NonFiniteGradient { index: 0, .. }), "{error}");

        recorded.step(1, &mut *optimizer, &mut params);
        recorded.step(1, &mut *twin, &mut twin_params);
        assert_eq!(params, twin_params, "{}", optimizer.name());
    }
}

#[test]
fn muon_leaves_chosen_matrices_to_adam() {
    let recorded = Recorded::read();
    let layout = &recorded.layout();
    let run = |mut optimizer: Muon| {
        let mut params = recorded.start.clone();
        (0..5).for_each(|n| recorded.step(n, &mut optimizer, &mut params));
        params
    };
    let (plain, chosen) =
        (Muon::new(layout, 0.02), Muon::new(layout, 0.02).with_adam_for(|t| t.name == "tall"));
    let (plain, chosen) = (run(plain), run(chosen));
    assert_ne!(plain[layout.range(0)], chosen[layout.range(0)]);
    assert_eq!(plain[12..], chosen[12..]);
    // five steps of Adam move by at most about its rate each
    let moved = |i: usize| (chosen[i] - recorded.start[i]).abs();
    assert!(layout.range(0).all(|i| moved(i) < 6.0 * 3e-4));
}

#[test]
fn the_rates_found_grow_to_the_scale_of_the_problem() {
    let recorded = Recorded { noise: Vec::new(), ..Recorded::read() };
    let layout = &recorded.layout();
    let (mut prodigy, mut d_adapt) = (Prodigy::new(layout), DAdaptAdam::new(layout));
    assert_eq!((prodigy.distance(), d_adapt.distance()), (1e-6, 1e-6));
    for optimizer in [&mut prodigy as &mut dyn Optimizer, &mut d_adapt] {
        let mut params = recorded.start.clone();
        (0..500).for_each(|n| recorded.step(n, optimizer, &mut params));
    }
    for distance in [prodigy.distance(), d_adapt.distance()] {
        assert!((1e-3..10.0).contains(&distance), "{distance}");
    }
}

#[test]
fn schedule_free_plus_refuses_a_step_without_a_finite_loss() {
    let recorded = Recorded::read();
    let mut optimizer = ScheduleFreePlus::new(&recorded.layout());
    let mut params = recorded.start.clone();
    let grads = recorded.gradient(0, &params);
    assert_eq!(optimizer.step(&mut params, &grads), Err(StepError::MissingLoss));
    assert!(!optimizer.observe(f32::INFINITY));
    let error = optimizer.step(&mut params, &grads).unwrap_err();
    assert_eq!(error, StepError::NonFiniteLoss { value: f32::INFINITY });
    assert_eq!((optimizer.steps(), &params), (0, &recorded.start));
    // one loss is good for one step
    recorded.step(0, &mut optimizer, &mut params);
    assert_eq!(optimizer.step(&mut params, &grads), Err(StepError::MissingLoss));
    assert_eq!(optimizer.steps(), 1);
}

#[test]
fn schedule_free_plus_wants_a_warmup_and_a_least_loss_of_zero() {
    let recorded = Recorded { noise: Vec::new(), ..Recorded::read() };
    let layout = &recorded.layout();
    let run = |mut optimizer: ScheduleFreePlus, least: f32| {
        let mut params = recorded.start.clone();
        for n in 0..500 {
            let at = optimizer.attended(&params);
            let (loss, grads) = (recorded.loss(n, at), recorded.gradient(n, at));
            optimizer.observe(loss + least);
            optimizer.step(&mut params, &grads).unwrap();
        }
        params
    };
    let loss = |params: &[f32]| recorded.loss(0, params);
    let first = loss(&recorded.start);
    let solved = run(warmed_up(layout), 0.0);
    assert!(loss(&solved) < 1e-4 * first, "{}", loss(&solved));
    // these are as the module's header says
    let without_warmup = run(ScheduleFreePlus::new(layout), 0.0);
    assert!(loss(&without_warmup) > first, "{}", loss(&without_warmup));
    let above_zero = run(warmed_up(layout), 5.0);
    assert!(loss(&above_zero) > 1e3 * loss(&solved), "{}", loss(&above_zero));
    assert_eq!(run(warmed_up(layout), -1000.0), recorded.start);
}
