//! The relative RNN: the optimizer as one uses it on a device, against the one of the CPU.

use crate::pair::{Pair, client, difference, embedded, parameters, sizes};
use lopt_core::rng::{normal, stream, unit};
use lopt_core::weights::TrainingRecord;
use lopt_core::{
    Given, Layout, LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup, RelativeRnnConfig,
    Schedule, TensorShape, Weights,
};
use proptest::prelude::*;

/// Numbers of a tensor in the memory of a relative RNN.
const NUMBERS: usize = 21;

/// Vectors, matrices, weights of a single output and kernels of about these sizes.
fn layout(sizes: &[usize]) -> Layout {
    let shape = |(t, &n): (usize, &usize)| {
        let side = n.isqrt();
        let shape = match t % 4 {
            0 => vec![n],
            1 => vec![side, n / side],
            2 => vec![n, 1],
            _ => vec![n.div_ceil(9), 1, 3, 3],
        };
        TensorShape::new(format!("t{t}"), shape)
    };
    Layout::new(sizes.iter().enumerate().map(shape).collect()).unwrap()
}

fn config() -> LearnedOptimizerConfig {
    embedded("recommended")
}

/// Networks of other sizes, and of weights that say something.
fn random_weights(seed: u64) -> Weights {
    let sizes = RelativeRnnConfig {
        tensor_hidden: 5,
        global_hidden: 3,
        agreement: 2.0,
        warm_up: 60.0,
        warm_up_per_matrix: 5.0,
        shorter_with_depth: 0.4,
        doubt_with_depth: 0.3,
        power_in_noise: 0.3,
        weight_decay: 0.04,
    };
    let mut rng = stream(seed, &[7]);
    let psi = (0..sizes.meta_parameters()).map(|_| 0.4 * normal(&mut rng) as f32).collect();
    Weights::new(sizes, psi, TrainingRecord::default()).unwrap()
}

/// A direction with noise; sizes differ by tensor, and some tensors or rows have zeros.
fn gradients(layout: &Layout, seed: u64, step: u64) -> Vec<f32> {
    let mut all = Vec::new();
    for (t, range) in layout.ranges().enumerate() {
        let mut rng = stream(seed, &[2, step, t as u64]);
        let mut way = stream(seed, &[3, t as u64]);
        let kept = unit(&mut stream(seed, &[4, t as u64]));
        let size = 10.0_f64.powi(t as i32 % 7 - 5);
        let whole = unit(&mut rng) < 0.8 || range.len() == layout.len();
        all.extend(range.map(|i| {
            let value = size * (kept * normal(&mut way) + normal(&mut rng));
            let there = whole && (t % 3 != 1 || !(i / 7 + step as usize).is_multiple_of(4));
            if there { value as f32 } else { 0.0 }
        }));
    }
    all
}

/// Tensors that have a gradient at a step, some of them late.
fn present(layout: &Layout, seed: u64, step: u64) -> Vec<bool> {
    let has = |t: usize| {
        let late = unit(&mut stream(seed, &[5, t as u64])) * 4.0 - 2.0;
        step as f64 >= late && unit(&mut stream(seed, &[6, t as u64, step])) < 0.9
    };
    (0..layout.tensor_count()).map(has).collect()
}

/// Largest difference of points, and of all fields of the state with its name.
fn apart(pair: &Pair) -> (f64, f64, String) {
    let back = pair.device.to_host().unwrap();
    let (there, here) = (fields(&back), fields(&pair.host));
    let mut points = difference(&pair.moved(), &pair.theta);
    let mut worst = (0.0, String::new());
    for ((name, a), (_, b)) in there.into_iter().zip(&here) {
        let apart = difference(&a, b);
        if ["v", "z", "y"].contains(&&name[..]) {
            points = points.max(apart);
        }
        if apart > worst.0 {
            worst = (apart, name);
        }
    }
    assert_eq!(back.own_steps(), pair.host.own_steps());
    (points, worst.0, worst.1)
}

/// The values of every field of the state. Those without units are never counted as smaller than 0.1.
fn fields(optimizer: &LearnedOptimizer) -> Vec<(String, Vec<f32>)> {
    let rnn = optimizer.relative_rnn().unwrap();
    let (memory, count) = (rnn.memory(), rnn.layout().tensor_count());
    let (of_tensors, rest) = memory.numbers.split_at(count * NUMBERS);
    let mut all = Vec::new();
    for i in 0..NUMBERS {
        let mut values: Vec<f32> =
            of_tensors.iter().skip(i).step_by(NUMBERS).map(|&x| x as f32).collect();
        // sizes and the last move have the units of the parameters
        if !matches!(i, 1 | 2 | 18) {
            values.push(0.1);
        }
        all.push((format!("number {i}"), values));
    }
    let rest = rest.iter().map(|&x| x as f32).chain([0.1]).collect();
    all.push(("hidden".to_owned(), rest));
    let names = ["m", "v", "z", "y"];
    all.extend(names.iter().zip(memory.parts).map(|(n, part)| ((*n).to_owned(), part.to_vec())));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_agrees(sizes in sizes(100.0, 1_000_000), random: bool, alike: bool, losses: bool, seed in 0_u64..1000) {
        let layout = layout(&sizes);
        let mut settings = config();
        if random {
            settings = settings.with_weights(random_weights(seed));
        }
        if !alike {
            settings = settings
                .with_group(ParameterGroup::new("t0").with_step_multiplier(0.5))
                .with_schedule(Schedule::Cosine { steps: 10, floor: 0.1 });
            // a pattern that fits no tensor is refused
            if sizes.len() > 10 {
                settings = settings.with_group(ParameterGroup::new("t*0").frozen());
            }
        }
        let mut pair = Pair::new(&settings, &layout, seed);
        let mut seen = [(0.0, 0.0, String::new()), (0.0, 0.0, String::new())];
        for step in 0..10 {
            let has = if alike { Vec::new() } else { present(&layout, seed, step) };
            let loss = losses.then(|| 3.0 - (step as f32).sqrt());
            if step == 5 && layout.len() < 5000 {
                for early in 0..60 {
                    let grads = gradients(&layout, seed + 1, early);
                    pair.host.step_given(&mut pair.theta, &grads, Given::default()).unwrap();
                }
                pair.take_host();
            } else if step == 5 {
                break;
            }
            pair.step(&gradients(&layout, seed, step), &has, loss);
            let now = apart(&pair);
            let seen = &mut seen[usize::from(step >= 5)];
            let worse = now.1 > seen.1;
            *seen = (now.0.max(seen.0), now.1.max(seen.1), if worse { now.2 } else { seen.2.clone() });
        }
        let [(points, all, name), (later_points, later, other)] = &seen;
        println!(
            "{} tensors, {} parameters: points {points:.1e}, state {all:.1e} ({name}); after 60 \
             steps {later_points:.1e}, {later:.1e} ({other})", sizes.len(), layout.len()
        );
        // in the first steps iterate and average are so near that their difference is made of rounding errors, and the
        // cosine of it with the gradient too
        prop_assert!(*points < 1e-5 && *all < 2e-3, "{seen:?}");
        prop_assert!(*later_points < 1e-5 && *later < 1e-4, "{seen:?}");
    }
}

#[test]
fn a_longer_run_agrees() {
    let layout = layout(&[70, 130, 20, 9, 4]);
    let mut pair = Pair::new(&config(), &layout, 3);
    for step in 0..150 {
        pair.step(&gradients(&layout, 3, step), &[], Some(1.0 / (step + 1) as f32));
    }
    let (points, worst, name) = apart(&pair);
    println!("150 steps: points {points:.1e}, state {worst:.1e} ({name})");
    assert!(worst < 1e-5, "{name}: {worst}");
}

#[test]
fn tensors_that_are_held_or_without_gradient_stay_as_they_are() {
    let layout = layout(&[100, 81, 30, 64]);
    let config = config().with_group(ParameterGroup::new("t0").frozen());
    let mut pair = Pair::new(&config, &layout, 4);
    let start = pair.theta.clone();
    for step in 0..8 {
        let mut grads = gradients(&layout, 4, step);
        if step == 3 {
            grads.fill(0.0);
        }
        if step < 5 {
            grads[layout.range(2)].fill(0.0);
        }
        let before = pair.moved();
        pair.step(&grads, &[true, true, true, step % 2 == 0], None);
        let after = pair.moved();
        assert_eq!(after[layout.range(0)], start[layout.range(0)]);
        for t in 1..4 {
            let moves =
                grads[layout.range(t)].iter().any(|&g| g != 0.0) && (t < 3 || step % 2 == 0);
            assert_eq!(after[layout.range(t)] != before[layout.range(t)], moves, "{step} {t}");
        }
        let (points, worst, name) = apart(&pair);
        assert!(points < 1e-5 && worst < 1e-3, "step {step}: {points}, {name}: {worst}");
    }
    assert_eq!(pair.device.to_host().unwrap().own_steps()[0], 0);
}

/// The attended point of a tensor before its first step is where the parameters are.
#[test]
fn a_tensor_that_joins_late_begins_where_it_is() {
    let layout = layout(&[70, 130, 20]);
    let mut pair = Pair::new(&config(), &layout, 8);
    for step in 0..12 {
        let has = [true, step >= 6, true];
        if step == 5 {
            pair.theta = pair.moved();
            pair.theta[layout.range(1)].iter_mut().for_each(|x| *x += 1.0);
            pair.params = pair.device.upload(&pair.theta).unwrap();
        }
        pair.step(&gradients(&layout, 8, step), &has, None);
        let at = pair.device.attended(&pair.params);
        let at = pair.device.download(at).unwrap();
        let memory = pair.host.relative_rnn().unwrap().memory();
        assert!(difference(&at, memory.parts[3]) < 1e-5, "step {step}");
    }
    let (points, worst, name) = apart(&pair);
    assert!(points < 1e-5 && worst < 1e-3, "{points}, {name}: {worst}");
}

#[test]
fn states_go_back_and_forth() {
    let layout = layout(&[70, 49, 1000, 5]);
    let config = config().with_schedule(Schedule::Cosine { steps: 20, floor: 0.1 });
    let mut pair = Pair::new(&config, &layout, 1);
    let blank = pair.host.to_bytes(&pair.theta).unwrap();
    assert!(pair.device.to_host().unwrap().to_bytes(&pair.theta).unwrap() == blank);
    let held = [true, false, true, true];
    for step in 0..5 {
        let grads = gradients(&layout, 1, step);
        let given = Given { has_gradient: &held, loss: Some(2.0), ..Given::default() };
        pair.host.step_given(&mut pair.theta, &grads, given).unwrap();
    }
    // there and back without a step changes no bit, of single tensors neither
    pair.take_host();
    let bytes = pair.host.to_bytes(&pair.theta).unwrap();
    assert!(pair.device.to_host().unwrap().to_bytes(&pair.theta).unwrap() == bytes);
    pair.step(&gradients(&layout, 1, 5), &held, Some(1.5));
    assert!(apart(&pair).0 < 1e-5, "{:?}", apart(&pair));

    // a device goes on bit for bit from the file of one
    let theta = pair.moved();
    let bytes = pair.device.to_host().unwrap().to_bytes(&theta).unwrap();
    let mut other = Pair::new(&config, &layout, 9);
    other.theta = other.host.from_bytes(&bytes).unwrap();
    other.take_host();
    for step in 6..12 {
        let grads = gradients(&layout, 1, step);
        other.step(&grads, &[], None);
        pair.on_device(&grads, &[], None);
        let [a, b] = [&pair, &other].map(|p| p.moved());
        assert!(a == b, "step {step}");
    }
    assert!(apart(&other).0 < 1e-5, "{:?}", apart(&other));

    let start = parameters(&layout, 2);
    other.device.reset().unwrap();
    other.params = other.device.upload(&start).unwrap();
    let mut anew = Pair::new(&config, &layout, 2);
    for pair in [&mut other, &mut anew] {
        pair.on_device(&gradients(&layout, 1, 0), &[], None);
    }
    let [a, b] = [&other, &anew].map(|p| p.moved());
    assert!(a == b);
}

#[test]
fn repetition_changes_no_bit() {
    let layout = layout(&[5000, 3, 7, 70_000, 4096]);
    let run = || {
        let mut pair = Pair::new(&config(), &layout, 2);
        for step in 0..5 {
            pair.on_device(&gradients(&layout, 2, step), &[], Some(1.0));
        }
        let params = pair.moved();
        pair.device.to_host().unwrap().to_bytes(&params).unwrap()
    };
    assert!(run() == run());
}

#[test]
fn the_other_kind_of_networks_is_refused() {
    let layout = layout(&[10]);
    let kinds = ["recommended", "hierarchical-rnn"].map(embedded);
    for (own, other) in [(&kinds[0], &kinds[1]), (&kinds[1], &kinds[0])] {
        let mut device = own.init_on_device(&client(), &layout).unwrap();
        let error = device.go_on_from(&other.init(&layout).unwrap()).unwrap_err();
        let sentence =
            "the optimizer on the host has another kind of networks than the one on the device";
        assert_eq!(error.to_string(), sentence);
    }
}
