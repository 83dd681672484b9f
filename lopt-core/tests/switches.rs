//! The reference under every switch: meta-gradients against finite differences, and the laws that
//! each switch must obey.

mod reference;

use lopt_core::config::{HierarchicalRnnConfig, Normalization, RelativeRate, StepOffset};
use lopt_core::rng::{normal, stream};
use lopt_grad::Tape;
use reference::Reference;
use reference::number::{Number, Taped};
use reference::state::State;
use reference::two_tensors::{TwoTensors, psi, start};
use reference::unroll::{Floor, Order, Problem, meta_loss, unroll};
use reference::variants::{LARGEST_FALLS, STEPS_FADE, variants};

const STEPS: usize = 4;

/// The two tensors with the loss multiplied by a factor.
struct Scaled(f64);

impl Problem for Scaled {
    fn loss<N: Number>(&self, theta: &[N]) -> N {
        TwoTensors.loss(theta).times(self.0)
    }

    fn gradient<N: Number>(&self, theta: &[N]) -> Vec<N> {
        TwoTensors.gradient(theta).into_iter().map(|g| g.times(self.0)).collect()
    }
}

fn run(config: &HierarchicalRnnConfig, psi: &[f64], problem: &impl Problem) -> Vec<State<f64>> {
    let reference = Reference::new(config, psi);
    let mut states = vec![start(&reference)];
    for n in 0..STEPS {
        states.push(unroll(&reference, problem, states[n].clone(), 1, Order::Second).1);
    }
    states
}

/// Mean log loss over all points of the run, the last one included.
fn loss<N: Number>(config: &HierarchicalRnnConfig, psi: &[N]) -> N {
    let reference = Reference::new(config, psi);
    let (mut losses, end) =
        unroll(&reference, &TwoTensors, start(&reference), STEPS, Order::Second);
    losses.push(TwoTensors.loss(&end.theta()));
    meta_loss(&losses, losses[0].value(), Floor::OnBoth)
}

/// `d loss / d psi` through the tape.
fn gradient(config: &HierarchicalRnnConfig, psi: &[f64]) -> Vec<f64> {
    let tape = Tape::new();
    let variable = |&x: &f64| Taped { tape: &tape, var: tape.variable(&[1], &[x]) };
    let vars: Vec<Taped<'_>> = psi.iter().map(variable).collect();
    tape.backward(loss(config, &vars).var);
    let mut gradient = vec![0.0; psi.len()];
    for (slot, number) in gradient.iter_mut().zip(&vars) {
        tape.gradient_into(number.var, std::slice::from_mut(slot));
    }
    gradient
}

#[test]
fn meta_gradients_agree_with_finite_differences() {
    const H: f64 = 1e-5;
    for (name, config) in variants().into_iter().filter(|(name, _)| *name != LARGEST_FALLS) {
        let psi = psi(&config);
        let gradient = gradient(&config, &psi);
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(norm > 1e-6, "{name}: {norm}");
        for direction in 0..3 {
            let rng = &mut stream(5, &[direction]);
            let along: Vec<f64> = psi.iter().map(|_| normal(rng)).collect();
            let at = |h: f64| {
                let moved: Vec<f64> = psi.iter().zip(&along).map(|(x, d)| x + h * d).collect();
                loss(&config, &moved)
            };
            let difference = (at(H) - at(-H)) / (2.0 * H);
            let exact: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
            let error = (difference - exact).abs();
            assert!(error < 1e-6 * norm, "{name}: {difference} by differences, {exact} by tape");
        }
    }
}

/// No input sees the size of the loss: only the tiny epsilons do, and one that is not tiny here.
#[test]
fn the_scale_of_the_loss_does_not_matter() {
    for (name, config) in variants().into_iter().filter(|(name, _)| *name != STEPS_FADE) {
        let psi = psi(&config);
        let (one, other) = (run(&config, &psi, &Scaled(1.0)), run(&config, &psi, &Scaled(1e3)));
        for (a, b) in one[STEPS].theta().into_iter().zip(other[STEPS].theta()) {
            assert!((a - b).abs() < 1e-9, "{name}: {a} {b}");
        }
    }
}

#[test]
fn directions_have_the_length_of_the_switch() {
    for (normalization, expected) in
        [(Normalization::Rms, [1.0, 1.0]), (Normalization::MeanNorm, [3_f64.sqrt(), 2_f64.sqrt()])]
    {
        let config = HierarchicalRnnConfig { normalization, ..HierarchicalRnnConfig::paper() };
        let states = run(&config, &psi(&config), &TwoTensors);
        for (tensor, expected) in states[1].tensors.iter().zip(expected) {
            let square = |pick: fn(&reference::state::Element<f64>) -> f64| {
                let squares = tensor.elements.iter().map(|e| pick(e) * pick(e));
                (squares.sum::<f64>() / tensor.elements.len() as f64).sqrt()
            };
            assert!((square(|e| e.direction) - expected).abs() < 1e-12);
            assert!((square(|e| e.attended_direction) - expected).abs() < 1e-12);
        }
    }
}

/// Adding `c` to every log rate and `-c` as the other switch's offset describes the same optimizer.
#[test]
fn the_two_offsets_are_one_optimizer_in_two_notations() {
    let on_parameter = HierarchicalRnnConfig::paper();
    let on_attention = HierarchicalRnnConfig { step_offset: StepOffset::Attention, ..on_parameter };
    let psi = psi(&on_parameter);
    let mut other_psi = psi.clone();
    let reference = Reference::new(&on_parameter, &psi);
    let at = reference.layout.step_offset.start;
    other_psi[at] = -psi[at];
    let other = Reference::new(&on_attention, &other_psi);
    let begin = start(&reference);
    let mut shifted = begin.clone();
    for e in shifted.tensors.iter_mut().flat_map(|t| &mut t.elements) {
        e.log_rate += psi[at];
    }
    let (_, end) = unroll(&reference, &TwoTensors, begin, STEPS, Order::Second);
    let (_, other_end) = unroll(&other, &TwoTensors, shifted, STEPS, Order::Second);
    for (a, b) in end.elements().zip(other_end.elements()) {
        assert!((a.theta - b.theta).abs() < 1e-12 && (a.attended - b.attended).abs() < 1e-12);
    }
}

#[test]
fn previous_scale_makes_the_fastest_input_adam_like() {
    let config = HierarchicalRnnConfig::appendix_d();
    let states = run(&config, &psi(&config), &TwoTensors);
    let grads = TwoTensors.gradient(&states[2].attended());
    for ((old, new), g) in states[2].elements().zip(states[3].elements()).zip(grads) {
        // eq. (17) with the raw gradient at scale -1, whose decay is b^2
        let b = old.rms_decay * old.rms_decay;
        let raw = b * old.mean_squares[0] + (1.0 - b) * (g * g + 1e-12);
        let m = new.averages[0] / (raw + 1e-16).sqrt();
        assert!(
            (new.mean_squares[0] - raw).abs() < 1e-12 * raw && (new.inputs[0] - m).abs() < 1e-12
        );
    }
}

#[test]
fn one_timescale_takes_the_gradient_as_it_is() {
    let config = HierarchicalRnnConfig { timescales: 1, ..HierarchicalRnnConfig::released() };
    let states = run(&config, &psi(&config), &TwoTensors);
    let grads = TwoTensors.gradient(&states[2].theta());
    for (e, g) in states[3].elements().zip(grads) {
        assert_eq!(e.averages, [g]);
        // m, no products, gamma = 0 of a single scale, relative rate
        assert_eq!((e.inputs.len(), e.inputs[1]), (3, 0.0));
    }
}

#[test]
fn fixed_decays_start_at_zero_and_then_stay() {
    let config =
        HierarchicalRnnConfig { learnable_decay: false, ..HierarchicalRnnConfig::released() };
    let states = run(&config, &psi(&config), &TwoTensors);
    let decays = |n: usize| states[n].elements().map(|e| (e.gradient_decay, e.rms_decay));
    assert!(decays(0).all(|pair| pair == (0.0, 0.0)));
    assert!((1..=STEPS).all(|n| decays(n).all(|pair| pair == (0.89, 0.93))));
}

#[test]
fn rate_inputs_read_the_rate_before_the_step() {
    let config = HierarchicalRnnConfig {
        extreme_indicator: true,
        rate_shortcut: true,
        relative_rate: RelativeRate::Tensor,
        ..HierarchicalRnnConfig::paper()
    };
    let psi = psi(&config);
    let reference = Reference::new(&config, &psi);
    let mut state = start(&reference);
    for (e, log_rate) in state.tensors[0].elements.iter_mut().zip([-15.0, 2.0, -4.0]) {
        e.log_rate = log_rate;
    }
    let next = reference.step(&state, &TwoTensors.gradient(&state.attended()));
    let (lowest, usual) = (1e-6_f64.ln(), 1e-3_f64.ln());
    let mean = (-15.0 + 2.0 - 4.0) / 3.0;
    // below the usual range the indicator is negative, above it positive, inside it zero
    let expected = [(-15.0, -15.0 - lowest), (2.0, 2.0), (-4.0, 0.0)];
    for (e, (rate, indicator)) in next.tensors[0].elements.iter().zip(expected) {
        let got = &e.inputs[e.inputs.len() - 3..];
        for (got, expected) in got.iter().zip([rate - mean, indicator, rate - usual]) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
    }
}

#[test]
fn the_clip_holds_the_value_and_lets_the_derivative_pass() {
    let config = HierarchicalRnnConfig { max_log_rate: 2.0, ..HierarchicalRnnConfig::released() };
    let psi = psi(&config);
    let states = run(&config, &psi, &TwoTensors);
    assert!(states[1].elements().all(|e| (e.clipped_log_rate + 2.0).abs() < 1e-12));
    let reference = Reference::new(&config, &psi);
    let bias = reference.layout.log_rate_bias.start;
    assert!(gradient(&config, &psi)[bias].abs() > 1e-3);
}
