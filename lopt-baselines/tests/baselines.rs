//! The hand-designed optimizers against sequences worked out by hand, against their textbook
//! formulas in double precision, and their behaviour on bad input.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_baselines::{
    Adam, AdamW, DAdaptAdam, Lion, Momentum, MomentumRule, Muon, NAdamW, Prodigy, RelativeAdam,
    RmsProp, RmsPropRule, ScheduleFreeAdamW, ScheduleFreePlus, Sgd,
};
use lopt_core::rng::{normal, stream};
use lopt_core::{Layout, Optimizer, Schedule, StepError, TensorShape};

/// Long enough for full vectors and a tail at every width.
const P: usize = 77;

fn layout() -> Layout {
    Layout::new(vec![TensorShape::new("w", [5, 8]), TensorShape::new("b", [37])]).unwrap()
}

fn all(layout: &Layout) -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Sgd::new(layout, 0.1)),
        Box::new(Momentum::with_rule(layout, 0.1, MomentumRule::new(0.9, false))),
        Box::new(Momentum::with_rule(layout, 0.1, MomentumRule::new(0.9, true))),
        Box::new(RmsProp::new(layout, 0.1)),
        Box::new(Adam::new(layout, 0.1)),
        Box::new(AdamW::new(layout, 0.1, 0.01)),
    ]
}

/// Parameters after each gradient of a sequence, for a problem with one parameter.
fn trajectory(optimizer: &mut dyn Optimizer, start: f32, grads: &[f32]) -> Vec<f32> {
    let mut params = [start];
    grads.iter().map(|&g| optimizer.step(&mut params, &[g]).map(|()| params[0]).unwrap()).collect()
}

fn assert_close(got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (&got, &expected) in got.iter().zip(expected) {
        let error = (f64::from(got) - expected).abs();
        assert!(error <= tolerance * expected.abs().max(1.0), "got {got}, expected {expected}");
    }
}

#[test]
fn sequences_worked_out_by_hand() {
    let one = Layout::single(1).unwrap();
    let run = |optimizer: &mut dyn Optimizer| trajectory(optimizer, 1.0, &[1.0, 2.0, -1.0]);

    assert_close(&run(&mut Sgd::new(&one, 0.1)), &[0.9, 0.7, 0.8], 1e-7);
    // m = 1, 2.5, 0.25
    let momentum = run(&mut Momentum::with_rule(&one, 0.1, MomentumRule::new(0.5, false)));
    assert_close(&momentum, &[0.9, 0.65, 0.625], 1e-7);
    // g + m / 2 = 1.5, 3.25, -0.875
    let nesterov = run(&mut Momentum::with_rule(&one, 0.1, MomentumRule::new(0.5, true)));
    assert_close(&nesterov, &[0.85, 0.525, 0.6125], 1e-7);
    // v = 1, 1.75, 1.5625
    let rmsprop = run(&mut RmsProp::with_rule(&one, 0.1, RmsPropRule::default().with_decay(0.75)));
    assert_close(&rmsprop, &[0.9, 0.748_814_211_543_756_3, 0.828_814_211_539_660_3], 1e-7);
    // debiased averages: m / (1 - 0.5^n) and v / (1 - 0.75^n)
    let adam = run(&mut Adam::new(&one, 0.1).with_betas(0.5, 0.75));
    let m_v = [(1.0, 1.0), (5.0 / 3.0, 19.0 / 7.0), (1.0 / 7.0, 73.0 / 37.0)];
    let mut theta = 1.0;
    let expected = m_v.map(|(m, v): (f64, f64)| {
        theta -= 0.1 * m / (v.sqrt() + 1e-8);
        theta
    });
    assert_close(&adam, &expected, 1e-7);
    // without gradient only the decay acts
    let decayed = trajectory(&mut AdamW::new(&one, 0.1, 0.5), 2.0, &[0.0, 0.0]);
    assert_close(&decayed, &[1.9, 1.805], 1e-7);
}

/// Runs the optimizer on random gradients beside a double-precision update of one parameter,
/// `update(n, theta, g, state)` with `n` from 1.
fn compare(
    mut optimizer: impl Optimizer,
    start: f64,
    update: impl Fn(f64, &mut f64, f64, &mut [f64; 2]),
) {
    const STEPS: usize = 300;
    let rng = &mut stream(11, &[]);
    let mut params: Vec<f32> = (0..P).map(|_| normal(rng) as f32).collect();
    let mut expected: Vec<f64> = params.iter().map(|&p| f64::from(p)).collect();
    let mut state = vec![[start; 2]; P];
    for n in 1..=STEPS {
        // sizes from 1e-4 to 1e4, so that no term of a formula is negligible throughout
        let grads: Vec<f32> =
            (0..P).map(|i| (normal(rng) * 10_f64.powf(i as f64 / 9.0 - 4.0)) as f32).collect();
        optimizer.step(&mut params, &grads).unwrap();
        for i in 0..P {
            update(n as f64, &mut expected[i], f64::from(grads[i]), &mut state[i]);
        }
    }
    for (i, (&got, &expected)) in params.iter().zip(&expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
        assert!(error < 2e-5, "{} of {i}: got {got}, expected {expected}", optimizer.name());
    }
}

fn adam(n: f64, theta: &mut f64, g: f64, [m, v]: &mut [f64; 2], rate: f64) {
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    let (m_hat, v_hat) = (*m / (1.0 - 0.9_f64.powf(n)), *v / (1.0 - 0.999_f64.powf(n)));
    *theta -= rate * m_hat / (v_hat.sqrt() + 1e-8);
}

#[test]
fn textbook_formulas_in_double_precision() {
    let layout = &layout();
    compare(Sgd::new(layout, 0.01), 0.0, |_, theta, g, _| *theta -= 0.01 * g);
    compare(
        Momentum::with_rule(layout, 0.01, MomentumRule::new(0.9, false)),
        0.0,
        |_, theta, g, [m, _]| {
            *m = 0.9 * *m + g;
            *theta -= 0.01 * *m;
        },
    );
    compare(
        Momentum::with_rule(layout, 0.01, MomentumRule::new(0.9, true)),
        0.0,
        |_, theta, g, [m, _]| {
            *m = 0.9 * *m + g;
            *theta -= 0.01 * (g + 0.9 * *m);
        },
    );
    compare(RmsProp::new(layout, 0.01), 1.0, |_, theta, g, [v, _]| {
        *v = 0.9 * *v + 0.1 * g * g;
        *theta -= 0.01 * g / (*v + 1e-10).sqrt();
    });
    compare(Adam::new(layout, 0.01), 0.0, |n, theta, g, state| adam(n, theta, g, state, 0.01));
    let schedule = Schedule::Exponential { rate: 0.99 };
    compare(AdamW::new(layout, 0.1, 0.2).with_schedule(schedule), 0.0, |n, theta, g, state| {
        let rate = 0.1 * 0.99_f64.powf(n - 1.0);
        *theta *= 1.0 - rate * 0.2;
        adam(n, theta, g, state, rate);
    });
}

#[test]
fn refused_steps_change_nothing() {
    let layout = &layout();
    let good: Vec<f32> = (0..P).map(|i| (i as f32 - 30.0) / 10.0).collect();
    for (mut optimizer, mut twin) in all(layout).into_iter().zip(all(layout)) {
        let (mut params, mut twin_params) = (vec![1.0; P], vec![1.0; P]);
        optimizer.step(&mut params, &good).unwrap();
        twin.step(&mut twin_params, &good).unwrap();

        let mut bad = good.clone();
        bad[50] = f32::NEG_INFINITY;
        let error = optimizer.step(&mut params, &bad).unwrap_err();
        let value = f32::NEG_INFINITY;
        let tensor = "b".to_owned();
        assert_eq!(error, StepError::NonFiniteGradient { tensor, index: 10, value });
        let error = optimizer.step(&mut params, &good[1..]).unwrap_err();
        let mismatch = |what| {
            let tensors = layout.to_string();
            StepError::LengthMismatch { what, expected: P, tensors, got: P - 1 }
        };
        assert_eq!(error, mismatch("grads"));
        let error = optimizer.step(&mut params[1..], &good).unwrap_err();
        assert_eq!(error, mismatch("params"));

        optimizer.step(&mut params, &good).unwrap();
        twin.step(&mut twin_params, &good).unwrap();
        assert_eq!(params, twin_params, "{}", optimizer.name());
    }
}

#[test]
fn reset_makes_the_next_step_a_first_step() {
    let layout = &layout();
    let run = |optimizer: &mut dyn Optimizer| {
        let mut params = vec![0.5; P];
        for n in 0..4 {
            let grads: Vec<f32> = params.iter().map(|p| p + n as f32).collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        params
    };
    for mut optimizer in all(layout) {
        let first = run(&mut *optimizer);
        let stateless = optimizer.name() == "sgd";
        assert_eq!(first == run(&mut *optimizer), stateless, "{}", optimizer.name());
        optimizer.reset();
        assert_eq!(first, run(&mut *optimizer), "{}", optimizer.name());
    }
}

#[test]
fn restored_state_continues_bit_for_bit() {
    let layout = &layout();
    let schedule = Schedule::Cosine { steps: 8, floor: 0.1 };
    let build = || Adam::new(layout, 0.1).with_schedule(schedule.clone());
    let advance = |adam: &mut Adam, params: &mut [f32]| {
        for _ in 0..4 {
            let grads = params.to_vec();
            adam.step(params, &grads).unwrap();
        }
    };
    let (mut adam, mut params) = (build(), vec![1.0; P]);
    advance(&mut adam, &mut params);
    let (mut resumed, mut resumed_params) = (build(), params.clone());
    resumed.restore(adam.steps(), adam.state()).unwrap();
    advance(&mut adam, &mut params);
    advance(&mut resumed, &mut resumed_params);
    assert_eq!(params, resumed_params);
    let [m, v] = adam.state();
    assert!(resumed.restore(1, [m, &v[1..]]).is_err());
}

#[test]
fn the_decay_of_adamw_follows_warmup_and_cosine() {
    const STEPS: u64 = 100;
    let schedule = Schedule::warmup_cosine(STEPS, STEPS / 20);
    let one = Layout::single(1).unwrap();
    let mut adamw = AdamW::new(&one, 0.5, 0.01).with_schedule(schedule);
    // without gradient each step leaves 1 - lr lambda of the parameter
    let mut shrunk = |_| {
        let mut params = [1.0];
        adamw.step(&mut params, &[0.0]).unwrap();
        (1.0 - f64::from(params[0])) / (0.5 * 0.01)
    };
    let multipliers: Vec<f64> = (0..=STEPS).map(&mut shrunk).collect();
    for (n, &got) in multipliers.iter().enumerate() {
        let expected = match n {
            0..5 => (n + 1) as f64 / 5.0,
            5..100 => 0.5 + 0.5 * (std::f64::consts::PI * (n - 5) as f64 / 95.0).cos(),
            _ => 0.0,
        };
        assert!((got - expected).abs() < 1e-4, "step {n}: {got}, expected {expected}");
    }
}

#[test]
fn every_baseline_can_be_cloned_shared_and_kept() {
    fn check<T: Optimizer + Clone + Send + Sync + 'static>() {}
    check::<Sgd>();
    check::<Momentum>();
    check::<RmsProp>();
    check::<Adam>();
    check::<AdamW>();
    check::<NAdamW>();
    check::<Lion>();
    check::<Muon>();
    check::<ScheduleFreeAdamW>();
    check::<ScheduleFreePlus>();
    check::<Prodigy>();
    check::<RelativeAdam>();
    check::<DAdaptAdam>();
}

#[test]
#[should_panic(expected = "expected a positive epsilon that is normal in f32, got 1e-50")]
fn an_epsilon_that_rounds_to_zero_is_refused() {
    let _ = Adam::new(&layout(), 0.1).with_epsilon(1e-50);
}

#[test]
fn optimizers_are_plain_values() {
    fn is_plain_optimizer<T: Optimizer + Clone + Send + Sync + 'static>() {}
    is_plain_optimizer::<Sgd>();
    is_plain_optimizer::<Momentum>();
    is_plain_optimizer::<RmsProp>();
    is_plain_optimizer::<NAdamW>();
    is_plain_optimizer::<Lion>();
    is_plain_optimizer::<Muon>();
    is_plain_optimizer::<ScheduleFreeAdamW>();
    is_plain_optimizer::<ScheduleFreePlus>();
    is_plain_optimizer::<Prodigy>();
    is_plain_optimizer::<DAdaptAdam>();
}
