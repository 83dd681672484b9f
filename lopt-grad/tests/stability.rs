//! Extreme arguments, ties and special points: no overflow, and the documented subgradients.

use lopt_grad::{Dual, F32x16, Real, Tape, Var};

fn value_and_gradient<R: Real>(
    x: &[R],
    f: impl for<'t> Fn(Var<'t, R>) -> Var<'t, R>,
) -> (Vec<R>, Vec<R>) {
    let tape = Tape::new();
    let v = tape.variable(&[x.len()], x);
    let y = f(v);
    tape.backward(y.sum());
    let mut g = vec![R::default(); x.len()];
    tape.gradient_into(v, &mut g);
    (y.value(), g)
}

/// Runs a check on all scalars, tangent one.
fn on_all(x: &[f32], f: impl for<'t> Fn(Scalars<'t>) -> Scalars<'t> + Copy) -> Vec<(f64, f64)> {
    let (value, g) = value_and_gradient(x, |v| f(Scalars::F32(v)).f32());
    let want: Vec<_> = value.iter().zip(&g).map(|(y, g)| (f64::from(*y), f64::from(*g))).collect();
    let duals: Vec<_> = x.iter().map(|&re| Dual { re, eps: 1.0 }).collect();
    let (value, g) = value_and_gradient(&duals, |v| f(Scalars::Dual(v)).dual());
    for ((y, g), want) in value.iter().zip(&g).zip(&want) {
        assert_eq!((f64::from(y.re), f64::from(g.re)), *want);
        assert!(y.eps.is_finite() && g.eps.is_finite(), "tangents {} {}", y.eps, g.eps);
    }
    let lanes: Vec<_> =
        x.iter().map(|x| Dual { re: F32x16::splat(*x), eps: F32x16::splat(1.0) }).collect();
    let (value, g) = value_and_gradient(&lanes, |v| f(Scalars::Lanes(v)).lanes());
    for ((y, g), want) in value.iter().zip(&g).zip(&want) {
        assert!((y.lane(3) - want.0).abs() < 1e-5 * want.0.abs().max(1.0), "{y:?} {want:?}");
        assert!((g.lane(3) - want.1).abs() < 1e-5, "{g:?} {want:?}");
        assert!(y.eps.0[2].is_finite() && g.eps.0[2].is_finite(), "tangents {y:?} {g:?}");
    }
    want
}

/// The same variable on three kinds of tape.
#[derive(Clone, Copy)]
enum Scalars<'t> {
    F32(Var<'t, f32>),
    Dual(Var<'t, Dual<f32>>),
    Lanes(Var<'t, Dual<F32x16>>),
}

macro_rules! unwrap {
    ($($name:ident $kind:ident $scalar:ty),*) => {$(
        fn $name(self) -> Var<'t, $scalar> {
            match self {
                Self::$kind(v) => v,
                _ => unreachable!("the scalar does not change"),
            }
        }
    )*};
}

impl<'t> Scalars<'t> {
    unwrap!(f32 F32 f32, dual Dual Dual<f32>, lanes Lanes Dual<F32x16>);
}

/// Applies one expression to whichever variable it is.
macro_rules! each {
    (|$v:ident| $body:expr) => {
        |scalars| match scalars {
            Scalars::F32($v) => Scalars::F32($body),
            Scalars::Dual($v) => Scalars::Dual($body),
            Scalars::Lanes($v) => Scalars::Lanes($body),
        }
    };
}

#[test]
fn sigmoid_and_softplus_do_not_overflow() {
    let x = [-1e4, -100.0, -30.0, 0.0, 30.0, 100.0, 1e4];
    let y = on_all(&x, each!(|v| v.sigmoid()));
    assert_eq!((y[0], y[3].0, y[6]), ((0.0, 0.0), 0.5, (1.0, 0.0)));
    let y = on_all(&x, each!(|v| v.softplus()));
    assert_eq!((y[0], y[6]), ((0.0, 0.0), (1e4, 1.0)));
    on_all(&x, each!(|v| v.tanh()));
    on_all(&x, each!(|v| v.asinh()));
}

#[test]
fn softmaxes_do_not_overflow() {
    let x = [1e4, -1e4, 9999.0, 0.0];
    let y = on_all(&x, each!(|v| v.log_softmax().slice(0, 0, 3)));
    assert!((y[0].0 + 0.313_261_7).abs() < 1e-6);
    assert!((y[1].0 + 20000.313).abs() < 0.01);
    let y = on_all(&x, each!(|v| v.softmax()));
    assert!((y[0].0 + y[2].0 - 1.0).abs() < 1e-6);
    let y = on_all(&x, each!(|v| v.log_sum_exp() + 0.0 * v));
    assert!((y[0].0 - 10000.313).abs() < 1e-2);
}

#[test]
fn subgradients_at_kinks() {
    let zero_slope = |y: Vec<(f64, f64)>| assert_eq!(y[0], (0.0, 0.0));
    zero_slope(on_all(&[0.0], each!(|v| v.sqrt())));
    zero_slope(on_all(&[0.0], each!(|v| v.abs())));
    zero_slope(on_all(&[0.0], each!(|v| v.relu())));
    // Ties: the first operand, the first element, the first pixel.
    let y = on_all(&[2.0], each!(|v| v.maximum(v * 1.0 + v - v)));
    assert_eq!(y[0].0, 2.0);
    let tape = Tape::<f32>::new();
    let (a, b) = (tape.variable(&[1], &[1.0]), tape.variable(&[1], &[1.0]));
    tape.backward(a.maximum(b) + a.minimum(b));
    let mut g = [0.0];
    tape.gradient_into(a, &mut g);
    assert_eq!(g, [2.0]);
    tape.gradient_into(b, &mut g);
    assert_eq!(g, [0.0]);
    let (_, g) = value_and_gradient(&[3.0_f32, 5.0, 5.0, 1.0, 1.0], |v| v.max() + v.min());
    assert_eq!(g, [0.0, 1.0, 0.0, 1.0, 0.0]);
    let (_, g) = value_and_gradient(&[7.0_f32; 4], |v| v.reshape(&[1, 2, 2, 1]).max_pool2d(2));
    assert_eq!(g, [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn extrema_are_found_lane_by_lane() {
    let x = [F32x16::from_lanes(|l| l as f32), F32x16::splat(7.0)];
    let (y, g) = value_and_gradient(&x, |v| v.max());
    for l in 0..16 {
        assert_eq!(y[0].0[l], (l as f32).max(7.0));
        assert_eq!(g[0].0[l], if l >= 7 { 1.0 } else { 0.0 });
        assert_eq!(g[0].0[l] + g[1].0[l], 1.0);
    }
}

#[test]
fn an_untouched_variable_has_gradient_zero() {
    let tape = Tape::<f64>::new();
    let (x, y) = (tape.variable(&[2], &[1.0, 2.0]), tape.variable(&[1], &[3.0]));
    tape.backward(x.sum());
    let mut g = [9.0];
    tape.gradient_into(y, &mut g);
    assert_eq!(g, [0.0]);
    let mut g = [0.0];
    tape.gradient_into(tape.scalar(1.0), &mut g);
    assert_eq!(g, [0.0]);
    // Nor does it keep the gradient of another loss on the same tape.
    for (loss, want) in [(y.sum(), 1.0), (x.sum(), 0.0)] {
        tape.backward(loss);
        tape.gradient_into(y, &mut g);
        assert_eq!(g, [want]);
    }
}

#[test]
fn an_indefinite_matrix_gives_nan() {
    let tape = Tape::<f64>::new();
    let a = tape.variable(&[2, 2], &[1.0, 2.0, 2.0, 1.0]);
    let x = a.solve_spd(tape.constant(&[2, 1], &[1.0, 1.0]));
    assert!(x.value().iter().any(|x| x.is_nan()));
}
