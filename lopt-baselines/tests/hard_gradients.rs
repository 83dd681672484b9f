//! Every hand-designed optimizer on gradients at the ends of `f32`: none, tiny ones, and ones whose
//! square overflows. What is finite in the published formula must stay finite.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::{
    Adam, AdamW, DAdaptAdam, Lion, Momentum, MomentumRule, Muon, NAdamW, NAdamWRule, Prodigy,
    RelativeAdam, RmsProp, RmsPropRule, ScheduleFreeAdamW, ScheduleFreePlus, Sgd,
};
use lopt_core::flush::FlushToZero;
use lopt_core::{Layout, Optimizer, Schedule, TensorShape};

/// Tall, wide and deeper than a matrix, of one element, a vector and a scalar.
fn layout() -> Layout {
    let shapes: [(&str, &[usize]); 6] = [
        ("tall", &[5, 2]),
        ("wide", &[2, 5]),
        ("kernel", &[2, 3, 2]),
        ("single", &[1, 1]),
        ("vector", &[4]),
        ("scalar", &[]),
    ];
    Layout::new(shapes.map(|(name, shape)| TensorShape::new(name, shape)).into()).unwrap()
}

/// All hand-designed optimizers without weight decay, with their options where they change the maths.
fn all(layout: &Layout) -> Vec<(&'static str, Box<dyn Optimizer>)> {
    let none_at_first = || Schedule::OneCycle { steps: 100, warmup: 10, start: 0.0, end: 0.0 };
    let prodigy = || Prodigy::new(layout).with_bias_correction().with_safeguarded_warmup();
    let plus = || {
        ScheduleFreePlus::new(layout)
            .with_norm_decay(0.3)
            .with_average_warmup(3)
            .with_annealing(0.965, 20)
    };
    vec![
        ("sgd", Box::new(Sgd::new(layout, 0.1))),
        ("momentum", Box::new(Momentum::with_rule(layout, 0.1, MomentumRule::new(0.9, false)))),
        ("nesterov", Box::new(Momentum::with_rule(layout, 0.1, MomentumRule::new(0.9, true)))),
        ("rmsprop", Box::new(RmsProp::new(layout, 0.1))),
        (
            "rmsprop without memory",
            Box::new(RmsProp::with_rule(layout, 0.1, RmsPropRule::default().with_decay(0.0))),
        ),
        ("adam", Box::new(Adam::new(layout, 0.1))),
        ("adam at the least epsilon", Box::new(Adam::new(layout, 0.1).with_epsilon(1.2e-38))),
        ("adam without memory", Box::new(Adam::new(layout, 0.1).with_betas(0.0, 0.0))),
        ("adamw", Box::new(AdamW::new(layout, 0.1, 0.0))),
        ("nadamw", Box::new(NAdamW::with_rule(layout, 0.1, NAdamWRule::new(0.0)))),
        ("lion", Box::new(Lion::new(layout, 0.1))),
        ("muon", Box::new(Muon::new(layout, 0.1))),
        ("muon by rms", Box::new(Muon::new(layout, 0.1).with_rms_matched_rate())),
        ("muon without memory", Box::new(Muon::new(layout, 0.1).with_momentum(0.0))),
        ("schedule-free", Box::new(ScheduleFreeAdamW::new(layout, 0.1))),
        ("schedule-free at rate 0", Box::new(ScheduleFreeAdamW::new(layout, 0.0))),
        (
            "schedule-free from rate 0",
            Box::new(ScheduleFreeAdamW::new(layout, 0.1).with_schedule(none_at_first())),
        ),
        ("schedule-free-plus", Box::new(ScheduleFreePlus::new(layout))),
        ("schedule-free-plus with options", Box::new(plus())),
        ("schedule-free-plus near rate 0", Box::new(plus().with_learning_rate(0.0))),
        ("schedule-free-plus from rate 0", Box::new(plus().with_schedule(none_at_first()))),
        ("prodigy", Box::new(Prodigy::new(layout))),
        ("relative-adam", Box::new(RelativeAdam::new(layout))),
        ("prodigy with options", Box::new(prodigy())),
        ("prodigy from rate 0", Box::new(prodigy().with_schedule(none_at_first()))),
        ("d-adapt-adam", Box::new(DAdaptAdam::new(layout))),
        ("d-adapt-adam with options", Box::new(DAdaptAdam::new(layout).with_bias_correction())),
        (
            "d-adapt-adam from rate 0",
            Box::new(DAdaptAdam::new(layout).with_schedule(none_at_first())),
        ),
    ]
}

const START: f32 = 1.5;

/// One run: `hard(n, i)` is the gradient of parameter `i` in the first `STEPS` steps, with loss 1, then
/// follow as many on `|x|^2 / 2`. Returns the parameters after both halves.
fn run(
    name: &str,
    optimizer: &mut dyn Optimizer,
    hard: impl Fn(usize, usize) -> f32,
) -> [Vec<f32>; 2] {
    const STEPS: usize = 30;
    let mut params = vec![START; layout().len()];
    let half = |from: usize, params: &mut Vec<f32>, optimizer: &mut dyn Optimizer| {
        for n in from..from + STEPS {
            let at = optimizer.attended(params);
            let square: f64 = at.iter().map(|&x| f64::from(x).powi(2)).sum();
            let (loss, grads): (f32, Vec<f32>) = match n < STEPS {
                true => (1.0, (0..at.len()).map(|i| hard(n, i)).collect()),
                false => ((0.5 * square).min(f64::from(f32::MAX)) as f32, at.to_vec()),
            };
            optimizer.observe(loss);
            optimizer.step(params, &grads).unwrap();
            let points = params.iter().chain(optimizer.attended(params));
            assert!(points.copied().all(f32::is_finite), "{name}, step {n}: {params:?}");
        }
        params.clone()
    };
    [half(0, &mut params, optimizer), half(STEPS, &mut params, optimizer)]
}

/// Whether its rate lets the optimizer rest always; that of Schedule-Free+ is at least 1e-8.
fn rests(name: &str) -> bool {
    name.ends_with("at rate 0") || name.ends_with("near rate 0")
}

#[test]
fn zero_gradients_move_nothing_and_training_starts_after_them() {
    let layout = layout();
    for (name, mut optimizer) in all(&layout) {
        let [resting, moved] = run(name, &mut *optimizer, |_, _| 0.0);
        // the average of Schedule-Free AdamW is rounded at every step
        let moved_by = |x: &f32| (x - START).abs() / START;
        assert!(resting.iter().all(|x| moved_by(x) < 1e-6), "{name}: {resting:?}");
        assert!(rests(name) || moved.iter().all(|&x| x < START), "{name}: {moved:?}");
    }
}

#[test]
fn gradients_whose_squares_overflow_leave_the_other_tensors_in_training() {
    let layout = layout();
    type Pattern = fn(usize, usize) -> f32;
    let patterns: [Pattern; 3] = [
        |n, i| if n == 0 && i % 5 == 0 { 1e20 } else { 0.5 },
        |n, _| if n % 2 == 0 { 1e20 } else { -1e20 },
        |n, i| if n == 3 { -1e20 } else { (i % 2) as f32 },
    ];
    for pattern in patterns {
        for (name, mut optimizer) in all(&layout) {
            run(name, &mut *optimizer, pattern);
        }
    }
    // only the vector and the scalar are hit; the matrices are trained on
    for (name, mut optimizer) in all(&layout) {
        let hit = |i: usize| layout.range(4).start <= i;
        let [_, moved] = run(name, &mut *optimizer, |_, i| if hit(i) { 1e20 } else { 0.1 });
        let trained = moved.iter().take(layout.range(4).start).all(|&x| x < START);
        assert!(rests(name) || trained, "{name}: {moved:?}");
    }
}

#[test]
fn tiny_gradients_are_survived_with_and_without_subnormal_numbers() {
    let layout = layout();
    let least = f32::from_bits(1);
    let all_sizes = [least, 1e-40, f32::MIN_POSITIVE, 1e-30, 1e-23, 1e-20];
    for flushed in [false, true] {
        let _flush = flushed.then(FlushToZero::set);
        for size in all_sizes {
            for (name, mut optimizer) in all(&layout) {
                let name = format!("{name}, {size:e}, flushed: {flushed}");
                run(&name, &mut *optimizer, |n, i| if (n + i) % 3 == 0 { -size } else { size });
            }
        }
        for (name, mut optimizer) in all(&layout) {
            // tiny and ordinary gradients in one tensor, and zeros
            let mixed = |n: usize, i: usize| [least, 1e-30, 0.3, 0.0][(n + i) % 4];
            run(name, &mut *optimizer, mixed);
        }
    }
}

#[test]
fn a_tensor_without_elements_changes_no_optimizer() {
    let matrix = || TensorShape::new("w", [3, 2]);
    let with = Layout::new(vec![matrix(), TensorShape::new("none", [0, 4])]).unwrap();
    let without = Layout::new(vec![matrix()]).unwrap();
    for ((name, mut a), (_, mut b)) in all(&with).into_iter().zip(all(&without)) {
        let mut params = [[0.5_f32; 6], [0.5; 6]];
        for _ in 0..3 {
            for (optimizer, params) in [&mut a, &mut b].into_iter().zip(&mut params) {
                optimizer.observe(1.0);
                optimizer.step(params, &[0.1, -0.2, 0.3, 0.0, 0.5, -0.6]).unwrap();
            }
        }
        assert_eq!(params[0], params[1], "{name}");
    }
}
