//! Generated grey images of discs, bars and squares, whose pixels are to be told apart.

use std::f64::consts::TAU;

use lopt_core::rng::{Rng, below, normal, uniform};

use super::labelled::LabelledImages;
use crate::instance::Array;

/// Images `(count, size, size, 1)` of one to four shapes, each darker or brighter than the ground,
/// which has a slope, and all under noise. Shapes cover each other and reach over the edge.
///
/// The label of a pixel is 0 for the ground, 1 for a disc, 2 for a bar, 3 for a square.
pub(super) fn shapes(size: usize, count: usize, rng: &mut Rng) -> LabelledImages {
    let mut values = Vec::with_capacity(count * size * size);
    let mut labels = Vec::with_capacity(count * size * size);
    for _ in 0..count {
        let shapes: Vec<Shape> = (0..=below(rng, 4)).map(|_| Shape::draw(size, rng)).collect();
        let slope = [(); 2].map(|()| uniform(rng, -SLOPE, SLOPE) / size as f64);
        let noise = uniform(rng, NOISE.0, NOISE.1);
        for y in 0..size {
            for x in 0..size {
                let (x, y) = (x as f64, y as f64);
                let on_top = shapes.iter().find(|shape| shape.covers(x, y));
                let level = on_top.map_or(0.0, |shape| shape.level);
                let ground = slope[0] * x + slope[1] * y;
                values.push((ground + level + noise * normal(rng)) as f32);
                labels.push(on_top.map_or(0, |shape| shape.kind as usize));
            }
        }
    }
    let pixels = Array::new([count, size, size, 1], values);
    LabelledImages { pixels, labels, classes: CLASSES }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Disc = 1,
    Bar = 2,
    Square = 3,
}

struct Shape {
    kind: Kind,
    /// In pixels.
    centre: [f64; 2],
    /// Half the extents along and across, in pixels.
    half: [f64; 2],
    /// Sine and cosine of the angle.
    turn: (f64, f64),
    /// Brightness above the ground.
    level: f64,
}

impl Shape {
    fn draw(size: usize, rng: &mut Rng) -> Self {
        let kind = [Kind::Disc, Kind::Bar, Kind::Square][below(rng, 3)];
        let centre = [(); 2].map(|()| uniform(rng, 1.0, size as f64 - 2.0));
        let large = uniform(rng, 0.0, 1.0);
        let half = match kind {
            Kind::Disc => [2.0 + 2.0 * large; 2],
            Kind::Bar => [3.0 + 3.0 * large, 1.2],
            Kind::Square => [1.7 + 1.7 * large; 2],
        };
        let strength = uniform(rng, LEVEL.0, LEVEL.1);
        let level = if below(rng, 2) == 0 { strength } else { -strength };
        Self { kind, centre, half, turn: uniform(rng, 0.0, TAU).sin_cos(), level }
    }

    /// Whether the middle of the pixel is inside.
    fn covers(&self, x: f64, y: f64) -> bool {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let (sin, cos) = self.turn;
        let (along, across) = (cos * x + sin * y, cos * y - sin * x);
        match self.kind {
            Kind::Disc => along.hypot(across) <= self.half[0],
            Kind::Bar | Kind::Square => along.abs() <= self.half[0] && across.abs() <= self.half[1],
        }
    }
}

/// The ground and the three kinds of shapes.
pub(super) const CLASSES: usize = 4;
/// Largest difference of the ground from one edge to the other.
const SLOPE: f64 = 0.5;
/// Range of the difference between shape and ground.
const LEVEL: (f64, f64) = (0.5, 1.5);
/// Range of the standard deviation of the noise.
const NOISE: (f64, f64) = (0.2, 0.5);

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;

    #[test]
    fn every_class_occurs_and_the_ground_most() {
        let images = shapes(16, 200, &mut stream(1, &[]));
        let mut shares = [0.0; CLASSES];
        images.labels.iter().for_each(|&label| shares[label] += 1.0 / images.labels.len() as f64);
        assert!(shares[0] > 0.5 && shares.iter().all(|&share| share > 0.04), "{shares:?}");
    }

    /// Without noise and slope, a shape would be seen by its level alone: so it is on average.
    #[test]
    fn shapes_differ_from_the_ground() {
        let images = shapes(16, 200, &mut stream(1, &[]));
        let mean_square = |of_ground: bool| {
            let pixels = images.pixels.values.iter().zip(&images.labels);
            let chosen = pixels.filter(|(_, label)| (**label == 0) == of_ground);
            let squares: Vec<f32> = chosen.map(|(x, _)| x * x).collect();
            squares.iter().sum::<f32>() / squares.len() as f32
        };
        assert!(mean_square(false) > 3.0 * mean_square(true));
    }

    #[test]
    fn a_turned_bar_covers_what_is_along_it() {
        let turn = (TAU / 8.0).sin_cos();
        let bar = Shape { kind: Kind::Bar, centre: [5.0, 5.0], half: [4.0, 1.0], turn, level: 1.0 };
        assert!(bar.covers(7.0, 7.0) && !bar.covers(7.0, 3.0) && !bar.covers(8.5, 8.5));
    }
}
