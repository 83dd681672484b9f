//! A coordinate network (Sitzmann et al. 2020, "SIREN"): a network of sines that holds an image.
//!
//! `cargo run --release -p lopt-problems --example coordinate_network`
//!
//! The network gets the coordinates of a point and gives the brightness there. The loss is the mean
//! square of the errors at some points of the image, all of them at every step; other points of the
//! image tell whether it was learned in between.

pub(crate) mod compare;

use lopt_core::Layout;
use lopt_core::rng::{Rng, normal, stream, uniform};
use lopt_grad::{Tape, Var};
use lopt_problems::{Array, Instance, Problem, Scalar};
use std::error::Error;
use std::f64::consts::PI;

/// What the inputs of every sine are multiplied by: how fine the network's first waves are.
const FREQUENCY: f64 = 10.0;

/// A network of sines from `(x, y)`, each from -1 to 1, to a brightness.
#[derive(Debug, Clone)]
pub(crate) struct Siren {
    /// Hidden layers and units in each.
    pub hidden: (usize, usize),
    /// Points of the image to learn.
    pub points: usize,
}

impl Siren {
    fn widths(&self) -> Vec<usize> {
        let (layers, units) = self.hidden;
        [vec![2], vec![units; layers], vec![1]].concat()
    }
}

/// Brightness of the image: twelve waves of up to some three periods across it.
fn brightness(x: f64, y: f64) -> f64 {
    let mut rng = stream(1, &[]);
    let wave = |_| {
        let [along_x, along_y] = [(); 2].map(|()| 2.0 * PI * 0.75 * normal(&mut rng));
        let phase = uniform(&mut rng, 0.0, 2.0 * PI);
        (along_x * x + along_y * y + phase).sin()
    };
    (0..12).map(wave).sum::<f64>() / 12.0_f64.sqrt()
}

impl Problem for Siren {
    fn name(&self) -> String {
        "siren".to_owned()
    }

    fn layout(&self) -> Layout {
        compare::dense_layout(&self.widths())
    }

    /// Points `(N, 2)` and the brightness there, `(N, 1)`.
    fn instance(&self, rng: &mut Rng) -> Instance {
        let points: Vec<[f64; 2]> =
            (0..self.points).map(|_| [(); 2].map(|()| uniform(rng, -1.0, 1.0))).collect();
        let values = points.iter().map(|&[x, y]| brightness(x, y) as f32).collect();
        let flat = points.concat().iter().map(|&x| x as f32).collect();
        let constants =
            vec![Array::new([self.points, 2], flat), Array::new([self.points, 1], values)];
        Instance { constants, dataset: None }
    }

    /// As in section 3.2 of the paper, so that every layer's sines have inputs of the same spread.
    fn init(&self, _: &Instance, rng: &mut Rng) -> Vec<f32> {
        let mut params = Vec::new();
        for (i, pair) in self.widths().windows(2).enumerate() {
            let inputs = pair[0] as f64;
            let most = if i == 0 { 1.0 / inputs } else { (6.0 / inputs).sqrt() / FREQUENCY };
            params.extend((0..pair[0] * pair[1]).map(|_| uniform(rng, -most, most) as f32));
            let most = 1.0 / inputs.sqrt();
            params.extend((0..pair[1]).map(|_| uniform(rng, -most, most) as f32));
        }
        params
    }

    fn loss<'t, R: Scalar>(
        &self,
        _: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        _: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let mut outputs = constants[0];
        for (i, layer) in params.chunks_exact(2).enumerate() {
            let inputs = if i == 0 { outputs } else { (FREQUENCY * outputs).sin() };
            outputs = inputs.matmul(layer[0]) + layer[1];
        }
        (outputs - constants[1]).square().mean()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    compare::print("An image by its coordinates", Siren { hidden: (2, 64), points: 1024 }, 1500, 3)
}
