//! Errors of the lanes' elementary functions in units in the last place, against `f64`.

use lopt_grad::{Arithmetic, F32x16, Level, Tape, Var, fix_level};

type Lanes = for<'t> fn(Var<'t, F32x16>) -> Var<'t, F32x16>;

/// Name, function, exact function, range, allowed error.
type Row = (&'static str, Lanes, fn(f64) -> f64, f64, f64, f64);

/// Name, function, the standard library's.
type Twin = (&'static str, Lanes, fn(f32) -> f32);

/// Distance in units in the last place of the exact value, subnormals counted as the least normal.
fn ulps(got: f32, want: f64) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let rounded = want as f32;
    if got == rounded {
        return 0.0;
    }
    let magnitude = rounded.abs().clamp(f32::MIN_POSITIVE, f32::MAX);
    let ulp = f64::from(magnitude) - f64::from(f32::from_bits(magnitude.to_bits() - 1));
    (f64::from(got) - want).abs() / ulp
}

/// The largest error over `points` spread evenly over `from..to`.
fn worst(f: Lanes, exact: fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let points = 200_000;
    let x: Vec<f32> = (0..points)
        .map(|i| (from + (to - from) * f64::from(i) / f64::from(points)) as f32)
        .collect();
    let x: Vec<F32x16> = x.as_chunks::<16>().0.iter().map(|x| F32x16(*x)).collect();
    let mut worst = 0.0_f64;
    for level in Level::ALL {
        fix_level(level);
        let tape = Tape::new();
        let y = f(tape.constant(&[x.len()], &x)).value();
        for (x, y) in x.iter().zip(y) {
            for (x, y) in x.0.into_iter().zip(y.0) {
                worst = worst.max(ulps(y, exact(f64::from(x))));
            }
        }
    }
    worst
}

#[test]
fn ulp_table() {
    let sigmoid: fn(f64) -> f64 = |x| 1.0 / (1.0 + (-x).exp());
    let softplus: fn(f64) -> f64 = |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let table: &[Row] = &[
        ("exp", |x| x.exp(), f64::exp, -87.0, 88.7, 2.0),
        ("ln", |x| x.ln(), f64::ln, 1e-6, 3.0, 3.0),
        ("ln", |x| x.ln(), f64::ln, 3.0, 1e30, 2.0),
        ("tanh", |x| x.tanh(), f64::tanh, -1.0, 1.0, 6.0),
        ("tanh", |x| x.tanh(), f64::tanh, -20.0, 20.0, 6.0),
        ("sigmoid", |x| x.sigmoid(), sigmoid, -80.0, 20.0, 4.0),
        ("softplus", |x| x.softplus(), softplus, -80.0, 100.0, 4.0),
        ("asinh", |x| x.asinh(), f64::asinh, -3.0, 3.0, 6.0),
        ("asinh", |x| x.asinh(), f64::asinh, -1e20, 1e20, 4.0),
        ("sqrt", |x| x.sqrt(), f64::sqrt, 0.0, 100.0, 0.6),
        ("powf", |x| x.powf(0.3), |x| x.powf(0.3_f32.into()), 0.0, 100.0, 1.0),
    ];
    for (name, f, exact, from, to, allowed) in table {
        let worst = worst(*f, *exact, *from, *to);
        assert!(worst <= *allowed, "{name} on {from}..{to}: {worst} ulp");
    }
}

#[test]
fn sine_and_cosine_are_absolutely_accurate() {
    for (f, exact) in [
        ((|x| x.sin()) as Lanes, f64::sin as fn(f64) -> f64),
        ((|x| x.cos()) as Lanes, f64::cos as fn(f64) -> f64),
    ] {
        for range in [1.0, 10.0, 1000.0, 8192.0, 1e7] {
            let points: Vec<F32x16> = (0..5000)
                .map(|i| F32x16(core::array::from_fn(|l| (i * 16 + l) as f32 * range / 8e4)))
                .collect();
            for level in Level::ALL {
                fix_level(level);
                let tape = Tape::new();
                let y = f(tape.constant(&[points.len()], &points)).value();
                for (x, y) in points.iter().zip(y) {
                    for (x, y) in x.0.into_iter().zip(y.0) {
                        let error = (f64::from(y) - exact(f64::from(x))).abs();
                        assert!(error < 2e-7, "{error:e} at {x} {level:?}");
                    }
                }
            }
        }
    }
}

/// Every function of one element.
const FUNCTIONS: &[Twin] = &[
    ("exp", |x| x.exp(), f32::exp),
    ("ln", |x| x.ln(), f32::ln),
    ("sqrt", |x| x.sqrt(), f32::sqrt),
    ("square", |x| x.square(), |x| x * x),
    ("abs", |x| x.abs(), f32::abs),
    ("sin", |x| x.sin(), f32::sin),
    ("cos", |x| x.cos(), f32::cos),
    ("tanh", |x| x.tanh(), f32::tanh),
    ("sigmoid", |x| x.sigmoid(), |x| Arithmetic::sigmoid(x)),
    ("softplus", |x| x.softplus(), |x| Arithmetic::softplus(x)),
    ("relu", |x| x.relu(), |x| Arithmetic::relu(x)),
    ("asinh", |x| x.asinh(), f32::asinh),
    ("recip", |x| x.recip(), f32::recip),
    ("powf", |x| x.powf(1.5), |x| x.powf(1.5)),
    ("powi", |x| x.powi(3), |x| x * x * x),
    ("max", |x| x.max() + 0.0 * x, |x| x),
    ("min", |x| x.min() + 0.0 * x, |x| x),
    ("softmax", |x| x.softmax(), |_| 1.0 / 16.0),
    ("maximum", |x| x.maximum(x - 1.0), |x| x),
    ("minimum", |x| x.minimum(x + 1.0), |x| x),
];

#[test]
fn nan_goes_through_and_other_lanes_do_not_notice() {
    for level in Level::ALL {
        fix_level(level);
        for (name, f, scalar) in FUNCTIONS {
            for at in 0..16 {
                let mut x = [0.5; 16];
                x[at] = f32::NAN;
                let tape = Tape::new();
                let y = f(tape.constant(&[16], &[F32x16(x); 16])).value();
                for (l, y) in y[3].0.into_iter().enumerate() {
                    assert_eq!(y.is_nan(), l == at, "{name} {level:?}");
                    assert!(l == at || (y - scalar(0.5)).abs() < 1e-6, "{name} gives {y}");
                }
            }
        }
    }
}

#[test]
fn infinities_and_zeros_agree_with_the_standard_library() {
    for level in Level::ALL {
        fix_level(level);
        for (name, f, scalar) in &FUNCTIONS[..15] {
            for x in [0.0, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, -200.0, 200.0] {
                let tape = Tape::new();
                let y = f(tape.constant(&[1], &[F32x16::splat(x)])).item().0[5];
                let want = scalar(x);
                let same = y == want
                    || (y.is_nan() && want.is_nan())
                    || (y - want).abs() <= 1e-6 * want.abs().max(1e-30);
                assert!(same, "{name}({x}) = {y} instead of {want}, {level:?}");
            }
        }
    }
}
