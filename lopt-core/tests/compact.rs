//! The compact state against the `f32` state: size, determinism, and what it does to a run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use lopt_core::meta_params::MetaLayout;
use lopt_core::rng::{normal, stream};
use lopt_core::simd::Level;
use lopt_core::{HierarchicalRnn, HierarchicalRnnConfig, Layout, Optimizer, TensorShape};

/// A weight matrix, a bias, a tensor of several jobs, a scalar.
fn layout() -> Layout {
    let shapes = [("w", 33 * 65), ("b", 33), ("large", 5000), ("s", 1)];
    Layout::new(shapes.map(|(name, n)| TensorShape::new(name, [n])).to_vec()).unwrap()
}

/// Curvatures over three decades.
fn curvature(i: usize) -> f32 {
    10.0_f32.powf((i % 7) as f32 * 0.5 - 1.5)
}

/// Runs `steps` on `sum h (x - 1)^2 / 2`; returns the parameters.
fn run(optimizer: &mut HierarchicalRnn, len: usize, steps: usize) -> Vec<f32> {
    let mut params = start(len);
    for _ in 0..steps {
        let at = optimizer.attended(&params).to_vec();
        let grads: Vec<f32> =
            at.iter().enumerate().map(|(i, x)| curvature(i) * (x - 1.0)).collect();
        optimizer.step(&mut params, &grads).unwrap();
    }
    params
}

fn start(len: usize) -> Vec<f32> {
    let mut rng = stream(5, &[]);
    (0..len).map(|_| normal(&mut rng) as f32).collect()
}

fn loss(params: &[f32]) -> f64 {
    let terms = params.iter().enumerate();
    terms.map(|(i, &x)| f64::from(curvature(i)) * (f64::from(x) - 1.0).powi(2) / 2.0).sum()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn configs() -> [HierarchicalRnnConfig; 3] {
    [
        HierarchicalRnnConfig::recommended(),
        HierarchicalRnnConfig::released(),
        HierarchicalRnnConfig::paper(),
    ]
}

fn random(config: &HierarchicalRnnConfig, layout: &Layout, level: Level) -> HierarchicalRnn {
    let psi = MetaLayout::new(config).initialize(config, &mut stream(1, &[]));
    HierarchicalRnn::new(config, &psi, layout, level)
}

#[test]
fn the_state_is_as_small_as_it_says() {
    let layout = Layout::single(64_000).unwrap();
    let config = HierarchicalRnnConfig::recommended();
    let wide = random(&config, &layout, Level::detect());
    let compact = wide.clone().with_compact_state();
    // one group of four Tensor RNNs, 16 lanes each; the Global RNN in rows of the same size
    let above = 4 * 4 * 16 * (config.tensor_hidden + config.global_hidden + 1);
    assert_eq!(wide.state_bytes(), 88 * layout.len() + above);
    assert_eq!(compact.state_bytes(), 42 * layout.len() + above);
    for config in configs() {
        let narrow = config.parameter_hidden + config.timescales + config.mean_squares();
        let compact = random(&config, &layout, Level::detect()).with_compact_state();
        let above = 4 * 4 * 16 * (config.tensor_hidden + config.global_hidden + 1);
        assert_eq!(compact.state_bytes(), (2 * narrow + 4) * layout.len() + above);
        assert!(compact.state_bytes() <= 48 * layout.len() + above, "{config:?}");
    }
}

#[test]
fn threads_and_repetition_change_no_bit() {
    let layout = layout();
    for config in configs() {
        let runs = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut optimizer = random(&config, &layout, Level::detect()).with_compact_state();
                let params = run(&mut optimizer, layout.len(), 20);
                (bits(&params), bits(&optimizer.log_rates()))
            })
        });
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{config:?}");
    }
}

/// The first step knows no decays (they are zero, so that averages are the gradient itself) and no
/// rounded number: it is the step of the `f32` state to the bit.
#[test]
fn the_first_step_is_exact() {
    let layout = layout();
    for config in configs() {
        for level in [Level::Portable, Level::detect()] {
            let mut wide = random(&config, &layout, level);
            let mut compact = wide.clone().with_compact_state();
            assert_eq!(bits(&wide.log_rates()), bits(&compact.log_rates()));
            let len = layout.len();
            assert_eq!(bits(&run(&mut wide, len, 1)), bits(&run(&mut compact, len, 1)));
            assert_eq!(bits(&wide.log_rates()), bits(&compact.log_rates()));
        }
    }
}

#[test]
fn reset_begins_again() {
    let layout = layout();
    let mut optimizer = HierarchicalRnn::pretrained(&layout).unwrap().with_compact_state();
    let rates = optimizer.log_rates();
    let first = run(&mut optimizer, layout.len(), 30);
    assert_ne!(bits(&rates), bits(&optimizer.log_rates()));
    optimizer.reset();
    assert_eq!(bits(&rates), bits(&optimizer.log_rates()));
    assert_eq!(bits(&first), bits(&run(&mut optimizer, layout.len(), 30)));
    let copy = run(&mut optimizer.clone().with_initial_rate(1e-2), layout.len(), 30);
    assert_ne!(bits(&first), bits(&copy));
}

#[test]
fn close_to_the_f32_state_over_fifty_steps() {
    let layout = layout();
    let mut wide = HierarchicalRnn::pretrained(&layout).unwrap();
    let mut compact = wide.clone().with_compact_state();
    let steps = 50;
    let a = run(&mut wide, layout.len(), steps);
    let b = run(&mut compact, layout.len(), steps);
    let (begin, a_loss, b_loss) = (loss(&start(layout.len())), loss(&a), loss(&b));
    assert!(a_loss < 0.5 * begin, "{begin} -> {a_loss}");
    assert!((b_loss / a_loss).ln().abs() < 0.1, "{a_loss} {b_loss}");
    let moved = |x: &[f32], y: &[f32]| -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
    };
    let way = moved(&a, &start(layout.len()));
    assert!(moved(&a, &b) < 0.05 * way, "{} of {way}", moved(&a, &b));
}

/// Rosenbrock's valley in many copies: the mean loss over them goes down alike.
#[test]
fn a_curved_valley_goes_as_well() {
    let layout = Layout::new(vec![TensorShape::new("xy", [200])]).unwrap();
    let train = |mut optimizer: HierarchicalRnn| -> f64 {
        let mut params: Vec<f32> = start(200).iter().map(|x| 0.3 * x - 0.5).collect();
        for _ in 0..300 {
            let at = optimizer.attended(&params).to_vec();
            let mut grads = vec![0.0; 200];
            for (p, g) in at.chunks_exact(2).zip(grads.chunks_exact_mut(2)) {
                let bend = p[1] - p[0] * p[0];
                g[0] = -2.0 * (1.0 - p[0]) - 40.0 * bend * p[0];
                g[1] = 20.0 * bend;
            }
            optimizer.step(&mut params, &grads).unwrap();
        }
        let value = |p: &[f32]| {
            let (x, y) = (f64::from(p[0]), f64::from(p[1]));
            (1.0 - x).powi(2) + 10.0 * (y - x * x).powi(2)
        };
        params.chunks_exact(2).map(value).sum::<f64>() / 100.0
    };
    let wide = HierarchicalRnn::pretrained(&layout).unwrap();
    let compact = train(wide.clone().with_compact_state());
    let wide = train(wide);
    assert!(wide < 0.5, "{wide}");
    assert!((compact / wide).ln().abs() < 0.3, "{wide} {compact}");
}

#[test]
fn a_single_parameter_converges() {
    // 1 of 64 places used: the others run along
    let layout = Layout::single(1).unwrap();
    let mut optimizer = HierarchicalRnn::pretrained(&layout).unwrap().with_compact_state();
    let params = run(&mut optimizer, 1, 3000);
    assert!((params[0] - 1.0).abs() < 0.1, "{params:?}");
}
