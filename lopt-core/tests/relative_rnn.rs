//! The second generation: against plain scalar maths, and what it promises.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::rng::{normal, stream};
use lopt_core::simd::Level;
use lopt_core::weights::TrainingRecord;
use lopt_core::{
    Given, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer, ParameterGroup,
    RelativeRnn, RelativeRnnConfig, TensorShape, Weights,
};

fn layout() -> Layout {
    let shapes = [
        ("w", vec![5, 9]),
        ("b", vec![9]),
        ("table", vec![40, 3]),
        ("s", vec![1]),
        ("wide", vec![1800, 2]),
        ("head", vec![7, 1]),
        ("quiet", vec![6]),
    ];
    let mut shapes = shapes.map(|(name, shape)| TensorShape::new(name, shape)).to_vec();
    // so many that steps are shorter
    shapes.extend((0..6).map(|layer| TensorShape::new(format!("layer{layer}"), [2, 2])));
    Layout::new(shapes).unwrap()
}

fn random_psi(scale: f64) -> Vec<f64> {
    let mut rng = stream(3, &[]);
    let count = RelativeRnnConfig::recommended().meta_parameters();
    (0..count).map(|_| scale * normal(&mut rng)).collect()
}

fn start(layout: &Layout) -> Vec<f32> {
    let mut rng = stream(4, &[]);
    (0..layout.len()).map(|_| (0.3 * normal(&mut rng)) as f32).collect()
}

/// A noisy quadratic with other curvatures, and rows of the table that are not used.
fn gradient(layout: &Layout, step: u64, at: &[f32]) -> (Vec<f32>, f32) {
    let mut rng = stream(5, &[step]);
    let table = layout.range(2);
    let mut loss = 0.0;
    let grads = at.iter().enumerate().map(|(i, x)| {
        let noise = 0.1 * normal(&mut rng) as f32;
        if table.contains(&i) && (i / 3 + step as usize).is_multiple_of(4) {
            return 0.0;
        }
        // about as small beside the others as rounding errors are
        let quiet = if layout.range(6).contains(&i) { 1e-4 } else { 1.0 };
        let (curvature, goal) = (quiet * (1.0 + (i % 7) as f32), (i % 5) as f32 * 0.2 - 0.3);
        loss += 0.5 * curvature * (x - goal).powi(2);
        curvature * (x - goal) + quiet * noise
    });
    let grads = grads.collect();
    (grads, loss)
}

fn train(optimizer: &mut dyn Optimizer, layout: &Layout, params: &mut [f32], steps: u64) {
    for step in 0..steps {
        let at = optimizer.attended(params).to_vec();
        let (grads, loss) = gradient(layout, step, &at);
        optimizer.observe(loss);
        optimizer.step(params, &grads).unwrap();
    }
}

fn optimizer(psi: &[f64], layout: &Layout, level: Level) -> RelativeRnn {
    let config = RelativeRnnConfig {
        warm_up: 15.0,
        warm_up_per_matrix: 5.0,
        ..RelativeRnnConfig::recommended()
    };
    RelativeRnn::new(&config, psi, layout, level)
}

/// The whole rule in scalar double precision, written down a second time.
struct Reference {
    psi: Vec<f64>,
    tensors: Vec<Plain>,
    global: Vec<f64>,
    loss: Option<([f64; 3], f64, f64)>,
}

struct Plain {
    shape: Vec<usize>,
    n: f64,
    sizes: [f64; 2],
    least: f64,
    w: [f64; 2],
    seen: [[f64; 2]; 4],
    drift: f64,
    rates: [f64; 6],
    influence: f64,
    hidden: Vec<f64>,
    mvzxy: Vec<[f64; 5]>,
}

const H: usize = 8;
const G: usize = 4;
const IN: usize = 14;

fn gru(psi: &[f64], x: &[f64], h: &[f64]) -> Vec<f64> {
    let (n, i) = (h.len(), x.len());
    let sum = |gate: usize, unit: usize, with: f64| {
        let row = gate * n + unit;
        let given: f64 = (0..i).map(|k| psi[row * i + k] * x[k]).sum();
        let kept: f64 = (0..n).map(|k| psi[3 * n * i + row * n + k] * h[k]).sum();
        psi[3 * n * (i + n) + row] + given + with * kept
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let unit = |u: usize| {
        let keep = sigmoid(sum(0, u, 1.0));
        let reset = sigmoid(sum(1, u, 1.0));
        keep * h[u] + (1.0 - keep) * sum(2, u, reset).tanh()
    };
    (0..n).map(unit).collect()
}

impl Reference {
    fn new(psi: &[f64], layout: &Layout, params: &[f32]) -> Self {
        let tensor = |(t, range): (&TensorShape, std::ops::Range<usize>)| {
            let values = params[range].iter().map(|&x| f64::from(x));
            let mvzxy: Vec<[f64; 5]> = values.map(|x| [0.0, 0.0, x, x, x]).collect();
            let squares: f64 = mvzxy.iter().map(|e| e[2] * e[2]).sum();
            let least = if t.name == "wide" { 0.025 } else { 0.05 };
            Plain {
                shape: t.shape.clone(),
                n: 0.0,
                sizes: [(squares / mvzxy.len() as f64).sqrt().max(least); 2],
                least,
                w: [0.0; 2],
                seen: [[0.0; 2]; 4],
                drift: 0.0,
                rates: [1.0, 0.9, 0.998, 8.0, 0.5, 0.0],
                influence: 0.0,
                hidden: vec![0.0; H],
                mvzxy,
            }
        };
        let tensors = layout.tensors().iter().zip(layout.ranges()).map(tensor).collect();
        Self { psi: psi.to_vec(), tensors, global: vec![0.0; G], loss: None }
    }

    fn points(&self, k: usize) -> Vec<f64> {
        self.tensors.iter().flat_map(|t| t.mvzxy.iter().map(move |e| e[k])).collect()
    }

    fn step(&mut self, grads: &[f64], loss: f64) {
        let of_tensor = 3 * H * (IN + G + H + 1);
        let of_global = 3 * G * (H + 4 + G + 1);
        let readout = &self.psi[of_tensor + of_global..];
        let (mut at, mut mean, mut present, mut clock) = (0, vec![0.0; H], 0.0, 0.0_f64);
        let is_matrix = |t: &Plain| t.shape.iter().filter(|&&e| e > 1).count() > 1;
        let matrices = self.tensors.iter().filter(|t| is_matrix(t)).count() as f64;
        for t in &mut self.tensors {
            let count = t.mvzxy.len();
            let g = &grads[at..at + count];
            at += count;
            t.influence = 0.0;
            if g.iter().all(|&g| g == 0.0) {
                continue;
            }
            let [length, b1, b2, power, mix, weight_decay] = t.rates;
            let sides: Vec<usize> = t.shape.iter().copied().filter(|&e| e > 1).collect();
            let normal = match sides[..] {
                [a, b] => 0.32 * (1.0 / (a as f64).sqrt() + 1.0 / (b as f64).sqrt()).min(1.0),
                _ => 0.08,
            };
            let single = t.shape.len() > 1 && t.shape.contains(&1) || count == 1;
            let agreement = if single { 8.0 } else { 0.0 };
            let cosine = t.seen[0][0];
            let clear = agreement * (cosine - 0.3).max(0.0) - 4.0 * (-cosine - 0.3).max(0.0);
            let warm = ((t.n + 1.0) / (15.0 + 5.0 * matrices)).min(1.0);
            let wanted = normal / (matrices / 4.0).max(1.0).sqrt() * length * clear.exp() * warm;
            t.n += 1.0;
            t.w = [b1 * t.w[0] + 1.0 - b1, b2 * t.w[1] + 1.0 - b2];
            let scale = (t.sizes[0] * t.sizes[1]).sqrt();
            let relative = wanted / (1.0 + wanted / 0.3);
            let (step, keep) = (scale * relative, 1.0 - weight_decay * relative);
            let share = (power + 1.0) / (t.n + power);
            let mut s = [0.0; 9];
            for (e, &g) in t.mvzxy.iter_mut().zip(g) {
                let [m0, v0, z0, x0, _] = *e;
                let (m, v) = (b1 * m0 + (1.0 - b1) * g, b2 * v0 + (1.0 - b2) * g * g);
                let root = (v / t.w[1]).sqrt() + 1e-12;
                let d = (b1 * m / (b1 * t.w[0] + 1.0 - b1) + (1.0 - b1) * g / t.w[0]) / root;
                let u = d / (1.0 + d * d / 16.0).sqrt();
                let z = if u * z0 > 0.0 { keep * z0 } else { z0 } - step * u;
                let x = x0 + share * (z - x0);
                *e = [m, v, z, x, x + mix * (z - x)];
                let (gi, mi, a) = (g / root, m0 / root, z0 - x0);
                let terms = [gi * gi, gi * mi, mi * mi, g * a, a * a, g * g, u * u, z * z];
                s.iter_mut().zip(terms).for_each(|(s, x)| *s += x);
                s[8] += f64::from(u8::from(g != 0.0));
            }
            let n = count as f64;
            t.influence = (s[5] / n).sqrt() * scale;
            t.sizes[1] = (s[7] / n).sqrt().max(t.least);
            let cosine =
                |p: f64, a: f64, b: f64| if a * b > 0.0 { p / (a * b).sqrt() } else { 0.0 };
            let now = [
                cosine(s[1], s[0], s[2]),
                cosine(s[3], s[5], s[4]),
                0.5 * (s[6] / n + 1e-12).ln() + 1.0,
                (s[8] / n).ln(),
            ];
            for (seen, now) in t.seen.iter_mut().zip(now) {
                seen[0] += (now - seen[0]) / t.n.min(10.0);
                seen[1] += (now - seen[1]) / t.n.min(100.0);
            }
            let matrix = is_matrix(t);
            let longer = if matrix { *t.shape.iter().max().unwrap() as f64 } else { 1.0 };
            let x = [
                3.0 * t.seen[0][0],
                3.0 * t.seen[0][1],
                t.seen[1][0],
                t.seen[1][1],
                t.seen[2][0],
                t.seen[2][1],
                0.5 * (t.sizes[1] / t.sizes[0]).ln(),
                0.3 * (((s[4] / n).sqrt() / scale).max(1e-6).ln() + 3.0),
                (t.n + 1.0).ln() / 5.0 - 1.0,
                f64::from(u8::from(matrix)),
                n.min(4500.0).ln() / 5.0 - 1.0,
                longer.min(450.0).ln() / 4.0 - 0.5,
                0.3 * t.seen[3][1],
                0.5 * t.rates[0].ln(),
            ];
            let inputs: Vec<f64> = x.iter().chain(&self.global).copied().collect();
            t.hidden = gru(&self.psi[..of_tensor], &inputs, &t.hidden);
            let out = |k: usize| {
                let row = &readout[k * (H + 1 + IN)..(k + 1) * (H + 1 + IN)];
                let columns = t.hidden.iter().copied().chain([1.0]).chain(x);
                row.iter().zip(columns).map(|(w, x)| w * x).sum::<f64>()
            };
            let within = |x: f64, most: f64| most * (x / most).tanh();
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let noise = |cosine: f64| (1.0 - 4.0 * cosine.abs()).max(0.0);
            let noise = noise(t.seen[0][1]) * noise(now[0]);
            let signal = (t.seen[0][1].abs() / 0.04).min(1.0);
            t.drift = (t.drift + 0.02 * out(1).tanh()).clamp(-2.0, 2.0);
            t.rates = [
                ((within(out(0), 2.0) + t.drift) / (matrices / 4.0).max(1.0)).exp(),
                sigmoid(9.0_f64.ln() + within(out(2), 3.0)),
                sigmoid(499.0_f64.ln() + within(out(3), 3.0)),
                8.0 * (0.25 + 0.75 * signal) * within(out(4), 2.5).exp(),
                sigmoid(within(out(5), 4.0)),
                0.033 * noise * f64::from(u8::from(matrix)) * out(6).clamp(0.0, 4.0),
            ];
            mean.iter_mut().zip(&t.hidden).for_each(|(mean, h)| *mean += h);
            (present, clock) = (present + 1.0, clock.max(t.n));
        }
        let largest = self.tensors.iter().map(|t| t.influence).fold(0.0, f64::max);
        for t in self.tensors.iter_mut().filter(|t| t.influence > 0.0) {
            if !is_matrix(t) {
                let share = (t.influence / largest).max(1e-6);
                t.rates[0] *= share * share / (share * share + 9e-8);
            }
        }
        let (mut averages, mut spread, mut count) = self.loss.unwrap_or(([loss; 3], 0.0, 0.0));
        count += 1.0;
        spread += ((loss - averages[1]).abs() - spread) * (1.0 / (count + 1.0)).max(0.02);
        for (average, horizon) in averages.iter_mut().zip([5.0, 30.0, 200.0]) {
            *average += (loss - *average) / count.min(horizon);
        }
        self.loss = Some((averages, spread, count));
        let trend =
            |k: usize| ((averages[k + 1] - averages[k]) / spread.max(1e-12 * loss.abs())).tanh();
        let mut inputs: Vec<f64> = mean.iter().map(|x| x / present).collect();
        inputs.extend([trend(0), trend(1), 1.0, (clock + 1.0).ln() / 5.0 - 1.0]);
        self.global = gru(&self.psi[of_tensor..of_tensor + of_global], &inputs, &self.global);
    }
}

#[test]
fn the_rule_is_that_of_the_reference() {
    let layout = layout();
    let psi = random_psi(0.25);
    let mut ours = optimizer(&psi, &layout, Level::detect());
    let mut params = start(&layout);
    params[layout.range(4)].fill(0.0);
    let mut plain = Reference::new(&psi, &layout, &params);
    let (mut turned, mut agreed, mut noisy) = (false, false, false);
    for step in 0..60 {
        let at = plain.points(4);
        let single: Vec<f32> = at.iter().map(|&x| x as f32).collect();
        let (mut grads, loss) = gradient(&layout, step, &single);
        // a gradient that turns round in every step shortens its tensor's steps
        grads[layout.range(3)].fill(if step % 2 == 0 { 0.5 } else { -0.5 });
        ours.observe(loss);
        ours.step(&mut params, &grads).unwrap();
        let exact: Vec<f64> = grads.iter().map(|&g| f64::from(g)).collect();
        plain.step(&exact, f64::from(loss));
        agreed |= plain.tensors[5].seen[0][0] > 0.35;
        noisy |= plain.tensors.iter().any(|t| t.seen[0][1].abs() < 0.02);
        turned |= plain.tensors.iter().any(|t| t.seen[0][0] < -0.35);
        for (k, ours) in [(3, &params[..]), (4, ours.attended(&params))] {
            for (i, (a, b)) in ours.iter().zip(plain.points(k)).enumerate() {
                let error = (f64::from(*a) - b).abs();
                assert!(error < 2e-4 * b.abs().max(0.1), "step {step}, element {i}: {a} {b}");
            }
        }
    }
    assert!(turned && agreed && noisy);
}

/// The loss does not depend on a bias in front of a batch normalisation: its gradients are rounding errors, and
/// where it wandered, running statistics would be those of another point. Units of the loss make no difference.
#[test]
fn rounding_errors_do_not_move_a_bias() {
    let shapes = [("filter", vec![3, 3, 8, 4]), ("bias", vec![4]), ("norm.bias", vec![4])];
    let layout = Layout::new(shapes.map(|(name, shape)| TensorShape::new(name, shape)).to_vec());
    let layout = layout.unwrap();
    let moved = |unit: f32| {
        let mut params = start(&layout);
        let begun = params.clone();
        let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
        // several times as long as steps warm up
        for step in 0..1500 {
            let mut rng = stream(6, &[step]);
            let mut draw = |size: f64| (size * normal(&mut rng)) as f32 * unit;
            let grads = (0..layout.len()).map(|i| match layout.range(1).contains(&i) {
                true => draw(2e-5),
                false => draw(1.0),
            });
            let grads: Vec<f32> = grads.collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        let distance = |t: usize| -> f32 {
            layout.range(t).map(|i| (params[i] - begun[i]).powi(2)).sum::<f32>().sqrt()
        };
        ([distance(1), distance(2)], params)
    };
    let ([rounding, bias], params) = moved(1.0);
    assert!(rounding < 0.02 * bias, "{rounding} {bias}");
    assert!(bias > 0.02, "{bias}");
    let others = moved(1e3).1;
    assert!(params.iter().zip(others).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn levels_and_threads_give_the_same_bits() {
    let big =
        Layout::new(vec![TensorShape::new("big", [1000, 211]), TensorShape::new("small", [17])])
            .unwrap();
    let psi = random_psi(0.25);
    let run = |level: Level, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut params = start(&big);
            let mut optimizer = optimizer(&psi, &big, level);
            for step in 0..12_u64 {
                let at = optimizer.attended(&params).to_vec();
                let mut rng = stream(6, &[step]);
                let grads: Vec<f32> = at.iter().map(|x| x + normal(&mut rng) as f32).collect();
                optimizer.step(&mut params, &grads).unwrap();
            }
            params
        })
    };
    let first = run(Level::Portable, 1);
    for level in Level::ALL {
        for threads in [1, 3] {
            assert!(run(level, threads) == first, "{level:?}, {threads} threads");
        }
    }
}

/// Frameworks keep a dense layer as inputs by outputs or the other way round, and the axes of a kernel
/// before or after the channels.
#[test]
fn the_order_of_axes_does_not_matter() {
    for [ours, others] in [
        [vec![5, 90], vec![90, 5]],
        [vec![700, 8], vec![8, 700]],
        [vec![3, 3, 1, 8], vec![8, 1, 3, 3]],
        [vec![3, 3, 16, 16], vec![16, 16, 3, 3]],
        [vec![1, 1, 8, 4], vec![4, 8, 1, 1]],
        [vec![1, 7, 6, 12], vec![12, 6, 1, 7]],
        [vec![16, 16, 3, 9], vec![9, 3, 16, 16]],
        [vec![5, 6, 12], vec![12, 6, 5]],
        [vec![3, 3, 3, 2, 6], vec![6, 2, 3, 3, 3]],
    ] {
        let run = |shape: &[usize]| {
            let layout = Layout::new(vec![TensorShape::new("w", shape)]).unwrap();
            let mut params = start(&layout);
            let mut optimizer = optimizer(&random_psi(0.25), &layout, Level::detect());
            for step in 0..20_u64 {
                let mut rng = stream(6, &[step]);
                let grads: Vec<f32> = params.iter().map(|x| x + normal(&mut rng) as f32).collect();
                optimizer.step(&mut params, &grads).unwrap();
            }
            params
        };
        assert!(run(&ours) == run(&others), "{ours:?}");
    }
}

/// Neither the scale of the loss nor that of the parameters changes what happens.
#[test]
fn units_do_not_matter() {
    let layout = Layout::new(vec![TensorShape::new("w", [8, 8])]).unwrap();
    let psi = random_psi(0.25);
    let run = |of_loss: f32, of_params: f32| {
        let mut optimizer = optimizer(&psi, &layout, Level::detect());
        let mut params: Vec<f32> =
            start(&layout).iter().map(|x| (x + x.signum()) * of_params).collect();
        for step in 0..80 {
            let at: Vec<f32> = optimizer.attended(&params).iter().map(|x| x / of_params).collect();
            let mut rng = stream(7, &[step]);
            let (mut grads, mut loss) = (Vec::new(), 0.0);
            for x in at {
                loss += (x - 0.5).powi(2);
                grads.push((x - 0.5 + 0.1 * normal(&mut rng) as f32) * of_loss / of_params);
            }
            optimizer.observe(loss * of_loss);
            optimizer.step(&mut params, &grads).unwrap();
        }
        params.iter().map(|x| x / of_params).collect::<Vec<f32>>()
    };
    let first = run(1.0, 1.0);
    // powers of two change no digit
    for (of_loss, of_params) in [(1024.0, 1.0), (1.0 / 4096.0, 1.0), (1.0, 32.0), (64.0, 16.0)] {
        for (a, b) in run(of_loss, of_params).iter().zip(&first) {
            assert!((a - b).abs() < 1e-5, "{of_loss} {of_params}: {a} {b}");
        }
    }
}

/// Rows without a gradient stay, and those with one learn as in a table that has only them.
#[test]
fn rows_that_are_not_used_stay() {
    let run = |rows: usize| {
        let layout = Layout::new(vec![TensorShape::new("table", [rows, 8])]).unwrap();
        let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
        let first: Vec<f32> = (0..rows * 8).map(|i| 0.5 * (i as f32 * 1.3).sin()).collect();
        let mut params = first.clone();
        for _ in 0..500 {
            let at = optimizer.attended(&params).to_vec();
            let goal = |i: usize| (i as f32 * 0.7).cos();
            let grads: Vec<f32> =
                (0..at.len()).map(|i| if i < 80 { at[i] - goal(i) } else { 0.0 }).collect();
            optimizer.step(&mut params, &grads).unwrap();
        }
        assert_eq!(params[80..], first[80..]);
        let error = |i: usize| (params[i] - (i as f32 * 0.7).cos()).powi(2);
        (0..80).map(error).sum::<f32>() / 80.0
    };
    let (small, large) = (run(10), run(1000));
    assert!(small < 1e-4 && large < 2e-3, "{small} {large}");
}

/// A tensor that thaws late trains as one that was there from the start.
#[test]
fn every_tensor_has_its_own_clock() {
    let layout = Layout::new(vec![TensorShape::new("a", [8]), TensorShape::new("b", [8])]).unwrap();
    let mut optimizer = LearnedOptimizer::pretrained(&layout).unwrap();
    let mut params = [1.0_f32; 16];
    let loss = |params: &[f32]| params.iter().map(|x| x * x).sum::<f32>();
    let mut at_30 = 0.0;
    for step in 0..3030 {
        let grads: Vec<f32> = optimizer.attended(&params).iter().map(|x| 2.0 * x).collect();
        let has_gradient = [true, step >= 3000];
        let given = Given { has_gradient: &has_gradient, ..Given::default() };
        optimizer.step_given(&mut params, &grads, given).unwrap();
        if step == 29 {
            at_30 = loss(&params[..8]);
        }
        assert!(step >= 3000 || params[8..] == [1.0; 8]);
    }
    let late = loss(&params[8..]);
    assert!(late < 1.5 * at_30 + 1e-3, "{late} after 30 steps, {at_30} from the start");
}

#[test]
fn what_is_saved_goes_on_bit_for_bit() {
    let layout = layout();
    let psi = random_psi(0.25).iter().map(|&x| x as f32).collect();
    let weights =
        Weights::new(RelativeRnnConfig::recommended(), psi, TrainingRecord::default()).unwrap();
    let config = LearnedOptimizerConfig::new()
        .with_weights(weights)
        .with_weight_decay(1e-4)
        .with_group(ParameterGroup::new("b").frozen())
        .with_group(ParameterGroup::new("table").with_step_multiplier(0.5));
    let mut optimizer = config.init(&layout).unwrap();
    let mut params = start(&layout);
    let frozen = params[layout.range(1)].to_vec();
    train(&mut optimizer, &layout, &mut params, 70);
    assert_eq!(params[layout.range(1)], frozen);
    let bytes = optimizer.to_bytes(&params).unwrap();
    let mut resumed = config.init(&layout).unwrap();
    let mut again = resumed.from_bytes(&bytes).unwrap();
    assert_eq!(again, params);
    train(&mut optimizer, &layout, &mut params, 40);
    train(&mut resumed, &layout, &mut again, 40);
    assert_eq!(again, params);
    resumed.reset();
    let mut fresh = start(&layout);
    train(&mut resumed, &layout, &mut fresh, 70);
    let mut first = start(&layout);
    train(&mut config.init(&layout).unwrap(), &layout, &mut first, 70);
    assert_eq!(fresh, first);
}

#[test]
fn settings_of_the_other_optimizer_are_refused() {
    let refuse = |config: LearnedOptimizerConfig| config.init(&layout()).unwrap_err().to_string();
    let config = LearnedOptimizerConfig::new;
    assert!(refuse(config().with_compact_state()).starts_with("a compact state is a setting of"));
    assert!(refuse(config().with_initial_rate(0.1)).starts_with("an initial rate is"));
    assert!(refuse(config().with_averaging(None)).starts_with("an averaging of its own is"));
}
