//! Random small programs: the tape's gradient along a direction is the tangent of dual numbers.

use lopt_grad::{Dual, Real, Tape, Var};

use super::bytes::Bytes;

/// Shapes of the variables; small numbers that fit each other now and then.
const SHAPES: [&[usize]; 4] = [&[3], &[2, 3], &[3, 2], &[1, 3, 4, 2]];
/// Larger results are not made.
const MOST_ELEMENTS: usize = 64;
const MOST_OPERATIONS: usize = 16;

/// Any program: `gradient . direction` by the sweep back is the derivative carried forwards.
pub fn tape_matches_dual(data: &[u8]) {
    let mut bytes = Bytes(data);
    let elements: usize = SHAPES.iter().map(|shape| shape.iter().product::<usize>()).sum();
    let x: Vec<f64> = (0..elements).map(|_| f64::from(bytes.byte().cast_signed()) / 64.0).collect();
    let v: Vec<f64> = (0..elements).map(|i| (1.0 + 0.7 * i as f64).cos()).collect();

    let plain = Tape::<f64>::new();
    let vars = evaluate(&plain, bytes.0, |i| x[i]);
    let loss = vars[vars.len() - 1];
    plain.backward(loss);

    let duals = Tape::<Dual<f64>>::new();
    let twins = evaluate(&duals, bytes.0, |i| Dual { re: x[i], eps: v[i] });
    let twin = twins[twins.len() - 1].item();
    if !loss.item().is_finite() || !twin.eps.is_finite() {
        return;
    }
    // what cancels in the middle of the program counts too
    let mut scale = 1.0_f64;
    for (var, twin) in vars.iter().zip(&twins) {
        let tangents = twin.value();
        let product = |g: Option<&[f64]>| {
            let g = g.unwrap_or_default();
            g.iter().zip(&tangents).map(|(g, t)| (g * t.eps).abs()).sum::<f64>()
        };
        scale = scale.max(plain.with_gradient(*var, product));
    }
    let mut along = 0.0;
    let mut rest = &v[..];
    for var in &vars[..SHAPES.len()] {
        let (own, others) = rest.split_at(var.shape().elements());
        let product = |g: Option<&[f64]>| -> f64 {
            g.unwrap_or_default().iter().zip(own).map(|(g, v)| g * v).sum()
        };
        along += plain.with_gradient(*var, product);
        rest = others;
    }
    assert!(
        (loss.item() - twin.re).abs() <= 1e-9 * loss.item().abs().max(1.0),
        "{loss:?} {twin:?}"
    );
    let gap = (along - twin.eps).abs();
    assert!(gap <= 1e-9 * scale, "backwards {along}, forwards {}, of {scale}", twin.eps);
}

/// All values of the program in order, the loss last.
fn evaluate<'t, R: Real>(
    tape: &'t Tape<R>,
    program: &[u8],
    start: impl Fn(usize) -> R,
) -> Vec<Var<'t, R>> {
    let mut first = 0;
    let mut vars: Vec<Var<'t, R>> = Vec::new();
    for shape in SHAPES {
        vars.push(tape.variable_from(shape, |i| start(first + i)));
        first += shape.iter().product::<usize>();
    }
    for instruction in program.chunks_exact(3).take(MOST_OPERATIONS) {
        let operand = |byte: u8| vars[vars.len() - 1 - usize::from(byte) % vars.len()];
        let (a, b) = (operand(instruction[1]), operand(instruction[2]));
        if let Some(result) = apply(instruction[0], instruction[2], a, b)
            && result.shape().elements() <= MOST_ELEMENTS
        {
            vars.push(result);
        }
    }
    let last = vars[vars.len() - 1];
    let weights = tape.constant_from(&last.shape(), |i| R::from_f64((i as f64 * 0.61).cos()));
    vars.push((last * weights).sum());
    vars
}

/// One operation, where the shapes allow it; what grows is held by `asinh`, which has no kink.
fn apply<'t, R: Real>(
    operation: u8,
    variant: u8,
    a: Var<'t, R>,
    b: Var<'t, R>,
) -> Option<Var<'t, R>> {
    let (sa, sb) = (a.shape(), b.shape());
    let (variant, rank) = (usize::from(variant), sa.len());
    let axis = variant % rank;
    let matrices = rank == 2 && sb.len() == 2;
    let fits = |allowed: bool| allowed.then_some(());
    let both = || fits(broadcasts(&sa, &sb));
    let window = 1 + variant % 2;
    let image = || fits(rank == 4 && sa[1] >= window && sa[2] >= window);
    Some(match operation % 38 {
        0 => a * (variant as f64 / 64.0 - 1.0),
        1 => a + (variant as f64 / 64.0 - 1.0),
        2 => a.exp().asinh(),
        3 => (a.square() + 0.5).ln(),
        4 => a.abs().sqrt(),
        5 => a.square().asinh(),
        6 => a.abs(),
        7 => a.sin(),
        8 => a.cos(),
        9 => a.tanh(),
        10 => a.sigmoid(),
        11 => a.relu(),
        12 => a.softplus(),
        13 => a.asinh(),
        14 => 1.0 / (a.square() + 0.5),
        15 => (a.square() + 0.5).powf(0.3).asinh(),
        16 => (a.square() + 0.5).powi(variant as i32 % 9 - 4).asinh(),
        17 => both().map(|()| (a + b).asinh())?,
        18 => both().map(|()| (a - b).asinh())?,
        19 => both().map(|()| (a * b).asinh())?,
        20 => both().map(|()| (a / (b.square() + 0.5)).asinh())?,
        21 => both().map(|()| a.maximum(b))?,
        22 => both().map(|()| a.minimum(b))?,
        23 => a.sum_axis(axis).asinh(),
        24 => a.mean_axis(axis),
        25 => a.max(),
        26 => a.min(),
        27 => fits(sa == sb).map(|()| a.dot(b).asinh())?,
        28 => fits(matrices && sa[1] == sb[0]).map(|()| a.matmul(b).asinh())?,
        29 => fits(rank == 2).map(|()| a.t())?,
        30 => a.reshape(&[sa.elements()]),
        31 => a.slice(axis, sa[axis] / 2, sa[axis] - sa[axis] / 2),
        32 => Var::concat(&[a, a], axis),
        33 => fits(rank == 2).map(|()| a.gather_rows(&[sa[0] - 1, 0]))?,
        34 => match variant % 3 {
            0 => a.softmax(),
            1 => a.log_softmax().asinh(),
            _ => a.log_sum_exp(),
        },
        35 => image().map(|()| a.max_pool2d(window))?,
        36 => image().map(|()| a.avg_pool2d(window))?,
        _ => fits(rank == 4 && sb.len() == 4 && sa[3] == sb[2] && sa[1] >= sb[0] && sa[2] >= sb[1])
            .map(|()| a.conv2d(b).asinh())?,
    })
}

/// Whether trailing axes are equal or one.
fn broadcasts(a: &[usize], b: &[usize]) -> bool {
    a.iter().rev().zip(b.iter().rev()).all(|(&a, &b)| a == b || a == 1 || b == 1)
}
