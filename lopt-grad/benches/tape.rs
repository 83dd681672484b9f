//! Nanoseconds of typical operations: the least of many repetitions, one thread.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use lopt_grad::{Dual, F32x16, Level, Real, Tape, Var, fix_level};

/// A dual or real number for element `i`, tangents included.
trait Sample: Real {
    fn sample(i: usize) -> Self;
}
/// Uneven numbers between -1 and 1.
fn wave(frequency: f32, i: usize, lane: usize) -> f32 {
    (i as f32 * frequency + lane as f32).sin()
}

impl Sample for f32 {
    fn sample(i: usize) -> Self {
        Self::from_lanes(|lane| wave(0.37, i, lane))
    }
}
impl Sample for F32x16 {
    fn sample(i: usize) -> Self {
        Self::from_lanes(|lane| wave(0.37, i, lane))
    }
}
impl<R: Sample> Sample for Dual<R> {
    fn sample(i: usize) -> Self {
        Self { re: R::sample(i), eps: R::sample(i + 1) }
    }
}

/// Times the forward and the backward pass of a loss of one variable of shape `x`.
fn time<R: Sample>(
    name: &str,
    constants: &[&[usize]],
    x: &[&[usize]],
    loss: impl for<'t> Fn(&'t Tape<R>, &[Var<'t, R>], &[Var<'t, R>]) -> Var<'t, R>,
) {
    let mut tape = Tape::<R>::new();
    for shape in constants {
        tape.constant_from(shape, |i| R::from_lanes(|lane| wave(0.7, i, lane)));
    }
    tape.freeze();
    let values: Vec<Vec<R>> =
        x.iter().map(|shape| (0..shape.iter().product()).map(R::sample).collect()).collect();
    let (mut forward, mut backward) = (f64::INFINITY, f64::INFINITY);
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.3 {
        tape.clear();
        let start = Instant::now();
        let c: Vec<_> = (0..constants.len()).map(|i| tape.frozen(i)).collect();
        let x: Vec<_> =
            x.iter().zip(&values).map(|(shape, values)| tape.variable(shape, values)).collect();
        let loss = loss(&tape, &c, &x);
        let middle = Instant::now();
        tape.backward(loss);
        let end = Instant::now();
        forward = forward.min((middle - start).as_nanos() as f64);
        backward = backward.min((end - middle).as_nanos() as f64);
    }
    println!("{name:44} {forward:12.0} {backward:12.0}");
}

fn lanes<R: Sample>(scalar: &str) {
    let name = |what: &str| format!("{scalar} {what}");
    time::<R>(&name("W(20,20) x sum"), &[&[20, 20]], &[&[20, 1]], |_, c, x| {
        c[0].matmul(x[0]).sum()
    });
    time::<R>(&name("|W(20,20) x - y|^2"), &[&[20, 20], &[20, 1]], &[&[20, 1]], |_, c, x| {
        (c[0].matmul(x[0]) - c[1]).square().sum()
    });
    time::<R>(&name("X(100,10) W(10,2) sum"), &[&[100, 10]], &[&[10, 2]], |_, c, x| {
        c[0].matmul(x[0]).sum()
    });
    time::<R>(
        &name("mlp 100x10-20-2 log-softmax"),
        &[&[100, 10], &[100, 2]],
        &[&[10, 20], &[20], &[20, 2], &[2]],
        |_, c, x| {
            let hidden = (c[0].matmul(x[0]) + x[1]).tanh();
            ((hidden.matmul(x[2]) + x[3]).log_softmax() * c[1]).sum()
        },
    );
    time::<R>(&name("rosenbrock 2"), &[], &[&[2]], |_, _, x| {
        let (a, b) = (x[0].slice(0, 0, 1), x[0].slice(0, 1, 1));
        (1.0 - a).square() + (b - a.square()).square() * 100.0
    });
    time::<R>(&name("max pool (4,8,8,4)"), &[], &[&[4, 8, 8, 4]], |_, _, x| {
        x[0].max_pool2d(2).sum()
    });
    time::<R>(&name("conv (1,8,8,4) 3x3x4x4"), &[], &[&[1, 8, 8, 4], &[3, 3, 4, 4]], |_, _, x| {
        x[0].conv2d(x[1]).sum()
    });
    time::<R>(&name("solve_spd 10"), &[&[10, 10]], &[&[20, 10], &[10, 1]], |_, c, x| {
        (x[0].t().matmul(x[0]) + c[0].t().matmul(c[0])).solve_spd(x[1]).sum()
    });
    let n = 1000;
    let x: &[&[usize]] = &[&[n]];
    time::<R>(&name("add 1000"), x, x, |_, c, x| (x[0] + c[0]).sum());
    time::<R>(&name("exp 1000"), &[], x, |_, _, x| x[0].exp().sum());
    time::<R>(&name("tanh 1000"), &[], x, |_, _, x| x[0].tanh().sum());
    time::<R>(&name("square ln 1000"), &[], x, |_, _, x| x[0].square().ln().sum());
    time::<R>(&name("cos 1000"), &[], x, |_, _, x| x[0].cos().sum());
    time::<R>(&name("softplus 1000"), &[], x, |_, _, x| x[0].softplus().sum());
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("{:44} {:>12} {:>12}", "nanoseconds", "forward", "backward");
    for level in Level::ALL.into_iter().rev().filter(|level| level.available()) {
        fix_level(level);
        println!("{level:?}");
        lanes::<F32x16>("16");
        lanes::<Dual<F32x16>>("dual 16");
    }
    fix_level(Level::widest());
    lanes::<f32>("f32");
    time::<f32>(
        "f32 conv (64,28,28,8) 5x5x8x8",
        &[],
        &[&[64, 28, 28, 8], &[5, 5, 8, 8]],
        |_, _, x| x[0].conv2d(x[1]).sum(),
    );
    time::<f32>("f32 (784,200)(200,8)", &[&[784, 200]], &[&[200, 8]], |_, c, x| {
        c[0].matmul(x[0]).sum()
    });
    time::<f32>("f32 (784,8)(8,200)", &[&[8, 200]], &[&[784, 8]], |_, c, x| {
        x[0].matmul(c[0]).sum()
    });
    time::<f32>("f32 max pool (64,28,28,8)", &[], &[&[64, 28, 28, 8]], |_, _, x| {
        x[0].max_pool2d(2).sum()
    });
    time::<f32>("f32 (128,784)(784,20)", &[&[128, 784]], &[&[784, 20]], |_, c, x| {
        c[0].matmul(x[0]).sum()
    });
}
