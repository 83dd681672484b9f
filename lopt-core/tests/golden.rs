//! The reference against the golden vectors of an independent Python implementation.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod reference;

use lopt_core::config::{GlobalInput, HierarchicalRnnConfig};
use lopt_core::meta_params::MetaLayout;
use lopt_grad::Tape;
use reference::Reference;
use reference::number::{Number, Taped};
use reference::two_tensors::{TwoTensors, psi, start};
use reference::unroll::{Floor, Order, meta_loss, released_objectives, unroll};

const STEPS: usize = 5;

/// Numbers of one column of the table of golden vectors.
struct Golden {
    input: Vec<f64>,
    hidden: [f64; 3],
    direction: [f64; 3],
    log_step: [f64; 3],
    a_after_1: [f64; 3],
    b_after_1: [f64; 2],
    phi_after_1: Option<[f64; 3]>,
    gradient_decay: [f64; 3],
    rms_decay: [f64; 3],
    global: [f64; 2],
    a_after_2: [f64; 3],
    a_after_5: [f64; 3],
    b_after_5: [f64; 2],
    log_rate_after_5: [f64; 3],
    objectives: [f64; 4],
    loss_on_ratio: f64,
    loss_on_both: f64,
    gradient: [f64; 13],
}

/// Rows `dL/d...` of the table: block and flat index.
const GRADIENT_AT: [(&str, usize); 13] = [
    ("parameter.gates.weight", 0),
    ("parameter.candidate.weight", 3 * 10 + 2),
    ("tensor.candidate.weight", 5 * 20 + 7),
    ("global.gates.weight", 40 + 3),
    ("tensor_to_parameter.weight", 2 * 30 + 25),
    ("parameter.initial", 4),
    ("readout.rms_decay.weight", 1),
    ("readout.gradient_decay.bias", 0),
    ("readout.log_rate.weight", 0),
    ("readout.log_rate.bias", 0),
    ("shortcut.direction", 2),
    ("rate_momentum", 0),
    ("step_offset", 0),
];

fn near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(error <= tolerance, "{what}[{i}]: got {got}, expected {expected}");
    }
}

fn check_forward(config: &HierarchicalRnnConfig, golden: &Golden) {
    let psi = psi(config);
    let reference = Reference::new(config, &psi);
    let mut states = vec![start(&reference)];
    for n in 0..STEPS {
        let (_, next) = unroll(&reference, &TwoTensors, states[n].clone(), 1, Order::Second);
        states.push(next);
    }
    let near = |what: &str, got: &[f64], expected: &[f64]| near(what, got, expected, 1e-9);
    let (a, b) =
        (|n: usize| states[n].theta()[..3].to_vec(), |n: usize| states[n].theta()[3..].to_vec());
    let of_a = |n: usize, field: fn(&reference::state::Element<f64>) -> f64| -> Vec<f64> {
        states[n].tensors[0].elements.iter().map(field).collect()
    };
    let first = &states[1].tensors[0].elements[0];
    assert_eq!(first.inputs.len(), golden.input.len());
    near("x", &first.inputs, &golden.input);
    near("h_P", &first.hidden[..3], &golden.hidden);
    near("d", &of_a(1, |e| e.direction), &golden.direction);
    near("l", &of_a(1, |e| e.clipped_log_rate), &golden.log_step);
    near("A after 1", &a(1), &golden.a_after_1);
    near("B after 1", &b(1), &golden.b_after_1);
    if let Some(phi) = golden.phi_after_1 {
        near("phi", &of_a(1, |e| e.attended), &phi);
    }
    near("a", &of_a(1, |e| e.gradient_decay), &golden.gradient_decay);
    near("b", &of_a(1, |e| e.rms_decay), &golden.rms_decay);
    near("h_G", &states[1].global[..2], &golden.global);
    near("A after 2", &a(2), &golden.a_after_2);
    near("A after 5", &a(5), &golden.a_after_5);
    near("B after 5", &b(5), &golden.b_after_5);
    near("etabar after 5", &of_a(5, |e| e.log_rate), &golden.log_rate_after_5);

    let (losses, _) = unroll(&reference, &TwoTensors, states[0].clone(), STEPS, Order::Second);
    near("f", &losses, &[4.917_851_562_5]);
    near("f", &losses[1..], &golden.objectives);
    let objectives = released_objectives(&losses);
    near("L", &[meta_loss(&objectives, losses[0], Floor::OnRatio)], &[golden.loss_on_ratio]);
    near("L", &[meta_loss(&objectives, losses[0], Floor::OnBoth)], &[golden.loss_on_both]);
}

/// The table has central differences; they are good to the digits printed, `W_g^G` to three.
fn check_gradient(config: &HierarchicalRnnConfig, golden: &Golden) {
    let tape = Tape::new();
    let values = psi(config);
    let vars: Vec<Taped<'_>> =
        values.iter().map(|&x| Taped { tape: &tape, var: tape.variable(&[1], &[x]) }).collect();
    let reference = Reference::new(config, &vars);
    let start = start(&reference);
    let (losses, _) = unroll(&reference, &TwoTensors, start, STEPS, Order::Second);
    let objectives = released_objectives(&losses);
    let loss = meta_loss(&objectives, losses[0].value(), Floor::OnRatio);
    near("L", &[loss.value()], &[golden.loss_on_ratio], 1e-11);
    tape.backward(loss.var);
    for ((block, index), expected) in GRADIENT_AT.into_iter().zip(golden.gradient) {
        let range = reference.layout.block(block).unwrap().range.clone();
        let mut got = [0.0];
        tape.gradient_into(vars[range.start + index].var, &mut got);
        let tolerance = if block == "global.gates.weight" { 1e-3 } else { 1e-5 };
        near(block, &got, &[expected], tolerance * expected.abs());
    }
}

fn released() -> HierarchicalRnnConfig {
    HierarchicalRnnConfig {
        global_input: GlobalInput::MeanOfTensors,
        ..HierarchicalRnnConfig::released()
    }
}

fn golden_r() -> Golden {
    let mut input = vec![0.881_373_587; 4];
    input.extend([0.776_819_399_9; 3]);
    input.extend([0.0, 0.0, 0.0, 0.0, 0.6]);
    Golden {
        input,
        hidden: [0.214_758_828_4, 0.236_575_371_0, 0.138_612_536_9],
        direction: [1.132_845_500_4, -0.707_734_900_3, 1.102_620_688_7],
        log_step: [-2.771_002_973_4, -3.821_851_399_4, -4.802_042_615_8],
        a_after_1: [0.977_736_073_6, -0.495_136_778_9, 0.247_156_927_7],
        b_after_1: [0.331_126_281_9, -0.988_485_44],
        phi_after_1: None,
        gradient_decay: [0.873_185_614_7, 0.882_820_131_2, 0.877_006_220_3],
        rms_decay: [0.962_178_014_7, 0.960_793_706_8, 0.962_060_072_1],
        global: [-0.165_433_820_1, -0.058_342_873_0],
        a_after_2: [0.954_158_486_6, -0.490_294_739_8, 0.244_299_392_4],
        a_after_5: [0.875_025_975_4, -0.475_917_240_4, 0.235_536_704_6],
        b_after_5: [0.458_641_609_3, -0.940_291_072_8],
        log_rate_after_5: [-2.939_829_771_9, -3.966_633_174_8, -4.956_556_741_5],
        objectives: [4.679_399_084_0, 4.443_832_979_6, 4.211_192_573_7, 3.981_656_736_1],
        loss_on_ratio: -0.086_225_139_504,
        loss_on_both: -0.086_226_010_592,
        gradient: [
            1.885002e-5,
            4.995665e-4,
            -4.558668e-5,
            -3.8068e-8,
            -5.513566e-4,
            1.312808e-2,
            -1.46482e-7,
            4.024684e-5,
            -2.165137e-2,
            -9.179514e-2,
            1.677033e-3,
            7.043521e-4,
            -8.814454e-2,
        ],
    }
}

#[test]
fn released_inputs_without_attention() {
    check_forward(&released(), &golden_r());
    check_gradient(&released(), &golden_r());
}

#[test]
fn released_inputs_with_attention() {
    let config = HierarchicalRnnConfig { attention: true, ..released() };
    let golden = Golden {
        phi_after_1: Some([0.940_044_873_9, -0.476_932_820_8, 0.241_902_985_7]),
        a_after_2: [0.954_180_310_6, -0.490_294_690_2, 0.244_296_896_3],
        a_after_5: [0.875_265_269_9, -0.475_909_242_2, 0.235_515_075_2],
        b_after_5: [0.457_839_334_3, -0.940_099_354_3],
        log_rate_after_5: [-2.939_881_866_7, -3.966_682_687_6, -4.956_574_815_2],
        objectives: [4.679_399_084_0, 4.443_671_437_7, 4.210_740_413_0, 3.980_801_248_8],
        loss_on_ratio: -0.086_284_907_726,
        loss_on_both: -0.086_285_778_872,
        gradient: [
            1.886637e-5,
            5.115821e-4,
            -4.612238e-5,
            -3.852e-8,
            -5.538777e-4,
            1.317149e-2,
            -3.76938e-7,
            9.538300e-5,
            -2.167142e-2,
            -9.193747e-2,
            1.712805e-3,
            7.053222e-4,
            -8.818944e-2,
        ],
        ..golden_r()
    };
    check_forward(&config, &golden);
    check_gradient(&config, &golden);
}

#[test]
fn paper() {
    let config = HierarchicalRnnConfig::paper();
    let golden = Golden {
        input: vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.6],
        hidden: [0.149_012_845_5, 0.207_151_344_3, 0.175_435_620_3],
        direction: [1.084_076_94, -0.757_255_205, 1.118_633_873_4],
        log_step: [-2.820_391_522_1, -3.840_032_047_3, -4.779_443_748_4],
        a_after_1: [0.979_721_211_5, -0.494_890_246_9, 0.247_049_712_8],
        b_after_1: [0.329_721_779_7, -0.989_082_702_7],
        phi_after_1: Some([0.943_008_040_8, -0.476_633_500_1, 0.242_016_596_6]),
        gradient_decay: [0.869_600_548_6, 0.879_892_090_1, 0.868_547_637_4],
        rms_decay: [0.965_009_672_6, 0.962_477_153_6, 0.963_917_302_8],
        global: [-0.165_459_760_9, -0.058_889_712_5],
        a_after_2: [0.959_818_196_9, -0.489_798_090_9, 0.243_961_641_6],
        a_after_5: [0.901_207_898_4, -0.474_748_648_2, 0.233_889_137_9],
        b_after_5: [0.435_940_635_1, -0.949_199_860_6],
        log_rate_after_5: [-2.964_590_413_9, -3.980_343_485_8, -4.945_097_789_6],
        objectives: [4.691_940_856_8, 4.479_578_588_0, 4.279_467_234_0, 4.090_534_013_2],
        loss_on_ratio: -0.077_267_068_780,
        loss_on_both: -0.077_267_931_483,
        gradient: [
            -8.080107e-6,
            7.237350e-4,
            -3.449084e-5,
            -3.5876e-8,
            -5.549515e-4,
            7.714671e-3,
            -5.54599e-7,
            7.860824e-5,
            -1.160479e-2,
            -8.208990e-2,
            -7.666138e-4,
            4.323347e-4,
            -7.891259e-2,
        ],
    };
    check_forward(&config, &golden);
    check_gradient(&config, &golden);
}

#[test]
fn global_rnn_that_sees_the_last_tensor_only() {
    let config = HierarchicalRnnConfig::released();
    let psi = psi(&config);
    let reference = Reference::new(&config, &psi);
    let (_, after_1) = unroll(&reference, &TwoTensors, start(&reference), 1, Order::Second);
    near("h_G", &after_1.global, &[-0.165_444_023_3, -0.058_456_054_2], 1e-9);
    let (losses, last) = unroll(&reference, &TwoTensors, start(&reference), STEPS, Order::Second);
    near("A0", &last.theta(), &[0.875_024_850_1], 1e-9);
    let loss = meta_loss(&released_objectives(&losses), losses[0], Floor::OnRatio);
    near("L", &[loss], &[-0.086_225_375_553], 1e-11);
}

#[test]
fn counts_of_the_specification() {
    let count = |config: &HierarchicalRnnConfig| MetaLayout::new(config).len();
    let released = HierarchicalRnnConfig::released();
    assert_eq!((count(&released), released.state_floats()), (8349, 21));
    let attentive = HierarchicalRnnConfig { attention: true, ..released };
    assert_eq!((count(&attentive), attentive.state_floats()), (8363, 22));
    let paper = HierarchicalRnnConfig::paper();
    assert_eq!((count(&paper), paper.state_floats()), (8093, 22));
    assert_eq!(count(&HierarchicalRnnConfig { attention: false, ..paper }), 8079);
}
