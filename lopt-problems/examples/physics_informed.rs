//! A physics-informed network (Raissi et al. 2019): a network that solves a differential equation.
//!
//! `cargo run --release -p lopt-problems --example physics_informed`
//!
//! Burgers' equation `u_t + u u_x = nu u_xx` on `-1 <= x <= 1`, `0 <= t <= 1`, with
//! `u(x, 0) = -sin(pi x)` and `u(-1, t) = u(1, t) = 0`. The loss is the mean square of what is left
//! of the equation at some points, plus that of the errors at the edges. Derivatives of the network
//! by its inputs are carried forward through the layers beside the values, so that the tape needs
//! only one sweep back.

pub(crate) mod compare;

use lopt_core::Layout;
use lopt_core::rng::{Rng, normal, uniform};
use lopt_grad::{Tape, Var};
use lopt_problems::{Array, Instance, Problem, Scalar};
use std::error::Error;
use std::f64::consts::PI;

/// The viscosity `nu`, ten times that of Raissi et al.: the solution has a front at `x = 0`, which a few
/// hundred points still see.
const VISCOSITY: f64 = 0.1 / PI;

/// A network of tanh layers from `(x, t)` to `u`.
#[derive(Debug, Clone)]
pub(crate) struct Burgers {
    /// Hidden layers and units in each.
    pub hidden: (usize, usize),
    /// Points at which the equation is asked for.
    pub points: usize,
}

impl Burgers {
    fn widths(&self) -> Vec<usize> {
        let (layers, units) = self.hidden;
        [vec![2], vec![units; layers], vec![1]].concat()
    }

    /// The network at points `(N, 2)`, and its derivatives: `[u, u_x, u_t, u_xx]`, each `(N, 1)`.
    pub(crate) fn derivatives<'t, R: Scalar>(
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        points: Var<'t, R>,
    ) -> [Var<'t, R>; 4] {
        let rows = points.shape()[0];
        let direction = |x: f64, t: f64| {
            tape.constant_from(&[rows, 2], |i| R::from_f64(if i % 2 == 0 { x } else { t }))
        };
        let mut flow = [points, direction(1.0, 0.0), direction(0.0, 1.0), direction(0.0, 0.0)];
        for (i, layer) in params.chunks_exact(2).enumerate() {
            if i > 0 {
                // with s = tanh(a): s_x = (1 - s^2) a_x, s_xx = (1 - s^2) (a_xx - 2 s a_x^2)
                let [a, by_x, by_t, by_xx] = flow;
                let s = a.tanh();
                let slope = 1.0 - s.square();
                let second = slope * (by_xx - 2.0 * s * by_x.square());
                flow = [s, slope * by_x, slope * by_t, second];
            }
            // one product for all four: a derivative passes through an affine map without its bias
            let all = Var::concat(&flow, 0).matmul(layer[0]);
            flow = [0, 1, 2, 3].map(|part| all.slice(0, part * rows, rows));
            flow[0] = flow[0] + layer[1];
        }
        flow
    }
}

impl Problem for Burgers {
    fn name(&self) -> String {
        "burgers".to_owned()
    }

    fn layout(&self) -> Layout {
        compare::dense_layout(&self.widths())
    }

    /// Points inside, `(N, 2)`; points on the edges, `(N / 4, 2)`, and `u` there, `(N / 4, 1)`.
    fn instance(&self, rng: &mut Rng) -> Instance {
        let (inside, edge) = (self.points, self.points / 4);
        let mut point = |i: usize| match i % 4 {
            0 | 1 => [uniform(rng, -1.0, 1.0), 0.0],
            2 => [-1.0, uniform(rng, 0.0, 1.0)],
            _ => [1.0, uniform(rng, 0.0, 1.0)],
        };
        let edges: Vec<[f64; 2]> = (0..edge).map(&mut point).collect();
        let values = edges.iter().map(|&[x, t]| if t == 0.0 { -(PI * x).sin() } else { 0.0 });
        let values: Vec<f32> = values.map(|u| u as f32).collect();
        let insides = (0..inside).map(|_| [uniform(rng, -1.0, 1.0), uniform(rng, 0.0, 1.0)]);
        let flat = |points: Vec<[f64; 2]>| points.concat().iter().map(|&x| x as f32).collect();
        let constants = vec![
            Array::new([inside, 2], flat(insides.collect())),
            Array::new([edge, 2], flat(edges)),
            Array::new([edge, 1], values),
        ];
        Instance { constants, dataset: None }
    }

    /// Weights as Glorot & Bengio 2010 draw them, biases 0.
    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let mut params = Vec::new();
        for pair in self.widths().windows(2) {
            let deviation = (2.0 / (pair[0] + pair[1]) as f64).sqrt();
            params.extend((0..pair[0] * pair[1]).map(|_| (deviation * normal(rng)) as f32));
            params.resize(params.len() + pair[1], 0.0);
        }
        params
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let [u, u_x, u_t, u_xx] = Self::derivatives(tape, params, constants[0]);
        let equation = u_t + u * u_x - VISCOSITY * u_xx;
        let mut at_edge = constants[1];
        for (i, layer) in params.chunks_exact(2).enumerate() {
            let inputs = if i == 0 { at_edge } else { at_edge.tanh() };
            at_edge = inputs.matmul(layer[0]) + layer[1];
        }
        equation.square().mean() + (at_edge - constants[2]).square().mean()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    compare::print("Burgers' equation", Burgers { hidden: (3, 32), points: 512 }, 2000, 3)
}
