//! Two-dimensional test functions of the optimization literature.
//!
//! Formulas and starting boxes are those of the released meta-training set (Wichrowska et al.
//! 2017, appendix A); Ackley is arranged so that the loss stays non-negative in single
//! precision.

use std::f64::consts::PI;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, uniform};
use lopt_grad::{Tape, Var};

use crate::instance::Instance;
use crate::problem::{Problem, Scalar, normals, single};

/// A test function of `(x, y)`; the starting box is given with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Literature {
    /// `20 (1 - exp(-0.2 sqrt((x^2 + y^2) / 2))) + e - exp((cos 2 pi x + cos 2 pi y) / 2)`.
    ///
    /// Minimum 0 at the origin, start in `[-32.768, 32.768]^2`. Ripples on a plateau that leads to
    /// a narrow funnel: teaches to look past small-scale gradients.
    Ackley,
    /// `(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2`.
    ///
    /// Minimum 0 at `(3, 0.5)`, start in `[-4.5, 4.5]^2`. Steep walls around flat valleys: teaches
    /// to cope with gradients of very different sizes.
    Beale,
    /// `(x + 2 y - 7)^2 + (2 x + y - 5)^2`.
    ///
    /// Minimum 0 at `(1, 3)`, start in `[-10, 10]^2`. A bowl away from the origin.
    Booth,
    /// `(y - 5.1 x^2 / (4 pi^2) + 5 x / pi - 6)^2 + 10 (1 - 1 / (8 pi)) cos x + 10`.
    ///
    /// Minimum 0.397887 at `(-pi, 12.275)`, `(pi, 2.275)` and `(3 pi, 2.475)`, start in
    /// `[-5, 10] x [0, 15]`. A curved valley with three equal ends.
    Branin,
    /// `ln(exp(x + 3 y - 0.1) + exp(x - 3 y - 0.1) + exp(-x - 0.1) + 1)`.
    ///
    /// Minimum 1.26955 at `(-0.3466, 0)`, start standard normal. Smooth and convex, with curvature
    /// that vanishes far out.
    LogSumExp,
    /// `0.26 (x^2 + y^2) - 0.48 x y`.
    ///
    /// Minimum 0 at the origin, start in `[-10, 10]^2`. A long diagonal valley of condition 25.
    Matyas,
    /// `2 - sin x sin(x^2 / pi)^10 - sin y sin(2 y^2 / pi)^10`.
    ///
    /// Minimum 0.193377 on the starting box `[0, pi]^2`, at `(2.18532, 1.57080)`. Large plateaus
    /// with hardly any gradient between narrow valleys.
    Michalewicz,
    /// `(1 - x)^2 + 100 (y - x^2)^2`.
    ///
    /// Minimum 0 at `(1, 1)`, start in `[-5, 10]^2`. A steep curved valley with a flat floor: fast
    /// descent into it, then a long way along it.
    Rosenbrock,
    /// `0.5 (x^4 - 16 x^2 + 5 x + y^4 - 16 y^2 + 5 y) + 80`.
    ///
    /// Minimum 1.66767 at `(-2.90353, -2.90353)`, start in `[-5, 5]^2`. Four basins of different
    /// depth.
    StyblinskiTang,
    /// `x^2 - y^2`, in no training list.
    ///
    /// No minimum, and the one problem whose loss becomes negative. Start standard normal. Shows
    /// how an optimizer leaves a saddle.
    Saddle,
}

impl Literature {
    /// The nine functions of the training lists, in their order.
    pub const TRAINING: [Self; 9] = [
        Self::Ackley,
        Self::Beale,
        Self::Booth,
        Self::Branin,
        Self::LogSumExp,
        Self::Matyas,
        Self::Michalewicz,
        Self::Rosenbrock,
        Self::StyblinskiTang,
    ];

    /// The box of starting points, `[x, y]` each as `(low, high)`; `None` if they are normal.
    fn starting_box(self) -> Option<[(f64, f64); 2]> {
        let square = |half: f64| Some([(-half, half); 2]);
        match self {
            Self::Ackley => square(32.768),
            Self::Beale => square(4.5),
            Self::Booth | Self::Matyas => square(10.0),
            Self::Branin => Some([(-5.0, 10.0), (0.0, 15.0)]),
            Self::Michalewicz => Some([(0.0, PI); 2]),
            Self::Rosenbrock => Some([(-5.0, 10.0); 2]),
            Self::StyblinskiTang => square(5.0),
            Self::LogSumExp | Self::Saddle => None,
        }
    }
}

impl Problem for Literature {
    fn name(&self) -> String {
        let name = match self {
            Self::Ackley => "ackley",
            Self::Beale => "beale",
            Self::Booth => "booth",
            Self::Branin => "branin",
            Self::LogSumExp => "log-sum-exp",
            Self::Matyas => "matyas",
            Self::Michalewicz => "michalewicz",
            Self::Rosenbrock => "rosenbrock",
            Self::StyblinskiTang => "styblinski-tang",
            Self::Saddle => "saddle",
        };
        name.to_owned()
    }

    fn layout(&self) -> Layout {
        single([2])
    }

    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        match self.starting_box() {
            Some(bounds) => bounds.map(|(low, high)| uniform(rng, low, high) as f32).to_vec(),
            None => normals(rng, 2),
        }
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        _: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (x, y) = (params[0].slice(0, 0, 1), params[0].slice(0, 1, 1));
        match self {
            Self::Ackley => ackley(tape, x, y),
            Self::Beale => beale(x, y),
            Self::Booth => (x + y * 2.0 - 7.0).square() + (x * 2.0 + y - 5.0).square(),
            Self::Branin => branin(x, y),
            Self::LogSumExp => {
                let terms = [x + y * 3.0 - 0.1, x - y * 3.0 - 0.1, -x - 0.1, x * 0.0];
                Var::concat(&terms, 0).log_sum_exp()
            }
            Self::Matyas => (x.square() + y.square()) * 0.26 - x * y * 0.48,
            Self::Michalewicz => {
                let ridge = |v: Var<'t, R>, axis: f64| {
                    v.sin() * (v.square() * (axis / PI)).sin().powi(MICHALEWICZ_STEEPNESS)
                };
                2.0 - ridge(x, 1.0) - ridge(y, 2.0)
            }
            Self::Rosenbrock => (1.0 - x).square() + (y - x.square()).square() * 100.0,
            Self::StyblinskiTang => {
                let well = |v: Var<'t, R>| v.powi(4) - v.square() * 16.0 + v * 5.0;
                (well(x) + well(y)) * 0.5 + 80.0
            }
            Self::Saddle => x.square() - y.square(),
        }
    }

    fn minimum(&self) -> Option<f64> {
        match self {
            Self::Ackley | Self::Beale | Self::Booth | Self::Matyas | Self::Rosenbrock => Some(0.0),
            Self::Branin => Some(0.397_887),
            Self::LogSumExp => Some(1.269_55),
            Self::Michalewicz => Some(0.193_377),
            Self::StyblinskiTang => Some(1.667_67),
            Self::Saddle => None,
        }
    }
}

/// Written as a sum of two differences that cannot round below zero.
fn ackley<'t, R: Scalar>(tape: &'t Tape<R>, x: Var<'t, R>, y: Var<'t, R>) -> Var<'t, R> {
    let radius = ((x.square() + y.square()) * 0.5).sqrt();
    let ripple = ((x * (2.0 * PI)).cos() + (y * (2.0 * PI)).cos()) * 0.5;
    (1.0 - (radius * -0.2).exp()) * 20.0 + (tape.scalar(1.0).exp() - ripple.exp())
}

fn beale<'t, R: Scalar>(x: Var<'t, R>, y: Var<'t, R>) -> Var<'t, R> {
    let term = |constant: f64, power: i32| (constant - x + x * y.powi(power)).square();
    term(1.5, 1) + term(2.25, 2) + term(2.625, 3)
}

fn branin<'t, R: Scalar>(x: Var<'t, R>, y: Var<'t, R>) -> Var<'t, R> {
    let valley = y - x.square() * (5.1 / (4.0 * PI * PI)) + x * (5.0 / PI) - 6.0;
    valley.square() + x.cos() * (10.0 * (1.0 - 1.0 / (8.0 * PI))) + 10.0
}

/// Exponent that sets how narrow the valleys are; the literature's usual value is 20.
const MICHALEWICZ_STEEPNESS: i32 = 10;
